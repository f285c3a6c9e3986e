"""A session whose database server goes away: it waits, begins anew when the server is back, and gives up at a bound."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from core.errors import SessionHalted
from flows.hedging_session import STORE_LOOKS_MAX, STORE_LOSSES_MAX, outlasting
from store.errors import StoreUnreachable


@dataclass
class FakeReads:
    """Reads of a server that is away for the next `away` questions."""

    away: int = 0

    def session(self, session_id: str) -> str:
        """Answer, or be away."""
        if self.away > 0:
            self.away -= 1
            raise StoreUnreachable("away")
        return session_id


@dataclass
class FakeStore:
    """Only what is asked of a store while it is waited for."""

    reads: FakeReads = field(default_factory=FakeReads)


@dataclass
class Story:
    """A story that loses its store at each of the next `losses` tellings."""

    store: FakeStore
    losses: int
    away_for: int = 0
    told: int = 0
    slept: list[float] = field(default_factory=list)

    async def drive(self) -> dict[str, Any]:
        """Tell it from the start."""
        self.told += 1
        if self.told <= self.losses:
            self.store.reads.away = self.away_for
            raise StoreUnreachable(f"away at telling {self.told}")
        return {"status": "completed"}

    async def sleep(self, seconds: float) -> None:
        """Pass the time at once."""
        self.slept.append(seconds)


async def end_of(story: Story) -> dict[str, Any]:
    return await outlasting(story.store, "s1", story.drive, story.sleep)  # type: ignore[arg-type]


async def test_session_begins_anew_once_the_server_answers_again() -> None:
    story = Story(FakeStore(), losses=2, away_for=3)
    assert await end_of(story) == {"status": "completed"}
    assert story.told == 3
    assert len(story.slept) == 2 * 4, "it was told again while the server was away"


async def test_server_that_stays_away_ends_the_run_with_what_was_lost() -> None:
    story = Story(FakeStore(), losses=1, away_for=10_000)
    with pytest.raises(StoreUnreachable, match="telling 1"):
        await end_of(story)
    assert (story.told, len(story.slept)) == (1, STORE_LOOKS_MAX)


async def test_server_that_goes_away_again_and_again_ends_the_run() -> None:
    story = Story(FakeStore(), losses=10_000)
    with pytest.raises(StoreUnreachable, match=f"telling {STORE_LOSSES_MAX}"):
        await end_of(story)


async def test_what_is_no_loss_of_the_server_ends_the_run_at_once() -> None:
    async def halted() -> dict[str, Any]:
        raise SessionHalted("naked")

    with pytest.raises(SessionHalted):
        await outlasting(FakeStore(), "s1", halted)  # type: ignore[arg-type]
