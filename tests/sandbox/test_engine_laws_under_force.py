"""Laws that hold although the venue triggers, liquidates, deleverages, busts and closes its doors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

import pytest
from engine_world import ETH, START_US, Venue
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.clock import VirtualClock
from sandbox.events import Event, FillHappened, MarkChanged, OrderChanged, Trade
from sandbox.funding import HOUR_US
from sandbox.model import (
    FillCause,
    OrderChange,
    OrderStatus,
    Refusal,
    Side,
    TimeInForce,
    Trigger,
    TriggerPrice,
    TriggerWhen,
    VenueMode,
)
from sandbox.world import World

ACCOUNTS = "ABC"
VENUES = ("pacifica", "paradex", "backpack")
CENTRE = Decimal(2500)
TIMES = settings(max_examples=15, deadline=None)


@dataclass(frozen=True)
class Step:
    """One random command, or something the venue does by itself."""

    verb: str
    account: str
    side: Side
    ticks: int  # distance from 2500, in quarters of a unit
    lots: int  # tenths of ETH
    by: TriggerPrice
    mode: VenueMode

    @property
    def price(self) -> Decimal:
        """2500 and the distance."""
        return CENTRE + Decimal(self.ticks) / 2

    def apply(self, venue: Venue) -> None:
        """Do it; a refusal is a legal outcome."""
        try:
            self._apply(venue)
        except Refusal:
            return

    def _apply(self, venue: Venue) -> None:
        exchange = venue.exchange
        match self.verb:
            case "limit":
                exchange.submit(venue.request(self.account, self.side, self.quantity, f"{self.price:f}"))
            case "market":
                exchange.submit(venue.request(self.account, self.side, self.quantity, tif=TimeInForce.IOC))
            case "stop":
                when = TriggerWhen.AT_OR_ABOVE if self.lots % 2 else TriggerWhen.AT_OR_BELOW
                request = venue.request(self.account, self.side, self.quantity, reduce_only=self.lots % 3 == 0)
                exchange.place_trigger(request, Trigger(self.price, when, self.by))
            case "move":
                mark = CENTRE + Decimal(self.ticks) * 3
                exchange.set_prices(ETH, mark, mark + 1, Decimal(self.ticks) / 100_000)
            case "liquidate":
                exchange.liquidate()
            case "mode":
                exchange.set_mode(self.mode)
            case "hour":
                venue.world.advance(HOUR_US)
            case "bust":
                fills = exchange.fills(self.account)
                if fills:
                    exchange.bust(fills[self.lots % len(fills)].id)
            case "adl":
                exchange.deleverage(self.account, ETH)

    @property
    def quantity(self) -> str:
        """Base units as text."""
        return str(Decimal(self.lots) / 10)


STEPS = st.lists(
    st.builds(
        Step,
        verb=st.sampled_from(
            ["limit"] * 8
            + ["market"] * 3
            + ["stop"] * 5
            + ["move"] * 4
            + ["liquidate"] * 2
            + ["mode", "hour", "bust", "adl"]
        ),
        account=st.sampled_from(ACCOUNTS),
        side=st.sampled_from(Side),
        ticks=st.integers(-20, 20),
        lots=st.integers(1, 60),
        by=st.sampled_from(TriggerPrice),
        mode=st.sampled_from([VenueMode.OPEN] * 4 + list(VenueMode)),
    ),
    min_size=20,
    max_size=60,
)


def run(steps: list[Step], name: str, each: Callable[[Venue], None] | None = None) -> Venue:
    """Apply the steps to a fresh venue of small accounts, calling `each` after every one."""
    venue = Venue(name, ACCOUNTS, "700")
    for step in steps:
        step.apply(venue)
        if each is not None:
            each(venue)
    return venue


@pytest.mark.parametrize("name", VENUES)
@given(steps=STEPS)
@TIMES
def test_positions_sum_to_zero_and_cash_is_deposits_less_fees_plus_funding(name: str, steps: list[Step]) -> None:
    def check(venue: Venue) -> None:
        accounts = venue.exchange.accounts
        assert sum((venue.held(a) for a in accounts), Decimal(0)) == 0
        equity = sum((venue.exchange.margin(a).equity for a in accounts), Decimal(0))
        unpaid = sum((venue.exchange.unrealised_funding(a, ETH) for a in accounts), Decimal(0))
        flows = sum((a.deposits - a.fees_paid + a.funding_received for a in accounts.values()), Decimal(0))
        assert abs(equity - unpaid - flows) < Decimal("0.000001")

    run(steps, name, check)


@pytest.mark.parametrize("name", VENUES)
@given(steps=STEPS)
@TIMES
def test_what_some_receive_in_funding_others_pay(name: str, steps: list[Step]) -> None:
    exchange = run(steps, name).exchange
    received = sum(
        (a.funding_received + exchange.unrealised_funding(a.id, ETH) for a in exchange.accounts.values()), Decimal(0)
    )

    assert abs(received) < Decimal("0.0001")  # each booking is rounded to a millionth


@pytest.mark.parametrize("name", VENUES)
@given(steps=STEPS)
@TIMES
def test_after_a_check_no_open_account_is_under_water(name: str, steps: list[Step]) -> None:
    venue = run(steps, name)
    venue.exchange.set_mode(VenueMode.OPEN)
    venue.exchange.liquidate()
    venue.exchange.liquidate()

    for account in ACCOUNTS:
        summary = venue.exchange.margin(account)
        assert summary.equity >= 0 or not venue.held(account)


@given(steps=STEPS)
@TIMES
def test_equity_becomes_negative_only_by_prices_never_by_an_order(steps: list[Step]) -> None:
    venue = Venue("pacifica", ACCOUNTS, "700")
    for step in steps:
        before = {a: venue.exchange.margin(a).equity for a in ACCOUNTS}
        step.apply(venue)
        if step.verb in ("limit", "market"):
            for account in ACCOUNTS:
                assert venue.exchange.margin(account).equity >= min(Decimal(0), before[account])


@given(steps=STEPS)
@TIMES
def test_a_trigger_goes_off_only_at_its_price_and_fills_only_afterwards(steps: list[Step]) -> None:
    venue = run(steps, "pacifica")
    seen: dict[TriggerPrice, set[Decimal]] = {by: set() for by in TriggerPrice}
    seen[TriggerPrice.MARK].add(venue.world.reference(ETH))
    seen[TriggerPrice.INDEX].add(venue.world.reference(ETH))
    gone_off: set[int] = set()

    for event in venue.events:
        _note_prices(event, seen)
        if isinstance(event, OrderChanged) and event.change is OrderChange.TRIGGERED:
            trigger, price = event.order.trigger, event.order.triggered_at
            assert trigger is not None
            assert price is not None
            assert trigger.is_met(price)
            assert trigger.by is TriggerPrice.MID or price in seen[trigger.by]
            gone_off.add(event.order.id)
        if isinstance(event, FillHappened) and event.order.trigger is not None:
            assert event.order.id in gone_off


@given(steps=STEPS)
@TIMES
def test_no_trigger_keeps_waiting_while_its_price_is_there(steps: list[Step]) -> None:
    venue = run(steps, "backpack")
    venue.exchange.set_mode(VenueMode.OPEN)
    last = venue.exchange.last_price(ETH)

    for account in ACCOUNTS:
        for order in venue.exchange.waiting_orders(account):
            assert order.status is OrderStatus.WAITING
            trigger = order.trigger
            assert trigger is not None
            match trigger.by:
                case TriggerPrice.MARK:
                    assert not trigger.is_met(venue.exchange.mark(ETH))
                case TriggerPrice.INDEX:
                    assert not trigger.is_met(venue.exchange.index(ETH))
                case TriggerPrice.LAST:
                    assert last is None or not trigger.is_met(last)
                case _:
                    bid, ask = venue.exchange.best(ETH)
                    assert bid is None or ask is None or not trigger.is_met((bid.price + ask.price) / 2)


@pytest.mark.parametrize("name", VENUES)
@given(steps=STEPS)
@TIMES
def test_own_orders_never_meet_whatever_the_venue_does(name: str, steps: list[Step]) -> None:
    venue = run(steps, name)

    assert venue.exchange.self_trades == 0
    for account in ACCOUNTS:
        assert all(f.counterparty != account for f in venue.exchange.fills(account))


@given(steps=STEPS)
@TIMES
def test_a_forced_close_never_stands_directly_against_another_client(steps: list[Step]) -> None:
    venue = run(steps, "pacifica")

    for account in ACCOUNTS:
        for fill in venue.exchange.fills(account):
            if fill.cause in (FillCause.ADL, FillCause.BACKSTOP):
                assert fill.counterparty not in ACCOUNTS


@given(steps=STEPS)
@TIMES
def test_nothing_trades_while_only_cancels_are_taken(steps: list[Step]) -> None:
    venue = Venue("paradex", ACCOUNTS, "700")
    for step in steps:
        trades = len([e for e in venue.events if isinstance(e, Trade)])
        before = venue.exchange.mode()
        step.apply(venue)
        shut = VenueMode.CANCEL_ONLY.strictness
        if before.strictness >= shut and venue.exchange.mode().strictness >= shut and step.verb != "adl":
            assert len([e for e in venue.events if isinstance(e, Trade)]) == trades


@given(steps=STEPS)
@TIMES
def test_the_same_steps_give_byte_for_byte_the_same_events(steps: list[Step]) -> None:
    assert repr(run(steps, "backpack").events).encode() == repr(run(steps, "backpack").events).encode()


def world_log(seed: int) -> bytes:
    """Every event of every venue in ten minutes of a live world in which a client trades, as bytes."""
    world = World(seed=seed, clock=VirtualClock(START_US))
    log: list[tuple[str, Event]] = []
    for name, exchange in world.exchanges.items():
        exchange.subscribe(lambda event, name=name: log.append((name, event)))  # type: ignore[misc]
        exchange.open_account("A", Decimal(2000))
    venues = {name: Venue(name, "") for name in world.exchanges}
    for minute in range(10):
        for name, exchange in world.exchanges.items():
            exchange.submit(venues[name].request("A", (Side.BUY, Side.SELL)[minute % 2], "1.5", tif=TimeInForce.IOC))
        world.advance(60_000_000)
    return repr(log).encode()


def test_the_same_seed_gives_a_byte_identical_log_and_another_seed_another() -> None:
    first = world_log(11)

    assert first == world_log(11)
    assert first != world_log(12)


def _note_prices(event: Event, seen: dict[TriggerPrice, set[Decimal]]) -> None:
    if isinstance(event, MarkChanged):
        seen[TriggerPrice.MARK].add(event.mark)
        seen[TriggerPrice.INDEX].add(event.index)
    if isinstance(event, Trade):
        seen[TriggerPrice.LAST].add(event.price)
