"""Walking through lists that grow while one reads them, and the addresses both clients share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar
from urllib.parse import quote

from pacifica_hedging.answers import Page
from pacifica_hedging.calls import API

T = TypeVar("T")


class Pages(Generic[T]):
    """Where a walk through pages stands; what moved to a later page meanwhile is given once."""

    def __init__(self, identity: Callable[[T], str]) -> None:
        self.offset = 0
        self.is_done = False
        self._identity = identity
        self._seen: set[str] = set()

    def news(self, page: Page[T]) -> Iterator[T]:
        """Give the items of a page that were not given before, and move on."""
        self.offset += len(page.items)
        self.is_done = not page.items or self.offset >= page.total
        for item in page.items:
            identity = self._identity(item)
            if identity not in self._seen:
                self._seen.add(identity)
                yield item


def root_of(base_url: str) -> str:
    """Return the service's root, from its root or from the address of the API below it."""
    return base_url.rstrip("/").removesuffix(API)


def socket_url(root: str, session_id: str) -> str:
    """Return the address of a session's live stream."""
    return f"ws{root.removeprefix('http')}/ws/sessions/{quote(session_id, safe='')}"


def headers(api_key: str) -> dict[str, str]:
    """Return the headers of every call."""
    return {"Authorization": f"Bearer {api_key}", "Accept": "application/json"}
