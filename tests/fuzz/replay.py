"""A venue that replays what a twin once said, changed or not: REST behind httpx's transport, streams behind Stream.

Documented fakes at the two narrowest holes of a connector. Nothing here knows what a connector does with an answer.
"""

from __future__ import annotations

import asyncio
import base64
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from connectors.settings import Outside
from connectors.stream import StreamHandler
from core.errors import VenueError
from core.instrument import Venue
from tests.fuzz.mutations import mutated

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
LONG_S = 60.0
STATUSES = (200, 200, 200, 200, 200, 201, 204, 301, 400, 401, 403, 404, 409, 413, 418, 422, 429, 500, 503, 599)


HEADERS = (
    "date", "retry-after", "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", "ratelimit",
    "ratelimit-policy", "x-page-count", "x-current-page", "x-page-size", "x-total", "content-type",
)  # fmt: skip
HEADER_TEXTS = (
    "", "x", "0", "1", "-1", "7.5", "9" * 9, "9" * 11, "9" * 12, "9" * 400, "9" * 5000, "NaN", "1e9", "\xb2\xb3",
    "Fri, 31 Dec 9999 23:59:59 -1200", "Mon, 01 Jan 0001 00:00:00 +1200", "Sat, 21 Nov 2026 14:49:07",
    "credits;r=-9;t=9", '"credits";q=0;w=0', '"credits";q=99999999999999999999;w=60',
)  # fmt: skip


