"""What Paradex keeps about the account (see VenueRecords). Reads only.

docs.paradex.trade, API reference, Account: balance, orders-history, transfers, subaccounts, info, margin.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from connectors.paradex import build, parse, parse_account
from connectors.paradex.rest import READS, ParadexRest
from connectors.paradex.wire import AccountRow, OrderRow, shaped, violation
from connectors.paradex.wire_account import AccountDetails, BalanceRow, MarginConfig, MarginConfigs, TransferRow
from connectors.settings import Outside
from core.account import Balance, FeeTier, LeverageSetting, RequestQuota, Subaccount, Transfer
from core.errors import NotOffered
from core.instrument import Market, Venue
from core.order import OrderReport


class ParadexRecords:
    """Records of one account; `account` is its address as a number."""

    def __init__(
        self,
        account_id: str,
        account: int,
        rest: ParadexRest,
        listing: Callable[[], build.Listing],
        outside: Outside,
    ) -> None:
        self._account_id = account_id
        self._account = account
        self._rest = rest
        self._listing = listing
        self._outside = outside

    async def balances(self) -> Sequence[Balance]:
        """Read every token; what margin holds is told for the account as a whole only."""
        raws = await self._rest.results("/v1/balance", "balances")
        received = self._outside.clock()
        rows = (shaped(BalanceRow, raw, "balance") for raw in raws)
        return tuple(parse_account.balance(row, self._account_id, received) for row in rows)

    async def order_history(self, symbol: str, since: datetime) -> Sequence[OrderReport]:
        """Read ended orders created since a time, newest first, all pages."""
        market = self._listing().market(symbol)
        params = {"market": market.venue_symbol, "start_at": str(build.millis(since))}
        raws = await self._rest.all_pages("/v1/orders-history", "order history", params)
        rows = {row.id: row for row in (shaped(OrderRow, raw, "past order") for raw in raws)}
        ended = [
            row
            for row in rows.values()
            if row.status == "CLOSED" and row.market == market.venue_symbol and self._is_since(row, since)
        ]
        ended.sort(key=lambda row: row.created_at or 0, reverse=True)
        received, listing = self._outside.clock(), self._listing()
        return tuple(parse.order_report(row, self._account_id, listing, received) for row in ended)

    async def transfers(self, since: datetime) -> Sequence[Transfer]:
        """Read deposits, withdrawals and transfers since a time, oldest first, all pages."""
        raws = await self._rest.all_pages("/v1/transfers", "transfers", {})
        received = self._outside.clock()
        read = [
            parse_account.transfer(shaped(TransferRow, raw, "transfer"), self._account_id, received) for raw in raws
        ]
        once = {transfer.transfer_id: transfer for transfer in read if transfer.at >= since}
        return tuple(sorted(once.values(), key=lambda transfer: (transfer.at, transfer.transfer_id)))

    async def subaccounts(self) -> Sequence[Subaccount]:
        """Read the accounts under the same owner, the main one among them."""
        own = await self._details()
        listed = await self._rest.results("/v1/account/subaccounts", "subaccounts")
        return parse_account.subaccounts(own, [shaped(AccountDetails, raw, "subaccount") for raw in listed])

    async def fee_tier(self) -> FeeTier:
        """Read the tier of orders by API and the rates as charged."""
        row = parse_account.own_details(await self._details(), self._account)
        return parse_account.fee_tier(row, self._account_id, self._outside.clock())

    async def request_quota(self) -> RequestQuota:
        """Read what is left of the account's budget for reads, as the headers of a read of now say.

        Raises NotOffered where the answers carry no such headers.
        """
        await self._rest.fetch(AccountRow, "/v1/account", "account")
        quota = self._rest.quotas.get(READS)
        if quota is None:
            raise NotOffered("paradex: its answers say nothing of the request budget", venue=str(Venue.PARADEX))
        return quota

    async def leverage(self, symbol: str) -> LeverageSetting:
        """Read leverage and margin mode of one market."""
        market = self._listing().market(symbol)
        row = await margin_config(self._rest, market)
        return parse_account.leverage(row, self._account_id, symbol, self._outside.clock())

    async def _details(self) -> list[AccountDetails]:
        raws = await self._rest.results("/v1/account/info", "account info")
        return [shaped(AccountDetails, raw, "account info") for raw in raws]

    @staticmethod
    def _is_since(row: OrderRow, since: datetime) -> bool:
        return row.created_at is None or row.created_at >= build.millis(since)


async def margin_config(rest: ParadexRest, market: Market) -> MarginConfig:
    """Read one market's margin entry; ProtocolViolation when the answer has none for it."""
    body = await rest.fetch(MarginConfigs, "/v1/account/margin", "margin", {"market": market.venue_symbol})
    for row in body.configs:
        if row.market == market.venue_symbol:
            return row
    raise violation(f"the answer about margin has no entry for {market.venue_symbol}")
