"""The door of Paradex's REST API: rate limits, bearer tokens, query reading, paging, error answers.

Written from docs.paradex.trade (REST API: Authentication, Rate Limits, Pagination). Every handler behind it
is a plain function from a `Call` to a response. Must not know what a path means.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from sandbox.dialects.paradex_auth import TokenError, TokenMint
from sandbox.dialects.paradex_errors import ApiError, Unauthorized, error_response, of_refusal
from sandbox.dialects.paradex_limits import Allowance, Gauge, RateLimiter
from sandbox.dialects.paradex_rows import VENUE, Row
from sandbox.model import Refusal
from sandbox.world import World

PAGE_DEFAULT: Final = 100
PAGE_MAX: Final = 5_000
BEARER: Final = "bearer "


@dataclass(frozen=True, slots=True)
class Call:
    """One request past the door. `account` is empty for public calls."""

    account: str
    path: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    def required(self, name: str) -> str:
        """Return a query parameter that must be there."""
        value = self.query.get(name)
        if not value:
            raise ApiError("VALIDATION_ERROR", f"query parameter {name} is required")
        return value

    def integer(self, name: str, default: int, *, least: int = 0, most: int = 2**53) -> int:
        """Return a whole-number query parameter within bounds."""
        text = self.query.get(name)
        if text is None or text == "":
            return default
        if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
            raise ApiError("VALIDATION_ERROR", f"query parameter {name} must be {least} to {most}")
        return int(text)


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of a paged list: its time, its place in the list (unique, growing) and how to render it."""

    time_us: int
    key: int
    render: Callable[[], Row]


Handler = Callable[[Call], Response]
Endpoint = Callable[[Request], Awaitable[Response]]


class Door:
    """Makes endpoints out of handlers."""

    def __init__(self, world: World, mint: TokenMint, limiter: RateLimiter) -> None:
        self._world = world
        self._mint = mint
        self._limiter = limiter

    def public(self, handler: Handler) -> Endpoint:
        """Anybody may call."""
        return self._endpoint(handler, "public", self._limiter.limits.ip_public, None)

    def auth(self, handler: Handler) -> Endpoint:
        """Onboarding and sign-in: no token yet."""
        return self._endpoint(handler, "auth", self._limiter.limits.ip_auth, None)

    def reads(self, handler: Handler) -> Endpoint:
        """Private reads (and settings)."""
        limits = self._limiter.limits
        return self._endpoint(handler, "private", limits.ip_private, ("reads", limits.account_reads))

    def orders(self, handler: Handler) -> Endpoint:
        """Private order commands."""
        limits = self._limiter.limits
        return self._endpoint(handler, "private", limits.ip_private, ("orders", limits.account_orders))

    def _endpoint(
        self,
        handler: Handler,
        ip_bucket: str,
        by_ip: Sequence[Allowance],
        by_account: tuple[str, Sequence[Allowance]] | None,
    ) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            self._world.sync()
            owner = f"{ip_bucket}/{request.client.host if request.client else 'local'}"
            body = await request.body()
            gauge: Gauge | None = None
            try:
                gauge = self._limiter.take(owner, by_ip, now_us=self._world.wall_us(VENUE))
                account = ""
                if by_account is not None:
                    account = self.account_of(request.headers.get("authorization"))
                    gauge = self._limiter.take(
                        f"{by_account[0]}/{account}", by_account[1], now_us=self._world.wall_us(VENUE)
                    )
                response = handler(Call(account, request.path_params, request.query_params, request.headers, body))
            except ApiError as error:
                response = error_response(error)
            except Refusal as refusal:
                response = error_response(of_refusal(refusal))
            if gauge is None or response.status_code == 429:
                gauge = self._limiter.peek(owner, by_ip, now_us=self._world.wall_us(VENUE))
            response.headers.update(gauge.headers())
            return response

        return endpoint

    def account_of(self, authorization: str | None) -> str:
        """Return whose bearer token this is; Unauthorized (401 without a code) otherwise."""
        if authorization is None or authorization[: len(BEARER)].lower() != BEARER:
            raise Unauthorized("missing or malformed jwt")
        try:
            token = authorization[len(BEARER) :].strip()
            return self._mint.check(token, now_s=self._world.wall_us(VENUE) // 1_000_000).account
        except TokenError as error:
            raise Unauthorized(str(error)) from None


def page(entries: Iterable[Entry], call: Call, *, size_max: int = PAGE_MAX) -> Row:
    """Return one page, newest first: rows, and the cursor of the next (older) page or null.

    `start_at` and `end_at` are unix milliseconds, both included.
    """
    size = call.integer("page_size", min(PAGE_DEFAULT, size_max), least=1, most=size_max)
    start_us = call.integer("start_at", 0) * 1000
    end_us = call.integer("end_at", 2**50) * 1000 + 999
    before = _cursor_key(call.query.get("cursor"))
    wanted = [e for e in entries if start_us <= e.time_us <= end_us and (before is None or e.key < before)]
    wanted.sort(key=lambda entry: entry.key, reverse=True)
    shown = wanted[:size]
    following = _cursor(shown[-1].key) if len(wanted) > size else None
    return {"next": following, "prev": None, "results": [entry.render() for entry in shown]}


def _cursor(key: int) -> str:
    return base64.urlsafe_b64encode(f"before:{key}".encode()).decode()


def _cursor_key(cursor: str | None) -> int | None:
    if not cursor:
        return None
    try:
        word, _, key = base64.urlsafe_b64decode(cursor.encode()).decode().partition(":")
        if word != "before":
            raise ValueError("not a cursor")
        return int(key)
    except (ValueError, binascii.Error):
        raise ApiError("INVALID_REQUEST_PARAMETER", "cursor is not one of ours") from None
