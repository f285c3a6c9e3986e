"""When a venue or a hand took from one leg: how far the other legs follow, and what becomes of the session. Pure.

Only ever toward zero, never more than the session holds, never more than the venue shows. What somebody else holds on
the same account is never traded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from core.limits import Severity
from core.numbers import ZERO, ceil_to, floor_to
from core.order import Fill, FillCause
from core.reduction import Holding, reducible

# How many targets are tried before everything is closed; each is at least one common lot below the last.
_TARGETS_MAX = 64


class Cause(StrEnum):
    """Why a leg changed without an order of the session; also the breach's category."""

    ADL = "adl"
    LIQUIDATION = "liquidation"
    SETTLEMENT = "settlement"
    TRADE_BUST = "trade_bust"
    MANUAL_TRADE = "manual_trade"

    @classmethod
    def of(cls, cause: FillCause) -> Cause:
        """Return the cause of an execution; a trade that no order of the session explains was made by hand."""
        return _CAUSES[cause]


_CAUSES = {
    FillCause.ADL: Cause.ADL,
    FillCause.LIQUIDATION: Cause.LIQUIDATION,
    FillCause.BACKSTOP: Cause.LIQUIDATION,
    FillCause.SETTLEMENT: Cause.SETTLEMENT,
    FillCause.TRADE: Cause.MANUAL_TRADE,
}


class After(StrEnum):
    """What the session does once the other legs have followed."""

    GO_ON = "go on"
    STAND_STILL = "stand still"
    WIND_DOWN = "wind down"


@dataclass(frozen=True, slots=True)
class Consequence:
    """How grave a cause is, and what the session does after it."""

    severity: Severity
    after: After


CONSEQUENCES: Mapping[Cause, Consequence] = {
    # The venue closed a part at a price of its own; margin is as good as before, so the session goes on.
    Cause.ADL: Consequence(Severity.WARNING, After.GO_ON),
    # The account cannot carry what it holds: everything is taken down.
    Cause.LIQUIDATION: Consequence(Severity.CRITICAL, After.WIND_DOWN),
    # The venue closes the market or the account's position for good.
    Cause.SETTLEMENT: Consequence(Severity.CRITICAL, After.WIND_DOWN),
    # A price both sides had agreed on no longer holds; a person decides whether to trade there again.
    Cause.TRADE_BUST: Consequence(Severity.CRITICAL, After.STAND_STILL),
    # Somebody trades the same account; a person decides whether the session goes on beside them.
    Cause.MANUAL_TRADE: Consequence(Severity.CRITICAL, After.STAND_STILL),
}


# So many times a leg may be taken from and followed within the window before a person must look. What comes in one go
# is often told in several executions, and counts once.
FORCED_MAX = 3
FORCED_WINDOW_S = 3600.0
_ONE_GO_S = 10.0


def times_forced(at: Iterable[datetime], now: datetime) -> int:
    """Count how often something was forced on a session within the window, from the times at which it was told."""
    last, found = now - timedelta(seconds=FORCED_WINDOW_S), 0
    for moment in sorted(at):
        if moment >= last:
            last, found = moment + timedelta(seconds=_ONE_GO_S), found + 1
    return found


