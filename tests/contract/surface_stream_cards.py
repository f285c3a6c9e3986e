"""The cards of streams beside the book: the public tape and what a venue tells about the account by itself.

Same rules as in cards.py. Only the seams are used: `client.tape`, `client.feed` and the events of connectors.venue.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TypeVar

from connectors.capabilities import Capability as C
from connectors.surface import Channel, VenueTape
from connectors.venue import (
    BalanceUpdate,
    FeedEvent,
    FillUpdate,
    FundingUpdate,
    MarginUpdate,
    PositionUpdate,
    TradeBusted,
)
from core.account import Position
from core.errors import NotOffered
from core.market_data import CandleInterval
from core.numbers import ZERO
from core.order import Fill, FillCause, Side
from tests.contract.bench import Bench, until, until_true
from tests.contract.cards import A_MOMENT, card

E = TypeVar("E")
EVENT_BOUND_S = 5.0
HOLD_S = 1.5
FORCED = frozenset({FillCause.ADL, FillCause.BACKSTOP, FillCause.LIQUIDATION})


@asynccontextmanager
async def _tape(bench: Bench, *channels: Channel) -> AsyncIterator[VenueTape]:
    """The account's tape with these channels, closed afterwards."""
    tape: VenueTape = bench.client.tape
    await tape.start([bench.symbol], channels, CandleInterval.MINUTE)
    try:
        yield tape
    finally:
        await tape.aclose()


def _of(kind: type[E], events: list[FeedEvent]) -> list[E]:
    return [event for event in events if isinstance(event, kind)]


async def _told(bench: Bench, enough: Callable[[list[FeedEvent]], bool]) -> list[FeedEvent]:
    return await bench.events(enough, bound_s=EVENT_BOUND_S)


def _positions(events: list[FeedEvent], symbol: str) -> list[Position]:
    return [event.position for event in _of(PositionUpdate, events) if event.position.symbol == symbol]


async def _listed(bench: Bench, since: datetime, claim: Callable[[list[Fill]], bool]) -> list[Fill]:
    ask: Callable[[], Awaitable[object]] = lambda: bench.client.fills(bench.symbol, since)  # noqa: E731
    found: list[Fill] = list(await until(ask, lambda fills: claim(list(fills))))
    return found


# ---- the public tape -------------------------------------------------------------------------------------------------


@card("S01", C.TRADES)
async def our_own_execution_is_on_the_tape(bench: Bench) -> None:
    """Before: the tape runs with trades. Do: buy. Expect: the execution among the public trades, oldest first.

    Passed when a trade has our price and no less than our quantity with a buyer as aggressor, none is there twice,
    and nothing is left after closing.
    """
    since = bench.now() - A_MOMENT
    async with _tape(bench, Channel.TRADES) as tape:
        order = await bench.filled(await bench.taking())
        fills = await _listed(bench, since, lambda found: sum(f.quantity for f in found) == order.filled_quantity)
        wanted = {(fill.price, Side.BUY) for fill in fills}
        await until_true(lambda: wanted <= {(t.price, t.aggressor) for t in tape.trades(bench.symbol)})
        trades = tape.trades(bench.symbol)
        ids = [trade.trade_id for trade in trades if trade.trade_id is not None]
        assert len(ids) == len(set(ids))
        assert [t.venue_time for t in trades] == sorted(t.venue_time for t in trades)
        assert all((t.venue, t.symbol) == (bench.client.venue, bench.symbol) and t.quantity > 0 for t in trades)
    assert tape.trades(bench.symbol) == ()


@card("S02", C.BEST_BID_ASK, C.MARK_INDEX, C.STATS_24H, C.FUNDING_NOW, reads=True)
async def the_tape_tells_best_mark_statistics_and_funding(bench: Bench) -> None:
    """Before: connected. Do: start the tape with these four channels. Expect: each fact, None before it was told.

    Passed when best and mark agree with the book, the statistics are positive and the funding has its interval.
    """
    symbol, idle = bench.symbol, bench.client.tape
    assert (idle.best(symbol), idle.mark(symbol), idle.statistics(symbol), idle.funding_rate(symbol)) == (None,) * 4
    async with _tape(bench, Channel.BEST, Channel.MARK, Channel.STATISTICS, Channel.FUNDING) as tape:
        await until_true(lambda: None not in (tape.best(symbol), tape.mark(symbol)))
        await until_true(lambda: None not in (tape.statistics(symbol), tape.funding_rate(symbol)))
        best, mark, day, rate = tape.best(symbol), tape.mark(symbol), tape.statistics(symbol), tape.funding_rate(symbol)
        book, market = await bench.client.book(symbol), await bench.market()
        assert book.mid is not None
        assert 0 < best.bid < best.ask
        assert min(best.bid_quantity, best.ask_quantity) > 0
        assert abs((best.bid + best.ask) / 2 / book.mid - 1) < Decimal("0.005")
        assert abs(mark.mark / book.mid - 1) < Decimal("0.05")
        assert day.volume_quote > 0
        assert rate.interval_s == market.funding_interval_s
        assert abs(rate.rate) < Decimal("0.05")
    assert (tape.best(symbol), tape.mark(symbol), tape.statistics(symbol), tape.funding_rate(symbol)) == (None,) * 4


