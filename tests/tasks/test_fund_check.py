"""The fund check: a session starts only on accounts that are active, explained and funded."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from core.errors import AccountNotActive, InsufficientBalance, VenueUnreachable
from tasks.fund_check import check_funds
from tasks.place_pair import open_pair
from tests.fakes.world import World

D = Decimal
Make = Callable[..., World]


async def test_funded_accounts_pass_and_their_margin_is_known(world: World) -> None:
    desk = world.desk()
    assert await check_funds.fn() == {"a": "100000", "b": "100000"}
    assert desk.capital == 200_000
    assert world.placed == 0


async def test_account_that_the_venue_has_disabled_is_refused_by_name(world: World) -> None:
    world.venues["b"].is_active = False
    world.desk()
    with pytest.raises(AccountNotActive, match="account b is not active") as refused:
        await check_funds.fn()
    assert refused.value.details["accountId"] == "b"


async def test_position_of_somebody_else_is_not_netted_into(world: World) -> None:
    world.venues["a"].meddle(D("0.25"))
    world.desk()
    with pytest.raises(AccountNotActive, match=r"holds 0\.25 ETH/USD, of which this session explains 0") as refused:
        await check_funds.fn()
    assert refused.value.details == {"accountId": "a", "actual": "0.25", "expected": "0"}


async def test_own_position_is_explained_after_a_restart(world: World) -> None:
    desk = world.desk()
    await open_pair(desk, world.plan(), {})
    assert await check_funds.fn()


async def test_missing_margin_names_every_short_account_with_figures(world: World) -> None:
    for venue in world.venues.values():
        venue.deposit = D(20)
    world.desk()
    with pytest.raises(InsufficientBalance) as refused:
        await check_funds.fn()
    accounts = refused.value.details["accounts"]
    assert isinstance(accounts, dict)
    assert set(accounts) == {"a", "b"}
    assert D(accounts["a"]["available"]) == 20
    # 0.4 base units at 2500 and 20x with a cushion of a tenth, and taker fees: at least 55.
    assert D(accounts["a"]["required"]) > 55


async def test_restart_with_open_positions_is_not_refused_for_margin_that_they_use(world: World) -> None:
    """What is open must still be closed, so a session that trades already is not held to the margin of a start."""
    desk = world.desk()
    await open_pair(desk, world.plan("0.4"), {})
    for venue in world.venues.values():
        venue.deposit = D(52)
    assert await check_funds.fn()


@pytest.mark.parametrize("read", ["margin", "positions"])
async def test_account_that_cannot_be_read_is_not_taken_for_empty_or_flat(world: World, read: str) -> None:
    world.venues["b"].fail(read)
    world.desk()
    with pytest.raises(VenueUnreachable):
        await check_funds.fn()
