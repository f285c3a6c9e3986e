"""Pacifica's paging: cursors that stay stable while new rows arrive, and whole-number query parameters.

Source: docs.pacifica.fi, REST API: Pagination.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import base58
from starlette.requests import Request

from sandbox.dialects.pacifica_errors import ApiError, success

PAGE = 100
PAGE_MAX = 4000

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Slice of a history in the order of its answer, and where it goes on."""

    items: Sequence[T]
    next_cursor: str | None


def page_of(request: Request, rows: Sequence[T], key: Callable[[T], int], *, is_oldest_first: bool = False) -> Page[T]:
    """Cut a history (oldest first) after the cursor's key; stable while new rows arrive."""
    limit = integer(request, "limit", PAGE)
    if limit is None or not 1 <= limit <= PAGE_MAX:
        raise ApiError(400, f"limit must be between 1 and {PAGE_MAX}")
    cursor = request.query_params.get("cursor")
    last = None if cursor is None else _decode_cursor(cursor)
    ordered = rows if is_oldest_first else rows[::-1]
    left = [row for row in ordered if last is None or (key(row) > last if is_oldest_first else key(row) < last)]
    items = left[:limit]
    has_more = len(left) > len(items)
    return Page(items, base58.b58encode_int(key(items[-1])).decode() if has_more else None)


def _decode_cursor(cursor: str) -> int:
    try:
        return int(base58.b58decode_int(cursor))
    except ValueError:
        raise ApiError(400, "Invalid cursor") from None


def paged(page: Page[T], rows: list[dict[str, object]]) -> dict[str, object]:
    """Envelope of a page of a history."""
    return success(rows, next_cursor=page.next_cursor, has_more=page.next_cursor is not None)


def integer(request: Request, name: str, default: int | None) -> int | None:
    """A whole-number query parameter; `default` only when it is absent."""
    text = request.query_params.get(name)
    if text is None:
        return default
    try:
        return int(text)
    except ValueError:
        raise ApiError(400, f"Query deserialize error: invalid digit found in `{name}`") from None
