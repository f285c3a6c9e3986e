"""The fault desk: scripted trouble between a client and a twin's engine.

Duty: hold armed faults, hand each out at most as often as armed, and apply the HTTP ones as middleware.
Must not know a venue's wire; a dialect says which requests place orders and how its errors look.

Kinds and where they strike:
  lost_request         the connection closes, the engine never sees the request
  lost_answer          the engine acts, then the connection closes without an answer
  delay                `delay_ms` of venue time before the engine sees the request
  slow_answer          the engine acts at once, its answer comes `delay_ms` later
  http_429, http_5xx   the venue's own error; http_5xx takes status and when = before | after the engine; with
                       when = after and `delay_ms` the error is answered at once and the engine acts so much later
  ws_disconnect        the connection closes instead of sending the next frame
  ws_gap               one book frame is not sent
  duplicate_fill_frame one fill frame is sent twice
  ws_delay             a frame (action = fill, book or any) waits `delay_ms` of venue time; later ones queue behind it
  ws_reorder           a frame (action as for ws_delay) is sent only after the connection's next one
  half_open            connections stay open, but no frame is sent while armed
  account_silence      connections stay open and show the market, but no frame of an account's own is sent while armed
  stale_mark           the venue's mark price stands still while armed
  thin_book            the makers quote only `share` of their sizes while armed
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

Sleep = Callable[[int], Awaitable[None]]
DROP_EXTENSION = "sandbox.drop"
ONE = Decimal(1)


class FaultKind(StrEnum):
    """Closed list of faults."""

    LOST_REQUEST = "lost_request"
    LOST_ANSWER = "lost_answer"
    DELAY = "delay"
    SLOW_ANSWER = "slow_answer"
    HTTP_429 = "http_429"
    HTTP_5XX = "http_5xx"
    WS_DISCONNECT = "ws_disconnect"
    WS_GAP = "ws_gap"
    DUPLICATE_FILL_FRAME = "duplicate_fill_frame"
    WS_DELAY = "ws_delay"
    WS_REORDER = "ws_reorder"
    HALF_OPEN = "half_open"
    ACCOUNT_SILENCE = "account_silence"
    STALE_MARK = "stale_mark"
    THIN_BOOK = "thin_book"


# These are states, not strikes: without a duration they hold until disarmed.
LASTING = frozenset({FaultKind.HALF_OPEN, FaultKind.ACCOUNT_SILENCE, FaultKind.STALE_MARK, FaultKind.THIN_BOOK})


class FrameFate(StrEnum):
    """What a dialect does with one outgoing WebSocket frame."""

    SEND = "send"
    DROP = "drop"
    TWICE = "twice"
    BEHIND = "behind"  # keep it and send it right after the next one
    CLOSE = "close"


class ConnectionDropped(Exception):
    """Raised instead of closing the socket when the app runs without the twins' server (in-process tests)."""


@dataclass(slots=True)
class Fault:
    """One armed fault. count None = until `until_us`; both None = until disarmed."""

    venue: str
    kind: FaultKind
    action: str  # "place", "cancel", "read" or "any"; for ws_delay and ws_reorder the channel, "fill", "book", "any"
    count: int | None
    probability: float  # of striking at each occasion, drawn from the seeded generator
    until_us: int | None  # venue time
    delay_ms: int = 0
    status: int = 503
    after: bool = False  # http_5xx: answer the error after the engine acted, or delay_ms before it acts
    share: Decimal = Decimal(1)  # thin_book: fraction of the makers' usual sizes
    struck: int = 0


