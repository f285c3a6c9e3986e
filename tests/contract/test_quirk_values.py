"""The contract holds whichever way the venues' documents are to be read: the cards under other values of the switches.

`make test` runs the cards that a switch can touch, and a few others by rotation. CONTRACT_QUIRKS=all (`make
contract-quirks`) runs every card under every value. CONTRACT_SEED chooses another rotation.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import pytest

from connectors.settings import Outside
from core.instrument import Venue
from sandbox.quirks import QUIRKS
from tests.connectors.conftest import Twins
from tests.contract.bench import Bench
from tests.contract.cards import Card
from tests.contract.conftest import opened
from tests.contract.deck import CARDS
from tests.contract.quirk_values import TOUCHED, Setting, kept_by, settings, slice_of, whole

OTHERS = 8
SEED = int(os.environ.get("CONTRACT_SEED", "1"))
CHOSEN = whole(CARDS) if os.environ.get("CONTRACT_QUIRKS") == "all" else slice_of(CARDS, SEED, OTHERS)


@pytest.fixture
async def under(request: pytest.FixtureRequest, twins: Twins, real_outside: Outside) -> AsyncIterator[Bench]:
    """One venue whose twin has one switch at another value, from before the client connects."""
    setting: Setting = request.param
    venue = str(setting.venue)
    twins.control("quirks", venue=venue, name=setting.name, value=setting.value)
    try:
        async with opened(setting.venue, twins, real_outside) as bench:
            if setting.name == "requests_per_minute":
                twins.control("limits", venue=venue, per_minute=None)
            yield bench
    finally:
        twins.control("quirks", venue=venue, name=setting.name, value=None)


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("under", "card"),
    [pytest.param(setting, card, id=f"{setting}-{card}") for setting, card in CHOSEN],
    indirect=["under"],
)
async def test_card_under(under: Bench, card: Card) -> None:
    await card.run(under)


def test_every_switch_has_another_value_to_be_tried_and_cards_that_it_touches() -> None:
    tried = {(str(setting.venue), setting.name) for setting in settings()}
    switches = {(quirk.venue, quirk.name) for quirk in QUIRKS}

    assert tried == switches == set(TOUCHED)


@pytest.mark.parametrize("venue", Venue)
def test_a_touched_card_is_one_that_the_venue_has_to_pass(venue: Venue) -> None:
    passed = {card.number for card in kept_by(venue, CARDS)}
    touched = {number for (name, _), numbers in TOUCHED.items() if name == venue for number in numbers}

    assert touched <= passed


def test_the_rotation_is_the_same_for_a_seed_and_reaches_every_combination_in_time() -> None:
    assert slice_of(CARDS, 7, OTHERS) == slice_of(CARDS, 7, OTHERS)
    assert slice_of(CARDS, 7, OTHERS) != slice_of(CARDS, 8, OTHERS)
    assert {str(pair) for pair in slice_of(CARDS, 1, 10_000)} == {str(pair) for pair in whole(CARDS)}
