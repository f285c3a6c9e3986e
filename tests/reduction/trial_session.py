"""A real session in a process of its own, as the service runs it but without a Prefect server; it tells what it heard.

Reads a JSON job from standard input, takes its data folder and ports from the environment, and writes a line when it is
ready, for each event but orders' own that its private streams brought, and for its end. What it hears it hears as ever:
the streams are overheard, not touched.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from typing import Any, cast

from connectors.settings import Environment
from connectors.venue import FeedEvent, FillUpdate, OrderUpdate, PositionUpdate, TradeBusted, VenueClient, VenueFeed
from core.errors import HedgeError
from flows.steps import PLAIN, NoBoard
from flows.story import run_session
from flows.wiring import create_session, home, open_desk, open_home_store
from store.requests import parse_request
from tasks.desk import Desk, sit_down


def request_of(job: dict[str, Any]) -> dict[str, object]:
    """A session that opens one pair and then holds it for as long as `pause_s` says (the least and the most)."""
    low, high = job["pause_s"]
    return {
        "accounts": job["accounts"],
        "volumeTarget": "1000000",
        "seed": job["seed"],
        "strategy": {
            "symbol": "ETH/USD",
            "priceRange": {"min": "0.0001", "max": "0.0005"},
            "timing": {"minInterval": low, "maxInterval": high, "orderSize": {"min": 300, "max": 600}},
            "riskLimits": {"maxPositionSize": "0.5", "stopLossThreshold": "0.05", "maxSlippage": "0.01"},
            "orderTypes": {"primary": "market", "fallback": "market"},
        },
    }  # fmt: skip


class _Overheard:
    """Something that does what it did, while a listener hears what `drain` returns."""

    def __init__(self, feed: VenueFeed, name: str, desk: Desk) -> None:
        self._feed, self._name, self._desk = feed, name, desk

    def __getattr__(self, name: str) -> Any:
        return getattr(self._feed, name)

    def drain(self) -> tuple[FeedEvent, ...]:
        events = self._feed.drain()
        for event in events:
            if not isinstance(event, OrderUpdate):
                say({"heard": type(event).__name__, "account": self._name, "at": self._desk.now().isoformat()}, event)
        return events


class _Client:
    """A client whose feed is overheard."""

    def __init__(self, client: VenueClient, name: str, desk: Desk) -> None:
        self._client, self.feed = client, _Overheard(client.feed, name, desk)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


def say(line: dict[str, Any], event: FeedEvent | None = None) -> None:
    """Write one line."""
    match event:
        case FillUpdate(fill):
            line |= {"symbol": fill.symbol, "trade": fill.trade_id}
        case TradeBusted():
            line |= {"symbol": event.symbol, "trade": event.trade_id}
        case PositionUpdate(position):
            line |= {"symbol": position.symbol, "quantity": str(position.quantity)}
    print(json.dumps(line), flush=True)


async def trade(job: dict[str, Any]) -> None:
    """Create the session, say ready, wait for a line, run it to its end; an end that halts is told, not raised."""
    store = open_home_store()
    try:
        request = parse_request(request_of(job))
        session = create_session(
            store, request, Environment.SANDBOX, home(), os.environ, session_id=job["session_id"]
        )  # fmt: skip
        async with open_desk(store, session.session_id, Environment.SANDBOX) as desk:
            desk.clients = {n: cast("VenueClient", _Client(c, n, desk)) for n, c in desk.clients.items()}
            sit_down(desk)
            say({"ready": True})
            await asyncio.to_thread(sys.stdin.readline)
            async with asyncio.timeout(job["bound_s"]):
                summary = await run_session(desk, session, PLAIN, NoBoard())
        say({"summary": summary})
    except (HedgeError, TimeoutError) as error:
        say({"failed": f"{type(error).__name__}: {error}"})
    finally:
        store.close()


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, force=True)
    logging.getLogger("hedging").setLevel(logging.INFO)
    asyncio.run(trade(json.loads(sys.stdin.readline())))
