"""The same story in a real flow run of a real Prefect server: what an operator sees there."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from prefect import flow, get_client

from flows.story import run_session
from tasks.desk import sit_down
from tests.fakes.world import VENUES, World

D = Decimal
Make = Callable[..., World]


@pytest.mark.usefixtures("prefect_server")
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # sockets that Prefect's client leaves to the collector
async def test_session_under_prefect_reaches_its_volume_and_shows_it(make: Make) -> None:
    """The real tasks in a real flow run: each step is one task run, and the summary is there to be read."""
    world = make(venues=VENUES, volumeTarget="1500")
    desk = world.desk()

    @flow(name="hedging-session", persist_result=False)
    async def told() -> dict[str, Any]:
        sit_down(desk)
        return await run_session(desk, world.session)

    state = await told(return_state=True)
    summary = await state.aresult()
    world.check_completed_and_flat()
    assert D(summary["volume"]) >= 1500
    async with get_client() as client:
        runs = await client.read_task_runs()
        shown = {artifact.key for artifact in await client.read_artifacts()}
        (told_run,) = await client.read_flow_runs()
    names = Counter(str(run.name).rsplit("-", 1)[0] for run in runs)
    pairs = len(world.pairs)
    assert names == {"fund-check": 1, "risk-gate": pairs, "place-pair": pairs, "reconcile-fills": pairs, "settle": 1}
    assert shown == {"volume", "pairs", "summary"}
    assert told_run.name == "eth-usd · pacifica×paradex×backpack · 100%"
    gc.collect()
