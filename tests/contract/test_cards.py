"""Every card on every venue, through its twin. What a venue does not declare as working has to fail."""

from __future__ import annotations

import re

import pytest

from connectors.capabilities import Capability, Support, declared_by
from core.errors import NotOffered
from core.instrument import Venue
from tests.contract.bench import Bench
from tests.contract.cards import Card
from tests.contract.deck import CARDS

# What a card may fail by when the capability is not there. Anything else is a defect, also where failing is expected.
LACKING = (AssertionError, AttributeError, TimeoutError, ValueError, NotOffered)


def expectation(venue: Venue, card: Card) -> list[pytest.MarkDecorator]:
    """Return a strict xfail for a card whose rows do not all work on a venue."""
    declared = declared_by(venue)
    lacking = [row for row in card.rows if declared[row].support is not Support.WORKS]
    if not lacking:
        return []
    why = "; ".join(f"{declared[row].support}: {row} ({declared[row].quirk})" for row in lacking)
    return [pytest.mark.xfail(strict=True, raises=LACKING, reason=why)]


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("venue", "card"),
    [
        pytest.param(venue, card, id=f"{venue}-{card}", marks=expectation(venue, card))
        for card in CARDS
        for venue in Venue
    ],
    indirect=["venue"],
)
async def test_card(venue: Bench, card: Card) -> None:
    await card.run(venue)


def test_cards_are_numbered_and_say_what_they_want() -> None:
    numbers = [card.number for card in CARDS]

    assert numbers == sorted(set(numbers))
    for card in CARDS:
        said = card.run.__doc__ or ""
        assert all(re.search(rf"\b{word}\b", said) for word in ("Before", "Do", "Expect", "Passed")), card


@pytest.mark.parametrize("venue", Venue)
def test_whatever_is_said_to_work_is_proven_by_a_card(venue: Venue) -> None:
    proven = {row for card in CARDS for row in card.rows}
    working = {row for row, entry in declared_by(venue).items() if entry.support is Support.WORKS}

    assert working <= proven, sorted(row.name for row in working - proven)


def test_a_card_of_a_row_that_does_not_work_must_fail() -> None:
    fok = next(card for card in CARDS if Capability.FOK in card.rows)
    (mark,) = expectation(Venue.PACIFICA, fok)

    assert (mark.name, mark.kwargs["strict"]) == ("xfail", True)
