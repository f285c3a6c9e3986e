"""Small guards: a Prefect server that hangs holds up no beat, and an own order is known by the venue's id as well."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from core.order import OrderStatus
from tasks.course import Course
from tasks.place_pair import open_pair
from tasks.publish import Board
from tasks.reconcile_fills import reconcile
from tasks.settle import settle
from tests.fakes.venue import NOTHING, Script
from tests.fakes.world import World


async def test_prefect_that_hangs_holds_up_no_beat(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(**_: object) -> None:
        await asyncio.get_running_loop().create_future()

    monkeypatch.setattr("tasks.publish.COURTESY_S", 0.01)
    monkeypatch.setattr("tasks.publish.acreate_progress_artifact", hang)
    await asyncio.wait_for(Board().progress(world.desk(), Course(world.clock())), timeout=2)


async def test_resting_order_that_only_its_venue_id_names_is_still_ours(
    make: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a restart a venue's short client ids cannot be turned back into ours."""
    world = make(primary="limit", fallback="limit")
    desk, started, venue = world.desk(), world.clock(), world.venues["a"]
    venue.script(Script(fill_after_s=10_000))
    world.venues["b"].script(NOTHING)
    await reconcile(desk, await open_pair(desk, world.plan(), {}))
    desk.put_down()
    venue.orders[venue.placed[0]].status = OrderStatus.ACCEPTED
    listed = await venue.open_orders("ETH/USD")
    assert len(listed) == 1

    async def unnamed(symbol: str) -> list[object]:
        return [replace(report, client_order_id=None) for report in listed]

    monkeypatch.setattr(venue, "open_orders", unnamed)
    assert (await settle.fn(started)).open_orders == 1
