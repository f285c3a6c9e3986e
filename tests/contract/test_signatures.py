"""All clients offer the same methods, to the letter: what is written for one venue runs on the others."""

from __future__ import annotations

import inspect

import pytest

from connectors.backpack.client import BackpackClient
from connectors.backpack.desk import BackpackDesk
from connectors.backpack.feed import BackpackFeed
from connectors.backpack.market_data import BackpackMarketData
from connectors.backpack.records import BackpackRecords
from connectors.backpack.tape import BackpackTape
from connectors.pacifica.client import PacificaClient
from connectors.pacifica.desk import PacificaDesk
from connectors.pacifica.feed import PacificaFeed
from connectors.pacifica.market_data import PacificaMarketData
from connectors.pacifica.records import PacificaRecords
from connectors.pacifica.tape import PacificaTape
from connectors.paradex.client import ParadexClient
from connectors.paradex.desk import ParadexDesk
from connectors.paradex.feed import ParadexFeed
from connectors.paradex.market_data import ParadexMarketData
from connectors.paradex.records import ParadexRecords
from connectors.paradex.tape import ParadexTape
from connectors.surface import VenueDesk, VenueMarketData, VenueRecords, VenueTape
from connectors.venue import VenueClient, VenueFeed

CLIENTS = [PacificaClient, ParadexClient, BackpackClient]
FEEDS = [PacificaFeed, ParadexFeed, BackpackFeed]


SURFACE = {
    VenueMarketData: [PacificaMarketData, ParadexMarketData, BackpackMarketData],
    VenueRecords: [PacificaRecords, ParadexRecords, BackpackRecords],
    VenueDesk: [PacificaDesk, ParadexDesk, BackpackDesk],
    VenueTape: [PacificaTape, ParadexTape, BackpackTape],
}


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


@pytest.mark.parametrize(("seam", "kind"), [(seam, kind) for seam, kinds in SURFACE.items() for kind in kinds])
def test_the_wider_surface_has_the_methods_of_its_seam(seam: type, kind: type) -> None:
    wanted, awaited = public_methods(seam), is_awaited(seam)

    assert {name: public_methods(kind).get(name) for name in wanted} == wanted
    assert {name: is_awaited(kind).get(name) for name in awaited} == awaited


def test_constructors_take_the_same_five_positions() -> None:
    wanted = ["account_id", "keys", "endpoints", "outside", "timeouts"]
    for kind in CLIENTS:
        parameters = inspect.signature(kind).parameters.values()

        assert [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD] == wanted
        assert all(p.default is not p.empty for p in parameters if p.kind is p.KEYWORD_ONLY)
