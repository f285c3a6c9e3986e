"""Page after page of a history, bounded. It knows no history."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from core.errors import ProtocolViolation

PAGES_MAX = 50

# Takes an offset, keeps what it reads, returns how many rows came and how many there are from that offset on.
Page = Callable[[int], Awaitable[tuple[int, int]]]


async def all_pages(page: Page, what: str) -> None:
    """Ask for page after page until nothing is left; raise ProtocolViolation beyond PAGES_MAX."""
    offset = 0
    for _ in range(PAGES_MAX):
        came, left = await page(offset)
        if came == 0 or left == 0:
            return
        offset += came
    raise ProtocolViolation(
        f"backpack: more than {PAGES_MAX} pages of {what}; ask for a shorter time", venue="backpack"
    )
