"""What Backpack keeps about the account, by REST: balances, order history, transfers, fees, leverage. Changes nothing.

(docs.backpack.exchange, Account, Capital, History)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import NoReturn

from connectors.backpack import build, parse, parse_account, wire
from connectors.backpack.listing import parse_terms
from connectors.backpack.pages import all_pages
from connectors.backpack.rest import BackpackRest
from connectors.http import Answer
from core.account import Balance, FeeTier, LeverageSetting, RequestQuota, Subaccount, Transfer
from core.errors import NotOffered
from core.instrument import Market
from core.order import OrderReport

MILLISECOND = timedelta(milliseconds=1)
Read = Callable[[bytes, str, datetime], list[Transfer]]


class BackpackRecords:
    """Records of one account (see VenueRecords)."""

    def __init__(
        self, account_id: str, rest: BackpackRest, market: Callable[[str], Market], facts: Callable[[], parse.Facts]
    ) -> None:
        """`market` gives a market by symbol, `facts` what turns rows into this account's facts."""
        self._account_id = account_id
        self._rest = rest
        self._market = market
        self._facts = facts

    async def balances(self) -> Sequence[Balance]:
        """Read every asset the account holds, what is lent included."""
        capital = await self._rest.ask(build.balances())
        collateral = await self._rest.ask(build.collateral())
        return tuple(
            parse_account.parse_balances(capital.body, collateral.body, self._account_id, collateral.received_at)
        )

    async def order_history(self, symbol: str, since: datetime) -> Sequence[OrderReport]:
        """Read ended orders created since a time, newest first, all pages. The venue's list may lag a little."""
        venue_symbol, facts = self._market(symbol).venue_symbol, self._facts()
        found: dict[str, tuple[datetime, OrderReport]] = {}

        async def page(offset: int) -> tuple[int, int]:
            answer = await self._rest.ask(build.order_history(venue_symbol, venue_order_id=None, offset=offset))
            rows = parse.parse_orders(answer.body)
            for row in rows:
                report = parse.report_of(row, facts, answer.received_at, venue_time=row.created_at)
                if report.status.is_final and row.created_at >= since:
                    found.setdefault(row.id, (row.created_at, report))
            is_past = bool(rows) and rows[-1].created_at < since
            return len(rows), 0 if is_past else parse.rows_left(answer.headers, offset, len(rows))

        await all_pages(page, "order history")
        return tuple(report for _, report in sorted(found.values(), key=lambda kept: kept[0], reverse=True))

    async def transfers(self, since: datetime) -> Sequence[Transfer]:
        """Read deposits and withdrawals since a time (inclusive), oldest first. Between subaccounts too."""
        from_ms = (since - wire.EPOCH) // MILLISECOND
        found: dict[str, Transfer] = {}

        async def read(ask: Callable[[int], build.Request], parse_rows: Read, what: str) -> None:
            async def page(offset: int) -> tuple[int, int]:
                answer: Answer = await self._rest.ask(ask(offset))
                rows = parse_rows(answer.body, self._account_id, answer.received_at)
                found.update({row.transfer_id: row for row in rows if row.at >= since})
                return len(rows), parse.rows_left(answer.headers, offset, len(rows))

            await all_pages(page, what)

        await read(
            lambda offset: build.deposits(from_ms=from_ms, offset=offset), parse_account.parse_deposits, "deposits"
        )
        await read(
            lambda offset: build.withdrawals(from_ms=from_ms, offset=offset),
            parse_account.parse_withdrawals,
            "withdrawals",
        )
        return tuple(sorted(found.values(), key=lambda transfer: transfer.at))

    async def subaccounts(self) -> Sequence[Subaccount]:
        """Raise NotOffered: a key belongs to one subaccount, and no call lists the others."""
        self._lacking("no call lists subaccounts; a key belongs to one of them")

    async def fee_tier(self) -> FeeTier:
        """Read the fees as charged; the tier's own name is not told."""
        answer = await self._rest.ask(build.account())
        return parse_account.fee_tier_of(parse_terms(answer.body), self._account_id, answer.received_at)

    async def request_quota(self) -> RequestQuota:
        """Raise NotOffered: no answer tells what is left."""
        self._lacking("no answer tells what is left of the request budget")

    async def leverage(self, symbol: str) -> LeverageSetting:
        """Read the account's leverage limit, which holds for every market; margin is always shared."""
        self._market(symbol)
        answer = await self._rest.ask(build.account())
        return parse_account.leverage_of(parse_terms(answer.body), symbol, self._account_id, answer.received_at)

    def _lacking(self, why: str) -> NoReturn:
        raise NotOffered(f"backpack: {why}", venue="backpack", account=self._account_id)
