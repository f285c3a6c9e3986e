"""Every call of the API as a value: method, path, query, body, and how its answer is read. Sends nothing.

Both clients are made of these, so that they cannot differ.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from pydantic import ValidationError

from pacifica_hedging import answers
from pacifica_hedging.errors import UnexpectedAnswer
from pacifica_hedging.requests import Body, encode, to_document

T = TypeVar("T")
A = TypeVar("A", bound=answers.Answer)

API = "/api/v1/hedging"
_BESIDE = ("pending", "apiKey")  # said beside a thing, and kept with it here


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One call. `wait_s` is how long the service itself may take before it answers."""

    method: str
    path: str
    read: Callable[[str], T]
    query: Mapping[str, str | int]
    content: bytes | None = None
    headers: Mapping[str, str] | None = None
    wait_s: float = 0.0

    @property
    def is_repeatable(self) -> bool:
        """True when sending it twice is the same as sending it once: reads, and what carries an Idempotency-Key."""
        return self.method in ("GET", "DELETE") or "Idempotency-Key" in (self.headers or {})


def get(path: str, read: Callable[[str], T], **query: str | int | None) -> Call[T]:
    """A read."""
    return Call("GET", API + path, read, {name: value for name, value in query.items() if value is not None})


def post(
    path: str,
    read: Callable[[str], T],
    body: Body | None = None,
    *,
    idempotency_key: str | None = None,
    wait_s: float = 0.0,
    **query: str | int | None,
) -> Call[T]:
    """A command. It carries an Idempotency-Key, the caller's or a new one, so that it can be sent again safely."""
    headers = {"Idempotency-Key": idempotency_key or str(uuid.uuid4()), "Content-Type": "application/json"}
    given = {name: value for name, value in query.items() if value is not None}
    return Call("POST", API + path, read, given, encode(to_document(body or {})), headers, wait_s)


def create_session(request: Body, idempotency_key: str | None) -> Call[answers.Session]:
    """POST /sessions."""
    return post("/sessions", one(answers.Session, "session"), request, idempotency_key=idempotency_key)


def list_sessions(
    status: str | None, account_id: str | None, limit: int, offset: int
) -> Call[answers.Page[answers.Session]]:
    """GET /sessions."""
    read = page(answers.Session, "sessions")
    return get("/sessions", read, status=status, accountId=account_id, limit=limit, offset=offset)


def get_session(session_id: str) -> Call[answers.Session]:
    """GET /sessions/{id}."""
    return get(_session(session_id), one(answers.Session, "session"))


def act(session_id: str, verb: str, *, wait_s: int | None = None) -> Call[answers.Session]:
    """POST /sessions/{id}/{verb}."""
    path = f"{_session(session_id)}/{verb}"
    return post(path, one(answers.Session, "session"), wait_s=wait_s or 30, wait=wait_s)


def flatten_all(wait_s: int | None) -> Call[answers.Flattened]:
    """POST /flatten."""
    return post("/flatten", whole(answers.Flattened), wait_s=wait_s or 120, wait=wait_s)


def list_orders(
    session_id: str, limit: int, offset: int, *, status: str | None, account_id: str | None, side: str | None
) -> Call[answers.Page[answers.OrderPair]]:
    """GET /sessions/{id}/orders."""
    path, read = f"{_session(session_id)}/orders", page(answers.OrderPair, "orders")
    return get(path, read, status=status, accountId=account_id, side=side, limit=limit, offset=offset)


def explain(session_id: str, pair_id: str | int) -> Call[answers.Explanation]:
    """GET /sessions/{id}/orders/{pairId}/explain."""
    path = f"{_session(session_id)}/orders/{quote(str(pair_id), safe='')}/explain"
    return get(path, one(answers.Explanation, "explanation"))


def list_fills(session_id: str, limit: int, offset: int) -> Call[answers.Page[answers.Fill]]:
    """GET /sessions/{id}/fills."""
    return get(f"{_session(session_id)}/fills", page(answers.Fill, "fills"), limit=limit, offset=offset)


def list_events(session_id: str, since: int, limit: int) -> Call[list[answers.Event]]:
    """GET /sessions/{id}/events."""
    return get(f"{_session(session_id)}/events", many(answers.Event, "events"), since=since, limit=limit)


def report(session_id: str) -> Call[str]:
    """GET /sessions/{id}/report, as HTML."""
    return get(f"{_session(session_id)}/report", str)


