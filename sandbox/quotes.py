"""Ladders of internal accounts: put into the book at once, or promised until somebody looks.

Duty: keep one internal account's resting orders equal to the ladders it wants. A market maker that nobody watches
promises its ladders instead: they enter the book at the first look (`VenueState.book`), as they were when they were
promised, less what was taken from them meanwhile. A promise that the next one replaces was never seen, so it costs
nothing and changes nothing. Must not decide prices, or what counts as being watched beyond orders, triggers and
listeners.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial

from sandbox.announcer import Announcer
from sandbox.matching import Matcher
from sandbox.model import Order, OrderKind, OrderRequest, Side, VenueMode
from sandbox.risk import price_limit
from sandbox.venue_state import VenueState


@dataclass(slots=True)
class Rung:
    """One level of a ladder; `id` is the one its order gets."""

    price: Decimal
    quantity: Decimal
    id: int


class Promise:
    """Two ladders of one account in one market that are not in the book yet. `ladder` gives a side, best first.

    An account may promise again with the same object: `Quotes.promise` renews it.
    """

    __slots__ = ("_ladder", "_rest", "_rungs", "account", "instrument")

    def __init__(self, account: str, instrument: str, ladder: Callable[[Side], Iterator[Rung]]) -> None:
        self.account = account
        self.instrument = instrument
        self._ladder = ladder
        self._rungs: dict[Side, list[Rung]] = {}
        self._rest: dict[Side, Iterator[Rung]] = {}

    def renew(self) -> None:
        """Forget the ladders that were worked out."""
        self._rungs.clear()
        self._rest.clear()

    def worth(self, side: Side, quantity: Decimal) -> list[Rung] | None:
        """The best rungs of a side that hold so much together, worked out no further; None if all do not."""
        rungs, rest = self._begun(side)
        missing = quantity - sum(rung.quantity for rung in rungs)
        while missing > 0:
            rung = next(rest, None)
            if rung is None:
                return None
            rungs.append(rung)
            missing -= rung.quantity
        return rungs

    def side(self, side: Side) -> list[Rung]:
        """One whole ladder, best first."""
        rungs, rest = self._begun(side)
        rungs.extend(rest)
        return rungs

    def _begun(self, side: Side) -> tuple[list[Rung], Iterator[Rung]]:
        if side not in self._rungs:
            self._rungs[side], self._rest[side] = [], self._ladder(side)
        return self._rungs[side], self._rest[side]


class Quotes:
    """Internal accounts' ladders at one venue."""

    def __init__(self, state: VenueState, announcer: Announcer, matcher: Matcher) -> None:
        self._state = state
        self._announcer = announcer
        self._matcher = matcher
        self._promises: dict[str, Promise] = {}

    def put(
        self, account: str, instrument: str, bids: Mapping[Decimal, Decimal], asks: Mapping[Decimal, Decimal]
    ) -> None:
        """Make the account's resting orders equal to two ladders (price -> quantity)."""
        self._drop(account, instrument)
        first = self._state.reserve(len(bids) + len(asks))
        prices = [(side, price) for side, ladder in ((Side.BUY, bids), (Side.SELL, asks)) for price in ladder]
        ids = {wanted: first + number for number, wanted in enumerate(prices)}
        self._enter(
            account,
            instrument,
            [Rung(price, quantity, ids[Side.BUY, price]) for price, quantity in bids.items()],
            [Rung(price, quantity, ids[Side.SELL, price]) for price, quantity in asks.items()],
        )

    def promise(self, promise: Promise) -> None:
        """Let an account's ladders of now replace what it promised in this market before; a look makes them true."""
        instrument = promise.instrument
        if self._promises.get(instrument) is not promise:
            self._drop(promise.account, instrument)
            self._promises[instrument] = promise
            self._state.promised[instrument] = partial(self._keep, promise)
        promise.renew()

    def is_seen(self, account: str, instrument: str, reach: Callable[[], tuple[Decimal, Decimal]]) -> bool:
        """Whether the account's ladders have to stand in the book at once.

        So they must when a listener watches the book, a trigger waits in the market, the venue's mode is not OPEN, or
        another account's order rests where the ladders, or what trades with them, could meet it: between the lowest
        and the highest price of `reach`.
        """
        state = self._state
        if self._announcer.is_watched(instrument) or state.mode(instrument) is not VenueMode.OPEN:
            return True
        if state.orders.has_waiting and state.orders.waiting(instrument=instrument):
            return True
        others = state.books[instrument].others(account)
        if not others:
            return False
        lowest, highest = reach()
        for order in others:
            assert order.price is not None
            if order.price >= lowest if order.side is Side.BUY else order.price <= highest:
                return True
        return False

    def take(self, request: OrderRequest) -> Order | None:
        """Carry out an internal account's market order against a promised ladder; None: it needs the true book."""
        state = self._state
        promise = self._promises.get(request.instrument)
        if promise is None or promise.account == request.account:
            return None
        ladder = promise.worth(request.side.opposite, request.quantity)
        if ladder is None:
            return None
        with self._announcer.command():
            taker = self._matcher.create(request)
            limit, sign = price_limit(state, taker), request.side.sign
            while taker.remaining and (ladder[0].price - limit) * sign <= 0:
                self._meet(promise, ladder[0], taker)
                if not ladder[0].quantity:
                    del ladder[0]
            if taker.is_live:
                self._matcher.work(taker)
        return taker

    def _drop(self, account: str, instrument: str) -> None:
        """Forget what the account itself promised; what another did enters the book."""
        promise = self._promises.get(instrument)
        if promise is not None and promise.account == account:
            del self._promises[instrument], self._state.promised[instrument]
        self._state.book(instrument)

    def _meet(self, promise: Promise, rung: Rung, taker: Order) -> None:
        piece = min(taker.remaining, rung.quantity)
        wanted = OrderRequest(
            promise.account, taker.instrument, taker.side.opposite, OrderKind.LIMIT, piece, rung.price
        )
        self._matcher.trade(self._matcher.create(wanted, order_id=rung.id), taker, rung.price, piece)
        rung.quantity -= piece

    def _keep(self, promise: Promise) -> None:
        """Put a promised ladder into the book, because somebody looks."""
        del self._promises[promise.instrument]
        self._enter(promise.account, promise.instrument, promise.side(Side.BUY), promise.side(Side.SELL))

    def _enter(self, account: str, instrument: str, bids: Sequence[Rung], asks: Sequence[Rung]) -> None:
        """Old orders go first, so the ladders never meet each other; where they cross other accounts' they trade."""
        state, mode = self._state, self._state.mode(instrument)
        if mode.strictness >= VenueMode.CANCEL_ONLY.strictness:
            return
        book = state.books[instrument]
        wanted = {(side, r.price): r for side, rungs in ((Side.BUY, bids), (Side.SELL, asks)) for r in rungs}
        with self._announcer.command():
            for order in state.orders.live(account, instrument):
                assert order.price is not None
                rung = wanted.get((order.side, order.price))
                if rung is not None and rung.quantity == order.remaining:
                    del wanted[order.side, order.price]
                else:
                    self._matcher.withdraw(order)
            for (side, price), rung in wanted.items():
                best = book.best_price(side.opposite)
                crosses = best is not None and (price >= best if side is Side.BUY else price <= best)
                if crosses and mode is VenueMode.POST_ONLY:
                    continue
                request = OrderRequest(account, instrument, side, OrderKind.LIMIT, rung.quantity, price)
                order = self._matcher.create(request, order_id=rung.id)
                if crosses:
                    self._matcher.work(order)
                else:
                    self._matcher.post(order)
