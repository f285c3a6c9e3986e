"""What became of a leg that was taken from, by the twins' own books: no figure comes from the session's store.

The session's own position on an account is followed execution by execution: its own orders, what venues forced or
undid, and of trades by hand what took from it. Everything beyond that is somebody else's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

ZERO = Decimal(0)
FORCED = ("ADL", "LIQUIDATION", "BACKSTOP")
MICRO = 1_000_000

State = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Holder:
    """An account of the session: its name there, its venue, and the client order ids, on the wire, of its orders."""

    name: str
    venue: str
    client_ids: frozenset[str]


@dataclass(frozen=True, slots=True)
class Point:
    """How things stood from one moment on (venue time, microseconds), signed base units.

    is_ours: one of the session's orders made it. made_worse: by how much such an order moved a position away from zero.
    """

    at_us: int
    account: str
    price: Decimal
    own: Mapping[str, Decimal]
    foreign: Mapping[str, Decimal]
    is_ours: bool
    made_worse: Decimal

    @property
    def net(self) -> Decimal:
        """What no other leg hedges."""
        return sum(self.own.values(), ZERO)


@dataclass(frozen=True, slots=True)
class Aftermath:
    """What followed when a leg was taken from.

    taken: signed base units. alone: what stood alone then. followed_s: seconds until the legs were even again, None
    when they never were. trimmed: by how much the session's orders meanwhile took both legs down together, so that they
    lie on a common lot again. beyond: by how much more than that they went past zero net, or moved a position away from
    zero. naked: USD x seconds. left: what the session holds at the end, foreign: what somebody else does.
    """

    taken_us: int
    account: str
    taken: Decimal
    alone: Decimal
    held: Mapping[str, Decimal]
    followed_s: float | None
    trimmed: Decimal
    beyond: Decimal
    naked: Decimal
    naked_in_all: Decimal
    left: Mapping[str, Decimal]
    foreign: Mapping[str, Decimal]


def points(state: State, holders: Sequence[Holder], symbol: str) -> list[Point]:
    """Tell the session's story from `GET /control/state`, one point for each execution."""
    rows = [(row, holder) for holder in holders for row in fills_of(state, holder.venue, symbol)]
    rows.sort(key=lambda one: (one[0]["time_us"], one[0]["id"], one[0]["cause"] == "BUST"))
    own, foreign = ({h.name: ZERO for h in holders} for _ in range(2))
    found = []
    for row, holder in rows:
        change = Decimal(row["quantity"]) * (1 if row["side"] == "BUY" else -1)
        before = own[holder.name]
        is_session, ours = _share(row, holder, change, before, foreign[holder.name])
        own[holder.name] += ours
        foreign[holder.name] += change - ours
        is_ours = is_session and row["cause"] != "BUST"
        worse = max(ZERO, abs(own[holder.name]) - abs(before)) if is_ours else ZERO
        if is_ours and before * own[holder.name] < 0:
            worse = abs(own[holder.name])
        point = Point(row["time_us"], holder.name, Decimal(row["price"]), dict(own), dict(foreign), is_ours, worse)
        found.append(point)
    return found


def aftermath(state: State, story: Sequence[Point]) -> Aftermath | None:
    """Work out what followed the executions that were not the session's own; None when there were none that took."""
    taking = [n for n, point in enumerate(story) if not point.is_ours and _took(story, n)]
    if not taking:
        return None
    first, last = taking[0], taking[-1]
    before = story[first - 1].own if first else dict.fromkeys(story[first].own, ZERO)
    hit, account = story[last], story[first].account
    even = next((p for p in story[last:] if p.net == 0), None)
    until = even.at_us if even is not None else int(state["now_us"])
    meanwhile = [p for p in story[last:] if p.at_us <= until]
    sign = 1 if hit.net > 0 else -1
    past_zero = max((-sign * p.net for p in meanwhile), default=ZERO)
    trimmed = abs(hit.own[account]) - abs(meanwhile[-1].own[account])
    return Aftermath(
        taken_us=story[first].at_us,
        account=account,
        taken=hit.own[account] - before[account],
        alone=hit.net,
        held=hit.own,
        followed_s=None if even is None else (even.at_us - story[first].at_us) / MICRO,
        trimmed=trimmed,
        beyond=max(ZERO, past_zero - trimmed) + sum((p.made_worse for p in meanwhile), ZERO),
        naked=naked([p for p in story if story[first].at_us <= p.at_us <= until], until),
        naked_in_all=naked(story, int(state["now_us"])),
        left=story[-1].own,
        foreign=story[-1].foreign,
    )


