"""What the session sees at each venue, as a picture for those who watch it. Shown only; nothing decides by it."""

from __future__ import annotations

from decimal import Decimal

from core.market import Level
from store import StoreError
from tasks.desk import Desk

LEVELS = 8


async def show_market(desk: Desk) -> None:
    """Write the picture of now; where that fails the session goes on without it, and says so."""
    try:
        await desk.store.journal.put_view(desk.session_id, at=desk.now(), payload=market_view(desk))
    except StoreError as error:
        desk.notices.append(f"what the session sees could not be shown ({error})")


def market_view(desk: Desk) -> dict[str, object]:
    """Describe each account's venue: top of the proven book, mark, hourly funding, and the session's position.

    Prices in quote units, quantities in base units, funding as a fraction an hour; what is not known is null.
    """
    books, marks, positions, now = desk.books(), desk.marks(), desk.positions, desk.now()
    legs: list[dict[str, object]] = []
    for name, ref in desk.accounts.items():
        book, mark, funding = books.get(name), marks.get(name), desk.funding.get(name)
        legs.append({
            "accountId": name,
            "venue": ref.venue.value,
            "bids": [] if book is None else _levels(book.bids),
            "asks": [] if book is None else _levels(book.asks),
            "bookAgeMs": None if book is None else round(book.age_s(now) * 1000),
            "mark": None if mark is None else float(mark.mark),
            "index": None if mark is None or mark.index is None else float(mark.index),
            "fundingHourly": None if funding is None else float(funding.hourly),
            "position": float(positions.get(name, Decimal(0))),
        })  # fmt: skip
    return {"symbol": desk.symbol, "legs": legs}


def _levels(levels: tuple[Level, ...]) -> list[list[float]]:
    return [[float(level.price), float(level.quantity)] for level in levels[:LEVELS]]
