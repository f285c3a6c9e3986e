"""What to trade next: one pair of equal legs on two venues, or nothing and why. Decides; sends and reads nothing."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import assert_never

from core.carry import known_carry
from core.exposure import net_delta
from core.ids import pair_id
from core.instrument import Venue
from core.matching import closable, open_quantity
from core.numbers import ZERO, canonical, ceil_to, floor_to
from core.order import Side
from core.pair_plan import Choice, LegPlan, Nothing, NothingCode, PairPlan, Purpose
from core.pricing import depth_within, marketable_price, per_leg
from core.sizing import (
    Cap,
    CapCode,
    NoSize,
    SizeRange,
    close_cushion,
    draw,
    margin_cap,
    opening_quantity,
    participation_cap,
    position_cap,
    reducing_quantity,
    send_cushion,
    session_lot,
    smallest_quantity,
    venue_caps,
)
from core.strategy import Distribution, Strategy
from core.views import AccountView, SessionView

__all__ = [
    "AccountView",
    "LegPlan",
    "Nothing",
    "NothingCode",
    "PairPlan",
    "Purpose",
    "SessionView",
    "plan_pair",
]


def plan_pair(view: SessionView, strategy: Strategy, rng: random.Random) -> PairPlan | Nothing:
    """Choose the next pair, or say why there is none.

    Opens while there is room, the account with the least volume first; at the limits it closes to flat before it
    opens again. From the moment that closing what is open reaches the volume target, or when `view.closing` is set,
    it only closes. Every plan keeps all positions closable across venues; rng draws sizes and breaks ties.
    """
    desk = _Desk.of(view, strategy, rng)
    net = net_delta(a.exposure for a in view.accounts)
    if net != 0 and not view.closing:
        return Nothing(NothingCode.NET_EXPOSURE, f"net delta {canonical(net)} must be unwound before the next pair")
    if view.closing or desk.is_reached or (view.unwinding and not desk.is_flat):
        return _closing_pair(desk)
    opening = _opening_pair(desk)
    if isinstance(opening, Nothing) and opening.code in _ROTATE_ON and not desk.is_flat:
        return _closing_pair(desk)
    return opening


# Reasons not to open that waiting does not cure, but closing does.
_ROTATE_ON = frozenset(
    {NothingCode.POSITION_LIMIT, NothingCode.MARGIN, NothingCode.PARTICIPATION, NothingCode.ORDER_SIZE}
)

# Prices move until a session is flat again: reckon with a little less volume than marks promise.
_VOLUME_HAIRCUT = Decimal("0.995")


@dataclass(frozen=True, slots=True)
class _Seat:
    """An account that can take a leg now: its book and mark are known and nothing of it is in flight."""

    index: int
    view: AccountView
    mid: Decimal
    mark: Decimal
    least: Decimal

    def bound(self, side: Side, strategy: Strategy) -> Decimal:
        slippage = per_leg(strategy.max_slippage)
        return marketable_price(self.view.market, self.mid, side, slippage, mark=self.mark)

    def depth(self, side: Side, strategy: Strategy) -> Cap:
        assert self.view.book is not None
        found = depth_within(self.view.book, side, self.bound(side, strategy))
        return Cap(CapCode.DEPTH, found, self.view.account.account_id)


@dataclass(frozen=True, slots=True)
class _Desk:
    """One planning: the view with everything derived from it once."""

    view: SessionView
    strategy: Strategy
    rng: random.Random
    lot: Decimal
    smallest: Decimal
    seats: tuple[_Seat, ...]
    absent: tuple[Nothing, ...]

    @classmethod
    def of(cls, view: SessionView, strategy: Strategy, rng: random.Random) -> _Desk:
        lot = session_lot(a.market for a in view.accounts)
        cushion = close_cushion(strategy.max_slippage)
        seats, absent, smallest = [], [], lot
        for index, account in enumerate(view.accounts):
            seat = _seat(view, account, index, strategy, lot)
            if isinstance(seat, Nothing):
                absent.append(seat)
                continue
            seats.append(seat)
            low = min(account.low_price or seat.mark, seat.mark, seat.mid)
            smallest = max(smallest, smallest_quantity(account.market, low, lot=lot, cushion=cushion))
        return cls(view, strategy, rng, lot, smallest, tuple(seats), tuple(absent))

    @property
    def holdings(self) -> tuple[tuple[Venue, Decimal], ...]:
        return tuple((a.account.venue, a.position) for a in self.view.accounts)

    @property
    def is_flat(self) -> bool:
        return all(a.position == 0 for a in self.view.accounts)

    @property
    def remaining(self) -> Decimal | None:
        """Quote units that closing everything at the lowest mark would leave undone; None without a target."""
        if self.view.volume_target is None:
            return None
        to_do = self.view.volume_target - self.view.volume_generated
        quantity = open_quantity(self.holdings)
        if quantity == 0:
            return to_do
        prices = [seat.mark for seat in self.seats if seat.view.position != 0]
        return to_do - quantity * min(prices) * _VOLUME_HAIRCUT if prices else to_do

    @property
    def is_reached(self) -> bool:
        return self.remaining is not None and self.remaining <= 0

    def sizes(self, price: Decimal) -> SizeRange:
        return SizeRange.at(
            price,
            quote_min=self.strategy.order_size_min,
            quote_max=self.strategy.order_size_max,
            max_position=self.strategy.max_position,
            smallest=self.smallest,
            lot=self.lot,
        )

    def pair(self, purpose: Purpose, buyer: _Seat, seller: _Seat, quantity: Decimal, choice: Choice) -> PairPlan:
        closing = purpose is Purpose.CLOSE
        legs = [
            LegPlan(seat.view.account, seat.view.market, side, quantity, reduce_only=closing, closing=closing)
            for seat, side in ((buyer, Side.BUY), (seller, Side.SELL))
        ]
        session_id, sequence = self.view.session_id, self.view.next_sequence
        return PairPlan(
            pair_id(session_id, sequence),
            session_id,
            sequence,
            purpose,
            legs[0],
            legs[1],
            quantity,
            buyer.mid,
            seller.mid,
            choice,
        )


def _seat(view: SessionView, account: AccountView, index: int, strategy: Strategy, lot: Decimal) -> _Seat | Nothing:
    name = f"account {account.account.account_id} on {account.account.venue}"
    if account.account.venue in view.excluded_venues:
        return Nothing(NothingCode.EXCLUDED, f"{name}: the venue is excluded for now")
    if account.exposure.in_flight:
        return Nothing(NothingCode.IN_FLIGHT, f"{name}: orders of an earlier pair are not resolved")
    if account.book is None or account.book.mid is None or account.mark is None:
        return Nothing(NothingCode.MARKET_DATA, f"{name}: no proven two-sided book or no mark")
    mid, mark = account.book.mid, account.mark.mark
    cushion = send_cushion(strategy.max_slippage)
    least = smallest_quantity(account.market, min(mid, mark), lot=lot, cushion=cushion)
    return _Seat(index, account, mid, mark, least)


def _opening_pair(desk: _Desk) -> PairPlan | Nothing:
    refused: list[Nothing] = []
    candidates = _opening_order(desk)
    for buyer, seller in candidates:
        quantity = _opening_quantity(desk, buyer, seller)
        if isinstance(quantity, Decimal):
            choice = _opening_choice(desk, (buyer, seller), candidates=len(candidates), passed_over=refused)
            return desk.pair(Purpose.OPEN, buyer, seller, quantity, choice)
        refused.append(_no_size(quantity))
    lasting = [nothing for nothing in refused if nothing.code in _ROTATE_ON]
    return next(iter([*lasting, *refused, *desk.absent]), _NO_COUNTERPART)


_NO_COUNTERPART = Nothing(NothingCode.POSITION_LIMIT, "no two accounts on different venues can add to a hedge")


def _opening_choice(
    desk: _Desk, legs: tuple[_Seat, _Seat], *, candidates: int, passed_over: Sequence[Nothing]
) -> Choice:  # fmt: skip
    """Say why these two, and where the size comes from; nothing is drawn or decided here."""
    buyer, seller = legs
    had = " and ".join(f"{s.view.account.account_id} {s.view.volume:.2f}" for s in legs)
    measure = "traded least so far" if desk.strategy.distribution is Distribution.EQUAL else "least for their margin"
    ways = f"among the {candidates} ways to pair the accounts across venues, " if candidates > 1 else ""
    why = f"{ways}these two had {measure} ({had} in quote units)"
    if passed_over:
        why += f"; better ones had no size ({passed_over[0].text})"
    sizes = desk.sizes(max(buyer.mark, seller.mark))
    cap = min(_opening_caps(desk, buyer, seller), key=lambda one: one.quantity)
    tightest = f"the tightest cap is {cap.code} of account {cap.account_id} at {_rounded(cap.quantity)}"
    size = f"drawn from {canonical(sizes.low)} to {canonical(sizes.high)}, or what the target still needs; {tightest}"
    return Choice(why, size, candidates, known_carry(buyer.view.funding, seller.view.funding))


def _rounded(quantity: Decimal) -> str:
    return f"{quantity:.6g}"


def _opening_order(desk: _Desk) -> list[tuple[_Seat, _Seat]]:
    """Buyer and seller candidates, best first: least traded, then carry, then chance. Neither leg reduces a position:
    mixed pairs could leave a venue holding both sides of the same hedge.
    """
    buyers = [seat for seat in desk.seats if seat.view.position >= 0]
    sellers = [seat for seat in desk.seats if seat.view.position <= 0]
    across = [(b, s) for b in buyers for s in sellers if b.view.account.venue != s.view.account.venue]

    def preference(legs: tuple[_Seat, _Seat]) -> tuple[Decimal, Decimal, Decimal, float]:
        first, second = sorted(_turnover(seat.view, desk.strategy.distribution) for seat in legs)
        carry = known_carry(legs[0].view.funding, legs[1].view.funding)
        return first, second, -carry if carry is not None else ZERO, desk.rng.random()

    return sorted(across, key=preference)


def _turnover(account: AccountView, distribution: Distribution) -> Decimal:
    """How much an account has had of what it should have: volume as it is, or per unit of free margin."""
    match distribution:
        case Distribution.EQUAL:
            return account.volume
        case Distribution.WEIGHTED:
            return account.volume / account.free_margin if account.free_margin > 0 else Decimal("Infinity")
        case _:
            assert_never(distribution)


def _opening_quantity(desk: _Desk, buyer: _Seat, seller: _Seat) -> Decimal | NoSize:
    price = max(buyer.mark, seller.mark)
    wanted = None
    if desk.remaining is not None:
        # What is opened is closed as well, so it counts twice.
        low = min(buyer.mark, seller.mark) * _VOLUME_HAIRCUT
        wanted = ceil_to(desk.remaining / (2 * low), desk.lot)
    return opening_quantity(desk.sizes(price), _opening_caps(desk, buyer, seller), desk.rng, wanted=wanted)


def _opening_caps(desk: _Desk, buyer: _Seat, seller: _Seat) -> list[Cap]:
    caps = []
    for seat, side in ((buyer, Side.BUY), (seller, Side.SELL)):
        account = seat.view
        price = max(seat.mark, seat.bound(side, desk.strategy))
        caps.append(position_cap(account.exposure, side, desk.strategy.max_position))
        caps.append(margin_cap(account.account.account_id, account.market, account.free_margin, price))
        caps.append(seat.depth(side, desk.strategy))
        caps.extend(venue_caps(account.account.account_id, account.market, price))
        if account.venue_volume_24h is not None:
            caps.append(_participation(desk, account, account.venue_volume_24h, seat.mark))
    return caps


def _participation(desk: _Desk, account: AccountView, venue_volume_24h: Decimal, price: Decimal) -> Cap:
    there = [a for a in desk.view.accounts if a.account.venue == account.account.venue]
    return participation_cap(
        account.account.account_id,
        venue_volume_24h=venue_volume_24h,
        share=desk.strategy.max_participation,
        committed=sum((a.volume + abs(a.position) * price for a in there), ZERO),
        price=price,
    )


def _no_size(refusal: NoSize) -> Nothing:
    cap = refusal.cap
    return Nothing(
        NothingCode(cap.code.value),
        f"account {cap.account_id}: {cap.code} leaves {canonical(cap.quantity)}, "
        f"the smallest pair is {canonical(refusal.least)}",
    )


@dataclass(frozen=True, slots=True)
class _Reduction:
    """A long and a short that can close against each other: up to `capacity`, of which `quantity` is sensible now."""

    long: _Seat
    short: _Seat
    capacity: Decimal
    quantity: Decimal

    @property
    def least(self) -> Decimal:
        return max(self.long.least, self.short.least)

    @property
    def weight(self) -> Decimal:
        return self.long.view.position - self.short.view.position


def _closing_pair(desk: _Desk) -> PairPlan | Nothing:
    """Close the longest against the shortest on another venue; complete remainders that are too small to close."""
    if desk.is_flat:
        return Nothing(NothingCode.DONE, "flat")
    reductions = _reductions(desk)
    ready = [r for r in reductions if r.quantity > 0]
    if ready:
        best = max(ready, key=lambda r: (_leaves_clean(desk, r), r.weight))
        return desk.pair(Purpose.CLOSE, best.short, best.long, best.quantity, _closing_choice(best, len(ready)))
    if any(r.capacity >= r.least for r in reductions):
        return Nothing(NothingCode.DEPTH, "the books do not hold enough within the slippage bound to close")
    for reduction in sorted(reductions, key=lambda r: r.weight):
        caps = [c for c in _opening_caps(desk, reduction.long, reduction.short) if c.code is not CapCode.PARTICIPATION]
        if min(cap.quantity for cap in caps) >= desk.smallest:
            why = "remainders are too small for the venues to close, so they are enlarged to what can be closed"
            choice = Choice(why, "the smallest size that all venues can close again", len(reductions))
            return desk.pair(Purpose.COMPLETE, reduction.long, reduction.short, desk.smallest, choice)
    return _nothing_to_close(desk, reductions)


def _closing_choice(best: _Reduction, candidates: int) -> Choice:
    held = ", ".join(
        f"{seat.view.account.account_id} {canonical(seat.view.position)}" for seat in (best.long, best.short)
    )  # fmt: skip
    size = f"at most {canonical(best.capacity)} can be closed so that what is left stays closable; as depth allows"
    return Choice(f"the longest is closed against the shortest on another venue ({held})", size, candidates)


def _reductions(desk: _Desk) -> list[_Reduction]:
    found = []
    for long in desk.seats:
        for short in desk.seats:
            capacity = floor_to(closable(desk.holdings, long.index, short.index), desk.lot)
            if capacity > 0:
                draft = _Reduction(long, short, capacity, ZERO)
                found.append(replace(draft, quantity=_reducing(desk, draft)))
    return found


def _reducing(desk: _Desk, reduction: _Reduction) -> Decimal:
    long, short, capacity = reduction.long, reduction.short, reduction.capacity
    price = max(long.mark, short.mark)
    sizes = desk.sizes(price)
    caps = [long.depth(Side.SELL, desk.strategy), short.depth(Side.BUY, desk.strategy)]
    for seat in (long, short):
        caps.extend(venue_caps(seat.view.account.account_id, seat.view.market, max(price, seat.mid)))
    limit = min([capacity, *(cap.quantity for cap in caps)])
    if not desk.view.closing and sizes.high >= sizes.low:
        # Twice the smallest is always allowed, or a remainder could be stranded between two sizes.
        limit = min(limit, max(draw(desk.rng, sizes.low, sizes.high, desk.lot), 2 * desk.smallest))
    holdings = (long.view.position, -short.view.position, capacity)
    quantity = reducing_quantity(holdings, limit=limit, sizes=sizes, least=reduction.least)
    if quantity == 0 and reduction.least <= capacity <= limit:
        return capacity
    return quantity


def _leaves_clean(desk: _Desk, reduction: _Reduction) -> bool:
    rests = (reduction.long.view.position - reduction.quantity, -reduction.short.view.position - reduction.quantity)
    return all(rest == 0 or rest >= desk.smallest for rest in rests)


def _nothing_to_close(desk: _Desk, reductions: list[_Reduction]) -> Nothing:
    open_now = ", ".join(
        f"{a.account.account_id} {canonical(a.position)}" for a in desk.view.accounts if a.position != 0
    )
    if desk.absent:
        return Nothing(desk.absent[0].code, f"{desk.absent[0].text}; open: {open_now}")
    if net_delta(a.exposure for a in desk.view.accounts) != 0:
        return Nothing(NothingCode.NET_EXPOSURE, f"what is left has no counterpart, unwind it singly: {open_now}")
    if reductions:
        return Nothing(NothingCode.MARGIN, f"remainders below the venues' minimum cannot be completed: {open_now}")
    return Nothing(NothingCode.UNMATCHED, f"no pair across venues can close what is left: {open_now}")
