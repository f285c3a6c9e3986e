"""What one venue's engine can be asked: accounts, orders, fills, positions, books, prices, statistics.

Duty: read-only look-ups over the state. Must not change anything; commands are in sandbox/exchange.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from sandbox.candles import Candle, CandlePrice
from sandbox.events import Trade
from sandbox.model import (
    ZERO,
    Account,
    BookLevel,
    BookSnapshot,
    Fill,
    FundingPayment,
    FundingPoint,
    MarginSummary,
    MarketSpec,
    Order,
    Position,
    Refusal,
    RefusalReason,
    Side,
    VenueMode,
    VenueRules,
)
from sandbox.risk import margin_summary
from sandbox.statistics import DayStatistics
from sandbox.truth import describe
from sandbox.venue_state import VenueState


class Readings:
    """The reading half of an Exchange."""

    _state: VenueState

    @property
    def name(self) -> str:
        """Venue name in lower case."""
        return self._state.rules.venue

    @property
    def rules(self) -> VenueRules:
        """What is the same for all markets of the venue."""
        return self._state.rules

    @property
    def markets(self) -> Mapping[str, MarketSpec]:
        """Market rules by instrument ("ETH/USD")."""
        return self._state.markets

    @property
    def accounts(self) -> Mapping[str, Account]:
        """All accounts by id, internal ones included (`is_internal`)."""
        return self._state.accounts

    @property
    def last_seq(self) -> int:
        """Newest number drawn from the exchange-wide counter."""
        return self._state.last_seq

    @property
    def self_trades(self) -> int:
        """Fills between two orders of one account. Stays 0."""
        return self._state.self_trades

    def account(self, account_id: str) -> Account:
        """Find an account; Refusal UNKNOWN_ACCOUNT."""
        return self._state.account(account_id)

    def leverage(self, account_id: str, instrument: str) -> int:
        """Leverage in force for one market."""
        return self.account(account_id).leverage.get(instrument, self.market(instrument).max_leverage)

    def market(self, instrument: str) -> MarketSpec:
        """Find a market by instrument; Refusal UNKNOWN_MARKET."""
        return self._state.market(instrument)

    def market_by_symbol(self, symbol: str) -> MarketSpec:
        """Find a market by the venue's own name (case-sensitive); Refusal UNKNOWN_MARKET."""
        spec = self._state.by_symbol.get(symbol)
        if spec is None:
            raise Refusal(RefusalReason.UNKNOWN_MARKET, f"no market {symbol}")
        return spec

    def order(self, account_id: str, *, order_id: int | None = None, client_id: str | None = None) -> Order | None:
        """Find an order, live or ended; with a re-used client id the newest one. None if unknown."""
        return self._state.orders.find(account_id, order_id, client_id)

    def order_by_id(self, order_id: int) -> Order | None:
        """Find a client's order without naming the account. None if unknown."""
        order = self._state.orders.by_id(order_id)
        return None if order is None or self.account(order.account).is_internal else order

    def open_orders(self, account_id: str, instrument: str | None = None) -> list[Order]:
        """Live orders, oldest first."""
        if self.account(account_id).is_internal:
            for market in self._state.markets:
                self._state.book(market)
        return self._state.orders.live(account_id, instrument)

    def waiting_orders(self, account_id: str, instrument: str | None = None) -> list[Order]:
        """Trigger orders that have not gone off, oldest first; they are not among the open orders."""
        return self._state.orders.waiting(account_id, instrument)

    def order_history(self, account_id: str, instrument: str | None = None) -> list[Order]:
        """All orders, live and ended, oldest first."""
        return self._state.orders.of_account(account_id, instrument)

    def fills(self, account_id: str, *, since_us: int = 0, instrument: str | None = None) -> list[Fill]:
        """Executions at or after `since_us`, oldest first."""
        return [
            f
            for f in self._state.fills.get(account_id, [])
            if f.time_us >= since_us and instrument in (None, f.instrument)
        ]

    def funding_payments(
        self, account_id: str, *, since_us: int = 0, instrument: str | None = None
    ) -> list[FundingPayment]:
        """Funding bookings at or after `since_us`, oldest first."""
        return [
            p
            for p in self._state.payments.get(account_id, [])
            if p.time_us >= since_us and instrument in (None, p.instrument)
        ]

    def positions(self, account_id: str) -> list[Position]:
        """Open positions (quantity not zero)."""
        return [p for p in self.account(account_id).positions.values() if p.quantity]

    def margin(self, account_id: str) -> MarginSummary:
        """Equity, requirements and free margin at the mark prices of now."""
        return margin_summary(self._state, account_id)

    def unrealised_funding(self, account_id: str, instrument: str) -> Decimal:
        """Accrued and unbooked funding, signed, + = to be received; zero on HOURLY venues."""
        return self._state.unrealised_funding(account_id, instrument)

    def liquidation_price(self, account_id: str, instrument: str) -> Decimal | None:
        """Mark price at which equity meets maintenance, other prices unchanged; None when flat.

        May be negative. Solves equity + q * (p - mark) = other maintenance + |q| * p * fraction for p, with
        the maintenance fraction of now.
        """
        held = self._state.held(account_id, instrument)
        if not held:
            return None
        summary, mark, spec = self.margin(account_id), self.mark(instrument), self.markets[instrument]
        fraction = max(spec.mmf_base, spec.mmf_factor * (abs(held) * mark).sqrt())
        others = summary.maintenance - abs(held) * mark * fraction
        return (others - summary.equity + held * mark) / (held - abs(held) * fraction)

    def book(self, instrument: str, depth: int | None = None) -> BookSnapshot:
        """Both sides, best first, at most `depth` levels each."""
        book = self._state.book(self.market(instrument).instrument)
        bids, asks = book.levels(Side.BUY, depth), book.levels(Side.SELL, depth)
        return BookSnapshot(instrument, bids, asks, book.seq, self._state.now_us())

    def best(self, instrument: str) -> tuple[BookLevel | None, BookLevel | None]:
        """Best bid and best ask."""
        top = self.book(instrument, 1)
        return top.bids[0] if top.bids else None, top.asks[0] if top.asks else None

    def mark(self, instrument: str) -> Decimal:
        """Mark price."""
        return self._state.mark(instrument)

    def index(self, instrument: str) -> Decimal:
        """Index (oracle, spot) price."""
        return self._state.figures[instrument].index

    def last_price(self, instrument: str) -> Decimal | None:
        """Price of the last public trade; None before the first."""
        return self._state.figures[instrument].last

    def day(self, instrument: str) -> DayStatistics:
        """Statistics of the last 24 hours."""
        return self._state.figures[self.market(instrument).instrument].day.statistics(self._state.now_us())

    def day_open(self, instrument: str) -> Decimal:
        """Price of 24 hours ago; of a younger twin: the price it started with."""
        return self.day(instrument).open

    def candles(
        self,
        instrument: str,
        interval_us: int,
        *,
        by: CandlePrice = CandlePrice.LAST,
        since_us: int = 0,
        until_us: int | None = None,
    ) -> list[Candle]:
        """Candles that begin in the span, oldest first; lengths are in sandbox/candles.py (1 s only for LAST)."""
        tape = self._state.figures[self.market(instrument).instrument].tapes[by]
        return tape.candles(interval_us, since_us, until_us)

    def newest_candle(self, instrument: str, interval_us: int, *, by: CandlePrice = CandlePrice.LAST) -> Candle | None:
        """The candle that the newest price belongs to."""
        return self._state.figures[self.market(instrument).instrument].tapes[by].newest(interval_us)

    def funding_rate(self, instrument: str) -> Decimal:
        """Estimate for the running period, fraction per `rules.funding_period_hours`."""
        return self._state.figures[instrument].rate

    def funding_index(self, instrument: str) -> Decimal:
        """CONTINUOUS venues: accrued quote per base unit up to now."""
        return self._state.figures[instrument].accrue(self._state.now_us())

    def next_funding_us(self, instrument: str) -> int:
        """Next full hour."""
        self.market(instrument)
        return self._state.next_funding_us()

    def funding_points(self, instrument: str) -> list[FundingPoint]:
        """Past funding rates, oldest first (bounded)."""
        return list(self._state.figures[instrument].points)

    def trades(self, instrument: str, limit: int = 100) -> list[Trade]:
        """Newest public trades, oldest first (bounded)."""
        return list(self._state.figures[instrument].trades)[-limit:]

    def volume_24h(self, instrument: str) -> Decimal:
        """Quote notional of 24 hours, see sandbox/statistics.py."""
        return self.day(instrument).notional

    def mode(self, instrument: str | None = None) -> VenueMode:
        """What the venue takes at present; with an instrument, the stricter of the venue's and the market's."""
        return self._state.mode(instrument)

    def open_interest(self, instrument: str) -> Decimal:
        """Sum of long positions, base units."""
        held = (self._state.held(account_id, instrument) for account_id in self._state.accounts)
        return sum((q for q in held if q > 0), ZERO)

    def state(self) -> dict[str, object]:
        """The venue's own truth as JSON-ready values, decimals as strings."""
        return describe(self._state)
