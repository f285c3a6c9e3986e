"""Accounts of this installation, and how each is now. Keys never pass through here."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from api.answers import answers
from api.auth import READERS
from api.context import Here, Services, read
from api.documents.accounts import AccountAnswer, AccountsAnswer
from api.errors import NotThere
from api.guard import GuardedRoute, needs
from api.health_reads import account_health
from api.views.accounts import account_document, account_health_document

router = APIRouter(prefix="/api/v1/hedging", route_class=GuardedRoute, tags=["accounts"])

AccountId = Annotated[str, Path(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.:-]+$", alias="accountId")]


@router.get("/accounts", response_model=AccountsAnswer, responses=answers())
@needs(READERS)
async def accounts(here: Here) -> AccountsAnswer:
    """List the accounts that can be used, without asking their venues."""
    directory = await here.roster.directory()
    shown = [account_document(a, await _held_by(here, a.ref.account_id)) for a in directory.every()]
    return AccountsAnswer(accounts=shown)


@router.get("/accounts/{accountId}", response_model=AccountAnswer, responses=answers(404))
@needs(READERS)
async def account(here: Here, account_id: AccountId) -> AccountAnswer:
    """Read one account's health from its venue, now."""
    directory = await here.roster.directory()
    found = directory.find(account_id)
    if found is None:
        raise NotThere(f"no account {account_id}; list the accounts to see which there are")
    health = await account_health(here, found)
    return AccountAnswer(account=account_health_document(health, await _held_by(here, account_id)))


async def _held_by(here: Services, account_id: str) -> str | None:
    lease = await read(here.store.reads.lease, f"account:{account_id}")
    if lease is None or lease.expires_at <= here.now():
        return None
    return lease.holder.partition("/")[0]
