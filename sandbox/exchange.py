"""One venue's engine: accounts, matching, margin, funding, and its own truth.

Duty: everything a venue decides after a request has been authenticated and parsed. Synchronous, single
threaded, deterministic: the same commands at the same times give the same events. Must not do I/O, read a
clock (the time comes from the world), or know any wire spelling.

For a dialect:
* `submit` checks and matches in one step and raises `Refusal` (nothing recorded, no id).
* `accept` + `execute` split it for venues that answer before the risk check: `accept` raises only for form
  (market, tick, lot, sizes, duplicate client id) and gives an order with an id and status NEW; `execute`
  never raises, an order that may not trade ends REJECTED with an `end_reason`.
* Events reach every listener after the command is complete, in the order in which they arose; per match:
  OrderChanged(FILLED), FillHappened, Trade ... then PositionChanged, BalanceChanged, and BookChanged last.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from sandbox.events import Event, Trade
from sandbox.model import (
    Account,
    BookLevel,
    BookSnapshot,
    Fill,
    FundingPayment,
    FundingPoint,
    MarginSummary,
    MarketSpec,
    Order,
    OrderRequest,
    Position,
    VenueRules,
)

Listener = Callable[[Event], None]


class Exchange:
    """One venue. Accounts are keyed by the venue's own identity (base58 key, L2 address, base64 key)."""

    name: str
    rules: VenueRules
    markets: dict[str, MarketSpec]  # by instrument
    accounts: dict[str, Account]

    # --- accounts -------------------------------------------------------------------------------
    def open_account(self, account_id: str, balance: Decimal, *, attributes: dict[str, str] | None = None) -> Account:
        """Open a funded account, or add `balance` to the one that exists (attributes are merged)."""
        ...

    def account(self, account_id: str) -> Account:
        """Find an account; Refusal UNKNOWN_ACCOUNT."""
        ...

    def set_leverage(self, account_id: str, instrument: str, leverage: int, *, may_lower_with_position: bool = True) -> None:
        """Choose the leverage of one market (1..max); Refusal LEVERAGE or MARGIN."""
        ...

    def market_by_symbol(self, symbol: str) -> MarketSpec:
        """Find a market by the venue's own name (case-sensitive); Refusal UNKNOWN_MARKET."""
        ...

    # --- commands -------------------------------------------------------------------------------
    def check(self, request: OrderRequest) -> None:
        """Raise the Refusal that `submit` would raise; change nothing."""
        ...

    def submit(self, request: OrderRequest) -> Order:
        """Check, accept and match at once. A Refusal leaves no trace of the order."""
        ...

    def accept(self, request: OrderRequest) -> Order:
        """Record an order with status NEW after form checks only."""
        ...

    def execute(self, order_id: int) -> Order:
        """Run the risk checks and the matching of an accepted order; an ended order is left alone."""
        ...

    def cancel(
        self,
        account_id: str,
        *,
        order_id: int | None = None,
        client_id: str | None = None,
        instrument: str | None = None,
    ) -> Order:
        """Cancel one live order; Refusal ORDER_NOT_FOUND or ORDER_CLOSED."""
        ...

    def cancel_all(
        self,
        account_id: str,
        instrument: str | None = None,
        *,
        where: Callable[[Order], bool] | None = None,
    ) -> list[Order]:
        """Cancel all live orders of the account (of one market, of those `where` accepts)."""
        ...

    def amend(self, account_id: str, order_id: int, *, price: Decimal, quantity: Decimal) -> Order:
        """Change a resting limit order under the same id; it loses its place in the queue."""
        ...

    # --- reading --------------------------------------------------------------------------------
    def order(self, account_id: str, *, order_id: int | None = None, client_id: str | None = None) -> Order | None:
        """Find an order, live or ended; with a re-used client id the newest one. None if unknown."""
        ...

    def open_orders(self, account_id: str, instrument: str | None = None) -> list[Order]:
        """Live orders, oldest first."""
        ...

    def order_history(self, account_id: str, instrument: str | None = None) -> list[Order]:
        """All orders, live and ended, oldest first."""
        ...

    def fills(self, account_id: str, *, since_us: int = 0, instrument: str | None = None) -> list[Fill]:
        """Executions at or after `since_us`, oldest first."""
        ...

    def funding_payments(self, account_id: str, *, since_us: int = 0, instrument: str | None = None) -> list[FundingPayment]:
        """Funding bookings at or after `since_us`, oldest first."""
        ...

    def positions(self, account_id: str) -> list[Position]:
        """Open positions (quantity not zero)."""
        ...

    def margin(self, account_id: str) -> MarginSummary:
        """Equity, requirements and free margin at the mark prices of now."""
        ...

    def unrealised_funding(self, account_id: str, instrument: str) -> Decimal:
        """Accrued and unbooked funding, signed, + = to be received; zero on HOURLY venues."""
        ...

    def liquidation_price(self, account_id: str, instrument: str) -> Decimal | None:
        """Mark price at which equity meets maintenance, other prices unchanged; None if none or flat."""
        ...

    def book(self, instrument: str, depth: int | None = None) -> BookSnapshot:
        """Both sides, best first, at most `depth` levels each."""
        ...

    def best(self, instrument: str) -> tuple[BookLevel | None, BookLevel | None]:
        """Best bid and best ask."""
        ...

    def mark(self, instrument: str) -> Decimal:
        """Mark price."""
        ...

    def index(self, instrument: str) -> Decimal:
        """Index (oracle, spot) price."""
        ...

    def last_price(self, instrument: str) -> Decimal | None:
        """Price of the last public trade."""
        ...

    def funding_rate(self, instrument: str) -> Decimal:
        """Estimate for the running period, fraction per `rules.funding_period_hours`."""
        ...

    def funding_index(self, instrument: str) -> Decimal:
        """CONTINUOUS venues: accrued quote per base unit up to now."""
        ...

    def next_funding_us(self, instrument: str) -> int:
        """Next full hour."""
        ...

    def funding_points(self, instrument: str) -> list[FundingPoint]:
        """Past funding rates, oldest first (bounded)."""
        ...

    def trades(self, instrument: str, limit: int = 100) -> list[Trade]:
        """Newest public trades, oldest first (bounded)."""
        ...

    def volume_24h(self, instrument: str) -> Decimal:
        """Traded quote notional, seeded with a plausible figure at start."""
        ...

    def open_interest(self, instrument: str) -> Decimal:
        """Sum of long positions, base units."""
        ...

    # --- listening ------------------------------------------------------------------------------
    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Add a listener; the returned function removes it."""
        ...

    def next_seq(self) -> int:
        """Draw the next number of the exchange-wide counter that ids and events share."""
        ...

    def state(self) -> dict[str, object]:
        """The venue's own truth as JSON-ready values, decimals as strings."""
        ...
