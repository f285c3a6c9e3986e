"""What Pacifica keeps about one account, by REST. It asks; the parse modules understand. Nothing here changes anything.

Source: docs.pacifica.fi, REST API: Account, Subaccounts; Rate limits. The list of subaccounts is a signed POST.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime

from connectors.pacifica import build, build_desk, parse_account, parse_orders, wire, wire_surface
from connectors.pacifica.rest import PacificaRest
from core.account import Balance, FeeTier, LeverageSetting, RequestQuota, Subaccount, Transfer
from core.errors import ProtocolViolation, VenueRejected
from core.instrument import Market
from core.order import OrderReport

Markets = Callable[[], Awaitable[Mapping[str, Market]]]


class PacificaRecords:
    """See connectors.surface.VenueRecords for the contract; here stand only Pacifica's own traits."""

    def __init__(self, account_id: str, rest: PacificaRest, markets: Markets) -> None:
        """Ask over one account's REST door; `markets` reads the markets with their limits."""
        self._account_id = account_id
        self._rest = rest
        self._markets = markets

    async def balances(self) -> Sequence[Balance]:
        """Read the collateral and spot assets; available is what may be withdrawn."""
        money, received = await self._money()
        return parse_account.balances(self._account_id, money, received)

    async def order_history(self, symbol: str, since: datetime) -> Sequence[OrderReport]:
        """Read ended orders created since a time, newest first; the venue filters by neither."""
        query, floor_ms = self._query(), build.millis_of(since)
        listed, received = await self._rest.pages("/orders/history", query, wire.OrderHistoryRow, back_to=since)
        rows = {row.order_id: row for row in listed if row.created_at >= floor_ms}
        newest_first = sorted(rows.values(), key=lambda row: (row.created_at, row.order_id), reverse=True)
        reports = [parse_orders.past_order(self._account_id, row, received) for row in newest_first]
        return [report for report in reports if report.symbol == symbol and report.status.is_final]

    async def transfers(self, since: datetime) -> Sequence[Transfer]:
        """Read what changed the balance from outside of trading, oldest first."""
        query, floor_ms = self._query(), build.millis_of(since)
        path, model = "/account/balance/history", wire_surface.BalanceChangeRow
        listed, received = await self._rest.pages(path, query, model, back_to=since)
        found = [
            parse_account.transfer(self._account_id, row, received)
            for row in listed
            if row.created_at >= floor_ms and parse_account.is_transfer(row)
        ]
        return sorted({entry.transfer_id: entry for entry in found}.values(), key=lambda entry: entry.at)

    async def subaccounts(self) -> Sequence[Subaccount]:
        """Read the main account's list. Raises VenueRejected when this account is itself a subaccount."""
        answer, _ = await self._rest.ask(build_desk.list_subaccounts())
        return parse_account.subaccounts(self._rest.account, answer.data)

    async def fee_tier(self) -> FeeTier:
        """Read the tier's number with the rates as charged."""
        money, received = await self._money()
        return parse_account.fee_tier(self._account_id, money, received)

    async def request_quota(self) -> RequestQuota:
        """Ask something small and return the credits that the answer's headers state."""
        await self._rest.get("/info/fees")
        if self._rest.quota is None:
            raise ProtocolViolation("pacifica: an answer states no request quota", venue="pacifica")
        return self._rest.quota

    async def leverage(self, symbol: str) -> LeverageSetting:
        """Read a market's setting; one on its defaults is not listed by the venue."""
        market = (await self._markets()).get(symbol)
        if market is None:
            raise VenueRejected(f"pacifica lists no market {symbol!r}", venue="pacifica")
        answer, received = await self._rest.read("/account/settings", {"account": self._rest.account})
        return parse_account.leverage(self._account_id, market, parse_account.margin_settings(answer.data), received)

    async def _money(self) -> tuple[wire_surface.AccountMoney, datetime]:
        answer, received = await self._rest.read("/account", {"account": self._rest.account})
        return parse_account.account_money(answer.data), received

    def _query(self) -> dict[str, str]:
        return {"account": self._rest.account, "limit": str(build.PAGE_ROWS)}
