"""Pacifica's subscriptions on one connection: made, and awaited until each is acknowledged.

Source: docs.pacifica.fi, WebSocket: Subscriptions.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from connectors.pacifica import build, frames
from connectors.stream import Send
from core.errors import ProtocolViolation, VenueRejected


class Subscriptions:
    """Subscriptions waiting for their acknowledgement, which may come after the first messages, or never."""

    def __init__(self) -> None:
        self._awaited: set[tuple[str, str | None]] = set()
        self._refused: str | None = None
        self._changed = asyncio.Event()

    async def make(self, wanted: Sequence[Mapping[str, JsonValue]], send: Send) -> None:
        """Subscribe and return when all is acknowledged; a wrong symbol is never answered, so bound the wait."""
        self._awaited = {(str(params["source"]), _text(params.get("symbol"))) for params in wanted}
        self._refused = None
        for params in wanted:
            await send(build.subscribe_frame(params))
        while self._awaited:
            self._changed.clear()
            await self._changed.wait()
            if self._refused is not None:
                raise VenueRejected(f"pacifica refused a subscription: {self._refused}", venue="pacifica")

    def acknowledged(self, echo: frames.Subscribed) -> None:
        """Tick off an acknowledged subscription."""
        self._awaited.discard((echo.source, echo.symbol))
        self._changed.set()

    def refused(self, answer: frames.Refused) -> None:
        """Take an error frame: while subscribing it fails the opening, later it ends the connection."""
        if not self._awaited:
            raise ProtocolViolation(f"pacifica sent an error frame: {answer.code} {answer.text}", venue="pacifica")
        self._refused = f"{answer.code} {answer.text}"
        self._changed.set()


def _text(value: JsonValue) -> str | None:
    return None if value is None else str(value)
