"""What a session did and how it stands: pairs, fills, events, risk, breaches, report."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Request
from pydantic import ValidationError
from starlette.responses import HTMLResponse, Response

from api.answers import answers
from api.auth import READERS, TRADERS
from api.bodies import json_body
from api.context import Here, Services, read
from api.documents.records import EventsAnswer, FillsPage, NakedBudget, RiskAnswer
from api.documents.sessions import Acknowledgement, BreachAnswer, PairsPage, PairState
from api.errors import NotThere, Unauthorized
from api.guard import GuardedRoute, answer_failure, needs
from api.health_reads import account_health
from api.paging import LIMIT_MAX, AccountFilter, Limit, Offset, SessionId
from api.routes.sessions import accounts_of
from api.views.pairs import pair_document
from api.views.records import event_document, fill_document
from api.views.risk import naked_budget, risk_status
from api.views.sessions import breach_document
from core.errors import HedgeError
from core.order import Side
from core.pair import PairStatus
from store import BreachAction, Session
from store.requests import refusal
from tasks.standing import standing_now

router = APIRouter(prefix="/api/v1/hedging", route_class=GuardedRoute, tags=["records"])
by_ticket = APIRouter(include_in_schema=False)

_REPORT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; sandbox"
BreachId = Annotated[str, Path(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.:-]+$", alias="breachId")]


@router.get("/sessions/{sessionId}/orders", response_model=PairsPage, responses=answers(404))
@needs(READERS)
async def orders(
    here: Here,
    session_id: SessionId,
    *,
    status: PairState | None = None,
    account_id: AccountFilter = None,
    side: Annotated[Literal["buy", "sell"] | None, Query(description="The side that accountId is on.")] = None,
    limit: Limit = 100,
    offset: Offset = 0,
) -> PairsPage:
    """List a session's pairs by sequence, each with both legs."""
    reads = here.store.reads
    await read(reads.session, session_id)
    statuses = () if status is None else (PairStatus(status),)
    wanted_side = None if side is None else Side(side)
    found = await read(
        reads.pairs, session_id, statuses=statuses, account_id=account_id, side=wanted_side, limit=limit, offset=offset
    )
    total = await read(reads.count_pairs, session_id, statuses=statuses, account_id=account_id, side=wanted_side)
    legs = await read(reads.journal_orders_of_pairs, [pair.plan.pair_id for pair in found])
    shown = [pair_document(pair, legs[pair.plan.pair_id]) for pair in found]
    return PairsPage(orders=shown, total=total, limit=limit, offset=offset)


@router.get("/sessions/{sessionId}/fills", response_model=FillsPage, responses=answers(404))
@needs(READERS)
async def fills(
    here: Here,
    session_id: SessionId,
    limit: Limit = 100,
    offset: Offset = 0,
    newest_first: Annotated[bool, Query(alias="newestFirst")] = False,
) -> FillsPage:
    """List a session's executions by the venues' time."""
    await read(here.store.reads.session, session_id)
    found = await read(
        here.store.reads.fills_page, session_id, limit=limit, offset=offset, newest_first=newest_first
    )  # fmt: skip
    total = await read(here.store.reads.count_fills, session_id)
    return FillsPage(fills=[fill_document(f) for f in found], total=total, limit=limit, offset=offset)


@router.get("/sessions/{sessionId}/events", response_model=EventsAnswer, responses=answers(404))
@needs(READERS)
async def events(
    here: Here,
    session_id: SessionId,
    since: Annotated[int, Query(ge=0, le=2**53, description="Events after this sequence.")] = 0,
    limit: Limit = 100,
) -> EventsAnswer:
    """List a session's events in order."""
    await read(here.store.reads.session, session_id)
    found = await read(here.store.reads.events_since, session_id, since, limit=limit)
    last = await read(here.store.reads.last_event_sequence, session_id)
    return EventsAnswer(events=[event_document(event) for event in found], last_sequence=last)


