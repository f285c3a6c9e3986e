"""API keys for administrators, and tickets for whoever cannot send a header."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Request
from pydantic import ValidationError

from api.answers import answers
from api.auth import ADMINS, READERS, digest, make_key, make_secret
from api.bodies import json_body, no_body
from api.context import Caller, Here, read
from api.documents.keys import KeyAnswer, KeyDocument, KeysAnswer, NewKey, NewKeyAnswer, TicketAnswer
from api.guard import GuardedRoute, needs
from store.api_records import ApiKey
from store.requests import refusal

router = APIRouter(prefix="/api/v1/hedging", route_class=GuardedRoute, tags=["keys"])

TICKET_S = 30
KeyId = Annotated[str, Path(min_length=1, max_length=64, pattern=r"^[0-9A-Za-z]+$", alias="keyId")]


@router.post(
    "/keys",
    status_code=201,
    response_model=NewKeyAnswer,
    response_model_exclude_none=False,
    responses=answers(409),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/NewKey"}}},
        }
    },
)
@needs(ADMINS, answers_a_secret=True)
async def create_key(request: Request, here: Here) -> NewKeyAnswer:
    """Make a key. Its text is in this answer only; what is kept is a digest."""
    try:
        wish = NewKey.model_validate(await json_body(request))
    except ValidationError as error:
        raise refusal(error) from None
    key, text = make_key(wish.name, wish.scopes, at=here.now(), random=here.random)
    await here.store.journal.create_api_key(key)
    return NewKeyAnswer(key=_document(key), api_key=text)


@router.get("/keys", response_model=KeysAnswer, responses=answers())
@needs(ADMINS)
async def list_keys(here: Here) -> KeysAnswer:
    """List all keys, revoked ones included."""
    return KeysAnswer(keys=[_document(key) for key in await read(here.store.reads.api_keys)])


@router.delete("/keys/{keyId}", response_model=KeyAnswer, responses=answers(404))
@needs(ADMINS)
async def revoke_key(here: Here, key_id: KeyId) -> KeyAnswer:
    """Make a key useless from now on; live streams it opened end within seconds."""
    return KeyAnswer(key=_document(await here.store.journal.revoke_api_key(key_id, at=here.now())))


@router.post("/tickets", response_model=TicketAnswer, status_code=201, responses=answers(409))
@needs(READERS, answers_a_secret=True)
async def create_ticket(request: Request, here: Here, caller: Caller) -> TicketAnswer:
    """Make a ticket that opens the live stream, or a report, once within 30 seconds."""
    await no_body(request)
    ticket, now = make_secret(here.random), here.now()
    expires_at = now + timedelta(seconds=TICKET_S)
    await here.store.journal.create_ticket(digest(ticket), caller.key_id, expires_at=expires_at, now=now)
    return TicketAnswer(ticket=ticket, expires_at=expires_at)


def _document(key: ApiKey) -> KeyDocument:
    return KeyDocument(
        id=key.key_id, name=key.name, scopes=sorted(key.scopes), created_at=key.created_at,
        revoked_at=key.revoked_at, last_used_at=key.last_used_at,
    )  # fmt: skip
