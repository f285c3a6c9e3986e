"""The cards of what is read by REST beside books and orders: D market data and the clock, R the account's records.

Same rules as in cards.py. Only the seams are used: `client.market_data`, `client.records`, `client.measure_clock`.
A venue's own clock may be hours ahead of ours after a card that let time pass: what is read by time is asked for
around a fill's own time.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from functools import partial
from itertools import pairwise
from typing import Any, Protocol, cast

import pytest

from connectors.capabilities import Capability as C
from connectors.venue import CancelTaken
from core.account import TransferKind
from core.errors import NotOnboarded
from core.market_data import CandleInterval
from core.numbers import ZERO
from core.order import Fill, OrderStatus, Side
from tests.contract.bench import Bench, until
from tests.contract.cards import A_MOMENT, card

MINUTE = timedelta(minutes=1)
LEVERAGE = Decimal(5)
WALLET = "0x511671d631CEA1E4C66f8b93bc467646C8e994B9"  # a published test wallet's address


async def _bought(bench: Bench) -> list[Fill]:
    """Take with an IOC buy; return its executions."""
    since, report = bench.now() - A_MOMENT, await bench.filled(await bench.taking())
    found: list[Fill] = await until(
        lambda: bench.client.fills(bench.symbol, since),
        lambda fills: sum(f.quantity for f in fills) == report.filled_quantity,
    )
    return found


# ---- market data -----------------------------------------------------------------------------------------------------


@card("D01", C.STATS_24H, reads=True)
async def a_day_of_statistics(bench: Bench) -> None:
    """Before: connected. Do: read the statistics. Expect: the day's volume; what the venue does not tell is None.

    Passed when volumes are not negative, high and low embrace each other, and the change is above minus one.
    """
    said = await bench.surface.market_data.statistics(bench.symbol)
    assert (said.venue, said.symbol) == (bench.client.venue, bench.symbol)
    assert said.volume_quote >= 0
    assert said.volume_base is None or said.volume_base >= 0
    assert said.change is None or said.change > -1
    assert said.high is None or said.low is None or said.high >= said.low > 0


@card("D02", C.TRADES)
async def own_taking_is_on_the_tape(bench: Bench) -> None:
    """Before: flat. Do: buy from the book, read the newest trades. Expect: the execution among them, oldest first.

    Passed when a trade has the fill's price and the buyer as aggressor, the order is by time, and the limit holds.
    """
    fill = (await _bought(bench))[-1]

    trades = await until(
        lambda: bench.surface.market_data.trades(bench.symbol),
        lambda found: any(t.aggressor is Side.BUY and t.price == fill.price for t in found),
    )

    times = [trade.venue_time for trade in trades]
    assert times == sorted(times)
    assert all(trade.quantity > 0 and trade.symbol == bench.symbol for trade in trades)
    ids = [trade.trade_id for trade in trades if trade.trade_id is not None]
    assert len(ids) == len(set(ids))
    assert len(await bench.surface.market_data.trades(bench.symbol, limit=1)) == 1


@card("D03", C.CANDLES)
async def a_trade_is_inside_its_candle(bench: Bench) -> None:
    """Before: flat. Do: buy from the book, read the minute's candles around it. Expect: one that holds the fill.

    Passed when candles are whole minutes, ascending, sound, inside the span, and only the newest may be running.
    """
    fill = (await _bought(bench))[-1]
    since, until_then = fill.venue_time - 10 * MINUTE, fill.venue_time + MINUTE
    read = partial(bench.surface.market_data.candles, bench.symbol, CandleInterval.MINUTE, since, until_then)

    candles = await until(
        read,
        lambda found: any(
            c.start <= fill.venue_time < c.start + MINUTE and c.low <= fill.price <= c.high and c.volume > 0
            for c in found
        ),
    )

    assert all(later.start > earlier.start for earlier, later in pairwise(candles))
    for candle in candles:
        assert (candle.start.second, candle.start.microsecond) == (0, 0)
        assert since <= candle.start < until_then
        assert candle.low <= min(candle.open, candle.close)
        assert max(candle.open, candle.close) <= candle.high
    assert all(candle.is_closed for candle in candles[:-1])


@card("D04", C.FUNDING_HISTORY, wire=True)
async def past_funding_is_read(bench: Bench) -> None:
    """Before: connected. Do: let two hours pass, read the funding history. Expect: rates with their interval.

    Passed when there are rows, each once, oldest first, and rows of a continuous market carry the index.
    """
    since, market = bench.now() - A_MOMENT, await bench.market()
    bench.wire.pass_time(timedelta(hours=2))

    rows = await until(
        lambda: bench.surface.market_data.past_funding(bench.symbol, since), lambda found: len(found) > 0
    )

    assert all(later.at > earlier.at >= since for earlier, later in pairwise(rows))
    assert all(abs(row.rate) < Decimal("0.05") and row.interval_s == market.funding_interval_s for row in rows)
    assert all((row.index is not None) == market.continuous_funding for row in rows)


@card("D05", C.SYSTEM_STATUS, reads=True)
async def the_venue_says_that_it_is_open(bench: Bench) -> None:
    """Before: a venue in good order. Do: read its status. Expect: open, in its own words.

    Passed when it takes new risk and its words are there.
    """
    status = await bench.surface.market_data.system_status()
    assert status.takes_new_risk
    assert status.text


@card("D06", C.CLOCK_OFFSET, wire=True)
async def the_clock_offset_is_within_its_bound(bench: Bench) -> None:
    """Before: the venue's clock is 90 s ahead. Do: measure it. Expect: the offset, with a bound of its error.

    Passed when the true offset lies within the bound, which is below two seconds, and the client keeps it.
    """
    ahead = timedelta(seconds=90)
    bench.wire.skew(ahead)

    found = await bench.surface.measure_clock()

    assert found.error < timedelta(seconds=2)
    assert abs(found.offset - ahead) <= found.error + timedelta(milliseconds=2)
    assert not found.is_safe(tolerance=timedelta(seconds=80))
    assert bench.surface.clock_offset == found


@card("D07", C.OPEN_INTEREST, C.STATS_24H)
async def open_interest_grows_with_a_position(bench: Bench) -> None:
    """Before: flat. Do: open a position, read the statistics. Expect: open interest in base units.

    Passed when it is at least the position just opened.
    """
    bought = sum(fill.quantity for fill in await _bought(bench))
    await until(
        lambda: bench.surface.market_data.statistics(bench.symbol),
        lambda said: said.open_interest is not None and said.open_interest >= bought,
    )


# ---- records ---------------------------------------------------------------------------------------------------------


@card("R01", C.BALANCES)
async def the_balances_are_the_money(bench: Bench) -> None:
    """Before: a flat, funded account. Do: read the balances. Expect: the asset that was paid in.

    Passed when one asset's total is the account's equity, each asset is named once, and no more is free than is held.
    """
    balances, margin = await bench.surface.records.balances(), await bench.client.margin()
    assert margin.equity in [balance.total for balance in balances]
    assert len({balance.asset for balance in balances}) == len(balances)
    assert all(balance.available is None or balance.available <= balance.total for balance in balances)


@card("R02", C.ORDER_HISTORY)
async def ended_orders_are_listed_newest_first(bench: Bench) -> None:
    """Before: one order filled, then one cancelled, one still resting. Do: read the history. Expect: the ended two.

    Passed when they stand there newest first with ids, end and quantity, and the resting one is not among them.
    """
    since, bought = bench.now() - A_MOMENT, await bench.taking()
    await bench.filled(bought)
    dropped = await bench.resting()
    dropped_id = await bench.placed(dropped)
    assert isinstance(await bench.client.cancel(dropped, dropped_id), CancelTaken)
    await bench.ended(dropped, dropped_id)
    kept = await bench.resting()
    kept_id = await bench.placed(kept)

    listed = await until(
        lambda: bench.surface.records.order_history(bench.symbol, since), lambda found: len(found) >= 2
    )

    assert [report.client_order_id for report in listed] == [dropped.client_order_id, bought.client_order_id]
    assert [report.status for report in listed] == [OrderStatus.CANCELLED, OrderStatus.FILLED]
    assert [report.filled_quantity for report in listed] == [ZERO, bought.quantity]
    assert all(report.venue_order_id for report in listed)
    assert isinstance(await bench.client.cancel(kept, kept_id), CancelTaken)


@card("R03", C.TRANSFERS)
async def the_deposit_is_listed(bench: Bench) -> None:
    """Before: a fresh account that was funded once. Do: read the transfers. Expect: the deposit, as received.

    Passed when one deposit of the account's whole equity is there and the list is oldest first, each id once.
    """
    equity = (await bench.client.margin()).equity
    found = await bench.surface.records.transfers(bench.now() - timedelta(hours=1))
    assert [entry.quantity for entry in found if entry.kind is TransferKind.DEPOSIT] == [equity]
    assert [entry.at for entry in found] == sorted(entry.at for entry in found)
    assert len({entry.transfer_id for entry in found}) == len(found)
    assert all(entry.asset and entry.status for entry in found)


@card("R04", C.SUBACCOUNTS, reads=True)
async def the_accounts_of_one_owner_are_listed(bench: Bench) -> None:
    """Before: connected. Do: read the subaccounts. Expect: all accounts of the owner, the main one among them.

    Passed when addresses are there once each and exactly one is the main account.
    """
    found = await bench.surface.records.subaccounts()
    assert len({account.address for account in found}) == len(found)
    assert [account.is_main for account in found].count(True) == 1


@card("R05", C.FEE_TIER, reads=True)
async def the_fee_tier_is_what_is_charged(bench: Bench) -> None:
    """Before: connected. Do: read fee tier and market. Expect: the same fees.

    Passed when the tier has a name and its fees are the market's.
    """
    tier, market = await bench.surface.records.fee_tier(), await bench.market()
    assert tier.tier
    assert (tier.maker_fee, tier.taker_fee) == (market.maker_fee, market.taker_fee)


@card("R06", C.RATE_QUOTA, reads=True)
async def the_request_quota_is_told(bench: Bench) -> None:
    """Before: connected. Do: read what is left of the request budget. Expect: a limit and what remains of it.

    Passed when the remainder is within the limit and the scope is named.
    """
    await bench.client.mark(bench.symbol)
    quota = await bench.surface.records.request_quota()
    assert quota.limit > 0
    assert 0 <= quota.remaining <= quota.limit
    assert quota.scope


@card("R07", C.LEVERAGE_MARGIN_MODE)
async def a_leverage_that_was_set_is_read(bench: Bench) -> None:
    """Before: flat. Do: set the market's leverage to 5. Expect: the venue holds 5 and keeps its margin mode.

    Passed when the answer and a later reading agree.
    """
    before = await bench.surface.records.leverage(bench.symbol)
    said = await bench.surface.desk.set_leverage(bench.symbol, LEVERAGE)
    read = await bench.surface.records.leverage(bench.symbol)
    assert before.leverage > LEVERAGE
    assert (said.leverage, said.mode) == (read.leverage, read.mode) == (LEVERAGE, before.mode)


class _Onboarding(Protocol):
    async def standing(self) -> Any: ...

    async def register(self, ethereum_account: str) -> None: ...


class _Onboards(Protocol):
    onboarding: _Onboarding


@card("R08", C.ONBOARDING, wire=True)
async def an_account_is_opened_once_and_only_when_asked_for(bench: Bench) -> None:
    """Before: the keys of an account that nobody opened. Do: connect, ask, open it twice, ask, connect. Expect: empty.

    Passed when connecting opened nothing and named the remedy, opening twice was as good as once, and it is empty.
    """
    assert bench.newcomer is not None
    client = bench.newcomer()
    onboarding = cast(_Onboards, client).onboarding
    try:
        with pytest.raises(NotOnboarded, match="onboard the account once"):
            await client.connect()
        assert (await onboarding.standing()).exists is False
        await onboarding.register(WALLET)
        await onboarding.register(WALLET)
        assert (await onboarding.standing()).exists is True
        await client.connect()
        assert (await client.margin()).equity == ZERO
    finally:
        await client.aclose()