def naked(story: Sequence[Point], until_us: int) -> Decimal:
    """Integrate |net| x price over time: USD x seconds."""
    ends = [*(p.at_us for p in story[1:]), until_us]
    return sum((abs(p.net) * p.price * (end - p.at_us) for p, end in zip(story, ends, strict=True)), ZERO) / MICRO


def fills_of(state: State, venue: str, symbol: str) -> list[dict[str, Any]]:
    """A venue's executions of its clients in one market."""
    accounts = state["venues"][venue]["accounts"].values()
    return [row for account in accounts for row in account["fills"] if row["instrument"] == symbol]


def held(state: State, venue: str, symbol: str) -> Decimal:
    """What a venue's clients hold in one market, signed base units."""
    accounts = state["venues"][venue]["accounts"].values()
    return sum((Decimal(a["positions"].get(symbol, {}).get("quantity", "0")) for a in accounts), ZERO)


def _share(
    row: Mapping[str, Any], holder: Holder, change: Decimal, own: Decimal, foreign: Decimal
) -> tuple[bool, Decimal]:  # fmt: skip
    """Whether an order of the session made an execution, and how much of it changed the session's position."""
    if str(row["client_id"]) in holder.client_ids and row["cause"] not in FORCED:
        return True, change
    if row["cause"] in FORCED:
        return False, _toward_zero(change, own) if foreign else change
    return False, _toward_zero(change - _toward_zero(change, foreign), own)


def _toward_zero(change: Decimal, held_: Decimal) -> Decimal:
    """The part of a change that only takes from what is held."""
    if change * held_ >= 0:
        return ZERO
    return change if abs(change) <= abs(held_) else -held_


def _took(story: Sequence[Point], n: int) -> bool:
    point = story[n]
    before = story[n - 1].own[point.account] if n else ZERO
    return point.own[point.account] != before


def own_matches(state: State) -> int:
    """Count executions between two of the operator's accounts, and what each venue calls a self-trade."""
    met = 0
    for truth in state["venues"].values():
        operators = set(truth["accounts"])
        met += truth["self_trades"]
        met += sum(row["counterparty"] in operators for a in truth["accounts"].values() for row in a["fills"])
    return met


def names_used_twice(state: State) -> int:
    """Count client order ids that a venue has seen more than once."""
    names = [
        [o["client_id"] for a in truth["accounts"].values() for o in a["orders"] if o["client_id"]]
        for truth in state["venues"].values()
    ]
    return sum(len(ids) - len(set(ids)) for ids in names)


def unreduced(state: State, holders: Sequence[Holder], since_us: int, until_us: int) -> int:
    """Count the session's orders of a time that the venues were not told to take as reducing only."""
    return sum(
        not order["reduce_only"]
        for holder in holders
        for account in state["venues"][holder.venue]["accounts"].values()
        for order in account["orders"]
        if since_us < order["created_us"] <= until_us and str(order["client_id"]) in holder.client_ids
    )


def earned(state: State, venues: Sequence[str]) -> Decimal:
    """What the balances of these venues' clients changed by, quote units, deposits left out; of flat accounts."""
    accounts = [a for venue in venues for a in state["venues"][venue]["accounts"].values()]
    return sum((Decimal(a["balance"]) - Decimal(a["deposits"]) for a in accounts), ZERO)
