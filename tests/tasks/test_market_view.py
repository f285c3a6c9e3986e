"""What a session shows of its venues: the proven book or none, and never a zero for something unknown."""

from __future__ import annotations

from typing import Any

from tasks.market_view import LEVELS, market_view
from tests.fakes.world import SESSION, World


def legs(view: dict[str, object]) -> dict[str, dict[str, Any]]:
    """The legs by account."""
    return {leg["accountId"]: leg for leg in view["legs"]}  # type: ignore[attr-defined]


async def test_each_account_shows_the_top_of_its_book_and_its_mark(world: World) -> None:
    desk = world.desk()
    shown = legs(market_view(desk))

    assert set(shown) == {"a", "b"}
    for name, leg in shown.items():
        book = desk.books()[name]
        assert leg["bids"][0] == [float(book.bids[0].price), float(book.bids[0].quantity)]
        assert leg["asks"][0] == [float(book.asks[0].price), float(book.asks[0].quantity)]
        assert len(leg["bids"]) <= LEVELS
        assert leg["mark"] == float(desk.marks()[name].mark)
        assert leg["bookAgeMs"] >= 0


async def test_a_book_that_is_not_proven_is_shown_as_none(world: World) -> None:
    desk = world.desk()
    world.venues["a"].feed.disconnect(for_s=60)

    leg = legs(market_view(desk))["a"]

    assert (leg["bids"], leg["asks"], leg["bookAgeMs"]) == ([], [], None)
    assert leg["fundingHourly"] is None


async def test_the_newest_picture_replaces_the_last(world: World) -> None:
    desk, store = world.desk(), world.store
    await store.journal.put_view(SESSION, at=desk.now(), payload={"symbol": "old"})
    await store.journal.put_view(SESSION, at=desk.now(), payload=market_view(desk))

    found = store.reads.views([SESSION, "never-ran"])

    assert set(found) == {SESSION}
    assert found[SESSION][1]["symbol"] == desk.symbol
