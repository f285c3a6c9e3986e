"""Round every request: an id, headers that every answer carries, counting, and the last word on a failure."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.context import Services
from api.errors import error_response

_log = logging.getLogger("hedging.api")

_SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}


class Outer:
    """The outermost layer of the app; WebSockets pass through."""

    def __init__(self, app: ASGIApp, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._app = app
        self._monotonic = monotonic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request to its end."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        state["request_id"] = uuid.uuid4().hex
        began, status = self._monotonic(), 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _dress(MutableHeaders(scope=message), scope)
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except Exception as error:
            _log.exception("request %s: %s %s failed", state["request_id"], scope["method"], scope["path"])
            if status:
                raise
            services: Services = scope["app"].state.services
            response = error_response(error, now=services.now(), request_id=state["request_id"])
            await response(scope, receive, send_with_headers)
        finally:
            self._count(scope, status, self._monotonic() - began)

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        services: Services = scope["app"].state.services
        route = getattr(scope.get("route"), "path", "unknown")
        services.metrics.note(scope["method"], route, status, seconds)
        if scope["method"] not in ("GET", "HEAD") or status >= 500:
            key = scope["state"].get("key")
            _log.info(
                "%s %s %s in %.0f ms, request %s, key %s",
                scope["method"], scope["path"], status, seconds * 1000, scope["state"]["request_id"],
                "none" if key is None else key.name,
            )  # fmt: skip


def _dress(headers: MutableHeaders, scope: Scope) -> None:
    for name, value in _SECURITY.items():
        headers.setdefault(name, value)
    headers["X-Request-Id"] = scope["state"]["request_id"]
    allowance = scope["state"].get("allowance")
    if allowance is not None:
        headers.update(allowance.headers())
