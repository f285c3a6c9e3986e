"""The twins on real loopback ports: control door, a signed order end to end, start and stop."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets
from pacifica_client import Signer, limit_fields

from sandbox.server import PortOccupied, main_run, serve

ROOT = Path(__file__).parents[2]
PORTS = 4
START_S = 20.0


def free_port_base() -> int:
    """A base port with three free ports behind it, below the range the system hands to clients."""
    for _ in range(50):
        base = random.SystemRandom().randrange(20_000, 32_000)
        if all(_is_free(base + offset) for offset in range(PORTS)):
            return base
    raise AssertionError("no four free ports in a row")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


class Running:
    """Served twins and a client of their control door."""

    def __init__(self, port_base: int, http: httpx.AsyncClient) -> None:
        self.port_base = port_base
        self.http = http
        self.signer = Signer(7)
        self.pacifica = f"http://127.0.0.1:{port_base + 1}/api/v1"

    async def control(self, path: str, **body: object) -> httpx.Response:
        return await self.http.post(f"http://127.0.0.1:{self.port_base}/control/{path}", json=body)

    async def state(self) -> dict[str, Any]:
        answer = await self.http.get(f"http://127.0.0.1:{self.port_base}/control/state")
        venues = answer.json()["venues"]
        assert isinstance(venues, dict)
        return venues

    async def fund(self) -> None:
        answer = await self.control("accounts", venue="pacifica", publicKey=self.signer.public, balance="5000")
        assert answer.status_code == 201

    async def post(self, path: str, operation: str, **fields: object) -> httpx.Response:
        body = self.signer.sign(operation, int(time.time() * 1000), expiry=30_000, **fields)
        return await self.http.post(self.pacifica + path, json=body)


@asynccontextmanager
async def twins() -> AsyncIterator[Running]:
    """Serve on free ports for the length of the block; ends cleanly."""
    ready, stop, port_base = asyncio.Event(), asyncio.Event(), free_port_base()
    serving = asyncio.create_task(serve(seed=1, port_base=port_base, speed=1.0, ready=ready.set, stop=stop))
    try:
        waiter = asyncio.create_task(ready.wait())
        await asyncio.wait({serving, waiter}, timeout=START_S, return_when=asyncio.FIRST_COMPLETED)
        assert ready.is_set()
        async with httpx.AsyncClient(trust_env=False, timeout=10.0) as http:
            yield Running(port_base, http)
    finally:
        stop.set()
        await asyncio.wait_for(serving, START_S)


async def test_the_root_tells_where_the_venues_are_and_what_they_trade() -> None:
    async with twins() as run:
        answer = (await run.http.get(f"http://127.0.0.1:{run.port_base}/")).json()

    assert set(answer["venues"]) == {"pacifica", "paradex", "backpack"}
    assert answer["venues"]["pacifica"]["ws"] == f"ws://127.0.0.1:{run.port_base + 1}/ws"
    assert answer["venues"]["pacifica"]["markets"]["ETH/USD"]["tick"] == "0.1"


async def test_a_signed_order_fills_against_the_makers_and_the_state_tells_the_truth() -> None:
    async with twins() as run:
        await run.fund()
        uri = f"ws://127.0.0.1:{run.port_base + 1}/ws"
        async with websockets.connect(uri, proxy=None) as ws:
            params = {"source": "account_trades", "account": run.signer.public}
            await ws.send(json.dumps({"method": "subscribe", "params": params}))
            assert json.loads(await ws.recv())["channel"] == "subscribe"

            answer = await run.post(
                "/orders/create_market",
                "create_market_order",
                symbol="ETH",
                amount="0.1",
                side="bid",
                slippage_percent="0.5",
                reduce_only=False,
            )
            frame = json.loads(await asyncio.wait_for(ws.recv(), 5))
        pacifica = (await run.state())["pacifica"]

    account = pacifica["accounts"][run.signer.public]
    assert answer.json()["success"] is True
    assert frame["data"][0]["i"] == answer.json()["data"]["order_id"]
    assert Decimal(account["positions"]["ETH/USD"]["quantity"]) == Decimal("0.1")
    assert sum(Decimal(f["quantity"]) for f in account["fills"]) == Decimal("0.1")
    assert all(f["counterparty"] != run.signer.public for f in account["fills"])
    assert Decimal(account["balance"]) == 5000 - Decimal(account["fees_paid"])
    assert Decimal(pacifica["markets"]["ETH/USD"]["position_sum"]) == 0
    assert pacifica["self_trades"] == 0


async def test_a_lost_answer_closes_the_connection_and_keeps_the_order() -> None:
    async with twins() as run:
        await run.fund()
        armed = await run.control("faults", venue="pacifica", kind="lost_answer")
        assert armed.json() == {"armed": "lost_answer", "venue": "pacifica"}

        with pytest.raises(httpx.RemoteProtocolError):
            await run.post("/orders/create", "create_order", **limit_fields("2400", tif="ALO"))
        after = await run.post("/orders/create", "create_order", **limit_fields("2400", tif="ALO"))

        orders = (await run.state())["pacifica"]["accounts"][run.signer.public]["orders"]

    assert after.status_code == 200
    assert len(orders) == 2


async def test_the_control_door_moves_price_funding_and_time() -> None:
    async with twins() as run:
        await run.fund()
        before = (await run.state())["pacifica"]["markets"]["SOL/USD"]
        moved = await run.control("price", instrument="SOL/USD", price="200")
        drifted = await run.control("price", instrument="ETH/USD", drift="-5")
        rated = await run.control("funding", venue="pacifica", instrument="SOL/USD", rate="0.001")
        await run.post(
            "/orders/create_market",
            "create_market_order",
            symbol="SOL",
            amount="1",
            side="ask",
            slippage_percent="60",
            reduce_only=False,
        )
        await run.control("clock", advance_s=3600)
        state = (await run.state())["pacifica"]
        faster = await run.control("clock", speed=2)

    assert before["mark"] != state["markets"]["SOL/USD"]["mark"]
    assert moved.json() == {"instrument": "SOL/USD", "reference": "200"}
    assert drifted.status_code == 200
    assert rated.json()["rate"] == "0.001"
    payment = state["accounts"][run.signer.public]["funding_payments"][0]
    assert Decimal(payment["payment"]) == pytest.approx(Decimal("0.2"), rel=Decimal("0.02"))
    assert faster.json()["speed"] == 2.0


async def test_deleveraging_and_tradebusts_happen_at_once() -> None:
    async with twins() as run:
        await run.fund()
        fields = {"symbol": "ETH", "slippage_percent": "0.5", "reduce_only": False, "side": "bid"}
        await run.post("/orders/create_market", "create_market_order", amount="0.01", **fields)
        first = (await run.state())["pacifica"]["accounts"][run.signer.public]["fills"][0]["id"]
        busted = await run.control("faults", venue="pacifica", kind="tradebust", fill_id=first)
        after_bust = (await run.state())["pacifica"]["accounts"][run.signer.public]
        await run.post("/orders/create_market", "create_market_order", amount="0.01", **fields)
        closed = await run.control(
            "faults", venue="pacifica", kind="adl", account=run.signer.public, instrument="ETH/USD"
        )
        after_adl = (await run.state())["pacifica"]["accounts"][run.signer.public]

    assert busted.json()["done"] == "tradebust"
    assert (after_bust["positions"], Decimal(after_bust["balance"])) == ({}, 5000)
    assert closed.json()["done"] == "adl"
    assert after_adl["fills"][-1]["cause"] == "ADL"
    assert after_adl["positions"] == {}


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("accounts", {"venue": "nowhere", "publicKey": "x"}, "venue"),
        ("accounts", {"venue": "pacifica", "publicKey": "x", "balance": "much"}, "balance"),
        ("accounts", {"venue": "paradex", "publicKey": "x"}, "body"),
        ("price", {"instrument": "ETH/USD"}, "body"),
        ("price", {"instrument": "DOGE/USD", "price": "1"}, "instrument"),
        ("clock", {"advance_s": -1}, "advance_s"),
        ("clock", {"speed": 0}, "speed"),
        ("faults", {"venue": "pacifica", "kind": "earthquake"}, "kind"),
        ("faults", {"venue": "pacifica", "kind": "tradebust"}, "fill_id"),
        ("faults", {"venue": "pacifica", "kind": "tradebust", "fill_id": 1}, "order_not_found"),
        ("funding", {"venue": "pacifica", "instrument": "ETH/USD", "rate": "NaN"}, "rate"),
        ("limits", {"venue": "pacifica", "per_minute": 0}, "per_minute"),
    ],
)
async def test_bad_control_input_is_a_422_that_names_the_field(
    path: str, body: dict[str, object], field: str, shared_twins: Running
) -> None:
    answer = await shared_twins.control(path, **body)

    assert answer.status_code == 422
    assert any(field in problem["field"] for problem in answer.json()["fields"])


@pytest.fixture
async def shared_twins() -> AsyncIterator[Running]:
    """The control door alone, in process: bad input needs no ports."""
    from sandbox.clock import VirtualClock
    from sandbox.control import create_control_app
    from sandbox.world import World

    world = World(seed=1, clock=VirtualClock(1_800_000_000_000_000), with_makers=False)
    transport = httpx.ASGITransport(create_control_app(world, 7100))
    async with httpx.AsyncClient(transport=transport) as http:
        yield Running(7100, http)


async def test_a_changed_limit_is_in_force_at_once(shared_twins: Running) -> None:
    answer = await shared_twins.control("limits", venue="pacifica", per_minute=5000)

    assert answer.json() == {"venue": "pacifica", "per_minute": 5000}


def test_an_occupied_port_is_told_with_its_number_and_the_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    base = free_port_base()
    with socket.socket() as occupant:
        occupant.bind(("127.0.0.1", base + 1))
        occupant.listen()

        status = main_run(1, base, 1.0)

    error = capsys.readouterr().err
    assert status == 1
    assert error.count("\n") == 1
    assert str(base + 1) in error
    assert "--port-base" in error
    assert _is_free(base)


async def test_nothing_is_started_when_a_port_is_occupied() -> None:
    base = free_port_base()
    with socket.socket() as occupant:
        occupant.bind(("127.0.0.1", base + 3))
        occupant.listen()

        with pytest.raises(PortOccupied):
            await serve(seed=1, port_base=base, speed=1.0)

    assert all(_is_free(base + offset) for offset in range(PORTS))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_process_ends_cleanly_on_a_signal_with_a_client_connected(number: signal.Signals) -> None:
    base = free_port_base()
    command = [sys.executable, "-m", "sandbox.server", "--seed", "1", "--port-base", str(base)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            line = next(text for text in process.stderr if "twins ready" in text)
            with httpx.Client(trust_env=False) as http:
                assert http.get(f"http://127.0.0.1:{base + 1}/api/v1/info").status_code == 200
                process.send_signal(number)
                status = process.wait(timeout=START_S)
            rest = process.stderr.read()
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()

    assert "seed 1" in line
    assert (status, rest) == (0, "")
    assert all(_is_free(base + offset) for offset in range(PORTS))
