"""Market makers that nobody watches: what everybody finds later is what a watcher saw happen."""

from __future__ import annotations

import importlib
import random
from decimal import Decimal
from typing import Any

import pytest
from engine_world import ETH

from sandbox.announcer import never
from sandbox.candles import MINUTE_US, CandlePrice
from sandbox.clock import VirtualClock
from sandbox.events import BookChanged, Event
from sandbox.exchange import Exchange
from sandbox.faults import FaultKind
from sandbox.market_makers import MAKER_ACCOUNT
from sandbox.markets import VENUES
from sandbox.model import OrderKind, OrderRequest, Side, TimeInForce, Trigger, TriggerWhen, VenueMode
from sandbox.world import World

SOL = "SOL/USD"
BEFORE_THE_HOUR_US = 1_800_000_000_000_000 - 20_000_000
STEPS = 150  # of a quarter second
STRANGERS = ("maker_order_id", "counterparty_order_id", "book_seq")  # names of makers' orders, counts of changes


def live_world(seed: int) -> World:
    return World(seed=seed, clock=VirtualClock(BEFORE_THE_HOUR_US))


def order(account: str, side: Side, quantity: str, price: Decimal | None = None, instrument: str = ETH) -> OrderRequest:
    kind, tif = (OrderKind.MARKET, TimeInForce.IOC) if price is None else (OrderKind.LIMIT, TimeInForce.GTC)
    return OrderRequest(account, instrument, side, kind, Decimal(quantity), price, tif)


def on_tick(exchange: Exchange, share: str, instrument: str = ETH) -> Decimal:
    """A price at a share of mark."""
    tick = exchange.markets[instrument].tick
    return exchange.mark(instrument) * Decimal(share) // tick * tick


def act(world: World, step: int) -> None:
    """What clients and scripts do at each venue in the same minute of every run. No step reads a book."""
    for name, exchange in world.exchanges.items():
        match step:
            case 4:
                exchange.open_account("long", Decimal(100_000))
                exchange.open_account("rest", Decimal(100_000))
                exchange.open_account("poor", Decimal(110))
                exchange.submit(order("long", Side.BUY, "4"))
                exchange.submit(order("poor", Side.BUY, "1.5"))
            case 12:  # in reach of the makers, and far from them
                exchange.submit(order("rest", Side.BUY, "2", on_tick(exchange, "0.9999")))
                exchange.submit(order("rest", Side.SELL, "2", on_tick(exchange, "1.0001")))
                exchange.submit(order("rest", Side.BUY, "1", on_tick(exchange, "0.97")))
                exchange.submit(order("rest", Side.SELL, "1", on_tick(exchange, "1.005", SOL), SOL))
            case 40:
                stop = Trigger(on_tick(exchange, "0.999"), TriggerWhen.AT_OR_BELOW)
                exchange.place_trigger(order("long", Side.SELL, "1"), stop)
                world.faults.arm(name, FaultKind.THIN_BOOK, share=Decimal("0.01"), duration_s=5)
            case 60:
                world.paths[ETH].drift_bps_per_min = -1500.0
            case 100:
                exchange.set_mode(VenueMode.CANCEL_ONLY, SOL)
                world.faults.arm(name, FaultKind.STALE_MARK, duration_s=3)
            case 120:
                exchange.set_mode(VenueMode.OPEN, SOL)
                world.set_reference(SOL, Decimal("151.3"))
            case 135:
                exchange.cancel_all("rest")


def anonymous(value: Any) -> Any:
    """The same value without the names of makers' orders."""
    if isinstance(value, dict):
        return {key: anonymous(inner) for key, inner in value.items() if key not in STRANGERS}
    return [anonymous(inner) for inner in value] if isinstance(value, list) else value


def whole_truth(exchange: Exchange) -> dict[str, Any]:
    """Everything that anybody can ask the venue for."""
    truth: dict[str, Any] = anonymous(exchange.state())
    for i in exchange.markets:
        book = exchange.book(i)
        truth[i] = {
            "book": (book.bids, book.asks),
            "day": exchange.day(i),
            "rate": exchange.funding_rate(i),
            "points": exchange.funding_points(i),
            "open interest": exchange.open_interest(i),
            "tape": [
                (t.id, t.price, t.quantity, t.side, t.taker_order_id, t.time_us) for t in exchange.trades(i, 1000)
            ],
            "candles": [exchange.candles(i, MINUTE_US, by=by) for by in CandlePrice],
            "seconds": exchange.candles(i, 1_000_000),
        }
    return truth


