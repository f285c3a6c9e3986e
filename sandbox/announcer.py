"""Collects what a command changed and tells the listeners when the command is complete.

Duty: order and timing of events. Inside `command()` events queue up; when the outermost command ends,
position, balance and book changes are added and everything is delivered in order. Must not change state.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal

from sandbox.events import BalanceChanged, BookChanged, Event, MarkChanged, OrderChanged, PositionChanged
from sandbox.model import Account, EndReason, Order, OrderChange, Position
from sandbox.pricing import MarketFigures
from sandbox.venue_state import VenueState

Listener = Callable[[Event], None]
Watches = Callable[[str], bool]  # instrument -> whether each change of its book must be told


def never(_instrument: str) -> bool:
    """For listeners that look at books themselves, or not at all."""
    return False


def always(_instrument: str) -> bool:
    """For listeners that want every change of every book."""
    return True


class Announcer:
    """Event queue of one venue."""

    def __init__(self, state: VenueState) -> None:
        self._state = state
        self._listeners: list[tuple[Listener, Watches, tuple[type[Event], ...]]] = []
        self._hearing: dict[type[Event], tuple[Listener, ...]] = {}  # by kind of event, once worked out
        self._queue: deque[Event] = deque()
        self._depth = 0
        self._is_delivering = False
        self._balances: dict[str, Decimal] = {}
        self._positions: dict[tuple[str, str], Decimal] = {}

    def subscribe(
        self, listener: Listener, watches: Watches = always, kinds: tuple[type[Event], ...] = ()
    ) -> Callable[[], None]:
        """Add a listener for some kinds of events, or all with (); the returned function removes it.

        While no listener watches a market, its makers' quotes enter the book only when somebody looks, and a
        BookChanged may gather what several requotes changed.
        """
        entry = (listener, watches, kinds)

        def unsubscribe() -> None:
            self._listeners.remove(entry)
            self._hearing.clear()

        self._listeners.append(entry)
        self._hearing.clear()
        return unsubscribe

    def is_watched(self, instrument: str) -> bool:
        """Whether a listener must be told of each change of this book."""
        return any(watches(instrument) for _, watches, _ in self._listeners if watches is not never)

    def hearing(self, kind: type[Event]) -> tuple[Listener, ...]:
        """Who wants events of a kind, in the order in which they came."""
        if kind not in self._hearing:
            self._hearing[kind] = tuple(heard for heard, _, kinds in self._listeners if not kinds or kind in kinds)
        return self._hearing[kind]

    @property
    def is_mark_heard(self) -> bool:
        """Whether anybody wants prices besides the trigger desk, who is always there and idle while none waits."""
        return len(self.hearing(MarkChanged)) > 1 or self._state.orders.has_waiting

    @contextmanager
    def command(self) -> Iterator[None]:
        """Frame one command; may be nested, the outermost delivers."""
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            if self._depth == 0:
                self._close()

    def emit(self, event: Event) -> None:
        """Queue one event."""
        self._queue.append(event)

    def order(self, order: Order, change: OrderChange, reason: EndReason | None = None) -> None:
        """Queue an order's change, unless its account is internal."""
        if not self._state.accounts[order.account].is_internal:
            self.emit(OrderChanged(replace(order), change, reason, self._state.now_us(), order.seq))

    def mark(self, figures: MarketFigures) -> None:
        """Tell of a market's new prices, which no other change goes with: at once, or as the command's next event."""
        state = self._state
        self.emit(
            MarkChanged(
                figures.instrument,
                figures.mark,
                figures.index,
                figures.rate,
                state.next_funding_us(),
                state.now_us(),
            )
        )
        if self._depth == 0:
            self._deliver()

    def touch_balance(self, account: Account) -> None:
        """Note a balance before it changes."""
        if not account.is_internal:
            self._balances.setdefault(account.id, account.balance)

    def touch_position(self, account: Account, position: Position) -> None:
        """Note a position before it changes."""
        if not account.is_internal:
            self._positions.setdefault((account.id, position.instrument), position.quantity)

    def _close(self) -> None:
        self._queue_position_changes()
        self._queue_balance_changes()
        now = self._state.now_us()
        for instrument, book in self._state.books.items():
            levels = book.take_changes()
            if levels:
                self.emit(BookChanged(instrument, book.seq, levels, now))
        self._deliver()

    def _queue_position_changes(self) -> None:
        for (account_id, instrument), before in self._positions.items():
            position = self._state.accounts[account_id].positions[instrument]
            event = PositionChanged(account_id, replace(position), before, position.updated_us, position.seq)
            self.emit(event)
        self._positions.clear()

    def _queue_balance_changes(self) -> None:
        now = self._state.now_us()
        for account_id, before in self._balances.items():
            balance = self._state.accounts[account_id].balance
            if balance != before:
                self.emit(BalanceChanged(account_id, before, balance, now, self._state.next_seq()))
        self._balances.clear()

    def _deliver(self) -> None:
        if self._is_delivering:
            return  # a listener gave a command: the loop below goes on with its events
        self._is_delivering = True
        try:
            while self._queue:
                event = self._queue.popleft()
                for listener in self.hearing(type(event)):
                    listener(event)
        finally:
            self._is_delivering = False