def risk_status(session_id: str) -> Call[answers.RiskStatus]:
    """GET /sessions/{id}/risk-status."""
    return get(f"{_session(session_id)}/risk-status", one(answers.RiskStatus, "riskStatus"))


def acknowledge_breach(session_id: str, breach_id: str, action: str, comment: str | None) -> Call[answers.Breach]:
    """POST /sessions/{id}/risk-breaches/{breachId}/acknowledge."""
    body = {"action": action} if comment is None else {"action": action, "comment": comment}
    path = f"{_session(session_id)}/risk-breaches/{quote(breach_id, safe='')}/acknowledge"
    return post(path, one(answers.Breach, "breach"), body)


def estimate(request: Body) -> Call[answers.Estimate]:
    """POST /sessions/estimate."""
    return post("/sessions/estimate", one(answers.Estimate, "estimate"), request, wait_s=30)


def accounts() -> Call[list[answers.Account]]:
    """GET /accounts."""
    return get("/accounts", many(answers.Account, "accounts"))


def account(account_id: str) -> Call[answers.Account]:
    """GET /accounts/{id}."""
    return get(f"/accounts/{quote(account_id, safe='')}", one(answers.Account, "account"))


def venues() -> Call[list[answers.VenueInfo]]:
    """GET /venues."""
    return get("/venues", many(answers.VenueInfo, "venues"))


def markets(symbol: str | None) -> Call[answers.Markets]:
    """GET /markets."""
    return get("/markets", whole(answers.Markets), symbol=symbol)


def create_ticket() -> Call[answers.Ticket]:
    """POST /tickets."""
    return post("/tickets", whole(answers.Ticket))


def keys() -> Call[list[answers.ApiKey]]:
    """GET /keys."""
    return get("/keys", many(answers.ApiKey, "keys"))


def create_key(name: str, scopes: Sequence[str]) -> Call[answers.ApiKey]:
    """POST /keys."""
    return post("/keys", one(answers.ApiKey, "key"), {"name": name, "scopes": list(scopes)})


def revoke_key(key_id: str) -> Call[answers.ApiKey]:
    """DELETE /keys/{id}."""
    return Call("DELETE", f"{API}/keys/{quote(key_id, safe='')}", one(answers.ApiKey, "key"), {})


def one(kind: type[A], name: str) -> Callable[[str], A]:
    """Read one thing, which is in the answer under a name."""

    def read(text: str) -> A:
        document = _document(text)
        inner = document.get(name)
        if not isinstance(inner, dict):
            return _made(kind, document)
        beside = {key: document[key] for key in _BESIDE if key in document}
        return _made(kind, {**beside, **inner})

    return read


def whole(kind: type[A]) -> Callable[[str], A]:
    """Read the whole answer as one thing."""
    return lambda text: _made(kind, _document(text))


def many(kind: type[A], name: str) -> Callable[[str], list[A]]:
    """Read a list, which is in the answer under a name."""
    return lambda text: [_made(kind, item) for item in _listed(_document(text), name)]


def page(kind: type[A], name: str) -> Callable[[str], answers.Page[A]]:
    """Read a page; its items can be had by their name on the wire as well."""

    def read(text: str) -> answers.Page[A]:
        document = _document(text)
        items = [_made(kind, item) for item in _listed(document, name)]
        rest = {key: value for key, value in document.items() if key != name}
        return _made(answers.Page[Any], {**rest, "items": items, name: items})

    return read


def decode(text: str) -> Any:
    """Read JSON with exact decimals; raise UnexpectedAnswer."""
    try:
        return json.loads(text, parse_float=Decimal)
    except ValueError:
        raise UnexpectedAnswer(f"the answer is not JSON: {text[:80]!r}") from None


def _document(text: str) -> dict[str, Any]:
    document = decode(text)
    if not isinstance(document, dict):
        raise UnexpectedAnswer(f"the answer is no object: {text[:80]!r}")
    return document


def _listed(document: dict[str, Any], name: str) -> list[Any]:
    items = document.get(name)
    if not isinstance(items, list):
        raise UnexpectedAnswer(f"the answer has no list {name!r}")
    return items


def _made(kind: type[A], value: object) -> A:
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UnexpectedAnswer(f"the answer's {where} cannot be read ({first['msg']})") from None


def _session(session_id: str) -> str:
    return f"/sessions/{quote(session_id, safe='')}"
