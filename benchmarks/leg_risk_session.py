"""One real session against the twins, as the service would run it, without a Prefect server in between.

It is the flow's own story over the flow's own tasks, called as plain functions (`flows.steps.PLAIN`); keys, desk,
store, journal, streams and settlement are those of every session. Reads a JSON job from standard input, takes its data
folder and ports from the environment, and writes a line for each order that the journal holds in the end.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from dataclasses import replace
from datetime import datetime
from typing import Any

from connectors.settings import Environment
from core.errors import HedgeError
from flows.steps import PLAIN, NoBoard
from flows.story import run_session
from flows.wiring import create_session, home, open_desk, open_home_store
from store import Store
from store.requests import parse_request
from tasks.desk import sit_down
from tasks.settle import Settlement


def request_of(job: dict[str, Any]) -> dict[str, object]:
    """The session that trades what the job says: so many pairs of so much notional, then flat."""
    notional = str(job["notional"])
    return {
        "accounts": ["account1", "account2", "account3"],
        # A size is rounded down to a lot, so that the last pair would miss the full target by little.
        "volumeTarget": str(float(notional) * (job["pairs"] - 0.5)),
        "seed": job["seed"],
        "strategy": {
            "symbol": "ETH/USD",
            "priceRange": {"min": "0.0001", "max": "0.0003"},
            "timing": {
                "minInterval": job["pause_s"], "maxInterval": job["pause_s"],
                "orderSize": {"min": notional, "max": notional},
            },
            "riskLimits": {"maxPositionSize": "0.5", "stopLossThreshold": "0.05", "maxSlippage": "0.01"},
            "orderTypes": {"primary": job["style"], "fallback": "market"},
        },
    }  # fmt: skip


async def trade(job: dict[str, Any]) -> None:
    """Create the session, say ready, wait for a line, run it to its end; an end that halts is told, not raised."""
    store = open_home_store()
    try:
        request = parse_request(request_of(job))
        session = create_session(store, request, Environment.SANDBOX, home(), os.environ)
        try:
            async with open_desk(store, session.session_id, Environment.SANDBOX) as desk:
                sit_down(desk)
                print(json.dumps({"ready": "0.1.0"}), flush=True)
                await asyncio.to_thread(sys.stdin.readline)
                async with asyncio.timeout(job["bound_s"]):
                    await run_session(desk, session, replace(PLAIN, settle=_settle), NoBoard())
        except (HedgeError, TimeoutError) as error:
            print(f"the session ended early: {type(error).__name__}: {error}", file=sys.stderr)
        finally:
            _tell_orders(store, session.session_id)
    finally:
        store.close()


async def _settle(started_at: datetime) -> Settlement:
    """Say that nothing more will be traded, then settle; what is read then waits for the venues' request budgets."""
    print(json.dumps({"traded": True}), flush=True)
    return await PLAIN.settle(started_at)


def _tell_orders(store: Store, session_id: str) -> None:
    for pair in store.reads.pairs(session_id, limit=1000):
        plan = pair.plan
        for entry in store.reads.journal_orders_of_pair(plan.pair_id):
            line = {
                "pair": plan.sequence, "venue": str(entry.order.intent.venue), "side": entry.leg,
                "quantity": str(plan.quantity), "id": entry.wire_client_id,
            }  # fmt: skip
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, force=True)
    logging.getLogger("hedging").setLevel(logging.INFO)
    asyncio.run(trade(json.loads(sys.stdin.readline())))
