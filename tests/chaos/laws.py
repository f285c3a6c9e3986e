"""What must hold after a campaign, by what the twins, the store and the results say. Changes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from store import Session, SessionStatus, Store
from store.results import session_fills, session_rows

_LIVE = ("OPEN", "PARTIALLY_FILLED", "NEW")


@dataclass(frozen=True, slots=True)
class Law:
    """One thing that must hold, whether it does, and what was seen."""

    name: str
    holds: bool
    seen: str


def judge(state: Mapping[str, Any], store: Store, folder: Path, sessions: Sequence[Session]) -> list[Law]:
    """Hold everything against the laws; state is the twins' own truth."""
    accounts = [
        (venue, name, account, set(truth["accounts"]))
        for venue, truth in state["venues"].items()
        for name, account in truth["accounts"].items()
    ]
    return [
        _sent_once(store, accounts, sessions),
        _never_met(state, accounts),
        _ended(store, sessions),
        _flat(store, accounts, sessions),
        _recorded(folder, accounts, sessions),
        _balanced(folder, sessions),
    ]


def _sent_once(store: Store, accounts: Sequence[Any], sessions: Sequence[Session]) -> Law:
    ids = [(venue, name, o["client_id"]) for venue, name, account, _ in accounts for o in account["orders"]]
    twice = [key for key, count in Counter(ids).items() if count > 1 and key[2]]
    ours = {
        store.reads.journal_order(o.intent.client_order_id).wire_client_id
        for s in sessions
        for o in store.reads.orders_of_session(s.session_id)
    }
    strangers = [key for key in ids if str(key[2]) not in ours]
    seen = f"{len(ids)} venue orders, {len(twice)} ids used twice, {len(strangers)} that no journal line explains"
    return Law("no order is sent twice, none without its intent", not twice and not strangers, seen)


def _never_met(state: Mapping[str, Any], accounts: Sequence[Any]) -> Law:
    own = sum(int(truth["self_trades"]) for truth in state["venues"].values())
    fills = [(f, operators) for _, _, account, operators in accounts for f in account["fills"]]
    met = sum(f["counterparty"] in operators for f, operators in fills)
    return Law("own orders never meet", own == 0 and met == 0, f"{len(fills)} executions, {own + met} own matches")


def _ended(store: Store, sessions: Sequence[Session]) -> Law:
    """A session may also have failed before its first order: then there is nothing to take up or to state."""
    counts = Counter(s.status.value for s in sessions)
    good = {SessionStatus.COMPLETED, SessionStatus.PAUSED}
    others = [s for s in sessions if s.status not in good]
    untraded = [
        s for s in others if s.status is SessionStatus.FAILED and not store.reads.orders_of_session(s.session_id)
    ]
    stated = all(s.status_reason for s in sessions if s.status is not SessionStatus.COMPLETED)
    seen = f"{_words(counts)}; {len(untraded)} failed before the first order"
    return Law("every session is completed, paused with a reason, or never traded", stated and others == untraded, seen)


def _flat(store: Store, accounts: Sequence[Any], sessions: Sequence[Session]) -> Law:
    held = {f"{venue} {name}": account["positions"] for venue, name, account, _ in accounts if account["positions"]}
    resting = [o for _, _, account, _ in accounts for o in account["orders"] if o["status"] in _LIVE]
    paused = [s.session_id for s in sessions if s.status is SessionStatus.PAUSED]
    stated = [key for key in paused if store.reads.breaches(key, open_only=True)]
    holds = not resting and (not held or (bool(paused) and stated == paused))
    seen = f"{len(held)} positions, {len(resting)} resting orders, {len(paused)} paused, {len(stated)} with a breach"
    return Law("flat everywhere, or paused with the exposure stated", holds, seen)


def _recorded(folder: Path, accounts: Sequence[Any], sessions: Sequence[Session]) -> Law:
    theirs = Counter(
        (venue, f["side"].lower(), Decimal(f["quantity"]), Decimal(f["price"]), Decimal(f["fee"]))
        for venue, _, account, _ in accounts
        for f in account["fills"]
    )
    ours = Counter(fill for s in sessions for fill in session_fills(folder, s.session_id))
    missing, extra = theirs - ours, ours - theirs
    seen = f"{sum(theirs.values())} at the venues, {sum(ours.values())} in DuckDB"
    seen += f", {sum(missing.values())} missing, {sum(extra.values())} too many"
    return Law("results are the venues' truth, to the last digit", not missing and not extra, seen)


def _balanced(folder: Path, sessions: Sequence[Session]) -> Law:
    completed = [s for s in sessions if s.status is SessionStatus.COMPLETED]
    rows = [row for s in completed for row in session_rows(folder, "statements", s.session_id)]
    closed = [row for row in rows if row["closed_at"] is not None]
    off = [row for row in closed if abs(row["residual"]) > row["dust"]]
    worst = max((abs(row["residual"]) for row in closed), default=Decimal(0))
    seen = f"{len(closed)} of {len(rows)} accounts' books closed, largest residual {worst:f} USD"
    return Law("the ledger balances", not off and len(closed) == len(rows), seen)


def _words(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "no session"
