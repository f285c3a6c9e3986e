"""Verifying a session's record: its chain of certificates, and each certificate against store, segments and results.

Reads only. It says what differs and whose pair it is; what to believe then is a person's decision.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, cast

from sqlalchemy import JSON, Table

from core.certificate import Certificate, Finding, Kind, check_chain, copies, differences, origin
from core.pair import PairStatus
from store.certificate_reads import Evidence, Rows, evidence_of
from store.segments import sha256_of
from store.tables import CERTIFICATES, FILLS, ORDERS, PAIRS, SESSIONS

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from store.opening import Store
    from store.records import Segment

_TABLES = {"certificates": CERTIFICATES, "pairs": PAIRS, "orders": ORDERS, "fills": FILLS}
_NO_CERTIFICATE = "ended without a certificate: it was removed, or the pair ended before certificates were kept"


@dataclass(frozen=True, slots=True)
class Verified:
    """What a verification found; empty findings mean that everything is as it was written.

    certificates counts the links, corrections those beyond one a pair. open_pairs have not ended and have none yet;
    loose_orders belong to no pair (positions taken down leg by leg) and are certified nowhere. head: the hash of the
    last link, None without any. results: pairs that were compared with results.duckdb as well.
    """

    session_id: str
    certificates: int
    corrections: int
    open_pairs: int
    loose_orders: int
    results: int
    head: str | None
    findings: tuple[Finding, ...]

    @property
    def is_intact(self) -> bool:
        """True when nothing differs."""
        return not self.findings


def verify(store: Store, session_id: str, *, head: str | None = None) -> Verified:
    """Recompute a session's chain and compare every certificate with the record; blocks on disk.

    head: the hash that the last certificate must have, or that one of the chain must have, if it was written down
    before. Raises SessionNotFound, and StoreBusy when the results are in use for long.
    """
    evidence = store.certificates.evidence(session_id)
    links = evidence.certificates
    findings = [
        *_chain(evidence, head),
        *_pairs(evidence),
        *_totals(evidence),
        *_segments(store, session_id),
    ]
    sealed = _sealed(store, session_id)
    if isinstance(sealed, Finding):
        findings.append(sealed)
    elif sealed is not None:
        findings += _results(evidence, sealed)
    known = {str(pair["pair_id"]) for pair in evidence.pairs}
    return Verified(
        session_id,
        certificates=len(links),
        corrections=sum(link.kind == Kind.CORRECTION.value for link in links),
        open_pairs=sum(pair["completed_at"] is None for pair in evidence.pairs),
        loose_orders=sum(len(rows) for pair_id, rows in evidence.orders.items() if pair_id not in known),
        results=len({link.pair_id for link in sealed.certificates}) if isinstance(sealed, Evidence) else 0,
        head=max(links, key=lambda link: link.position).sha256 if links else None,
        findings=tuple(findings),
    )


def _chain(evidence: Evidence, head: str | None) -> Iterator[Finding]:
    yield from check_chain(evidence.certificates, origin(evidence.session))
    if head is not None and all(link.sha256 != head for link in evidence.certificates):
        yield Finding(None, None, f"no certificate has the hash {head}: the chain was rewritten or cut short")


def _pairs(evidence: Evidence) -> Iterator[Finding]:
    """Compare each pair's newest certificate with the pair's rows."""
    last = _newest(evidence.certificates)
    for pair in evidence.pairs:
        pair_id = str(pair["pair_id"])
        link = last.pop(pair_id, None)
        if link is None:
            if pair["completed_at"] is not None:
                yield Finding(None, pair_id, f"pair {pair['sequence']} {_NO_CERTIFICATE}")
            continue
        yield from _compared(link, evidence, pair)
        if not any(one.certificate_id == pair_id for one in evidence.certificates):
            yield Finding(link.position, pair_id, f"pair {pair['sequence']}: its first certificate is missing")
    for link in last.values():
        text = f"certificate {link.position} is of pair {link.pair_id}, which the session does not have"
        yield Finding(link.position, link.pair_id, text)


def _compared(link: Certificate, evidence: Evidence, pair: Mapping[str, object], where: str = "") -> Iterator[Finding]:
    try:
        content = link.content()
    except ValueError:
        return  # said by the check of the chain
    pair_id = link.pair_id
    recorded = copies(pair, evidence.orders.get(pair_id, ()), evidence.fills.get(pair_id, ()))
    for text in differences(content, recorded):
        yield Finding(link.position, pair_id, f"pair {pair['sequence']}{where}: {text}")


def _totals(evidence: Evidence) -> Iterator[Finding]:
    """A completed session counts what its pairs count, so that a pair cannot go with all its rows."""
    session, pairs = evidence.session, evidence.pairs
    if session["status"] != "completed":
        return
    for name, status in (("pairs_filled", PairStatus.FILLED), ("pairs_unwound", PairStatus.UNWOUND)):
        found = sum(pair["status"] == status.value for pair in pairs)
        if session[name] != found:
            yield Finding(None, None, f"the session counts {session[name]} as {name}, its pairs are {found}")
    volumes = [volume for pair in pairs if isinstance(volume := pair["volume"], Decimal)]
    if sum(volumes, Decimal(0)) != session["volume_generated"]:
        text = f"the session counts a volume of {session['volume_generated']}, its pairs {sum(volumes, Decimal(0))}"
        yield Finding(None, None, text)


def _segments(store: Store, session_id: str) -> Iterator[Finding]:
    """The files that hold the session's sealed rows are those that were registered; merged files hold others' too."""
    for segment in _sealing(store, session_id):
        path = store.home / "segments" / segment.path
        try:
            text = None if sha256_of(path) == segment.sha256 else "is not what was registered"
        except FileNotFoundError:
            # Merged into a larger file since it was listed: then it is listed no more.
            text = "is missing" if segment in _sealing(store, session_id) else None
        if text is not None:
            yield Finding(None, None, f"segment {segment.path} {text}")


def _sealing(store: Store, session_id: str) -> list[Segment]:
    return [segment for segment in store.segments.sealed().segments if segment.session_id in ("", session_id)]


def _sealed(store: Store, session_id: str) -> Evidence | Finding | None:
    """Read a session's rows in the results; None when it is not there (yet), a finding when the file is broken."""
    import duckdb

    from store.locks import RESULTS

    if not (store.home / RESULTS).exists():
        return None
    try:
        with store.results() as connection:
            session, *_ = [*_rows(connection, SESSIONS, "sessions", session_id), None]
            found = {name: _rows(connection, table, name, session_id) for name, table in _TABLES.items()}
    except duckdb.Error as error:
        return Finding(None, None, f"{RESULTS} cannot be read: {str(error).splitlines()[0]}")
    return None if session is None else evidence_of(session, found)


