"""Certifying pairs: one certificate as a pair ends, in that very transaction, and one more for each later change.

Nothing is certified twice: the first certificate of a pair has the pair's id, and one is added only when the record is
another than the last one says. The hash of the one before is read under the writer's lock, so that no chain forks.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import RowMapping, bindparam, func, insert, select

from core.certificate import COPIES, Certificate, canonical_json, certificate, copies, moment, origin
from store.tables import CERTIFICATES, FILLS, ORDERS, PAIRS, SESSIONS
from store.writer import Tx

_PAIR = select(PAIRS).where(PAIRS.c.pair_id == bindparam("pair"))
_ORDERS = select(ORDERS).where(ORDERS.c.pair_id == bindparam("pair"))
_FILLS = select(FILLS).where(FILLS.c.pair_id == bindparam("pair"))
_SESSION = select(SESSIONS).where(SESSIONS.c.session_id == bindparam("session"))
_HEAD = (
    select(CERTIFICATES)
    .where(CERTIFICATES.c.session_id == bindparam("session"))
    .order_by(CERTIFICATES.c.position.desc())
    .limit(1)
)
_LAST = (
    select(CERTIFICATES)
    .where(CERTIFICATES.c.pair_id == bindparam("pair"))
    .order_by(CERTIFICATES.c.position.desc())
    .limit(1)
)
_COUNT = select(func.count()).select_from(CERTIFICATES).where(CERTIFICATES.c.pair_id == bindparam("pair"))
_INSERT = insert(CERTIFICATES)


def certify(tx: Tx, pair_id: str, *, at: datetime, reason: str | None) -> None:
    """Certify a pair that has ended as the record shows it now; nothing happens when that was certified before."""
    given = {"pair": pair_id}
    pair = tx.connection.execute(_PAIR, given).mappings().one()
    parts = _parts(tx, pair)
    last = tx.connection.execute(_LAST, given).mappings().one_or_none()
    if last is not None and _is_same(certificate_of(last), parts):
        return
    head = tx.connection.execute(_HEAD, {"session": pair["session_id"]}).mappings().one_or_none()
    made = certificate(
        session_id=pair["session_id"], pair_id=pair_id,
        number=int(tx.connection.execute(_COUNT, given).scalar_one()) + 1,
        after=certificate_of(head) if head is not None else _origin(tx, pair["session_id"]),
        at=at, parts=parts, reason=reason,
    )  # fmt: skip
    tx.connection.execute(
        _INSERT,
        {
            "certificate_id": made.certificate_id, "session_id": made.session_id, "position": made.position,
            "pair_id": made.pair_id, "kind": made.kind, "previous": made.previous, "sha256": made.sha256,
            "document": made.document, "created_at": at, "change": tx.change,
        },
    )  # fmt: skip


def correct(tx: Tx, pair_id: str | None, reason: str, *, at: datetime | None = None) -> None:
    """Certify what changed in the record of a pair after its end; a pair that has no certificate yet gets none here.

    at: when, None for the time of the pair's last certificate (what came late carries its own times).
    """
    if pair_id is None:
        return
    last = tx.connection.execute(_LAST, {"pair": pair_id}).mappings().one_or_none()
    if last is not None:
        certify(tx, pair_id, at=at or last["created_at"], reason=reason)


def certificate_of(row: RowMapping) -> Certificate:
    """Read a certificate."""
    names = ("certificate_id", "session_id", "position", "pair_id", "kind", "previous", "sha256", "document")
    return Certificate(**{name: row[name] for name in names}, created_at=moment(row["created_at"]))


def _parts(tx: Tx, pair: RowMapping) -> dict[str, object]:
    given = {"pair": pair["pair_id"]}
    orders = tx.connection.execute(_ORDERS, given).mappings().all()
    fills = tx.connection.execute(_FILLS, given).mappings().all()
    return copies(dict(pair), map(dict, orders), map(dict, fills))


def _is_same(last: Certificate, parts: Mapping[str, object]) -> bool:
    try:
        content = last.content()
    except ValueError:
        return False
    return canonical_json({name: content.get(name) for name in COPIES}) == canonical_json(parts)


def _origin(tx: Tx, session_id: str) -> str:
    return origin(dict(tx.connection.execute(_SESSION, {"session": session_id}).mappings().one()))
