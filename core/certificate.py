"""Certificates of pairs: what each was decided on and what became of it, as canonical documents chained by hash.

A session's chain begins with the hash of what was asked for; each certificate holds the hash of the one before. Pure:
it makes and checks documents, reads no store and signs nothing. Whoever can rewrite every row can rewrite the chain as
well, so a head that was written down elsewhere is worth more than the chain alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum

from core.numbers import canonical

FORMAT = 1
# What of a session the chain begins with: the request, which never changes once the session was created.
REQUEST = (
    "session_id", "name", "symbol", "strategy", "accounts", "environment", "volume_target", "duration_s", "seed",
    "created_at",
)  # fmt: skip
# The parts of a document that are copies of rows: by these a certificate is compared with the record.
COPIES = ("pair", "orders", "fills")
_SAYS = {
    "certificateId": "certificate_id", "sessionId": "session_id", "position": "position", "pairId": "pair_id",
    "kind": "kind", "previous": "previous", "certifiedAt": "created_at",
}  # fmt: skip


class Kind(StrEnum):
    """pair: the one certificate of a pair, made as it ends. correction: the pair's record changed after that."""

    PAIR = "pair"
    CORRECTION = "correction"


@dataclass(frozen=True, slots=True)
class Certificate:
    """One link: its columns and the document, the very text whose SHA-256 (hex) stands beside it.

    previous: the hash of the certificate before, of the request for the first. position counts 1, 2, 3 … per session.
    created_at is ISO 8601 in UTC.
    """

    certificate_id: str
    session_id: str
    position: int
    pair_id: str
    kind: str
    previous: str
    sha256: str
    document: str
    created_at: str

    def content(self) -> dict[str, object]:
        """Return the document as a mapping; raise ValueError when it is none (any more)."""
        found = json.loads(self.document)
        if not isinstance(found, dict):
            raise ValueError("the document is no object")
        return found


@dataclass(frozen=True, slots=True)
class Finding:
    """Something in a session's certificates that is not as it was written: where, and in words what differs."""

    position: int | None
    pair_id: str | None
    text: str


def canonical_json(value: object) -> str:
    """Write a value as the one JSON text for it: keys sorted, no spaces, ASCII only; no NaN, no infinity."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def digest(text: str) -> str:
    """Return the SHA-256 of a text, in hex; characters that are none (a broken file) are hashed as their bytes."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def moment(at: datetime) -> str:
    """Write a time as ISO 8601 in UTC with microseconds: the one text for one time."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def told(value: object) -> object:
    """Return a value as it stands in a document: Decimals and times as text, mappings and lists within them too."""
    match value:
        case Decimal():
            return canonical(value)
        case datetime():
            return moment(value)
        case Mapping():
            return {str(key): told(item) for key, item in value.items()}
        case list() | tuple():
            return [told(item) for item in value]
        case StrEnum():
            return value.value
        case _:
            return value


def copied(row: Mapping[str, object]) -> dict[str, object]:
    """Return a copy of a row: camelCase names, exact texts. The number of its last change is the store's alone."""
    return {_camel(name): told(value) for name, value in row.items() if name != "change"}


def copies(
    pair: Mapping[str, object], orders: Iterable[Mapping[str, object]], fills: Iterable[Mapping[str, object]]
) -> dict[str, object]:
    """Return the parts of a document that are copies of rows, in an order that does not depend on the database."""
    return {
        "pair": copied(pair),
        "orders": sorted(map(copied, orders), key=lambda o: (str(o["createdAt"]), str(o["clientOrderId"]))),
        "fills": sorted(map(copied, fills), key=lambda f: (str(f["venueTime"]), str(f["fillId"]))),
    }


def origin(session: Mapping[str, object]) -> str:
    """Return the hash that a session's first certificate follows: that of its request."""
    return digest(canonical_json({_camel(name): told(session[name]) for name in REQUEST}))


def certificate_id(pair_id: str, number: int) -> str:
    """Return the id of a pair's n-th certificate, from 1 on; the first has the pair's own id, so there is one only."""
    return pair_id if number == 1 else f"{pair_id}:{number}"


def certificate(
    *, session_id: str, pair_id: str, number: int, after: Certificate | str, at: datetime,
    parts: Mapping[str, object], reason: str | None,
) -> Certificate:  # fmt: skip
    """Make the certificate that follows `after` (the hash of the request for the first).

    number: which of the pair's it is, from 1 on. parts: the copies. reason: why the pair ended so, or was corrected.
    """
    position, previous = (after.position + 1, after.sha256) if isinstance(after, Certificate) else (1, after)
    kind = Kind.PAIR if number == 1 else Kind.CORRECTION
    key, created_at = certificate_id(pair_id, number), moment(at)
    head = {
        "format": FORMAT, "certificateId": key, "sessionId": session_id, "position": position, "pairId": pair_id,
        "kind": kind.value, "previous": previous, "certifiedAt": created_at, "reason": reason,
    }  # fmt: skip
    document = canonical_json({**head, **parts})
    return Certificate(
        key, session_id, position, pair_id, kind.value, previous, digest(document), document, created_at
    )  # fmt: skip


