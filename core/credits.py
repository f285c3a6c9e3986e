"""Request credits that several borrowers share: how much there is, who holds what, what may be lent now. Pure.

A borrower takes credits in small portions and spends them by itself. What is left in the pool and what borrowers hold
never exceed the capacity together, so no window of W seconds sees more spent than capacity + per_s x W, by all of
them together. A portion that is not spent in time is void; it comes back by the pool's refill.

Only what is urgent may go beyond that, as far as the venue itself says that there is more: the pool is then in debt,
which its refill pays before anybody else is lent anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

# A holder stops using a portion this long after it asked; it also bounds how late a borrower hears of a pause. The
# pool counts a portion as held for the grace longer, so that clocks that differ by less lend nothing twice.
PORTION_LIFE_S = 2.0
GRACE_S = 1.0
_WAIT_S_MIN = 0.02
# The part of a reserve that orders may use when reads have spent the rest of the budget.
ORDER_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Terms:
    """A budget's size: credits at most, refill per second, and the reserve that reads may not touch.

    is_stated: the venue itself said so, which outranks what a borrower assumes.
    """

    capacity: float
    per_s: float
    reserve: float = 0.0
    is_stated: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.reserve < self.capacity or self.per_s <= 0:
            raise ValueError("a budget needs 0 <= reserve < capacity and a positive refill")

    @property
    def portion(self) -> float:
        """How much is borrowed at once: 5 % of the capacity, or up to 10 % where that is a second's refill."""
        return max(0.05 * self.capacity, min(self.per_s, 0.1 * self.capacity))


@dataclass(frozen=True, slots=True)
class Held:
    """A portion in a borrower's hands: credits, and until when the pool counts it."""

    credits: float
    until: datetime


@dataclass(frozen=True, slots=True)
class Pool:
    """What is shared: credits that nobody holds (a debt below zero), when refilled, a pause, portions by borrower."""

    terms: Terms
    credits: float
    refilled_at: datetime
    paused_until: datetime | None = None
    held: Mapping[str, Held] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LoanRequest:
    """What a borrower asks for on top of what it holds: at least `least` more credits (else none), at most `most`.

    is_urgent: may take all of the reserve; is_order: may take ORDER_SHARE of it, the rest is for the urgent.
    observed: how much the venue says is left in all, None when it did not say lately. headroom: how much of what it
    said a moment ago an urgent request may count on, this borrower's own requests since then taken off; else None.
    """

    borrower: str
    terms: Terms
    least: float
    most: float
    holding: float = 0.0
    is_urgent: bool = False
    observed: float | None = None
    is_order: bool = False
    headroom: float | None = None

    @property
    def spared(self) -> float:
        """The share of the reserve that this request must leave."""
        return spared(is_urgent=self.is_urgent, is_order=self.is_order)


@dataclass(frozen=True, slots=True)
class Loan:
    """What a borrower may spend now, in all, until expires_at.

    is_enough: it got what it asked for; else wait_s says after how long to ask again. terms are the pool's,
    paused_until the venue's pause.
    """

    credits: float
    expires_at: datetime
    is_enough: bool
    wait_s: float
    paused_until: datetime | None
    terms: Terms


def spared(*, is_urgent: bool, is_order: bool) -> float:
    """Return the share of a reserve to be left: nothing by cancels and repairs, half by orders, all by other reads."""
    return 0.0 if is_urgent else 1.0 - ORDER_SHARE if is_order else 1.0


def full_pool(terms: Terms, now: datetime) -> Pool:
    """Return a pool nobody has used yet."""
    return Pool(terms, terms.capacity, now)


def lend(pool: Pool, request: LoanRequest, now: datetime) -> tuple[Pool, Loan]:
    """Refill, take back what is void, and lend what may be lent; return the pool afterwards and the loan."""
    terms = _terms(pool.terms, request.terms)
    live = {name: held for name, held in pool.held.items() if held.until > now}
    kept = min(request.holding, live.pop(request.borrower).credits) if request.borrower in live else 0.0
    out = kept + sum(held.credits for held in live.values())
    there = _refilled(pool, terms, now, out=out, observed=request.observed)
    reserve = request.spared * min(terms.reserve, max(0.0, terms.capacity - kept - request.least))
    free = max(0.0, there - reserve)
    if request.headroom is not None and request.headroom - out >= request.least > free:
        free = request.least
    pause_s = 0.0 if pool.paused_until is None else max(0.0, (pool.paused_until - now).total_seconds())
    is_enough = free >= request.least and pause_s == 0
    granted = min(max(request.least, request.most), free) if is_enough else 0.0
    wait_s = 0.0 if is_enough else max((request.least - min(free, there)) / terms.per_s, pause_s, _WAIT_S_MIN)
    if kept + granted > 0:
        live[request.borrower] = Held(kept + granted, now + timedelta(seconds=PORTION_LIFE_S + GRACE_S))
    after = Pool(terms, there - granted, max(now, pool.refilled_at), pool.paused_until if pause_s else None, live)
    until = now + timedelta(seconds=PORTION_LIFE_S)
    return after, Loan(kept + granted, until, is_enough, wait_s, after.paused_until, terms)


def paused(pool: Pool, until: datetime) -> Pool:
    """Lend nothing before a time; a later pause that stands already holds."""
    if pool.paused_until is not None and pool.paused_until >= until:
        return pool
    return replace(pool, paused_until=until)


def _terms(known: Terms, asked: Terms) -> Terms:
    """What the venue stated holds until it states something else; reserves are the borrowers' own convention."""
    return known if known.is_stated and not asked.is_stated else asked


def _refilled(pool: Pool, terms: Terms, now: datetime, *, out: float, observed: float | None) -> float:
    """Credits that nobody holds now. A clock that stepped back refills nothing."""
    elapsed_s = max(0.0, (now - pool.refilled_at).total_seconds())
    room = terms.capacity if observed is None else min(terms.capacity, observed)
    refilled = pool.credits + elapsed_s * terms.per_s
    return max(min(0.0, refilled), min(refilled, room - out))
