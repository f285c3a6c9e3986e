"""The lease lives as long as the run does: renewed beside its steps, gone with it, and never ordered without."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from core.errors import LeaseLost
from store import StoreBusy
from tasks.desk import LEASE_TTL_S, LEASE_UNATTENDED_S, Desk
from tests.fakes.world import SESSION, World


@asynccontextmanager
async def kept(desk: Desk) -> AsyncIterator[asyncio.Task[None]]:
    """Renew the lease in the background as a run does."""
    task = asyncio.create_task(desk.keep_lease_alive())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def hang(world: World, seconds: float) -> None:
    """Wait as one waits for a venue that does not answer: time passes, and this task moves none of it."""
    end = world.clock() + timedelta(seconds=seconds)
    while world.clock() < end:
        await asyncio.sleep(0)


def is_held(world: World) -> bool:
    lease = world.store.reads.lease(f"session:{SESSION}")
    return lease is not None and lease.expires_at > world.clock()


async def test_a_venue_that_hangs_for_a_minute_does_not_end_the_run(world: World) -> None:
    desk = world.desk()
    async with kept(desk):
        await hang(world, 3 * LEASE_TTL_S)
        desk.require_lease()
        await desk.keep_lease()
    assert is_held(world)


async def test_renewing_ends_with_the_run(world: World) -> None:
    desk = world.desk()
    async with kept(desk) as keeper:
        await asyncio.sleep(0)
    assert keeper.cancelled()
    world.die()
    assert not is_held(world)


async def test_a_lease_that_another_run_took_stops_ordering_at_once_and_for_good(world: World) -> None:
    desk = world.desk()
    world.die()
    other = world.desk()
    async with kept(desk) as keeper:
        await keeper
    with pytest.raises(LeaseLost):
        desk.require_lease()
    with pytest.raises(LeaseLost):
        await desk.keep_lease()
    other.require_lease()


async def test_a_run_whose_steps_do_not_stir_lets_its_lease_go(world: World) -> None:
    desk = world.desk()
    async with kept(desk) as keeper:
        await keeper
    assert (world.clock() - desk.lease.expires_at).total_seconds() < LEASE_TTL_S
    world.clock.advance(LEASE_TTL_S)
    assert not is_held(world)
    assert LEASE_UNATTENDED_S > 2 * LEASE_TTL_S


async def test_a_store_that_was_busy_for_a_moment_costs_no_lease(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = world.desk()
    write, failures = world.store.journal.writer.write, 2

    async def busy(operation: object) -> object:
        nonlocal failures
        if failures:
            failures -= 1
            raise StoreBusy("locked")
        return await write(operation)  # type: ignore[arg-type]

    monkeypatch.setattr(world.store.journal.writer, "write", busy)
    async with kept(desk):
        await hang(world, LEASE_TTL_S)
        desk.require_lease()
    assert failures == 0
