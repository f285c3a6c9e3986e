"""Record what the twins say: every REST answer and stream frame of one round of calls, as fixtures for the fuzzers.

`python -m tests.fuzz.record` writes tests/fixtures/said_<venue>.json anew. Tokens are left out.
"""

from __future__ import annotations

import asyncio
import base64
import json
import random
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from benchmarks.soak import free_ports, keys_of
from connectors.backpack import feed as backpack_feed
from connectors.backpack import tape as backpack_tape
from connectors.backpack.client import BackpackClient
from connectors.pacifica import feed as pacifica_feed
from connectors.pacifica import tape as pacifica_tape
from connectors.pacifica.client import PacificaClient
from connectors.paradex import feed as paradex_feed
from connectors.paradex import tape as paradex_tape
from connectors.paradex.client import ParadexClient
from connectors.registry import sandbox_endpoints
from connectors.settings import Outside, Timeouts
from connectors.stream import Stream, StreamHandler
from connectors.venue import Accepted
from core.errors import HedgeError
from core.instrument import Venue
from sandbox.server import serve
from tests.fuzz.calls import CHANNELS, COMMANDS, READS, SYMBOL, Scene

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
CLIENTS: dict[Venue, Any] = {
    Venue.PACIFICA: PacificaClient, Venue.PARADEX: ParadexClient, Venue.BACKPACK: BackpackClient
}  # fmt: skip
STREAM_USERS = {
    Venue.PACIFICA: (pacifica_feed, pacifica_tape),
    Venue.PARADEX: (paradex_feed, paradex_tape),
    Venue.BACKPACK: (backpack_feed, backpack_tape),
}
SAME_MAX = 6  # answers kept of one path, and frames of one kind
BODY_MAX = 20_000
HEADERS = ("date", "content-type", "x-page-count", "x-current-page", "x-page-size", "x-total", "retry-after")


class Recording:
    """What one venue said."""

    def __init__(self) -> None:
        self.answers: dict[str, list[dict[str, Any]]] = {}
        self.frames: dict[str, list[str]] = {}
        self._kinds: dict[str, int] = {}

    def answer(self, request: httpx.Request, response: httpx.Response, body: bytes) -> None:
        """Keep an answer, a few of each path."""
        kept = self.answers.setdefault(f"{request.method} {_path(request)}", [])
        text = body.decode()
        if "jwt_token" in text:
            text = json.dumps({"jwt_token": "recorded"})
        headers = {name: response.headers[name] for name in HEADERS if name in response.headers}
        said = {"status": response.status_code, "headers": headers, "body": text}
        if len(kept) < SAME_MAX and len(body) < BODY_MAX and not any(k["body"] == text for k in kept):
            kept.append(said)

    def frame(self, stream: str, frame: str | bytes) -> None:
        """Keep a frame, a few of each kind; binary ones as base64 behind a mark."""
        text = frame if isinstance(frame, str) else "base64:" + base64.b64encode(frame).decode()
        kind = f"{stream} {_kind(frame)}"
        self._kinds[kind] = self._kinds.get(kind, 0) + 1
        if self._kinds[kind] <= SAME_MAX:
            self.frames.setdefault(stream, []).append(text)


def _path(request: httpx.Request) -> str:
    parts = request.url.path.split("/")
    return "/".join("*" if len(part) > 20 or part.isdigit() else part for part in parts)


def _kind(frame: str | bytes) -> str:
    if isinstance(frame, bytes):
        return str(frame[2:4])
    told = json.loads(frame)
    channel = told.get("channel") or told.get("stream") or (told.get("params") or {}).get("channel") or "answer"
    inner = told.get("data") or {}
    return f"{channel} {inner.get('e') if isinstance(inner, dict) else ''}"


class RecordingTransport(httpx.AsyncBaseTransport):
    """The real network, written down."""

    def __init__(self, recording: Recording) -> None:
        self._inner = httpx.AsyncHTTPTransport()
        self._recording = recording

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Pass on, and keep the answer."""
        response = await self._inner.handle_async_request(request)
        body = await response.aread()
        self._recording.answer(request, response, body)
        return response

    async def aclose(self) -> None:
        """Close the network."""
        await self._inner.aclose()


def recording_stream(recording: Recording) -> type[Stream]:
    """A Stream that writes down what comes in."""

    class RecordingStream(Stream):
        def __init__(self, name: str, venue: Venue, url: str, handler: StreamHandler, **more: Any) -> None:
            take = handler.received

            def received(frame: str | bytes) -> None:
                recording.frame(name, frame)
                take(frame)

            handler.received = received  # type: ignore[method-assign]
            super().__init__(name, venue, url, handler, **more)

    return RecordingStream


async def record(venue: Venue, port_base: int, version: int | None = None) -> Recording:
    """Play one round of every call at a venue's twin."""
    recording = Recording()
    for module in STREAM_USERS[venue]:
        module.Stream = recording_stream(recording)  # type: ignore[attr-defined]
    outside = Outside(lambda: datetime.now(UTC), asyncio.sleep, random.Random(1))
    keys, known = keys_of(venue)
    control = f"http://127.0.0.1:{port_base}/control/"
    async with httpx.AsyncClient(trust_env=False, timeout=10) as http:
        for door, body in (("accounts", {"balance": "1000000", **known}), ("limits", {"per_minute": 100_000})):
            await http.post(control + door, json={"venue": str(venue), **body})
    endpoints = sandbox_endpoints(venue, port_base)
    if version is not None:
        endpoints = type(endpoints)(endpoints.rest_url, endpoints.ws_url, version)
    client = CLIENTS[venue]("acc-1", keys, endpoints, outside, Timeouts(), transport=RecordingTransport(recording))
    await client.connect()
    try:
        await client.feed.start([SYMBOL])
        await client.tape.start([SYMBOL], CHANNELS[venue])
        market, mark = (await client.markets())[SYMBOL], await client.mark(SYMBOL)
        scene = Scene(client, datetime.now(UTC), mark.mark, market.tick, market.lot)
        await _everything(scene)
        await asyncio.sleep(3)
    finally:
        await client.tape.aclose()
        await client.aclose()
    return recording


async def _everything(scene: Scene) -> None:
    for name, call in (COMMANDS | READS).items():
        try:
            said = await call(scene)
        except HedgeError as failure:
            said = failure
        if name == "place resting" and isinstance(said, Accepted):
            scene.resting_id = said.report.venue_order_id
            await asyncio.sleep(0.5)
            for inner in ("open_orders", "order by id", "fills", "positions", "order_history"):
                await READS[inner](scene)
        if name in ("place_trigger", "place_batch"):
            await asyncio.sleep(0.3)
            await READS["open_triggers"](scene)
            await READS["open_orders"](scene)
        print(f"  {scene.client.venue} {name}: {str(said)[:100]}")


async def _main() -> None:
    port_base, ready, stop = free_ports(4), asyncio.Event(), asyncio.Event()
    serving = asyncio.create_task(serve(seed=3, port_base=port_base, speed=1.0, ready=ready.set, stop=stop))
    await ready.wait()
    try:
        for venue in Venue:
            recording = await record(venue, port_base)
            if venue is Venue.PARADEX:
                binary = await record(venue, port_base, version=2)
                recording.frames = {"binary " + k: v for k, v in binary.frames.items()} | recording.frames
            document = {"answers": recording.answers, "frames": recording.frames}
            (FIXTURES / f"said_{venue}.json").write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")
    finally:
        stop.set()
        await serving


if __name__ == "__main__":
    sys.exit(asyncio.run(_main()))