def followings(holdings: Sequence[Holding], *, lot: Decimal, least: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """Return what to trade now so that no leg stands alone, signed base units by account; empty when none does.

    lot: the session's common lot, on which every position lies again afterwards. least: the smallest quantity each
    account's venue takes, base units. A remainder off the lot is trimmed where its venue takes so small an order, else
    with so many more lots of both sides that it does. While a venue that holds a part of the session cannot be read,
    nothing but what is unhedged is reduced.
    """
    net = sum((h.session for h in holdings), ZERO)
    if net == 0:
        return {}
    if any(h.venue is None and h.session != 0 for h in holdings):
        excess = [h for h in holdings if h.session * net > 0]
        return _orders(excess, _taken_from_largest(excess, abs(net)), least)
    longs, shorts = [h for h in holdings if h.session > 0], [h for h in holdings if h.session < 0]
    kept = {h.account.account_id: _on_lot(h, lot, least) for h in holdings}
    target = min(sum((kept[h.account.account_id] for h in side), ZERO) for side in (longs, shorts))
    for _ in range(_TARGETS_MAX):
        plans = [_onto(side, target, kept) for side in (longs, shorts)]
        short_by = max(_short_by(side, plan, least) for side, plan in zip((longs, shorts), plans, strict=True))
        if target <= 0 or short_by == 0:
            break
        target = max(ZERO, target - max(lot, ceil_to(short_by, lot)))
    else:
        plans = [_onto(side, ZERO, kept) for side in (longs, shorts)]
    return {**_orders(longs, plans[0], {}), **_orders(shorts, plans[1], {})}


def own_part(session: Decimal, venue: Decimal) -> tuple[Decimal, Decimal]:
    """Split what a venue shows into what is the session's and what is foreign, signed base units.

    Of the session's position only what is still there is its own; the rest of what is there is somebody else's.
    """
    if session * venue <= 0:
        return ZERO, venue
    own = session if abs(session) <= abs(venue) else venue
    return own, venue - own


@dataclass(frozen=True, slots=True)
class ByHand:
    """What trades that no order explains did to an account, base units.

    taken: those that reduced the session's own position and nothing else. written_off: signed, what others took of it
    besides; foreign: signed, what somebody else holds there afterwards.
    """

    taken: tuple[Fill, ...]
    written_off: Decimal
    foreign: Decimal


def by_hand(own: Decimal, foreign: Decimal, trades: Sequence[Fill]) -> ByHand:
    """Tell what trades by hand, in the order of their times, did to an account that held `own` and `foreign`.

    What reduces somebody else's own holding there is theirs; then what reduces the session's position is taken as its
    own; whatever goes beyond, and every increase, is foreign.
    """
    taken: list[Fill] = []
    written_off = ZERO
    for trade in trades:
        left = trade.quantity * trade.side.sign
        theirs = _opposing(left, foreign)
        left, foreign = left - theirs, foreign + theirs
        ours = _opposing(left, own)
        own += ours
        foreign += left - ours
        if ours and ours == trade.quantity * trade.side.sign:
            taken.append(trade)
        else:
            written_off += ours
    return ByHand(tuple(taken), written_off, foreign)


def beyond_own(own: Decimal, foreign: Decimal, change: Decimal) -> Decimal:
    """Return the part of a forced change that cannot have been the session's, signed base units.

    What reduces the session's position is its own first; of the rest, what reduces somebody else's holding is theirs.
    """
    return _opposing(change - _opposing(change, own), foreign)


def _opposing(change: Decimal, held: Decimal) -> Decimal:
    """The part of a signed change that only reduces what is held."""
    if change * held >= 0:
        return ZERO
    return change if abs(change) <= abs(held) else -held


def _on_lot(holding: Holding, lot: Decimal, least: Mapping[str, Decimal]) -> Decimal:
    """How much an account can keep (>= 0) on the common lot, with an order for the remainder that its venue takes."""
    held, smallest = abs(holding.session), least.get(holding.account.account_id, ZERO)
    kept = floor_to(held, lot)
    if kept != held:
        kept = floor_to(min(kept, max(ZERO, held - smallest)), lot)
    return kept if kept >= smallest else ZERO


def _taken_from_largest(side: Sequence[Holding], quantity: Decimal) -> dict[str, Decimal]:
    """Take so much from a side, the largest position first; at most what it holds."""
    found: dict[str, Decimal] = {}
    for holding in sorted(side, key=lambda h: (-abs(h.session), h.account.account_id)):
        found[holding.account.account_id] = min(abs(holding.session), quantity)
        quantity -= found[holding.account.account_id]
    return found


def _onto(side: Sequence[Holding], target: Decimal, kept: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """How much to take from each account (>= 0): down to what it can keep, and on until the side holds `target`."""
    excess = max(ZERO, sum((kept[h.account.account_id] for h in side), ZERO) - target)
    found: dict[str, Decimal] = {}
    for holding in sorted(side, key=lambda h: (-kept[h.account.account_id], h.account.account_id)):
        name = holding.account.account_id
        more = min(kept[name], excess)
        excess -= more
        found[name] = abs(holding.session) - kept[name] + more
    return found


def _short_by(side: Sequence[Holding], plan: Mapping[str, Decimal], least: Mapping[str, Decimal]) -> Decimal:
    """How much lower the target must be so that every order, and every remainder's close, is large enough."""
    found = ZERO
    for holding in side:
        name = holding.account.account_id
        smallest, rest = least.get(name, ZERO), abs(holding.session) - plan[name]
        if ZERO < plan[name] < smallest and rest > 0:
            found = max(found, smallest - plan[name])
        if ZERO < rest < smallest:
            found = max(found, rest)
    return found


def _orders(side: Sequence[Holding], plan: Mapping[str, Decimal], least: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """Bound each part by what is there and what the venue takes in one order, and sign it."""
    found: dict[str, Decimal] = {}
    for holding in side:
        name, market = holding.account.account_id, holding.market
        quantity = min(plan[name], reducible(holding))
        if market.max_quantity is not None:
            quantity = min(quantity, market.max_quantity)
        quantity = floor_to(quantity, market.lot)
        if quantity >= max(market.min_quantity, market.lot) and quantity >= least.get(name, ZERO):
            found[name] = -quantity if holding.session > 0 else quantity
    return found
