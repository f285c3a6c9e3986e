"""Is this process alive, and can it do its work? And what does it count?"""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from api.context import Here, read
from api.metrics import CONTENT_TYPE
from core.errors import HedgeError

router = APIRouter(tags=["health"])


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """Say that the process is there."""
    return {"status": "ok"}


@router.get("/readyz", responses={503: {"description": "Database or Prefect cannot be reached."}})
async def readyz(here: Here) -> JSONResponse:
    """Say whether database and Prefect can be reached; 503 when one cannot."""
    checks = {"database": await _database(here), "prefect": await here.runs.is_healthy()}
    words = {name: "ok" if good else "unreachable" for name, good in checks.items()}
    good = all(checks.values())
    return JSONResponse({"status": "ok" if good else "unavailable", **words}, 200 if good else 503)


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics(here: Here) -> Response:
    """Counters of this process, sessions by status, naked USD-seconds and ledger residuals of today, for Prometheus."""
    text = await read(
        here.metrics.text, here.store, now=here.now(), naked_day_max=here.settings.naked_day_max
    )  # fmt: skip
    return Response(text, media_type=CONTENT_TYPE)


async def _database(here: Here) -> bool:
    try:
        await read(here.store.reads.count_sessions)
    except HedgeError:
        return False
    return True