@router.get("/sessions/{sessionId}/risk-status", response_model=RiskAnswer, responses=answers(404, 409))
@needs(READERS)
async def risk(here: Here, session_id: SessionId) -> RiskAnswer:
    """Say how risky the session stands now; the accounts are read from their venues for this answer."""
    reads = here.store.reads
    session = await read(reads.session, session_id)
    accounts = await accounts_of(here, session)
    healths = await asyncio.gather(*(account_health(here, account) for account in accounts.values()))
    breaches = await read(reads.breaches, session_id, open_only=True)
    results = await read(_results, here, session_id)
    metrics = await read(reads.last_event, session_id, "metrics")
    naked = await read(_naked, here, session)
    standing = await read(standing_now, session, reads)
    status = risk_status(session, healths, results, breaches, metrics, naked=naked, standing=standing)
    return RiskAnswer(risk_status=status)


@router.post(
    "/sessions/{sessionId}/risk-breaches/{breachId}/acknowledge",
    response_model=BreachAnswer,
    responses=answers(404),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": Acknowledgement.model_json_schema(by_alias=True)}},
        }
    },
)
@needs(TRADERS)
async def acknowledge(request: Request, here: Here, session_id: SessionId, breach_id: BreachId) -> BreachAnswer:
    """Note what was decided about a breach; the first decision holds."""
    try:
        decided = Acknowledgement.model_validate(await json_body(request))
    except ValidationError as error:
        raise refusal(error) from None
    await read(here.store.reads.session, session_id)
    breach = await here.store.journal.acknowledge_breach(
        session_id, breach_id, BreachAction(decided.action), at=here.now(), comment=decided.comment
    )
    return BreachAnswer(breach=breach_document(breach))


@router.get(
    "/sessions/{sessionId}/report",
    response_class=HTMLResponse,
    responses=answers(404, _200={"content": {"text/html": {"schema": {"type": "string"}}}}),
)
@needs(READERS)
async def report(here: Here, session_id: SessionId) -> Response:
    """Return the session's report, one self-contained HTML page; 404 until there is one."""
    return await _report(here, session_id)


@by_ticket.get("/report/{sessionId}")
async def report_by_ticket(request: Request, here: Here, session_id: SessionId, ticket: str = "") -> Response:
    """Show the report in a browser, which cannot send a key when it follows a link; a ticket opens it once."""
    try:
        address = request.client.host if request.client else "unknown"
        key = await here.keys.redeem(ticket, address, at=here.now())
        if not key.scopes & READERS:
            raise Unauthorized
        return await _report(here, session_id)
    except HedgeError as error:
        return answer_failure(request, error)


async def _report(here: Services, session_id: str) -> Response:
    await read(here.store.reads.session, session_id)
    path = here.settings.home.reports / f"{quote(session_id, safe='')}.html"
    try:
        page = await read(path.read_text, encoding="utf-8")
    except FileNotFoundError:
        raise NotThere("this session has no report yet; it is written when the session ends") from None
    return HTMLResponse(page, headers={"Content-Security-Policy": _REPORT_POLICY})


def _naked(here: Services, session: Session) -> NakedBudget:
    """What legs stood alone, of the session and today of all; blocking."""
    reads, now = here.store.reads, here.now()
    open_pairs, today = reads.open_pairs(session.session_id), reads.ledger.naked_on_day_of(now)
    return naked_budget(session, open_pairs, today, day_max=here.settings.naked_day_max, now=now)


def _results(here: Services, session_id: str) -> list[Decimal]:
    """The session's PnL after each pair so far, from its events; blocking."""
    found: list[Decimal] = []
    since = 0
    while batch := here.store.reads.events_since(session_id, since, limit=LIMIT_MAX):
        since = batch[-1].sequence
        found += [Decimal(str(e.payload["pnl"])) for e in batch if e.channel == "metrics" and "pnl" in e.payload]
    return found
