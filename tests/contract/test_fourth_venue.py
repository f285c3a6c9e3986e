"""A venue that no shared module knows keeps the contract: nothing in the suite is about the three that exist."""

from __future__ import annotations

import ast
import inspect

import pytest

from connectors.capabilities import Support
from connectors.settings import Outside
from connectors.venue import VenueClient, VenueFeed
from tests.contract.bench import Bench
from tests.contract.cards import Card
from tests.contract.deck import CARDS
from tests.contract.test_signatures import is_awaited, public_methods
from tests.fakes import fourth_venue
from tests.fakes.fourth_venue import CAPABILITIES, Account, FourthFeed, FourthVenue

WIRELESS = [card for card in CARDS if not card.wire]
LINES_MAX = 320


@pytest.fixture
async def bench(real_outside: Outside) -> Bench:
    """The fourth venue with a fresh account, connected."""
    account = Account()

    def another() -> VenueClient:
        return FourthVenue("acc-4", account, real_outside)

    client = another()
    await client.connect()
    return Bench(client, CAPABILITIES, real_outside, another)


@pytest.mark.parametrize("card", [c for c in WIRELESS if all(CAPABILITIES[r].support is Support.WORKS for r in c.rows)])
async def test_card_on_a_fourth_venue(bench: Bench, card: Card) -> None:
    await card.run(bench)


def test_only_what_it_lacks_is_left_out() -> None:
    left_out = [c for c in WIRELESS if any(CAPABILITIES[row].support is not Support.WORKS for row in c.rows)]

    assert [card.number for card in left_out if card.number.startswith("C")] == ["C20"]


def test_it_offers_the_seam_to_the_letter() -> None:
    for name, signature in public_methods(VenueClient).items():
        assert public_methods(FourthVenue)[name] == signature, name
        assert is_awaited(FourthVenue)[name] == is_awaited(VenueClient)[name], name
    for name, signature in public_methods(VenueFeed).items():
        assert public_methods(FourthFeed)[name] == signature, name


def test_it_is_small_and_knows_no_other_venue() -> None:
    source = inspect.getsource(fourth_venue)
    modules = {node.module for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom)}

    assert len(source.splitlines()) < LINES_MAX
    assert {m for m in modules if m and m.startswith("connectors")} == {
        "connectors.capabilities", "connectors.clock", "connectors.settings", "connectors.venue"
    }  # fmt: skip