def _rows(connection: DuckDBPyConnection, table: Table, name: str, session_id: str) -> Rows:
    query = f"select * from sealed.{name} where session_id = ?"  # noqa: S608 - our names
    cursor = connection.execute(query, [session_id])
    columns = [str(column[0]) for column in cursor.description or ()]
    read = {column.name: _parsed if isinstance(column.type, JSON) else _as_it_is for column in table.c}
    # What results add to a table (a fill's notional) is worked out there and is no copy.
    kept = [(number, column) for number, column in enumerate(columns) if column in read]
    return [{column: read[column](row[number]) for number, column in kept} for row in cursor.fetchall()]


def _parsed(value: object) -> object:
    try:
        return cast(object, json.loads(str(value)))
    except ValueError:
        return f"unreadable: {value!r}"


def _as_it_is(value: object) -> object:
    return value


def _results(evidence: Evidence, sealed: Evidence) -> Iterator[Finding]:
    """Certificates, pairs, orders and fills in the results are the store's, as far as they were sealed."""
    ours = {link.certificate_id: link for link in evidence.certificates}
    theirs = {link.certificate_id: link for link in sealed.certificates}
    for key, link in theirs.items():
        if ours.get(key) != link:
            yield Finding(link.position, link.pair_id, f"certificate {link.position} in the results is not the store's")
    until = max((n for n in sealed.changes.values() if isinstance(n, int)), default=0)
    for key, link in ours.items():
        change = evidence.changes[key]
        if key not in theirs and isinstance(change, int) and change <= until:
            yield Finding(link.position, link.pair_id, f"certificate {link.position} is missing in the results")
    rows = {str(pair["pair_id"]): pair for pair in sealed.pairs}
    for pair_id, link in _newest(sealed.certificates).items():
        if pair_id in rows:
            yield from _compared(link, sealed, rows[pair_id], " in the results")
        else:
            yield Finding(link.position, pair_id, f"pair {pair_id} is missing in the results")


def _newest(links: Sequence[Certificate]) -> dict[str, Certificate]:
    return {link.pair_id: link for link in sorted(links, key=lambda link: link.position)}