class FaultDesk:
    """All armed faults of one world."""

    def __init__(self, seed: int, now_us: Callable[[], int]) -> None:
        self._random = random.Random(f"{seed}/faults")
        self._now_us = now_us
        self._armed: list[Fault] = []

    @property
    def armed(self) -> tuple[Fault, ...]:
        """Faults that can still strike."""
        now = self._now_us()
        self._armed = [f for f in self._armed if self._is_alive(f, now)]
        return tuple(self._armed)

    def arm(
        self,
        venue: str,
        kind: FaultKind,
        *,
        action: str = "place",
        count: int | None = None,
        probability: float = 1.0,
        duration_s: float | None = None,
        delay_ms: int = 0,
        status: int = 503,
        after: bool = False,
        share: Decimal = Decimal(1),
    ) -> Fault:
        """Arm one fault. Without count and duration it strikes once (a lasting one: until disarmed)."""
        if count is None and duration_s is None and kind not in LASTING:
            count = 1
        if kind in (FaultKind.WS_DELAY, FaultKind.WS_REORDER) and action not in ("fill", "book"):
            action = "any"
        until_us = None if duration_s is None else self._now_us() + int(duration_s * 1_000_000)
        fault = Fault(
            venue=venue,
            kind=kind,
            action=action,
            count=count,
            probability=probability,
            until_us=until_us,
            delay_ms=delay_ms,
            status=status,
            after=after,
            share=share,
        )
        self._armed.append(fault)
        return fault

    def disarm(self, venue: str | None = None) -> int:
        """Remove all faults (of one venue); return how many."""
        kept = [f for f in self._armed if venue is not None and f.venue != venue]
        removed = len(self._armed) - len(kept)
        self._armed = kept
        return removed

    def take(self, venue: str, kind: FaultKind, action: str = "any") -> Fault | None:
        """Let a fault of this kind strike now, if one is armed for the venue and the action."""
        if not self._armed:
            return None
        for fault in self.armed:
            if fault.venue != venue or fault.kind is not kind:
                continue
            if "any" not in (action, fault.action) and fault.action != action:
                continue
            if fault.probability < 1.0 and self._random.random() >= fault.probability:
                continue
            if fault.count is not None:
                fault.count -= 1
            fault.struck += 1
            return fault
        return None

    def is_active(self, venue: str, kind: FaultKind) -> bool:
        """Whether a fault of this kind is armed; strikes nothing."""
        if not self._armed:
            return False
        return any(f.venue == venue and f.kind is kind for f in self.armed)

    def frame(self, venue: str, channel: str) -> FrameFate:
        """Decide one outgoing frame. `channel`: "book", "fill", "account..." for an account's own, or another word."""
        if not self._armed:
            return FrameFate.SEND
        if self.take(venue, FaultKind.WS_DISCONNECT) is not None:
            return FrameFate.CLOSE
        if self.is_active(venue, FaultKind.HALF_OPEN):
            return FrameFate.DROP
        if channel.startswith(("account", "fill")) and self.is_active(venue, FaultKind.ACCOUNT_SILENCE):
            return FrameFate.DROP
        if channel == "book" and self.take(venue, FaultKind.WS_GAP) is not None:
            return FrameFate.DROP
        if channel == "fill" and self.take(venue, FaultKind.DUPLICATE_FILL_FRAME) is not None:
            return FrameFate.TWICE
        if self.take(venue, FaultKind.WS_REORDER, channel) is not None:
            return FrameFate.BEHIND
        return FrameFate.SEND

    def frame_delay_us(self, venue: str, channel: str) -> int:
        """How long one outgoing frame waits; 0 mostly. What queues up behind it is sent without a further wait."""
        fault = self.take(venue, FaultKind.WS_DELAY, channel)
        return 0 if fault is None else fault.delay_ms * 1000

    def depth_share(self, venue: str) -> Decimal:
        """Fraction of their usual sizes that the venue's makers quote now."""
        if not self._armed:
            return ONE
        return min((f.share for f in self.armed if (f.venue, f.kind) == (venue, FaultKind.THIN_BOOK)), default=ONE)

    @staticmethod
    def _is_alive(fault: Fault, now_us: int) -> bool:
        if fault.count is not None and fault.count <= 0:
            return False
        return fault.until_us is None or now_us < fault.until_us


class HttpFaults:
    """ASGI middleware that applies the HTTP faults of one venue.

    `classify(method, path)` names the action ("place", "cancel", "read") or None to leave a request alone;
    `error(status)` makes the venue's own answer for 429 and 5xx. Use it in the dialect as
    `Middleware(HttpFaults, desk=world.faults, sleep=world.sleep, venue="...", classify=..., error=...)`.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        desk: FaultDesk,
        sleep: Sleep,
        venue: str,
        classify: Callable[[str, str], str | None],
        error: Callable[[int], Response],
    ) -> None:
        self._app = app
        self._desk = desk
        self._sleep = sleep
        self._venue = venue
        self._classify = classify
        self._error = error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Apply at most one fault of each kind to a request; pass everything else through."""
        action = self._classify(scope["method"], scope["path"]) if scope["type"] == "http" else None
        if action is None or not self._desk.armed:
            await self._app(scope, receive, send)
            return
        if self._desk.take(self._venue, FaultKind.LOST_REQUEST, action):
            await drop_connection(scope, receive)
            return
        delay = self._desk.take(self._venue, FaultKind.DELAY, action)
        if delay:
            await self._sleep(delay.delay_ms * 1000)
        if self._desk.take(self._venue, FaultKind.HTTP_429, action):
            await self._error(429)(scope, receive, send)
            return
        broken = self._desk.take(self._venue, FaultKind.HTTP_5XX, action)
        if broken and not broken.after:
            await self._error(broken.status)(scope, receive, send)
            return
        if broken and broken.delay_ms:
            body = await _whole(receive)
            await self._error(broken.status)(scope, receive, send)
            await self._sleep(broken.delay_ms * 1000)
            await self._app(scope, body, _swallow)
            return
        lost = self._desk.take(self._venue, FaultKind.LOST_ANSWER, action)
        if not broken and not lost:
            slow = self._desk.take(self._venue, FaultKind.SLOW_ANSWER, action)
            await self._app(scope, receive, send if slow is None else self._later(send, slow.delay_ms))
            return
        await self._app(scope, receive, _swallow)
        if lost:
            await drop_connection(scope, receive)
        elif broken:
            await self._error(broken.status)(scope, receive, send)

    def _later(self, send: Send, delay_ms: int) -> Send:
        """Hold an answer's first message back; the engine has acted by then."""

        async def held(message: Message) -> None:
            if message["type"] == "http.response.start":
                await self._sleep(delay_ms * 1000)
            await send(message)

        return held


async def _whole(receive: Receive) -> Receive:
    """Read a request's body to its end and return a channel that gives it again, whether or not the client stays."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    left: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return left.pop() if left else {"type": "http.disconnect"}

    return again


async def drop_connection(scope: MutableMapping[str, Any], receive: Receive) -> None:
    """Close the client's connection without an answer; ConnectionDropped where there is no socket."""
    drop = scope.get("extensions", {}).get(DROP_EXTENSION)
    if drop is None:
        raise ConnectionDropped
    drop["close"]()
    message = await receive()
    while message["type"] != "http.disconnect":
        message = await receive()


async def _swallow(_message: Message) -> None:
    """Take an answer that no client will see."""
