"""Pause, resume, stop, flatten: asked of the session that runs, and answered with what it did."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import JSONResponse

from api.answers import answers
from api.auth import STOPPERS, TRADERS
from api.bodies import no_body
from api.context import Caller, Here, read
from api.documents.sessions import FlattenAnswer, SteerAnswer
from api.guard import GuardedRoute, needs
from api.paging import SessionId
from api.routes.sessions import require_status
from api.settings import STOP_WAIT_S_MAX
from api.steering import STATUSES, Steered, require_no_critical_breach, steer
from api.views.sessions import steered
from store import CommandKind, SessionStatus

router = APIRouter(prefix="/api/v1/hedging", route_class=GuardedRoute, tags=["commands"])

Wait = Annotated[
    float | None,
    Query(ge=0, le=STOP_WAIT_S_MAX, allow_inf_nan=False, description="Seconds to wait for the session's end."),
]
_NOTED = {"model": SteerAnswer, "description": "Noted; not carried out yet. The session is shown as it stands."}
_ALL_NOTED = {"model": FlattenAnswer, "description": "Noted; some sessions are not flat yet."}


@router.post("/sessions/{sessionId}/pause", response_model=SteerAnswer, responses=answers(404, 409, _202=_NOTED))
@needs(TRADERS)
async def pause(request: Request, here: Here, caller: Caller, session_id: SessionId) -> JSONResponse:
    """Open nothing more after the pair in progress; never acts between two legs."""
    await no_body(request)
    return await _steer(here, caller, session_id, CommandKind.PAUSE, here.settings.command_wait_s)


@router.post("/sessions/{sessionId}/resume", response_model=SteerAnswer, responses=answers(404, 409, _202=_NOTED))
@needs(TRADERS)
async def resume(request: Request, here: Here, caller: Caller, session_id: SessionId) -> JSONResponse:
    """Go on with a paused session; refused while a critical breach is not acknowledged."""
    await no_body(request)
    return await _steer(here, caller, session_id, CommandKind.RESUME, here.settings.command_wait_s)


@router.post("/sessions/{sessionId}/stop", response_model=SteerAnswer, responses=answers(404, 409, 502, _202=_NOTED))
@needs(STOPPERS)
async def stop(
    request: Request, here: Here, caller: Caller, session_id: SessionId, wait: Wait = None
) -> JSONResponse:  # fmt: skip
    """Cancel what rests, close to flat, settle; answers when the session is over or the wait is."""
    await no_body(request)
    return await _steer(here, caller, session_id, CommandKind.STOP, _wait_s(here, wait))


@router.post("/sessions/{sessionId}/flatten", response_model=SteerAnswer, responses=answers(404, 409, 502, _202=_NOTED))
@needs(STOPPERS)
async def flatten(
    request: Request, here: Here, caller: Caller, session_id: SessionId, wait: Wait = None
) -> JSONResponse:  # fmt: skip
    """Get this session flat and end it, as stop does."""
    await no_body(request)
    return await _steer(here, caller, session_id, CommandKind.FLATTEN, _wait_s(here, wait))


@router.post("/flatten", response_model=FlattenAnswer, responses=answers(_202=_ALL_NOTED))
@needs(STOPPERS)
async def flatten_all(request: Request, here: Here, caller: Caller, wait: Wait = None) -> JSONResponse:
    """The kill switch: get every active or paused session flat and end it."""
    await no_body(request)
    live = (SessionStatus.ACTIVE, SessionStatus.PAUSED)
    # Their ids at one moment: pages would shift while the first ones get flat, and somebody would be left out.
    found = await read(here.store.reads.session_ids, live)
    steering = (steer(here, name, CommandKind.FLATTEN, by=caller.name, wait_s=_wait_s(here, wait)) for name in found)
    ends = await asyncio.gather(*steering, return_exceptions=True)
    # One session that cannot be told must not keep the others from being told; all of them were by now.
    pending = any(not isinstance(end, Steered) or end.is_pending for end in ends)
    stand = [await read(here.store.reads.session, name) for name in found]
    answer = FlattenAnswer(sessions=[steered(session) for session in stand], pending=pending)
    return _answer(answer, pending=pending)


async def _steer(here: Here, caller: Caller, session_id: str, kind: CommandKind, wait_s: float) -> JSONResponse:
    session = await read(here.store.reads.session, session_id)
    require_status(session, STATUSES[kind], kind.value)
    if kind is CommandKind.RESUME:
        await require_no_critical_breach(here, session)
    end = await steer(here, session_id, kind, by=caller.name, wait_s=wait_s)
    done_at = None if end.is_pending else end.command.done_at
    document = steered(
        end.session,
        paused_at=done_at if kind is CommandKind.PAUSE else None,
        resumed_at=done_at if kind is CommandKind.RESUME else None,
    )
    return _answer(SteerAnswer(session=document, pending=end.is_pending), pending=end.is_pending)


def _answer(answer: SteerAnswer | FlattenAnswer, *, pending: bool) -> JSONResponse:
    return JSONResponse(answer.model_dump(mode="json"), 202 if pending else 200)


def _wait_s(here: Here, wait: float | None) -> float:
    return here.settings.stop_wait_s if wait is None else wait
