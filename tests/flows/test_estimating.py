"""Reading the facts of an estimate: what a venue does not say stays unknown, what is not listed is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from core.errors import InvalidStrategy, VenueUnreachable
from core.estimate import AccountFacts, estimate
from core.market_data import VenueState
from flows.estimating import read_facts
from tests.fakes.world import World


@pytest.fixture
def world(make: Callable[..., World]) -> World:
    """Two accounts on two venues."""
    return make()


async def facts(world: World) -> dict[str, AccountFacts]:
    refs = {name: venue.ref for name, venue in world.venues.items()}
    return {f.account.account_id: f for f in await read_facts(world.venues, refs, world.request.to_strategy())}


async def test_books_marks_rates_margins_and_day_volumes_are_read_once_each(world: World) -> None:
    for venue in world.venues.values():
        venue.market_data.volume, venue.market_data.state = Decimal(5_000_000), VenueState.OPEN

    found = await facts(world)

    assert set(found) == set(world.venues)
    for name, venue in world.venues.items():
        read = found[name]
        assert read.book == venue.book_now()
        assert read.margin is not None
        assert read.venue_volume_24h == 5_000_000
        assert read.status is not None
        assert venue.placed == []


@pytest.mark.parametrize(("read", "code"), [("margin", "margin_unknown"), ("funding_rate", "funding_unknown")])
async def test_a_read_that_fails_leaves_its_fact_unknown_and_the_estimate_says_so(
    world: World, read: str, code: str
) -> None:
    name, venue = next(iter(world.venues.items()))
    venue.fail(read)

    found = await facts(world)
    made = estimate(
        list(found.values()),
        world.request.to_strategy(),
        world.request.to_goal(),
        now=world.clock(),
        seed=1,
    )

    assert [c.account_id for c in made.cautions if c.code == code] == [name]


async def test_markets_that_cannot_be_read_end_it(world: World) -> None:
    next(iter(world.venues.values())).fail("markets")
    with pytest.raises(VenueUnreachable):
        await facts(world)


async def test_a_symbol_that_a_venue_does_not_list_is_refused_by_name(world: World) -> None:
    name, venue = next(iter(world.venues.items()))
    venue.market = replace(venue.market, symbol="BTC/USD")
    with pytest.raises(InvalidStrategy, match=name):
        await facts(world)
