"""The cards that only read, on a venue's real testnet. Nothing is sent that could become an order.

HEDGE_LIVE=testnet .venv/bin/pytest tests/contract/test_live.py (accounts and keys as docs/runbook.md says).
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import pytest

from connectors.capabilities import declared_by
from connectors.registry import ENDPOINTS, open_client
from connectors.settings import Environment, Outside, Timeouts
from connectors.venue import VenueClient
from core.instrument import Venue
from flows.accounts import accounts_for
from store.home import Home
from tests.contract.bench import Bench
from tests.contract.cards import Card
from tests.contract.deck import CARDS
from tests.contract.test_cards import expectation

SWITCH = "HEDGE_LIVE"
READING = [card for card in CARDS if card.reads]

live = pytest.mark.skipif(
    os.environ.get(SWITCH) != "testnet", reason=f"{SWITCH}=testnet is not set: nothing is asked of a real venue"
)


@pytest.fixture
async def real_venue(request: pytest.FixtureRequest, real_outside: Outside) -> AsyncIterator[Bench]:
    """One venue's testnet through the operator's account there."""
    name: Venue = request.param
    if (Environment.TESTNET, name) not in ENDPOINTS:
        pytest.skip(f"{name} has no testnet")
    accounts = accounts_for(Environment.TESTNET, Home.from_env(os.environ), os.environ)
    mine = [account for account in accounts.values() if account.ref.venue is name]
    if not mine:
        pytest.skip(f"accounts.yaml lists no testnet account on {name}")
    account = mine[0]

    def another() -> VenueClient:
        return open_client(account.ref.account_id, account.keys, account.endpoints, real_outside, Timeouts())

    client = another()
    await client.connect()
    yield Bench(client, declared_by(name), real_outside, another)
    await client.aclose()


@live
@pytest.mark.live
@pytest.mark.parametrize(
    ("real_venue", "card"),
    [
        pytest.param(venue, card, id=f"{venue}-{card}", marks=expectation(venue, card))
        for card in READING
        for venue in Venue
    ],
    indirect=["real_venue"],
)
async def test_card_on_the_testnet(real_venue: Bench, card: Card) -> None:
    await card.run(real_venue)


def test_cards_for_real_venues_need_no_twin_and_place_nothing() -> None:
    """The client they get here has no way to send a command."""
    assert READING
    for card in READING:
        assert not card.wire, card
        names = set(card.run.__code__.co_names)
        assert not names & {"place", "placed", "filled", "cancel", "cancel_all", "desk"}, card
