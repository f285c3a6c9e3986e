"""What stands before every keyed call, in this order: key, rate, scope, size, unknown parameters, idempotency.

It runs before the body is looked at, so that a stranger learns nothing from how a body is refused.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from fastapi import Request
from fastapi.routing import APIRoute
from starlette.responses import JSONResponse, Response

from api.auth import bearer
from api.context import services_of
from api.errors import Forbidden, error_response, translated
from api.idempotency import Claim
from core.errors import RequestRefused
from store.api_records import ApiKey, CallState, Scope

_log = logging.getLogger("hedging.api")

Handler = Callable[[Request], Awaitable[Response]]
Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])
_SCOPES = "__scopes__"
_KEPT = "__is_kept__"


def needs(scopes: frozenset[Scope], *, answers_a_secret: bool = False) -> Callable[[Endpoint], Endpoint]:
    """Say which scopes, any of them, open an endpoint; one that answers a secret is not kept for replay."""

    def mark(endpoint: Endpoint) -> Endpoint:
        setattr(endpoint, _SCOPES, scopes)
        setattr(endpoint, _KEPT, not answers_a_secret)
        return endpoint

    return mark


def scopes_of(endpoint: Callable[..., Any]) -> frozenset[Scope]:
    """Return the scopes that open an endpoint."""
    scopes: frozenset[Scope] = getattr(endpoint, _SCOPES)
    return scopes


class GuardedRoute(APIRoute):
    """A route that needs a key; an endpoint without `needs` cannot be served."""

    def get_route_handler(self) -> Callable[[Request], Any]:
        """Wrap the endpoint's handler in the guard."""
        handle = super().get_route_handler()
        scopes, keeps = scopes_of(self.endpoint), getattr(self.endpoint, _KEPT)
        known = {parameter.alias for parameter in self.dependant.query_params}

        async def guarded(request: Request) -> Response:
            try:
                key = await _admit(request, scopes)
                _refuse_unknown(request, known)
                await _bounded_body(request, services_of(request).settings.body_bytes_max)
                if request.method == "POST" and "Idempotency-Key" in request.headers:
                    return await _once(request, key, handle, keeps=keeps)
                return await handle(request)
            except Exception as error:  # noqa: BLE001 - the edge of a request: every failure becomes an answer
                return answer_failure(request, error)

        return guarded


def answer_failure(request: Request, error: Exception) -> JSONResponse:
    """Turn a failure into its answer; one that nobody foresaw is written to the log with the request's id."""
    request_id: str = request.state.request_id
    if translated(error) is None:
        _log.error("request %s: %s %s failed", request_id, request.method, request.url.path, exc_info=error)
    return error_response(error, now=services_of(request).now(), request_id=request_id)


async def _admit(request: Request, scopes: frozenset[Scope]) -> ApiKey:
    services = services_of(request)
    address = request.client.host if request.client else "unknown"
    key = await services.keys.authenticate(bearer(request.headers.get("Authorization")), address)
    request.state.key = key
    allowance, refusal = await services.rate.count(key)
    request.state.allowance = allowance
    if refusal is not None:
        raise refusal
    if not key.scopes & scopes:
        wanted = " or ".join(sorted(scopes))
        raise Forbidden(f"this call needs a key with the scope {wanted}", requiredScopes=sorted(scopes))
    return key


def _refuse_unknown(request: Request, known: set[str]) -> None:
    """A parameter that is misspelt would otherwise be a filter that filters nothing."""
    unknown = [name for name in request.query_params if name not in known]
    if unknown:
        raise RequestRefused(f"{unknown[0][:40]}: not a known parameter", field=unknown[0][:40])


async def _bounded_body(request: Request, bytes_max: int) -> None:
    received = bytearray()
    async for chunk in request.stream():
        received += chunk
        if len(received) > bytes_max:
            raise RequestRefused(f"body: at most {bytes_max} bytes are taken", field="body")
    request._body = bytes(received)  # where Starlette keeps a body that was read


async def _once(request: Request, key: ApiKey, handle: Handler, *, keeps: bool) -> Response:
    """Carry out a call once for its Idempotency-Key, and answer a repeated one with the first answer."""
    services = services_of(request)
    body = await request.body()
    claim = Claim(
        key.key_id, checked_idempotency_key(request.headers["Idempotency-Key"]),
        f"{request.method} {request.url.path}?{request.url.query}", hashlib.sha256(body).hexdigest(),
    )  # fmt: skip
    request.state.claim = claim
    kept = await services.idempotency.begin(claim)
    if kept.state is CallState.ANSWERED:
        assert kept.status is not None
        assert kept.body is not None
        headers = {"Idempotent-Replay": "true"}
        return Response(kept.body, kept.status, media_type="application/json", headers=headers)
    async with services.idempotency.holding(claim):
        try:
            response = await handle(request)
        except Exception as error:  # noqa: BLE001 - an answer like any other, and kept like any other
            response = answer_failure(request, error)
        await services.idempotency.settle(claim, response.status_code, _text_to_keep(response, keeps=keeps))
    return response


def checked_idempotency_key(text: str) -> str:
    """Return an Idempotency-Key; raise RequestRefused unless it is 1 to 255 printable characters."""
    if not 1 <= len(text) <= 255 or not text.isascii() or not text.isprintable():
        raise RequestRefused(
            "Idempotency-Key: give 1 to 255 printable ASCII characters", field="Idempotency-Key"
        )  # fmt: skip
    return text


def _text_to_keep(response: Response, *, keeps: bool) -> str:
    text = bytes(response.body).decode()
    if keeps or response.status_code >= 400:
        return text
    document = json.loads(text)
    for secret in ("apiKey", "ticket"):
        if secret in document:
            document[secret] = None
    return json.dumps(document)
