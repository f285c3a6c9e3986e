"""Declarations are whole, say why, and are what docs/venues shows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from connectors.backpack.client import BackpackClient
from connectors.capabilities import BEGIN, DOCS, END, GROUPS, Capability, Support, declared_by, page, table, whole
from connectors.pacifica.client import PacificaClient
from connectors.paradex.client import ParadexClient
from core.instrument import Venue

CLIENTS = {Venue.PACIFICA: PacificaClient, Venue.PARADEX: ParadexClient, Venue.BACKPACK: BackpackClient}


@pytest.mark.parametrize("venue", Venue)
def test_every_row_is_declared_with_a_dated_document(venue: Venue) -> None:
    declared = declared_by(venue)

    assert list(declared) == list(Capability)
    assert all(entry.evidence.document and entry.evidence.dated for entry in declared.values())


@pytest.mark.parametrize("venue", Venue)
def test_the_client_carries_its_venues_declaration(venue: Venue) -> None:
    assert CLIENTS[venue].capabilities is declared_by(venue)


@pytest.mark.parametrize("venue", Venue)
@pytest.mark.parametrize("capability", [Capability.WITHDRAWALS, Capability.KEY_MANAGEMENT])
def test_money_and_keys_stay_where_they_are(venue: Venue, capability: Capability) -> None:
    assert declared_by(venue)[capability].support is Support.NEVER


def test_every_row_is_in_one_group() -> None:
    assert [member for members in GROUPS.values() for member in members] == list(Capability)


def test_a_missing_row_is_refused_by_name() -> None:
    rows = dict(declared_by(Venue.PARADEX))
    del rows[Capability.FILLS]

    with pytest.raises(ValueError, match="FILLS"):
        whole(rows)


def test_never_without_a_reason_is_refused() -> None:
    rows = dict(declared_by(Venue.PARADEX))
    rows[Capability.EDIT] = replace(rows[Capability.EDIT], support=Support.NEVER, quirk="")

    with pytest.raises(ValueError, match="EDIT"):
        whole(rows)


@pytest.mark.parametrize("venue", Venue)
def test_the_page_of_a_venue_shows_what_is_declared(venue: Venue) -> None:
    """When this fails: make docs."""
    written = (DOCS / f"{venue}.md").read_text()

    assert page(venue, written) == written


def test_renewing_a_page_keeps_what_is_written_round_the_markers() -> None:
    renewed = page(Venue.BACKPACK, f"intro\n{BEGIN}\nstale row\n{END}\nafterword\n")

    assert renewed.startswith(f"intro\n{BEGIN}")
    assert renewed.endswith(f"{END}\nafterword\n")
    assert "stale row" not in renewed
    assert table(declared_by(Venue.BACKPACK)) in renewed


@pytest.mark.parametrize("broken", ["", BEGIN, f"{END}{BEGIN}", f"{BEGIN}{BEGIN}{END}", f"{BEGIN}{END}{END}"])
def test_a_page_without_its_markers_is_not_written(broken: str) -> None:
    with pytest.raises(ValueError, match="markers"):
        page(Venue.BACKPACK, broken)
