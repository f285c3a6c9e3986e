"""How every task of a session is run by Prefect: retried when that is safe, never cached, nothing persisted.

A cached or persisted result of a task that sends orders would swallow an order or send one twice; what makes a retry
safe here is the journal, which knows what was sent.
"""

from __future__ import annotations

from typing import Any

from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task

from core.errors import MarketDataUnavailable, RateLimited, VenueUnavailable, VenueUnreachable
from store.errors import StoreBusy

TRANSIENT = (VenueUnreachable, VenueUnavailable, RateLimited, MarketDataUnavailable, StoreBusy)


async def is_transient(task: Task[Any, Any], run: TaskRun, state: State[Any]) -> bool:
    """Tell Prefect whether a failed task may be tried again: only after failures that may pass by themselves."""
    try:
        await state.aresult()
    except TRANSIENT:
        return True
    except Exception:  # noqa: BLE001  (the edge to Prefect: any other failure is final and is raised by the task itself)
        return False
    return False


STEP: dict[str, Any] = {
    "cache_policy": NO_CACHE,
    "persist_result": False,
    "retries": 3,
    "retry_delay_seconds": [0.5, 2, 5],
    "retry_condition_fn": is_transient,
}
