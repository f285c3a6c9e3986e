"""A venue, or one of its markets, may take only some orders for a while."""

from __future__ import annotations

from decimal import Decimal

import pytest
from engine_world import ETH, START_US, Venue

from sandbox.clock import VirtualClock
from sandbox.events import BookChanged, ModeChanged, Trade
from sandbox.model import EndReason, OrderStatus, Refusal, RefusalReason, Side, TimeInForce, VenueMode
from sandbox.world import World

TAKEN = {  # mode -> of a market order, a limit order, a post-only order, a cancel
    VenueMode.OPEN: (True, True, True, True),
    VenueMode.LIMIT_ONLY: (False, True, True, True),
    VenueMode.POST_ONLY: (False, False, True, True),
    VenueMode.CANCEL_ONLY: (False, False, False, True),
    VenueMode.MAINTENANCE: (False, False, False, False),
}


def takes(venue: Venue, verb: str, resting: int) -> bool:
    """Whether the venue takes one command now."""
    try:
        match verb:
            case "market":
                venue.buy("B", "0.1")
            case "limit":
                venue.buy("B", "0.1", "2400")
            case "post_only":
                venue.buy("B", "0.1", "2400", tif=TimeInForce.POST_ONLY)
            case _:
                venue.exchange.cancel("A", order_id=resting)
    except Refusal as refusal:
        if refusal.reason is not RefusalReason.VENUE_MODE:
            raise
        return False
    return True


@pytest.mark.parametrize("mode", list(VenueMode))
def test_each_mode_takes_exactly_what_it_says(mode: VenueMode) -> None:
    venue = Venue()
    resting = venue.sell("A", "1", "2500")
    venue.sell("C", "1", "2501")

    venue.exchange.set_mode(mode)

    verbs = ("market", "limit", "post_only", "cancel")
    assert tuple(takes(venue, verb, resting.id) for verb in verbs) == TAKEN[mode]


def test_a_markets_own_mode_holds_where_it_is_stricter() -> None:
    venue = Venue()
    venue.exchange.set_mode(VenueMode.CANCEL_ONLY, ETH)
    venue.exchange.set_mode(VenueMode.POST_ONLY)

    assert venue.exchange.mode(ETH) is VenueMode.CANCEL_ONLY
    assert venue.exchange.mode("BTC/USD") is VenueMode.POST_ONLY
    assert venue.exchange.mode() is VenueMode.POST_ONLY


def test_an_order_accepted_before_the_mode_changed_ends_when_it_is_executed() -> None:
    venue = Venue("paradex")
    order = venue.exchange.accept(venue.request("A", Side.BUY, "1", "2500"))
    venue.exchange.set_mode(VenueMode.CANCEL_ONLY)

    venue.exchange.execute(order.id)

    assert (order.status, order.end_reason) == (OrderStatus.REJECTED, EndReason.SYSTEM)


def test_an_amend_is_refused_like_an_order() -> None:
    venue = Venue()
    order = venue.buy("A", "1", "2400")
    venue.exchange.set_mode(VenueMode.CANCEL_ONLY)

    with pytest.raises(Refusal) as refused:
        venue.exchange.amend("A", order.id, price=Decimal(2401), quantity=Decimal(1))

    assert refused.value.reason is RefusalReason.VENUE_MODE


def test_listeners_hear_of_a_mode() -> None:
    venue = Venue()
    venue.exchange.set_mode(VenueMode.POST_ONLY, ETH)

    assert venue.events[-1] == ModeChanged(VenueMode.POST_ONLY, ETH, START_US)


def test_nobody_is_liquidated_until_the_venue_opens_again() -> None:
    venue = Venue(balance="60")
    venue.sell("A", "1", "2500")
    venue.buy("B", "1", "2500")
    venue.exchange.set_mode(VenueMode.POST_ONLY)
    venue.exchange.set_prices(ETH, Decimal(2400), Decimal(2400), Decimal(0))

    assert venue.exchange.liquidate() == []

    venue.exchange.set_mode(VenueMode.OPEN)
    assert venue.exchange.liquidate() == ["B"]


@pytest.mark.parametrize("mode", [VenueMode.POST_ONLY, VenueMode.CANCEL_ONLY, VenueMode.MAINTENANCE])
def test_a_live_market_trades_no_more_and_wakes_up_again(mode: VenueMode) -> None:
    world = World(seed=3, clock=VirtualClock(START_US))
    events: list[object] = []
    exchange = world.exchanges["paradex"]
    exchange.subscribe(events.append)
    exchange.set_mode(mode)
    events.clear()

    world.advance(120_000_000)
    assert not any(isinstance(e, Trade) for e in events)
    assert any(isinstance(e, BookChanged) for e in events) == (mode is VenueMode.POST_ONLY)

    exchange.set_mode(VenueMode.OPEN)
    world.advance(120_000_000)
    assert any(isinstance(e, Trade) for e in events)
