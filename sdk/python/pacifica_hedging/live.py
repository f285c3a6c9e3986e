"""Following a session live: one WebSocket after the other, resumed where the last one broke. Nothing lost or doubled.

Every update names the one before it (`previousSequence`), so continuity is proven here and not hoped for: what does
not fit closes the connection and asks again from the last update that was given out.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Any

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from pacifica_hedging.answers import Update
from pacifica_hedging.calls import decode
from pacifica_hedging.errors import ConnectionFailed, HedgingError, SessionNotFound, Unauthorized, error_for
from pacifica_hedging.retry import Retry, refusal

CHANNELS = ("status", "orders", "risk", "metrics")
FINAL = ("completed", "failed")
LINGER_S = 2.0
SILENT_TRIES_MAX = 20
MESSAGE_BYTES_MAX = 8 * 1024 * 1024
_HOPELESS: dict[int, type[HedgingError]] = {4401: Unauthorized, 4403: Unauthorized, 4404: SessionNotFound}

Sleep = Callable[[float], Awaitable[None]]


class _OutOfStep(Exception):
    """An update does not follow the last one."""


class Follower:
    """Where one subscription stands: what it asks for next, and which messages are news. Does no I/O."""

    def __init__(self, session_id: str, channels: Sequence[str] = CHANNELS, since: int | None = None) -> None:
        self.session_id = session_id
        self.since = since
        self.has_ended = False
        self.is_settled = False
        self._channels = list(channels)
        self._not_shown = set(channels) if since is None else set()

    def wish(self) -> str:
        """Return the subscribe message for a new connection."""
        wish: dict[str, object] = {"type": "subscribe", "sessionId": self.session_id, "channels": self._channels}
        if self.since is not None:
            wish["since"] = self.since
        return json.dumps(wish)

    def take(self, text: str) -> Update | None:
        """Return a message that is news, None for one that is not; raise what the service complains about."""
        message = decode(text)
        kind = message.get("type")
        if kind == "error":
            problem = message["error"]
            raise error_for(problem["code"], problem["message"], details=problem.get("details"))
        if kind == "snapshot":
            return self._snapshot(message)
        if "channel" not in message:
            return None
        if message.get("sequence") is None:
            return Update.model_validate(message)  # a picture: it belongs to no order
        return self._event(message)

    def _snapshot(self, message: dict[str, Any]) -> Update | None:
        """Give each channel's first snapshot; later ones stand for what the replay tells in order."""
        if self.since is None:
            self.since = int(message["sequence"])
        if message["channel"] not in self._not_shown:
            return None
        self._not_shown.discard(message["channel"])
        self._note_end(message)
        return Update.model_validate(message)

    def _event(self, message: dict[str, Any]) -> Update | None:
        sequence, since = int(message["sequence"]), self.since or 0
        if sequence <= since:
            return None
        if int(message["previousSequence"]) != since:
            raise _OutOfStep
        self.since = sequence
        self._note_end(message)
        return Update.model_validate(message)

    def _note_end(self, message: dict[str, Any]) -> None:
        if message["channel"] == "status":
            self.has_ended = self.has_ended or (message.get("data") or {}).get("status") in FINAL
            self.is_settled = self.is_settled or message["type"] == "settled"


async def follow(
    url: str, api_key: str, follower: Follower, *, retry: Retry, sleep: Sleep, until_end: bool, linger_s: float
) -> AsyncGenerator[Update, None]:
    """Give every update, over as many connections as it takes.

    With until_end it returns when the session has ended and is on record (or nothing came for linger_s after its
    end); else it goes on until the caller stops it. Raises the error of a refusal, and ConnectionFailed when the
    service stays away.
    """
    silent_tries = 0
    while True:
        try:
            connection = _one_connection(url, api_key, follower, linger_s if until_end else None)
            async with aclosing(connection):
                async for update in connection:
                    silent_tries = 0
                    yield update
            return
        except ConnectionClosed as closed:
            code = closed.rcvd.code if closed.rcvd else 1006
            if code in _HOPELESS:
                raise _HOPELESS[code](closed.rcvd.reason if closed.rcvd else "refused") from None
        except InvalidStatus as refused:
            _raise_unless_passing(refused)
        except (OSError, TimeoutError, InvalidHandshake, _OutOfStep):
            pass
        silent_tries += 1
        if silent_tries >= SILENT_TRIES_MAX:
            raise ConnectionFailed(f"no update in {silent_tries} connections; ask later with since={follower.since}")
        await sleep(retry.pause(silent_tries))


async def _one_connection(
    url: str, api_key: str, follower: Follower, linger_s: float | None
) -> AsyncGenerator[Update, None]:
    headers = {"Authorization": f"Bearer {api_key}"}
    async with connect(
        url, additional_headers=headers, proxy=None, max_size=MESSAGE_BYTES_MAX, compression=None
    ) as socket:
        await socket.send(follower.wish())
        while True:
            ends = linger_s is not None and follower.has_ended
            if ends and follower.is_settled:
                return
            try:
                async with asyncio.timeout(linger_s if ends else None):
                    text = await socket.recv(decode=True)
            except TimeoutError:
                return
            update = follower.take(text)
            if update is not None:
                yield update


def _raise_unless_passing(refused: InvalidStatus) -> None:
    answer = refused.response
    error = refusal(answer.status_code, answer.headers, (answer.body or b"").decode(errors="replace"))
    if error is not None and answer.status_code not in (429, 500, 502, 503, 504):
        raise error from None
