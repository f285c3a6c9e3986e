"""One venue's engine: accounts, matching, margin, funding, and its own truth.

Duty: everything a venue decides after a request has been authenticated and parsed. Synchronous, single
threaded, deterministic: the same commands at the same times give the same events. Must not do I/O, read a
clock (the time comes from the world), or know any wire spelling.

For a dialect:
* `submit` checks and matches in one step and raises `Refusal` (nothing recorded, no id).
* `accept` + `execute` split it for venues that answer before the risk check: `accept` raises only for form
  (market, tick, lot, sizes, duplicate client id) and gives an order with an id and status NEW; `execute`
  never raises a Refusal, an order that may not trade ends with an `end_reason`.
* Orders returned are the engine's own live objects: read them, never write them.
* Events reach every listener after the command is complete, in the order in which they arose; per match:
  OrderChanged(FILLED) and FillHappened of the maker, the same of the taker, Trade; at the end of the
  command PositionChanged, BalanceChanged, and BookChanged last.
* Internal accounts (market makers, background flow) have no margin and no private events.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal

from sandbox.announcer import Announcer, Listener
from sandbox.checks import check_form
from sandbox.events import Trade
from sandbox.interventions import VENUE_ACCOUNT, Interventions
from sandbox.ledger import Ledger
from sandbox.matching import Matcher
from sandbox.model import (
    ZERO,
    Account,
    BookLevel,
    BookSnapshot,
    EndReason,
    Fill,
    FundingMode,
    FundingPayment,
    FundingPoint,
    MarginSummary,
    MarketSpec,
    Order,
    OrderKind,
    OrderRequest,
    OrderStatus,
    Position,
    Refusal,
    RefusalReason,
    Side,
    VenueRules,
)
from sandbox.risk import check_risk, margin_summary
from sandbox.truth import describe
from sandbox.venue_state import VenueState

__all__ = ["Exchange", "Listener"]

END_OF: Mapping[RefusalReason, tuple[OrderStatus, EndReason]] = {
    RefusalReason.MARGIN: (OrderStatus.REJECTED, EndReason.MARGIN),
    RefusalReason.POST_ONLY_CROSS: (OrderStatus.REJECTED, EndReason.POST_ONLY_CROSS),
    RefusalReason.REDUCE_ONLY_NO_POSITION: (OrderStatus.REJECTED, EndReason.REDUCE_ONLY),
    RefusalReason.REDUCE_ONLY_SIDE: (OrderStatus.REJECTED, EndReason.REDUCE_ONLY),
    RefusalReason.REDUCE_ONLY_QUANTITY: (OrderStatus.REJECTED, EndReason.REDUCE_ONLY),
    RefusalReason.PRICE_BAND: (OrderStatus.REJECTED, EndReason.PRICE_BAND),
    RefusalReason.NO_LIQUIDITY: (OrderStatus.CANCELLED, EndReason.NO_LIQUIDITY),
    RefusalReason.FOK_UNFILLED: (OrderStatus.CANCELLED, EndReason.FOK_UNFILLED),
    RefusalReason.ORDER_LIMIT: (OrderStatus.REJECTED, EndReason.SYSTEM),
}


class Exchange:
    """One venue. Accounts are keyed by the venue's own identity (base58 key, L2 address, base64 key)."""

    def __init__(
        self,
        rules: VenueRules,
        markets: Mapping[str, MarketSpec],
        prices: Mapping[str, Decimal],
        turnovers: Mapping[str, Decimal],
        now_us: Callable[[], int],
    ) -> None:
        self._state = VenueState(rules, markets, prices, turnovers, now_us)
        self._announcer = Announcer(self._state)
        self._ledger = Ledger(self._state, self._announcer)
        self._matcher = Matcher(self._state, self._ledger, self._announcer)
        self._interventions = Interventions(self._state, self._announcer, self._ledger, self._matcher)
        self.open_internal_account(VENUE_ACCOUNT)

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

    # --- accounts -------------------------------------------------------------------------------
    def open_account(
        self, account_id: str, balance: Decimal, *, attributes: Mapping[str, str] | None = None
    ) -> Account:
        """Open a funded account, or add `balance` to the one that exists (attributes are merged)."""
        accounts = self._state.accounts
        if account_id not in accounts:
            accounts[account_id] = Account(account_id, ZERO, ZERO, created_us=self._state.now_us())
        account = accounts[account_id]
        with self._announcer.command():
            self._announcer.touch_balance(account)
            account.balance += balance
            account.deposits += balance
            account.attributes.update(attributes or {})
        return account

    def open_internal_account(self, account_id: str) -> Account:
        """Open an account of the twin itself: unlimited margin, no fees, no private events."""
        account = Account(account_id, ZERO, ZERO, is_internal=True, created_us=self._state.now_us())
        self._state.accounts[account_id] = account
        return account

    def account(self, account_id: str) -> Account:
        """Find an account; Refusal UNKNOWN_ACCOUNT."""
        return self._state.account(account_id)

    def set_leverage(
        self, account_id: str, instrument: str, leverage: int, *, may_lower_with_position: bool = True
    ) -> None:
        """Choose the leverage of one market (1..max); Refusal LEVERAGE or MARGIN."""
        account, spec = self.account(account_id), self.market(instrument)
        before = self.leverage(account_id, instrument)
        if not 1 <= leverage <= spec.max_leverage:
            raise Refusal(RefusalReason.LEVERAGE, f"leverage must be 1 to {spec.max_leverage}")
        is_lower = leverage < before
        if is_lower and not may_lower_with_position and self._state.held(account_id, instrument):
            raise Refusal(RefusalReason.LEVERAGE, f"cannot decrease leverage with open position: {leverage}")
        account.leverage[instrument] = leverage
        summary = self.margin(account_id)
        if is_lower and summary.initial > summary.equity:
            account.leverage[instrument] = before
            raise Refusal(RefusalReason.MARGIN, "the lower leverage needs more margin than there is")

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

    # --- commands -------------------------------------------------------------------------------
    def check_form(self, request: OrderRequest) -> None:
        """Raise the Refusal that `accept` would raise (tick, lot, sizes, client id); change nothing."""
        self._check_form(request)

    def check(self, request: OrderRequest) -> None:
        """Raise the Refusal that `submit` would raise; change nothing."""
        self._check_form(request)
        check_risk(self._state, request, exclude_id=None)

    def submit(self, request: OrderRequest) -> Order:
        """Check, accept and match at once. A Refusal leaves no trace of the order."""
        self._check_form(request)
        quantity = check_risk(self._state, request, exclude_id=None)
        with self._announcer.command():
            order = self._matcher.create(request)
            self._matcher.start(order, quantity)
        return order

    def accept(self, request: OrderRequest) -> Order:
        """Record an order with status NEW after form checks only."""
        self._check_form(request)
        with self._announcer.command():
            return self._matcher.create(request)

    def execute(self, order_id: int) -> Order:
        """Run the risk checks and the matching of an accepted order; an ended order is left alone."""
        order = self._state.orders.by_id(order_id)
        if order is None:
            raise Refusal(RefusalReason.ORDER_NOT_FOUND, f"no order {order_id}")
        if order.status is not OrderStatus.NEW:
            return order
        with self._announcer.command():
            try:
                quantity = check_risk(self._state, order, exclude_id=order.id)
            except Refusal as refusal:
                status, reason = END_OF[refusal.reason]
                self._matcher.end(order, status, reason, refusal.text)
            else:
                self._matcher.start(order, quantity)
        return order

    def cancel(
        self,
        account_id: str,
        *,
        order_id: int | None = None,
        client_id: str | None = None,
        instrument: str | None = None,
    ) -> Order:
        """Cancel one live order; Refusal ORDER_NOT_FOUND or ORDER_CLOSED."""
        order = self._state.orders.find(account_id, order_id, client_id)
        if order is None or instrument not in (None, order.instrument):
            raise Refusal(RefusalReason.ORDER_NOT_FOUND, "no such order")
        if not order.is_live:
            raise Refusal(RefusalReason.ORDER_CLOSED, f"order {order.id} is {order.status.value}")
        with self._announcer.command():
            self._matcher.end(order, OrderStatus.CANCELLED, EndReason.USER_CANCEL)
        return order

    def cancel_all(
        self,
        account_id: str,
        instrument: str | None = None,
        *,
        where: Callable[[Order], bool] | None = None,
        reason: EndReason = EndReason.USER_CANCEL,
    ) -> list[Order]:
        """Cancel all live orders of the account (of one market, of those `where` accepts)."""
        orders = [o for o in self.open_orders(account_id, instrument) if where is None or where(o)]
        with self._announcer.command():
            for order in orders:
                self._matcher.end(order, OrderStatus.CANCELLED, reason)
        return orders

    def amend(self, account_id: str, order_id: int, *, price: Decimal, quantity: Decimal) -> Order:
        """Change a live limit order under the same id; it loses its place in the queue.

        `quantity` is the new total, not the remaining one. Refusals as for `submit`.
        """
        order = self._state.orders.find(account_id, order_id, None)
        if order is None:
            raise Refusal(RefusalReason.ORDER_NOT_FOUND, "no such order")
        if not order.is_live or order.kind is not OrderKind.LIMIT:
            raise Refusal(RefusalReason.ORDER_CLOSED, f"order {order.id} cannot be changed")
        if quantity <= order.filled:
            raise Refusal(RefusalReason.QUANTITY, f"{order.filled:f} is filled already")
        probe = OrderRequest(
            account=account_id,
            instrument=order.instrument,
            side=order.side,
            kind=order.kind,
            quantity=quantity,
            price=price,
            tif=order.tif,
            reduce_only=order.reduce_only,
        )
        check_form(self.market(order.instrument), self.rules, probe, self.mark(order.instrument))
        check_risk(self._state, replace(probe, quantity=quantity - order.filled), exclude_id=order.id)
        with self._announcer.command():
            self._matcher.amend(order, price, quantity)
        return order

    def quote(
        self,
        account_id: str,
        instrument: str,
        bids: Mapping[Decimal, Decimal],
        asks: Mapping[Decimal, Decimal],
    ) -> None:
        """Make an internal account's resting orders equal to two ladders (price -> quantity).

        Unchanged levels keep their place. Old orders go first, so the ladders never meet each other; where
        they cross other accounts' orders they trade.
        """
        wanted = {(Side.BUY, p): q for p, q in bids.items()} | {(Side.SELL, p): q for p, q in asks.items()}
        with self._announcer.command():
            for order in self.open_orders(account_id, instrument):
                assert order.price is not None
                if wanted.get((order.side, order.price)) == order.remaining:
                    del wanted[order.side, order.price]
                else:
                    self._matcher.end(order, OrderStatus.CANCELLED, EndReason.USER_CANCEL)
            for (side, price), quantity in wanted.items():
                request = OrderRequest(account_id, instrument, side, OrderKind.LIMIT, quantity, price)
                self._matcher.work(self._matcher.create(request))

    # --- what the venue itself does -------------------------------------------------------------
    def set_prices(self, instrument: str, mark: Decimal, index: Decimal, premium: Decimal) -> None:
        """Publish new mark and index prices and the premium behind the funding estimate."""
        figures = self._state.figures[instrument]
        is_new = (mark, index) != (figures.mark, figures.index)
        figures.set_prices(mark, index, premium, self._state.now_us())
        if is_new:
            with self._announcer.command():
                self._announcer.mark(figures)

    def set_funding_rate(self, instrument: str, rate: Decimal | None) -> None:
        """Fix a market's funding rate (fraction per the venue's period); None returns to the formula."""
        self.market(instrument)
        self._state.figures[instrument].set_rate(rate, self._state.now_us())

    def change_rules(self, rules: VenueRules) -> None:
        """Follow other venue rules from now on; the funding mode, period and decimals must stay as they were."""
        fixed = (rules.venue, rules.funding_mode, rules.funding_period_hours, rules.fee_decimals)
        now = self._state.rules
        assert fixed == (now.venue, now.funding_mode, now.funding_period_hours, now.fee_decimals)
        self._state.rules = rules

    def settle_funding(self) -> None:
        """Pay the hour's funding to every position (HOURLY venues); the world calls it at full hours."""
        if self.rules.funding_mode is FundingMode.HOURLY:
            with self._announcer.command():
                self._ledger.pay_hour()

    def liquidate(self) -> list[str]:
        """Close the positions of every client account whose equity is under its maintenance margin."""
        return self._interventions.liquidate()

    def deleverage(self, account_id: str, instrument: str, quantity: Decimal | None = None) -> Fill:
        """Close (part of) a position at mark against the venue itself, as auto-deleveraging does."""
        return self._interventions.deleverage(account_id, instrument, quantity)

    def bust(self, fill_id: int) -> Fill:
        """Undo a client's fill on both sides; return the undoing fill."""
        return self._interventions.bust(fill_id)

    # --- reading --------------------------------------------------------------------------------
    def order(self, account_id: str, *, order_id: int | None = None, client_id: str | None = None) -> Order | None:
        """Find an order, live or ended; with a re-used client id the newest one. None if unknown."""
        return self._state.orders.find(account_id, order_id, client_id)

    def order_by_id(self, order_id: int) -> Order | None:
        """Find a client's order without naming the account. None if unknown."""
        order = self._state.orders.by_id(order_id)
        return None if order is None or self.account(order.account).is_internal else order

    def open_orders(self, account_id: str, instrument: str | None = None) -> list[Order]:
        """Live orders, oldest first."""
        return self._state.orders.live(account_id, instrument)

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
        book = self._state.books[self.market(instrument).instrument]
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

    def day_open(self, instrument: str) -> Decimal:
        """Price the twin started with; stands for the price of a day ago."""
        return self._state.figures[instrument].day_open

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
        """Traded quote notional on top of the plausible figure the twin started with."""
        return self._state.figures[instrument].turnover

    def open_interest(self, instrument: str) -> Decimal:
        """Sum of long positions, base units."""
        held = (self._state.held(account_id, instrument) for account_id in self._state.accounts)
        return sum((q for q in held if q > 0), ZERO)

    # --- listening ------------------------------------------------------------------------------
    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Add a listener; the returned function removes it."""
        return self._announcer.subscribe(listener)

    def next_seq(self) -> int:
        """Draw the next number of the exchange-wide counter that ids and events share."""
        return self._state.next_seq()

    def state(self) -> dict[str, object]:
        """The venue's own truth as JSON-ready values, decimals as strings."""
        return describe(self._state)

    def _check_form(self, request: OrderRequest) -> None:
        state = self._state
        state.account(request.account)
        spec = state.market(request.instrument)
        check_form(spec, state.rules, request, state.mark(request.instrument))
        client_id, scope = request.client_id, state.rules.client_id_scope
        if client_id is None or request.inherits_client_id:
            return
        if state.orders.is_taken(request.account, client_id, scope):
            raise Refusal(RefusalReason.DUPLICATE_CLIENT_ID, f"duplicate client order id: {client_id}")
