"""Pairs as JSON, kept by version: a pair that ended is written out once, however often its session is asked for.

The versions are read anew for every answer, so nothing that is shown is older than the store.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

from api.views.pairs import pair_document
from store import Store
from store.pair_reads import Version

KEPT_MAX = 2_000


class PairTexts:
    """The JSON of pairs of any session; bounded, the longest unused go first. Safe to use from several threads."""

    def __init__(self, kept_max: int = KEPT_MAX) -> None:
        self._kept_max = kept_max
        self._kept: OrderedDict[str, tuple[Version, bytes]] = OrderedDict()
        self._lock = threading.Lock()

    def newest(self, store: Store, session_id: str, *, limit: int) -> list[bytes]:
        """Return a session's newest pairs, newest first, each as a JSON object; blocking."""
        versions = store.reads.paged.versions(session_id, limit=limit)
        with self._lock:
            texts = {name: text for name, version in versions.items() if (text := self._find(name, version))}
        missing = [name for name in versions if name not in texts]
        if missing:
            texts |= self._written(store, versions, missing)
        return [texts[name] for name in versions if name in texts]

    def _written(self, store: Store, versions: dict[str, Version], missing: list[str]) -> dict[str, bytes]:
        made = {
            pair.plan.pair_id: pair_document(pair, orders).model_dump_json(by_alias=True).encode()
            for pair, orders in store.reads.paged.whole(missing)
        }
        with self._lock:
            # A row read after its version may be newer than it: then the next answer writes it out once more.
            self._kept.update({name: (versions[name], text) for name, text in made.items()})
            while len(self._kept) > self._kept_max:
                self._kept.popitem(last=False)
        return made

    def _find(self, name: str, version: Version) -> bytes | None:
        kept = self._kept.get(name)
        if kept is None or kept[0] != version:
            return None
        self._kept.move_to_end(name)
        return kept[1]