@card("S03", C.CANDLES)
async def the_running_candle_holds_our_execution(bench: Bench) -> None:
    """Before: connected. Do: start the tape with minute candles and buy. Expect: the candle that runs now.

    Passed when it starts at a full minute, is open, and spans the price we paid; a venue without such a channel
    passes by saying NotOffered at once, with nothing left running.
    """
    tape: VenueTape = bench.client.tape
    try:
        await tape.start([bench.symbol], [Channel.CANDLES], CandleInterval.MINUTE)
    except NotOffered:
        assert tape.candle(bench.symbol) is None
        return
    try:
        since = bench.now() - A_MOMENT
        order = await bench.filled(await bench.taking())
        fills = await _listed(bench, since, lambda found: sum(f.quantity for f in found) == order.filled_quantity)
        paid = max(fill.price for fill in fills)

        def spans() -> bool:
            candle = tape.candle(bench.symbol)
            return candle is not None and candle.low <= paid <= candle.high and candle.volume > 0

        await until_true(spans)
        candle = tape.candle(bench.symbol)
        assert candle is not None
        assert (candle.interval, candle.start.second, candle.start.microsecond) == (CandleInterval.MINUTE, 0, 0)
        assert not candle.is_closed
        assert candle.low <= min(candle.open, candle.close) <= max(candle.open, candle.close) <= candle.high
    finally:
        await tape.aclose()


# ---- the account by stream -------------------------------------------------------------------------------------------


@card("S04", C.PRIVATE_POSITIONS)
async def a_position_is_told_from_opening_to_flat(bench: Bench) -> None:
    """Before: flat, feed live. Do: buy, then sell it reduce-only. Expect: a position, then one of quantity zero.

    Passed when the first agrees with REST and the last says that it is closed.
    """
    await bench.client.feed.start([bench.symbol])
    bought = (await bench.filled(await bench.taking())).filled_quantity

    def is_told(quantity: Decimal) -> Callable[[list[FeedEvent]], bool]:
        return lambda events: quantity in [p.quantity for p in _positions(events, bench.symbol)]

    opened = _positions(await _told(bench, is_told(bought)), bench.symbol)[-1]
    (read,) = await bench.client.positions()
    assert (opened.account_id, opened.quantity) == (bench.client.account_id, read.quantity)
    assert abs(opened.entry_price / read.entry_price - 1) < Decimal("0.0001")
    await bench.filled(await bench.taking(Side.SELL, quantity=bought, reduce_only=True))
    closed = _positions(await _told(bench, is_told(ZERO)), bench.symbol)[-1]
    assert closed.quantity == 0


@card("S05", C.PRIVATE_ACCOUNT)
async def a_change_of_money_is_told(bench: Bench) -> None:
    """Before: flat, feed live. Do: buy (the fee is paid). Expect: a balance or the margin by stream.

    Passed when what was told is within one percent of the equity that REST tells, and belongs to the account.
    """
    await bench.client.feed.start([bench.symbol])
    await bench.filled(await bench.taking())
    seen = await _told(bench, lambda events: bool(_of(BalanceUpdate, events) or _of(MarginUpdate, events)))
    equity = (await bench.client.margin()).equity
    for update in _of(MarginUpdate, seen):
        assert update.margin.account_id == bench.client.account_id
        assert abs(update.margin.equity / equity - 1) < Decimal("0.01")
    for balance in (update.balance for update in _of(BalanceUpdate, seen)):
        assert balance.account_id == bench.client.account_id
        assert abs(balance.total / equity - 1) < Decimal("0.01")


