"""Sessions: create, list, read, start. Creating and starting never trade; the run at Prefect does."""

from __future__ import annotations

import os
import uuid
from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import JSONResponse, Response

from api.answers import answers
from api.auth import READERS, TRADERS
from api.bodies import json_body, no_body, session_request_body
from api.checks import check_can_start, check_strategy
from api.context import Here, Services, read
from api.documents.estimates import EstimateAnswer
from api.documents.sessions import SessionAnswer, SessionDocument, SessionsPage, StartAnswer, StatusFilter
from api.estimates import estimated
from api.guard import GuardedRoute, needs
from api.paging import AccountFilter, Limit, Offset, SessionId
from api.runs import Created
from api.views.estimates import estimate_document
from api.views.sessions import session_document, session_summary, started, statuses_of
from connectors.settings import Environment
from core.errors import AccountNotActive, InvalidSessionStatus
from core.strategy import check_accounts, validate
from flows.accounts import Account, choose
from flows.directory import environment_of
from flows.wiring import create_session
from store import Session, SessionStatus
from store.requests import SessionRequest, parse_request
from tasks.standing import standing_now

router = APIRouter(prefix="/api/v1/hedging", route_class=GuardedRoute, tags=["sessions"])

_NEWEST_PAIRS = 100
_IDS = uuid.UUID("6ed2ad8f-6d5b-5d0f-8c52-9b2f0f1e6a11")


@router.post(
    "/sessions",
    status_code=201,
    response_model=SessionAnswer,
    responses=answers(400, 409),
    openapi_extra=session_request_body(),
)
@needs(TRADERS)
async def create(request: Request, here: Here) -> SessionAnswer:
    """Create a pending session; nothing is traded until it is started.

    `accounts` and `accountIds` mean the same; give `volumeTarget` (USD), `duration` (milliseconds), or both. With an
    Idempotency-Key the session's id follows from it, so repeating the call never makes a second session.
    """
    wanted = parse_request(await json_body(request))
    environment, accounts = await _accounts_for(here, wanted)
    await check_strategy(here, validate(wanted.to_strategy()), accounts)
    session = await read(
        create_session, here.store, wanted, environment, here.settings.home, os.environ, session_id=_id_for(request)
    )
    return SessionAnswer(session=session_document(session, None, [], [], books={}))


@router.post(
    "/sessions/estimate",
    response_model=EstimateAnswer,
    responses=answers(400, 409),
    openapi_extra=session_request_body(),
)
@needs(READERS)
async def estimate(request: Request, here: Here) -> EstimateAnswer:
    """Say what a session would cost and how long it would take, on the books of now; creates nothing.

    The same request on the same facts gives the same answer: the play is seeded (`seed`).
    """
    wanted = parse_request(await json_body(request))
    _, accounts = await _accounts_for(here, wanted)
    return EstimateAnswer(estimate=estimate_document(await estimated(here, wanted, accounts)))


@router.get("/sessions", response_model=SessionsPage, responses=answers())
@needs(READERS)
async def list_sessions(
    here: Here,
    status: Annotated[StatusFilter | None, Query(description="Older words are taken too.")] = None,
    account_id: AccountFilter = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> SessionsPage:
    """List sessions, newest first."""
    reads, statuses = here.store.reads, statuses_of(status)
    found = await read(reads.sessions, statuses=statuses, account_id=account_id, limit=limit, offset=offset)
    total = await read(reads.count_sessions, statuses=statuses, account_id=account_id)
    last = await read(reads.last_events, [s.session_id for s in found], "metrics")
    shown = [session_summary(s, last.get(s.session_id)) for s in found]
    return SessionsPage(sessions=shown, total=total, limit=limit, offset=offset)


@router.get("/sessions/{sessionId}", response_model=SessionAnswer, responses=answers(404))
@needs(READERS)
async def get_session(here: Here, session_id: SessionId) -> Response:
    """Read one session with its breaches, its newest pairs and its figures."""
    reads = here.store.reads
    session = await read(reads.session, session_id)
    last = await read(reads.last_event, session_id, "metrics")
    breaches = await read(reads.breaches, session_id)
    pairs = await read(here.pair_texts.newest, here.store, session_id, limit=_NEWEST_PAIRS)
    books = await read(reads.ledger.books, session_id)
    standing = await read(standing_now, session, reads)
    document = session_document(session, last, breaches, [], books=books, standing=standing)
    return _whole(document, pairs)


@router.post(
    "/sessions/{sessionId}/start",
    response_model=StartAnswer,
    responses=answers(404, 409, _202={"model": StartAnswer, "description": "Noted; it will be carried out once."}),
)
@needs(TRADERS)
async def start(request: Request, here: Here, session_id: SessionId) -> StartAnswer | JSONResponse:
    """Check accounts, funds and books, then start the session's run at Prefect; it is carried out once."""
    await no_body(request)
    session = await read(here.store.reads.session, session_id)
    require_status(session, (SessionStatus.PENDING,), "start")
    await check_can_start(here, session, await accounts_of(here, session))
    outcome = await here.starter.start(session_id)
    answer = StartAnswer(session=started(await read(here.store.reads.session, session_id)))
    if isinstance(outcome, Created):
        return answer
    return JSONResponse(answer.model_copy(update={"pending": True}).model_dump(mode="json"), 202)


def _whole(document: SessionDocument, pairs: Sequence[bytes]) -> Response:
    """Return a session's answer with its pairs, which are JSON already; nothing is serialised twice."""
    head = document.model_dump_json(by_alias=True, exclude={"orders"}).encode()
    body = b'{"success":true,"session":' + head[:-1] + b',"orders":[' + b",".join(pairs) + b"]}}"
    return Response(body, media_type="application/json")


async def _accounts_for(here: Services, wanted: SessionRequest) -> tuple[Environment, dict[str, Account]]:
    """The environment a request's accounts live in, and the accounts; raises what is wrong with them."""
    directory = await here.roster.directory()
    environment = environment_of(directory, wanted.accounts)
    accounts = choose(directory.accounts[environment], wanted.accounts)
    check_accounts([account.ref for account in accounts.values()])
    return environment, accounts


def require_status(session: Session, wanted: tuple[SessionStatus, ...], verb: str) -> None:
    """Raise InvalidSessionStatus unless the session has one of the statuses."""
    if session.status not in wanted:
        raise InvalidSessionStatus(
            f"Cannot {verb} a session that is {session.status}",
            sessionId=session.session_id, currentStatus=session.status.value,
            requiredStatus=" or ".join(status.value for status in wanted),
        )  # fmt: skip


async def accounts_of(here: Services, session: Session) -> dict[str, Account]:
    """Return a session's accounts with what is needed to read their venues; raise AccountNotActive."""
    directory = await here.roster.directory()
    known = directory.accounts.get(Environment(session.environment), {})
    missing = [name for name in session.accounts if name not in known]
    if missing:
        raise AccountNotActive(
            f"the API cannot use {', '.join(missing)} of {session.environment}: account or key is not there",
            accountId=missing[0],
        )
    return {name: known[name] for name in session.accounts}


def _id_for(request: Request) -> str | None:
    """The id of a session that is created with an Idempotency-Key: the same call means the same session."""
    claim = getattr(request.state, "claim", None)
    if claim is None:
        return None
    return str(uuid.uuid5(_IDS, f"{claim.key_id}/{claim.idempotency_key}/{claim.body_sha256}"))