@dataclass
class StillTime:
    """A clock that short sleeps move; a long one (token renewal) lasts until it is cancelled."""

    now: datetime

    def clock(self) -> datetime:
        """The time."""
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Move the clock and let others run."""
        if seconds >= LONG_S:
            await asyncio.get_running_loop().create_future()
        self.now += timedelta(seconds=seconds)
        await asyncio.sleep(0)

    def outside(self, seed: int = 1) -> Outside:
        """What a connector is given."""
        return Outside(self.clock, self.sleep, random.Random(seed))


@dataclass(frozen=True)
class Said:
    """What a twin said: answers by "METHOD /path", frames by stream."""

    answers: dict[str, list[dict[str, Any]]]
    frames: dict[str, list[str | bytes]]

    @classmethod
    def of(cls, venue: Venue) -> Said:
        """Read the recording of a venue."""
        told = json.loads((FIXTURES / f"said_{venue}.json").read_text())
        frames = {name: [_frame(one) for one in found] for name, found in told["frames"].items()}
        # Nothing was undone while it was recorded, and so nobody asked.
        nothing = [{"status": 200, "headers": {}, "body": '{"results": []}'}]
        return cls({"GET /v1/tradebusts": nothing, **told["answers"]}, frames)

    @property
    def time(self) -> datetime:
        """When it was recorded, by the Date header of an answer; the venue's own times lie around it."""
        stamps = [
            datetime.strptime(a["headers"]["date"], "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)
            for found in self.answers.values()
            for a in found
            if "date" in a["headers"]
        ]
        return max(stamps)


def _frame(text: str) -> str | bytes:
    return base64.b64decode(text.removeprefix("base64:")) if text.startswith("base64:") else text


@dataclass
class Replay(httpx.AsyncBaseTransport):
    """Answers each path as recorded; with `spoil`, that share of the answers is changed. Keeps what it said last."""

    said: Said
    rng: random.Random
    spoil: float = 0.0
    last: list[tuple[int, bytes]] = field(default_factory=list)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer."""
        known = self.said.answers.get(f"{request.method} {_path(request)}")
        if known is None:
            return self._made(404, {}, b'{"error":"not recorded"}')
        answer = self.rng.choice(known)
        status, headers, body = answer["status"], dict(answer["headers"]), answer["body"].encode()
        if self.rng.random() < self.spoil:
            status = self.rng.choice((status, status, status, self.rng.choice(STATUSES)))
            body = _bytes(mutated(answer["body"], self.rng), self.rng)
            while self.rng.random() < 0.2:
                headers[self.rng.choice(HEADERS)] = self.rng.choice(HEADER_TEXTS)
        return self._made(status, headers, body)

    def _made(self, status: int, headers: dict[str, str], body: bytes) -> httpx.Response:
        self.last.append((status, body))
        raw = [(name.encode(), text.encode("latin-1")) for name, text in headers.items()]
        return httpx.Response(status, headers=raw, content=body)


def _path(request: httpx.Request) -> str:
    parts = request.url.path.split("/")
    return "/".join("*" if len(part) > 20 or part.isdigit() else part for part in parts)


def _bytes(text: str | bytes, rng: random.Random) -> bytes:
    raw = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    if raw and rng.random() < 0.05:
        at = rng.randrange(len(raw))
        return raw[:at] + bytes([rng.randrange(256)]) + raw[at + 1 :]
    return raw


Answers = Callable[[str], list[str]]


class Tap:
    """Stands where Stream stands: opens the handler against scripted confirmations and takes frames by hand.

    `opened` lists every tap made, so that whoever builds a feed finds its handlers.
    """

    opened: list[Tap] = []  # noqa: RUF012  (emptied by whoever starts a run)
    answers: Answers = staticmethod(lambda _: [])

    def __init__(self, name: str, venue: Venue, url: str, handler: StreamHandler, **_more: Any) -> None:
        self.name, self.handler, self.venue = name, handler, venue
        self.is_up = False
        self.reconnects = 0
        self.last_message_at: datetime | None = None
        self._opening: asyncio.Task[None] | None = None
        self.closed_by_feed = False

    async def start(self) -> None:
        """Open against the script."""
        Tap.opened.append(self)
        self.is_up = True
        await self.open()

    async def open(self) -> None:
        """Let the handler open; what it sends is answered at once."""
        self.closed_by_feed = False
        async with asyncio.timeout(5):
            await self.handler.opened(self._send)

    async def _send(self, frame: str) -> None:
        for answer in Tap.answers(frame):
            self.handler.received(answer)

    def take(self, frame: str | bytes) -> VenueError | None:
        """Hand a frame in as Stream does; a VenueError ends the connection and is returned."""
        try:
            self.handler.received(frame)
        except VenueError as violation:
            self.handler.lost()
            return violation
        return None

    async def renew(self, reason: str) -> None:
        """The feed wants a fresh connection."""
        self.closed_by_feed = True
        self.handler.lost()

    async def send(self, frame: str) -> None:
        """A frame of the feed's own."""
        await self._send(frame)

    async def aclose(self) -> None:
        """End."""
        self.is_up = False
        self.handler.lost()


def confirmations(venue: Venue, said: Said) -> Answers:
    """How a venue confirms a subscription, and what it sends with it (books, first prices)."""
    frames = [frame for found in said.frames.values() for frame in found if isinstance(frame, str)]

    def first(*words: str) -> list[str]:
        return next(([frame] for frame in frames if all(word in frame for word in words)), [])

    def pacifica(frame: str) -> list[str]:
        told = json.loads(frame)
        if told.get("method") != "subscribe":
            return []
        source = told["params"]["source"]
        found = first(f'"channel":"{source}"') or first(f'"channel": "{source}"')
        return [
            json.dumps({"channel": "subscribe", "data": told["params"]}),
            *(found if source in ("book", "prices") else []),
        ]

    def paradex(frame: str) -> list[str]:
        told = json.loads(frame)
        channel = told.get("params", {}).get("channel", "")
        found = first("order_book.", '"update_type"', '"s"') if channel.startswith("order_book") else []
        return [json.dumps({"jsonrpc": "2.0", "id": told["id"], "result": {}}), *found]

    def backpack(frame: str) -> list[str]:
        return first("markPrice.") if "SUBSCRIBE" in frame else []

    return {Venue.PACIFICA: pacifica, Venue.PARADEX: paradex, Venue.BACKPACK: backpack}[venue]