def run(seed: int, share_of_looks: float) -> dict[str, dict[str, Any]]:
    """One run in which somebody looks at all books in that share of the steps; at 1 a listener watches too."""
    world, looks = live_world(seed), random.Random(seed)
    if share_of_looks == 1.0:
        for exchange in world.exchanges.values():
            exchange.subscribe(lambda _: None)
    for step in range(STEPS):
        world.advance(250_000 if step % 7 else 260_000)
        act(world, step)
        for exchange in world.exchanges.values():
            for instrument in exchange.markets:
                if looks.random() < share_of_looks:
                    exchange.book(instrument)
    return {name: whole_truth(exchange) for name, exchange in world.exchanges.items()}


@pytest.mark.parametrize(("seed", "share_of_looks"), [(1, 0.0), (2, 0.05)])
def test_one_look_at_the_end_finds_what_a_watcher_saw_come_about(seed: int, share_of_looks: float) -> None:
    assert run(seed, 1.0) == run(seed, share_of_looks)


def test_the_run_that_is_compared_has_every_kind_of_trouble_in_it() -> None:
    for name, truth in run(1, 0.0).items():
        accounts = truth["accounts"]
        causes = {fill["cause"] for fill in accounts["poor"]["fills"]}
        assert "LIQUIDATION" in causes or "BACKSTOP" in causes, name
        assert {fill["liquidity"] for fill in accounts["rest"]["fills"]} == {"MAKER"}, name
        assert [o["status"] for o in accounts["long"]["orders"] if o["trigger_price"] is not None] == ["FILLED"], name
        assert accounts["long"]["funding_payments"], name
        assert truth["self_trades"] == 0
        assert len(truth[ETH]["tape"]) > 10, name


@pytest.mark.parametrize("venue", VENUES)
def test_quotes_that_nobody_watches_enter_the_book_at_the_first_look_only(venue: str) -> None:
    world, told = live_world(3), list[Event]()
    exchange = world.exchanges[venue]
    app = importlib.import_module(f"sandbox.dialects.{venue}").create_app(world, exchange)
    assert app.routes
    exchange.subscribe(told.append, never)
    world.advance(250_000)
    first = exchange.book(ETH)
    told.clear()

    for _ in range(40):
        world.advance(250_000)

    assert not [e for e in told if isinstance(e, BookChanged)]
    second = exchange.book(ETH)
    assert (second.bids, second.asks) != (first.bids, first.asks)
    assert exchange.book(ETH) == second
    assert [(e.instrument, e.seq) for e in told if isinstance(e, BookChanged)] == [(ETH, first.seq + 1)]


def test_a_watcher_is_told_of_each_requote_with_contiguous_numbers() -> None:
    world, told, is_watching = live_world(3), list[Event](), [True]
    exchange = world.exchanges["backpack"]
    exchange.subscribe(told.append, lambda instrument: is_watching[0] and instrument == ETH)

    for step in range(60):
        is_watching[0] = step < 20 or step >= 40
        world.advance(250_000)

    books = [e for e in told if isinstance(e, BookChanged)]
    assert {e.instrument for e in books} == {ETH}
    assert [e.seq for e in books] == list(range(books[0].seq, books[0].seq + len(books)))
    assert len(books) > 35
    totals = {(c.side, c.price): c.quantity for e in books for c in e.levels}
    shown = {(side, x.price): x.quantity for side, x in levels(exchange)}
    assert {key: total for key, total in totals.items() if total} | shown == shown


def levels(exchange: Exchange) -> list[tuple[Side, Any]]:
    book = exchange.book(ETH)
    return [(Side.BUY, level) for level in book.bids] + [(Side.SELL, level) for level in book.asks]


def test_the_makers_own_orders_are_found_where_they_quote() -> None:
    world = live_world(4)
    world.advance(1_000_000)
    exchange = world.exchanges["paradex"]

    quoted = {(o.side, o.price) for o in exchange.open_orders(MAKER_ACCOUNT, ETH)}

    assert quoted == {(side, level.price) for side, level in levels(exchange)}
