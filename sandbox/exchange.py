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
* A market maker may `promise` its quotes: they enter the book at the first look or command that could notice them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from sandbox.announcer import Announcer, Listener, Watches, always
from sandbox.checks import check_form
from sandbox.events import Event, ModeChanged
from sandbox.forced import VENUE_ACCOUNT, Forced
from sandbox.interventions import Interventions
from sandbox.ledger import Ledger
from sandbox.liquidation import Liquidator, Tier
from sandbox.matching import Matcher
from sandbox.model import (
    ZERO,
    Account,
    EndReason,
    Fill,
    FundingMode,
    MarketSpec,
    Order,
    OrderKind,
    OrderRequest,
    OrderStatus,
    Refusal,
    RefusalReason,
    Trigger,
    VenueMode,
    VenueRules,
)
from sandbox.quotes import Promise, Quotes
from sandbox.readings import Readings
from sandbox.risk import check_mode, check_risk
from sandbox.triggers import TriggerDesk
from sandbox.venue_state import VenueState

__all__ = ["Exchange", "Listener"]


class Exchange(Readings):
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
        self._quotes = Quotes(self._state, self._announcer, self._matcher)
        self._triggers = TriggerDesk(self._state, self._announcer, self._matcher)
        forced = Forced(self._state, self._matcher)
        self._liquidator = Liquidator(self._state, self._announcer, self._matcher, forced)
        self._interventions = Interventions(self._state, self._announcer, self._ledger, forced)
        self.open_internal_account(VENUE_ACCOUNT)

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
            self._matcher.judge(order)
        return order

    def place_trigger(self, request: OrderRequest, trigger: Trigger, *, is_form_checked: bool = True) -> Order:
        """Record a trigger order with status WAITING; Refusals of form, TRIGGER, VENUE_MODE.

        When the price comes it goes on as NEW under the same id, checked like any order at that moment; one
        that may not trade then ends with its `end_reason`. `is_form_checked=False` leaves quantities and
        notional to that moment too. Waiting orders hold no margin and no place in the book.
        """
        self.account(request.account)
        self.market(request.instrument)
        if self.mode(request.instrument).strictness >= VenueMode.CANCEL_ONLY.strictness:
            check_mode(self._state, request)
        self._check_client_id(request)
        if is_form_checked and trigger.share is None:
            check_form(self.market(request.instrument), self.rules, request, self.mark(request.instrument))
        self._triggers.check(request, trigger)
        return self._triggers.place(request, trigger)

    def cancel(
        self,
        account_id: str,
        *,
        order_id: int | None = None,
        client_id: str | None = None,
        instrument: str | None = None,
    ) -> Order:
        """Cancel one live or waiting order; Refusal ORDER_NOT_FOUND, ORDER_CLOSED or VENUE_MODE."""
        self._check_cancelling()
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
        return self._cancel_each(self.open_orders(account_id, instrument), where, reason)

    def cancel_waiting(
        self,
        account_id: str,
        instrument: str | None = None,
        *,
        where: Callable[[Order], bool] | None = None,
        reason: EndReason = EndReason.USER_CANCEL,
    ) -> list[Order]:
        """Cancel the account's trigger orders that have not gone off; `cancel_all` leaves them alone."""
        return self._cancel_each(self.waiting_orders(account_id, instrument), where, reason)

    def amend(
        self, account_id: str, order_id: int, *, price: Decimal, quantity: Decimal, trigger: Trigger | None = None
    ) -> Order:
        """Change a live limit order under the same id; it loses its place in the queue.

        `quantity` is the new total, not the remaining one; `trigger` the new condition of a waiting order.
        Refusals as for `submit`.
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
        check_mode(self._state, probe)
        check_form(self.market(order.instrument), self.rules, probe, self.mark(order.instrument))
        if trigger is not None:
            self._triggers.check(probe, trigger)
        if order.status is not OrderStatus.WAITING:
            check_risk(self._state, replace(probe, quantity=quantity - order.filled), exclude_id=order.id)
        with self._announcer.command():
            order.trigger = trigger if order.status is OrderStatus.WAITING and trigger is not None else order.trigger
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
        they cross other accounts' orders they trade. From mode POST_ONLY on nothing is taken; from CANCEL_ONLY
        on the ladders stay as they are.
        """
        self._quotes.put(account_id, instrument, bids, asks)

    def promise(self, promise: Promise) -> None:
        """Let an internal account's ladders enter the book at the first look, unless others replace them before."""
        self._quotes.promise(promise)

    def is_seen(self, account_id: str, instrument: str, reach: Callable[[], tuple[Decimal, Decimal]]) -> bool:
        """Whether an internal account's ladders, which lie inside `reach`, must stand in the book at once."""
        return self._quotes.is_seen(account_id, instrument, reach)

    def look(self, instrument: str) -> None:
        """Put the quotes of now into the book."""
        self._state.book(instrument)

    def take(self, request: OrderRequest) -> Order:
        """As `submit`, for an internal account's market order; may meet promised quotes without a look at the book."""
        self._check_form(request)
        order = self._quotes.take(request)
        return self.submit(request) if order is None else order

    # --- what the venue itself does -------------------------------------------------------------
    def set_prices(self, instrument: str, mark: Decimal, index: Decimal, premium: Decimal) -> None:
        """Publish new mark and index prices and the premium behind the funding estimate."""
        figures = self._state.figures[instrument]
        is_new = (mark, index) != (figures.mark, figures.index)
        figures.set_prices(mark, index, premium, self._state.now_us())
        if is_new and self._announcer.is_mark_heard:
            self._announcer.mark(figures)

    def set_funding_rate(self, instrument: str, rate: Decimal | None) -> None:
        """Fix a market's funding rate (fraction per the venue's period); None returns to the formula."""
        self.market(instrument)
        self._state.figures[instrument].set_rate(rate, self._state.now_us())

    def set_mode(self, mode: VenueMode, instrument: str | None = None) -> None:
        """Take only what `mode` allows from now on, at one market or at the whole venue."""
        if instrument is not None:
            self.market(instrument)
        for market in self.markets:
            self._state.book(market)  # quotes of before the change
        with self._announcer.command():
            self._state.modes[instrument] = mode
            self._announcer.emit(ModeChanged(mode, instrument, self._state.now_us()))

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
        """Take one liquidation step against every account under its maintenance margin; return their ids."""
        return self._liquidator.check()

    def split_fills(self, shares: Sequence[Decimal]) -> None:
        """Let clients' orders meet the makers in pieces of these shares of the order, the rest in one; () ends it."""
        assert all(share > 0 for share in shares)
        self._state.split = tuple(shares)

    def force_liquidation(self, account_id: str, tier: Tier) -> None:
        """Take one step of a tier against an account whatever its margin, as scripts want."""
        self._liquidator.force(account_id, tier)

    def deleverage(self, account_id: str, instrument: str, quantity: Decimal | None = None) -> Fill:
        """Close (part of) a position at mark against the venue itself, as auto-deleveraging does."""
        return self._interventions.deleverage(account_id, instrument, quantity)

    def bust(self, fill_id: int) -> Fill:
        """Undo a client's fill on both sides; return the undoing fill."""
        return self._interventions.bust(fill_id)

    # --- listening ------------------------------------------------------------------------------
    def subscribe(
        self, listener: Listener, watches: Watches = always, kinds: tuple[type[Event], ...] = ()
    ) -> Callable[[], None]:
        """Add a listener for some kinds of events, or all with (); the returned function removes it.

        `watches(instrument)` tells whether it must hear of each change of that book now; while nobody does, makers'
        quotes are worked out only when somebody looks.
        """
        return self._announcer.subscribe(listener, watches, kinds)

    def next_seq(self) -> int:
        """Draw the next number of the exchange-wide counter that ids and events share."""
        return self._state.next_seq()

    def reserve(self, numbers: int) -> int:
        """Draw so many numbers of that counter at once; return the first."""
        return self._state.reserve(numbers)

    def _cancel_each(
        self, orders: list[Order], where: Callable[[Order], bool] | None, reason: EndReason
    ) -> list[Order]:
        self._check_cancelling()
        chosen = [o for o in orders if where is None or where(o)]
        with self._announcer.command():
            for order in chosen:
                self._matcher.end(order, OrderStatus.CANCELLED, reason)
        return chosen

    def _check_cancelling(self) -> None:
        mode = self.mode()
        if mode is VenueMode.MAINTENANCE:
            raise Refusal(RefusalReason.VENUE_MODE, "the venue is in maintenance", mode=mode.value)

    def _check_form(self, request: OrderRequest) -> None:
        state = self._state
        state.account(request.account)
        spec = state.market(request.instrument)
        check_mode(state, request)
        check_form(spec, state.rules, request, state.mark(request.instrument))
        self._check_client_id(request)

    def _check_client_id(self, request: OrderRequest) -> None:
        state = self._state
        client_id, scope = request.client_id, state.rules.client_id_scope
        if client_id is None or request.inherits_client_id:
            return
        if state.orders.is_taken(request.account, client_id, scope):
            raise Refusal(RefusalReason.DUPLICATE_CLIENT_ID, f"duplicate client order id: {client_id}")
