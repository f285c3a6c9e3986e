"""Explaining a pair from its newest certificate or, while it has none, from its record as it stands. Reads only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.certificate import Certificate
from core.explain import explain
from store.errors import RecordNotFound

if TYPE_CHECKING:
    from store.opening import Store


@dataclass(frozen=True, slots=True)
class Explanation:
    """A pair in sentences, and what they rest on: its certificates, oldest first (none while it has not ended).

    document: that of the newest certificate, or the record in the same form.
    """

    pair_id: str
    sentences: tuple[str, ...]
    certificates: tuple[Certificate, ...]
    document: Mapping[str, object]


def explanation_of(store: Store, session_id: str, pair: str) -> Explanation:
    """Explain a pair of a session, given by its id or by its number; blocks on disk.

    Raises SessionNotFound, and RecordNotFound when the session has no such pair. A certificate that cannot be read
    (any more) is passed over for the record; `verify` tells of it.
    """
    pair_id = pair
    store.reads.session(session_id)
    if pair.isdecimal() and len(pair) < 12:
        pair_id = _numbered(store, session_id, int(pair))
    record = store.certificates.record_of(session_id, pair_id)
    certificates = tuple(store.certificates.of_pair(pair_id))
    contents = [content for one in certificates if (content := _content(one)) is not None]
    document = contents[-1] if contents else record
    # The first certificate says why the pair ended so, those after it why they correct the one before.
    shown = {**document, "reason": contents[0].get("reason")} if contents else record
    sentences = (*explain(shown), *(f"Its record was corrected: {one.get('reason')}." for one in contents[1:]))
    return Explanation(pair_id, sentences, certificates, document)


def _content(one: Certificate) -> Mapping[str, object] | None:
    try:
        content = one.content()
    except ValueError:
        return None
    return content if isinstance(content.get("pair"), dict) else None


def _numbered(store: Store, session_id: str, sequence: int) -> str:
    found = store.reads.pairs(session_id, limit=1, offset=max(0, sequence - 1))
    if not found or found[0].plan.sequence != sequence:
        raise RecordNotFound(f"session {session_id} has no pair number {sequence}", sequence=sequence)
    return found[0].plan.pair_id
