"""Laws that hold after any sequence of commands, whatever it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

import pytest
from engine_world import ETH, Venue
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.events import BookChanged, Event, FillHappened, Trade
from sandbox.funding import HOUR_US
from sandbox.model import Liquidity, Refusal, SelfTradePrevention, Side, TimeInForce

ACCOUNTS = "ABC"


@dataclass(frozen=True)
class Step:
    """One random command: an order, a cancel-all, a price move, or an hour passing."""

    verb: str
    account: str
    side: Side
    ticks: int  # distance of the price from 2500, in 0.1
    lots: int  # hundredths of ETH
    tif: TimeInForce
    stp: SelfTradePrevention
    reduce_only: bool

    def apply(self, venue: Venue) -> None:
        """Give the command; a refusal is a legal outcome."""
        match self.verb:
            case "cancel":
                venue.exchange.cancel_all(self.account)
            case "move":
                price = Decimal(2500) + Decimal(self.ticks) / 10
                venue.exchange.set_prices(ETH, price, price, Decimal(self.ticks) / 100_000)
            case "hour":
                venue.world.advance(HOUR_US)
            case _:
                self._order(venue)

    def _order(self, venue: Venue) -> None:
        price = None if self.verb == "market" else str(Decimal(2500) + Decimal(self.ticks) / 10)
        tif = TimeInForce.IOC if self.verb == "market" else self.tif
        request = venue.request(
            self.account,
            self.side,
            str(Decimal(self.lots) / 100),
            price,
            tif=tif,
            stp=self.stp,
            reduce_only=self.reduce_only,
        )
        try:
            venue.exchange.submit(request)
        except Refusal:
            return


STEPS = st.lists(
    st.builds(
        Step,
        verb=st.sampled_from(["limit"] * 6 + ["market"] * 2 + ["cancel", "move", "hour"]),
        account=st.sampled_from(ACCOUNTS),
        side=st.sampled_from(Side),
        ticks=st.integers(-8, 8),
        lots=st.integers(1, 300),
        tif=st.sampled_from([TimeInForce.GTC] * 6 + list(TimeInForce)),
        stp=st.sampled_from(SelfTradePrevention),
        reduce_only=st.sampled_from([False] * 5 + [True]),
    ),
    min_size=15,
    max_size=50,
)
VENUES = ("pacifica", "paradex", "backpack")


def run(steps: list[Step], name: str = "pacifica", each: Callable[[Venue], None] | None = None) -> Venue:
    """Apply the steps to a fresh venue, calling `each` after every one."""
    venue = Venue(name, ACCOUNTS)
    for step in steps:
        step.apply(venue)
        if each is not None:
            each(venue)
    return venue


@pytest.mark.parametrize("name", VENUES)
@given(steps=STEPS)
@settings(max_examples=12, deadline=None)
def test_positions_of_a_market_sum_to_zero(name: str, steps: list[Step]) -> None:
    venue = run(steps, name)

    held = sum((venue.held(account) for account in venue.exchange.accounts), Decimal(0))

    assert held == 0


@pytest.mark.parametrize("name", VENUES)
@given(steps=STEPS)
@settings(max_examples=12, deadline=None)
def test_a_balance_is_deposits_plus_realised_pnl_plus_funding_minus_fees(name: str, steps: list[Step]) -> None:
    exchange = run(steps, name).exchange

    for account in ACCOUNTS:
        fills = exchange.fills(account)
        paid = exchange.funding_payments(account)
        expected = exchange.account(account).deposits
        expected += sum((f.realised_pnl - f.fee for f in fills), Decimal(0))
        expected += sum((p.payment for p in paid), Decimal(0))
        assert exchange.account(account).balance == expected


@given(steps=STEPS)
@settings(max_examples=12, deadline=None)
def test_equity_of_all_is_deposits_minus_fees_plus_net_funding(steps: list[Step]) -> None:
    exchange = run(steps).exchange
    accounts = exchange.accounts.values()

    equity = sum((exchange.margin(a.id).equity for a in accounts), Decimal(0))
    deposits = sum((a.deposits for a in accounts), Decimal(0))
    fees = sum((a.fees_paid for a in accounts), Decimal(0))
    funding = sum((a.funding_received for a in accounts), Decimal(0))

    assert abs(equity - (deposits - fees + funding)) < Decimal("0.000000001")


@given(steps=STEPS)
@settings(max_examples=12, deadline=None)
def test_no_two_orders_of_one_account_ever_fill_each_other(steps: list[Step]) -> None:
    venue = run(steps)

    for account in ACCOUNTS:
        for fill in venue.exchange.fills(account):
            assert fill.counterparty != account
    assert venue.exchange.self_trades == 0


@given(steps=STEPS)
@settings(max_examples=12, deadline=None)
def test_no_fill_goes_through_its_orders_limit(steps: list[Step]) -> None:
    exchange = run(steps).exchange

    for account in ACCOUNTS:
        for fill in exchange.fills(account):
            order = exchange.order(account, order_id=fill.order_id)
            assert order is not None
            if order.price is not None:
                assert (fill.price - order.price) * fill.side.sign <= 0


@given(steps=STEPS)
@settings(max_examples=12, deadline=None)
def test_the_book_is_never_crossed_and_holds_exactly_the_live_orders(steps: list[Step]) -> None:
    def check(venue: Venue) -> None:
        book = venue.exchange.book(ETH)
        if book.bids and book.asks:
            assert book.bids[0].price < book.asks[0].price
        for side, levels in ((Side.BUY, book.bids), (Side.SELL, book.asks)):
            live = [o for a in ACCOUNTS for o in venue.exchange.open_orders(a) if o.side is side]
            assert sum((level.quantity for level in levels), Decimal(0)) == sum((o.remaining for o in live), Decimal(0))
            assert all(o.remaining > 0 for o in live)

    run(steps, each=check)


@given(steps=STEPS)
@settings(max_examples=12, deadline=None)
def test_a_maker_is_filled_only_when_no_better_or_older_order_waits(steps: list[Step]) -> None:
    """Price-time priority: among resting orders of other accounts, the filled one was first in line."""
    venue = Venue("pacifica", ACCOUNTS)
    waiting: list[dict[int, tuple[Decimal, Side, int]]] = [{}]

    def watch(event: Event) -> None:
        if isinstance(event, FillHappened) and event.fill.liquidity is Liquidity.MAKER:
            price, side, _ = waiting[0][event.fill.order_id]
            ahead = [
                order_id
                for order_id, (other, other_side, _) in waiting[0].items()
                if other_side is side
                and ((other - price) * side.sign > 0 or (other == price and order_id < event.fill.order_id))
            ]
            still = {o.id for a in ACCOUNTS for o in venue.exchange.open_orders(a)}
            taker_account = event.fill.counterparty
            for order_id in set(ahead) & still:
                order = venue.exchange.order_by_id(order_id)
                assert order is not None
                assert order.account == taker_account

    venue.exchange.subscribe(watch)
    for step in steps:
        waiting[0] = {
            o.id: (o.price or Decimal(0), o.side, o.id) for a in ACCOUNTS for o in venue.exchange.open_orders(a)
        }
        step.apply(venue)


@given(steps=STEPS)
@settings(max_examples=12, deadline=None)
def test_a_reduce_only_order_never_opens_or_flips_a_position(steps: list[Step]) -> None:
    for name in ("pacifica", "backpack"):
        exchange = run(steps, name).exchange
        for account in ACCOUNTS:
            for fill in exchange.fills(account):
                order = exchange.order(account, order_id=fill.order_id)
                assert order is not None
                if order.reduce_only:
                    assert fill.position_before * fill.side.sign < 0
                    assert fill.quantity <= abs(fill.position_before)


@given(steps=STEPS)
@settings(max_examples=12, deadline=None)
def test_an_orders_fills_add_up_to_what_it_says(steps: list[Step]) -> None:
    exchange = run(steps).exchange

    for account in ACCOUNTS:
        for order in exchange.order_history(account):
            fills = [f for f in exchange.fills(account) if f.order_id == order.id]
            assert sum((f.quantity for f in fills), Decimal(0)) == order.filled <= order.quantity
            assert sum((f.fee for f in fills), Decimal(0)) == order.fee


@given(steps=STEPS)
@settings(max_examples=12, deadline=None)
def test_book_events_are_contiguous_and_rebuild_the_book(steps: list[Step]) -> None:
    venue = run(steps)
    sides: dict[Side, dict[Decimal, Decimal]] = {Side.BUY: {}, Side.SELL: {}}
    seq = 0

    for event in venue.events:
        if isinstance(event, BookChanged):
            assert event.seq == seq + 1
            seq = event.seq
            for change in event.levels:
                assert sides[change.side].get(change.price, Decimal(0)) == change.before
                sides[change.side][change.price] = change.quantity

    book = venue.exchange.book(ETH)
    rebuilt = {s: {p: q for p, q in levels.items() if q} for s, levels in sides.items()}
    assert rebuilt[Side.BUY] == {level.price: level.quantity for level in book.bids}
    assert rebuilt[Side.SELL] == {level.price: level.quantity for level in book.asks}


@given(steps=STEPS)
@settings(max_examples=15, deadline=None)
def test_the_same_commands_give_the_same_events(steps: list[Step]) -> None:
    assert run(steps).events == run(steps).events


@given(steps=STEPS)
@settings(max_examples=12, deadline=None)
def test_every_trade_has_one_fill_on_each_side(steps: list[Step]) -> None:
    venue = run(steps)
    trades = {e.id: e for e in venue.events if isinstance(e, Trade)}

    for trade in trades.values():
        both = [f for a in ACCOUNTS for f in venue.exchange.fills(a) if f.trade_id == trade.id]
        assert {f.side for f in both} == {Side.BUY, Side.SELL}
        assert all(f.quantity == trade.quantity and f.price == trade.price for f in both)
