"""All clients offer the same methods, to the letter: what is written for one venue runs on the others."""

from __future__ import annotations

import inspect

import pytest

from connectors.backpack.client import BackpackClient
from connectors.backpack.feed import BackpackFeed
from connectors.pacifica.client import PacificaClient
from connectors.pacifica.feed import PacificaFeed
from connectors.paradex.client import ParadexClient
from connectors.paradex.feed import ParadexFeed
from connectors.venue import VenueClient, VenueFeed

CLIENTS = [PacificaClient, ParadexClient, BackpackClient]
FEEDS = [PacificaFeed, ParadexFeed, BackpackFeed]


def public_methods(kind: type) -> dict[str, str]:
    """Signatures (with annotations, as written) of a class's public methods by name."""
    members = inspect.getmembers(kind, inspect.isfunction)
    return {name: str(inspect.signature(member)) for name, member in members if not name.startswith("_")}


def is_awaited(kind: type) -> dict[str, bool]:
    """Whether each public method is a coroutine."""
    members = inspect.getmembers(kind, inspect.isfunction)
    return {name: inspect.iscoroutinefunction(member) for name, member in members if not name.startswith("_")}


@pytest.mark.parametrize("kind", CLIENTS)
def test_a_client_has_the_methods_of_the_seam_and_no_others(kind: type) -> None:
    assert public_methods(kind) == public_methods(VenueClient)
    assert is_awaited(kind) == is_awaited(VenueClient)


@pytest.mark.parametrize("kind", FEEDS)
def test_a_feed_has_the_methods_of_the_seam(kind: type) -> None:
    wanted, awaited = public_methods(VenueFeed), is_awaited(VenueFeed)

    assert {name: public_methods(kind).get(name) for name in wanted} == wanted
    assert {name: is_awaited(kind).get(name) for name in awaited} == awaited


def test_constructors_take_the_same_five_positions() -> None:
    wanted = ["account_id", "keys", "endpoints", "outside", "timeouts"]
    for kind in CLIENTS:
        parameters = inspect.signature(kind).parameters.values()

        assert [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD] == wanted
        assert all(p.default is not p.empty for p in parameters if p.kind is p.KEYWORD_ONLY)