def check_chain(found: Sequence[Certificate], first: str) -> list[Finding]:
    """Recompute a session's chain from the hash of its request; empty when every link is as it was made."""
    return list(_check_chain(sorted(found, key=lambda c: (c.position, c.certificate_id)), first))


def differences(certified: Mapping[str, object], recorded: Mapping[str, object]) -> list[str]:
    """Say where the record (see `copies`) differs from what was certified: a sentence for each field, both values."""
    return [
        *_row_differences("pair", certified.get("pair"), recorded["pair"]),
        *_list_differences("order", "clientOrderId", certified.get("orders"), recorded["orders"]),
        *_list_differences("fill", "fillId", certified.get("fills"), recorded["fills"]),
    ]


def _check_chain(found: Sequence[Certificate], first: str) -> Iterator[Finding]:
    expected, follows = 1, {first}
    for one in found:
        if one.position < expected:
            yield _finding(one, f"certificate {one.position} is there twice, or was put in")
            continue
        for position in range(expected, min(one.position, expected + 1000)):
            yield Finding(position, None, f"certificate {position} is missing")
        yield from _check_own(one)
        if one.position == expected and one.previous not in follows:
            before = "the session's request" if expected == 1 else f"certificate {expected - 1}"
            yield _finding(one, f"certificate {one.position} does not follow {before}: one of both was changed")
        expected, follows = one.position + 1, {one.sha256, digest(one.document)}


def _check_own(one: Certificate) -> Iterator[Finding]:
    """Check one certificate by itself: its hash, its form, and its columns against what its document says."""
    name = f"certificate {one.position}"
    if digest(one.document) != one.sha256:
        yield _finding(one, f"{name}: the document and its hash do not fit; one of both was changed")
    try:
        content = one.content()
        is_canonical = canonical_json(content) == one.document
    except ValueError as error:
        yield _finding(one, f"{name}: the document cannot be read ({error})")
        return
    if not is_canonical:
        yield _finding(one, f"{name}: the document is not in its canonical form")
    for said, column in _SAYS.items():
        if content.get(said) != getattr(one, column):
            shown = f"{_shown(getattr(one, column))}, its document says {_shown(content.get(said))}"
            yield _finding(one, f"{name}: {column} is {shown}")
    if content.get("format") != FORMAT:
        yield _finding(one, f"{name}: format {_shown(content.get('format'))} is not known here")


def _list_differences(kind: str, key: str, certified: object, recorded: object) -> list[str]:
    """Compare rows by their ids, so that one that is missing does not make all after it differ."""
    was, now = _by(key, certified), _by(key, recorded)
    return [
        *(f"{kind} {name} is missing" for name in was if name not in now),
        *(f"{kind} {name} is not in the certificate" for name in now if name not in was),
        *(text for name in was if name in now for text in _row_differences(f"{kind} {name}", was[name], now[name])),
    ]


def _row_differences(where: str, certified: object, recorded: object) -> list[str]:
    """Compare what was certified of a row; a column that a later version added is not held against it."""
    if not isinstance(certified, dict) or not isinstance(recorded, dict):
        return [] if certified == recorded else [_difference(where, certified, recorded)]
    return [text for name in certified for text in _deep(f"{where}: {name}", certified[name], recorded.get(name))]


def _deep(where: str, certified: object, recorded: object) -> list[str]:
    if isinstance(certified, dict) and isinstance(recorded, dict):
        names = dict.fromkeys([*certified, *recorded])
        return [text for n in names for text in _deep(f"{where}.{n}", certified.get(n), recorded.get(n))]
    same = canonical_json(certified) == canonical_json(recorded)
    return [] if same else [_difference(where, certified, recorded)]


def _difference(where: str, certified: object, recorded: object) -> str:
    return f"{where} is {_shown(recorded)}, certified is {_shown(certified)}"


def _by(key: str, items: object) -> dict[str, object]:
    rows = items if isinstance(items, list) else [items]
    return {str(row.get(key)) if isinstance(row, dict) else "?": row for row in rows}


def _finding(one: Certificate, text: str) -> Finding:
    return Finding(one.position, one.pair_id, text)


def _shown(value: object) -> str:
    text = str(value)
    return repr(text if len(text) <= 80 else text[:79] + "…")


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)