@card("S06", C.PRIVATE_FUNDING, wire=True)
async def a_funding_payment_is_told(bench: Bench) -> None:
    """Before: a position, feed live. Do: let two hours pass and close it. Expect: the payment by stream.

    Passed when the same payment, by id and size, is in the list that REST gives.
    """
    since = bench.now() - A_MOMENT
    await bench.client.feed.start([bench.symbol])
    opened = await bench.filled(await bench.taking())
    bench.wire.pass_time(timedelta(hours=2))
    await bench.filled(await bench.taking(Side.SELL, quantity=opened.filled_quantity, reduce_only=True))
    seen = await _told(bench, lambda events: any(u.payment.payment != 0 for u in _of(FundingUpdate, events)))
    told = {update.payment.payment_id: update.payment.payment for update in _of(FundingUpdate, seen)}
    listed = await until(
        lambda: bench.client.funding_payments(bench.symbol, since),
        lambda found: set(told) <= {payment.payment_id for payment in found},
    )
    assert told.items() <= {payment.payment_id: payment.payment for payment in listed}.items()


@card("S07", C.TRADEBUSTS, wire=True)
async def an_undone_trade_is_told(bench: Bench) -> None:
    """Before: feed live, one fill. Do: the venue undoes it. Expect: TradeBusted with the fill's trade id.

    Passed when the trade id is the one under which the fill was told, and the position is flat again.
    """
    await bench.client.feed.start([bench.symbol])
    await bench.filled(await bench.taking())
    fills = _of(FillUpdate, await _told(bench, lambda events: bool(_of(FillUpdate, events))))
    bench.wire.bust_last_fill()
    busted = _of(TradeBusted, await _told(bench, lambda events: bool(_of(TradeBusted, events))))
    assert {bust.trade_id for bust in busted} <= {update.fill.trade_id for update in fills}
    assert {(bust.account_id, bust.symbol) for bust in busted} == {(bench.client.account_id, bench.symbol)}


@card("S08", C.FORCED_TRADES, wire=True)
async def deleveraging_is_told_apart_from_a_trade(bench: Bench) -> None:
    """Before: a position, feed live. Do: the venue deleverages it. Expect: a fill that no order of ours explains.

    Passed when stream and REST both call our own fill a trade and the other one ADL (a liquidation or backstop
    where the venue has no word for deleveraging), of the same trade id, and the account is flat.
    """
    since = bench.now() - A_MOMENT
    await bench.client.feed.start([bench.symbol])
    opened = await bench.filled(await bench.taking())
    bench.wire.deleverage(bench.symbol)

    def causes(fills: list[Fill]) -> dict[str, FillCause]:
        return {fill.trade_id: fill.cause for fill in fills}

    def is_forced(events: list[FeedEvent]) -> bool:
        return not FORCED.isdisjoint(causes([update.fill for update in _of(FillUpdate, events)]).values())

    seen = await _told(bench, is_forced)
    told = [update.fill for update in _of(FillUpdate, seen)]
    listed = await _listed(bench, since, lambda found: sum(f.quantity for f in found) == 2 * opened.filled_quantity)
    assert causes(told).items() <= causes(listed).items()
    assert {fill.cause for fill in listed if fill.side is Side.BUY} == {FillCause.TRADE}
    forced = [fill for fill in listed if fill.side is Side.SELL]
    assert len({fill.cause for fill in forced}) == 1
    assert {fill.cause for fill in forced} <= FORCED
    assert all(fill.client_order_id is None for fill in forced)
    assert len(await bench.client.positions()) == 0


@card("S09", C.TRADES, C.PRIVATE_POSITIONS, wire=True)
async def each_channel_says_when_it_was_last_heard(bench: Bench) -> None:
    """Before: feed and tape live. Do: the venue keeps the connections but sends nothing for a while.

    Expect: the channels' last words stay where they were, then move on.
    Passed when the feed names at least two channels, and all of what had been heard stood still in between.
    """
    feed = bench.client.feed
    await feed.start([bench.symbol])
    async with _tape(bench, Channel.BEST) as tape:
        await until_true(lambda: tape.last_heard(Channel.BEST) is not None and len(feed.health().last_heard) >= 2)
        assert tape.last_heard(Channel.TRADES) is None
        bench.wire.arm("half_open", action="any", duration_s=HOLD_S)
        await bench.outside.sleep(HOLD_S / 3)
        heard, best_at = dict(feed.health().last_heard), tape.last_heard(Channel.BEST)
        await bench.outside.sleep(HOLD_S / 3)
        assert (dict(feed.health().last_heard), tape.last_heard(Channel.BEST)) == (heard, best_at)
        await until_true(lambda: max(feed.health().last_heard.values()) > max(heard.values()))
        await until_true(lambda: tape.last_heard(Channel.BEST) > best_at)
