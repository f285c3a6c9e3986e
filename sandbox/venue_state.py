"""Everything one venue remembers, in one place, with the plain look-ups the engine's parts share.

Duty: hold state. Must not decide, change money or emit events.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal

from sandbox.book import Book
from sandbox.funding import next_hour_us
from sandbox.model import (
    ZERO,
    Account,
    Fill,
    FundingMode,
    FundingPayment,
    MarketSpec,
    Refusal,
    RefusalReason,
    VenueMode,
    VenueRules,
)
from sandbox.positions import accrued_funding
from sandbox.pricing import MarketFigures
from sandbox.registry import OrderRegistry


class VenueState:
    """Rules, markets, accounts, books, orders, fills and public figures of one venue."""

    def __init__(
        self,
        rules: VenueRules,
        markets: Mapping[str, MarketSpec],
        prices: Mapping[str, Decimal],
        turnovers: Mapping[str, Decimal],
        now_us: Callable[[], int],
    ) -> None:
        self.rules = rules
        self.markets = dict(markets)
        self.by_symbol = {spec.symbol: spec for spec in markets.values()}
        self.now_us = now_us
        self.accounts: dict[str, Account] = {}
        self.books = {instrument: Book() for instrument in markets}
        self.figures = {i: MarketFigures(i, rules, prices[i], turnovers[i], now_us()) for i in markets}
        self.orders = OrderRegistry()
        self.fills: dict[str, list[Fill]] = {}
        self.payments: dict[str, list[FundingPayment]] = {}
        self.self_trades = 0  # fills between two orders of one account; stays 0
        self.self_trades_prevented = 0
        self.fees_collected = ZERO
        self.modes: dict[str | None, VenueMode] = {None: VenueMode.OPEN}  # None = the venue as a whole
        self.split: tuple[Decimal, ...] = ()  # shares in which clients' orders meet the makers; () = as they stand
        self.promised: dict[str, Callable[[], None]] = {}  # by market: puts quotes in that nobody has seen yet
        self._counter = 0

    def next_seq(self) -> int:
        """Draw the next number of the counter that ids and events share."""
        self._counter += 1
        return self._counter

    def reserve(self, numbers: int) -> int:
        """Draw so many numbers at once; return the first."""
        self._counter += numbers
        return self._counter - numbers + 1

    def book(self, instrument: str) -> Book:
        """A market's book as anybody may see it; quotes that were only promised enter it first."""
        keep = self.promised.pop(instrument, None)
        if keep is not None:
            keep()
        return self.books[instrument]

    @property
    def last_seq(self) -> int:
        """Newest number drawn."""
        return self._counter

    def account(self, account_id: str) -> Account:
        """Find an account; Refusal UNKNOWN_ACCOUNT."""
        account = self.accounts.get(account_id)
        if account is None:
            raise Refusal(RefusalReason.UNKNOWN_ACCOUNT, f"no account {account_id}")
        return account

    def market(self, instrument: str) -> MarketSpec:
        """Find a market by instrument; Refusal UNKNOWN_MARKET."""
        spec = self.markets.get(instrument)
        if spec is None:
            raise Refusal(RefusalReason.UNKNOWN_MARKET, f"no market {instrument}")
        return spec

    def mode(self, instrument: str | None = None) -> VenueMode:
        """What the venue takes at present; with an instrument, the stricter of the venue's and the market's."""
        venue = self.modes[None]
        if len(self.modes) == 1:
            return venue
        return max(venue, self.modes.get(instrument, venue), key=lambda mode: mode.strictness)

    def liquidation_rate(self, instrument: str) -> Decimal:
        """Liquidation fee of a market, fraction of notional."""
        share = self.rules.liquidation_fee_of_maintenance * self.markets[instrument].mmf_base
        return max(self.rules.liquidation_fee, share)

    def mark(self, instrument: str) -> Decimal:
        """Mark price."""
        return self.figures[instrument].mark

    def marks(self) -> dict[str, Decimal]:
        """Mark prices of all markets."""
        return {instrument: figures.mark for instrument, figures in self.figures.items()}

    def held(self, account_id: str, instrument: str) -> Decimal:
        """Signed position quantity; zero when flat."""
        position = self.account(account_id).positions.get(instrument)
        return position.quantity if position is not None else ZERO

    def unrealised_funding(self, account_id: str, instrument: str) -> Decimal:
        """Accrued and unbooked funding, signed, + = to be received; zero on HOURLY venues."""
        position = self.account(account_id).positions.get(instrument)
        if position is None or self.rules.funding_mode is FundingMode.HOURLY:
            return ZERO
        return accrued_funding(position, self.figures[instrument].accrue(self.now_us()))

    def next_funding_us(self) -> int:
        """Next full hour."""
        return next_hour_us(self.now_us())
