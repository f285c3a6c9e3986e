"""API keys and tickets on the wire."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from api.documents.common import Answer, Document, Time
from store.api_records import Scope
from store.requests import Name


class NewKey(Document):
    """A key that is wished for. read < trade < admin; kill alone may stop and flatten and see nothing."""

    name: Name
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=4)]


class KeyDocument(Document):
    """A key without its secret."""

    id: str
    name: str
    scopes: list[Scope]
    created_at: Time
    revoked_at: Time | None
    last_used_at: Time | None


class KeyAnswer(Answer):
    """One key."""

    key: KeyDocument


class NewKeyAnswer(KeyAnswer):
    """A new key with its text, which is shown this once; null in a repeated answer."""

    api_key: str | None = None


class KeysAnswer(Answer):
    """All keys, revoked ones included."""

    keys: list[KeyDocument]


class TicketAnswer(Answer):
    """A single-use admission to the live stream (`?ticket=` in its address); null in a repeated answer."""

    ticket: str | None = None
    expires_at: Time
