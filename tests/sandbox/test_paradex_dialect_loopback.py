"""The Paradex twin behind a real server on loopback, as an outside client meets it."""

import asyncio
import json
import logging
import socket
from collections.abc import AsyncIterator
from decimal import Decimal

import httpx
import pytest
import uvicorn
import websockets
from paradex_client import ADDRESS, ETH, PUBLIC, Signer, open_world

from sandbox.dialects.paradex import create_app
from sandbox.model import OrderKind, OrderRequest, Side
from sandbox.world import World

BOUND_S = 10


class Running:
    """World and address of a served twin."""

    def __init__(self, world: World, port: int) -> None:
        self.world, self.rest, self.ws = world, f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{port}/v1"


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    world = open_world()
    exchange = world.exchanges["paradex"]
    exchange.open_account(ADDRESS, Decimal(10_000), attributes={"public_key": PUBLIC})
    exchange.submit(OrderRequest("mm", "ETH/USD", Side.SELL, OrderKind.LIMIT, Decimal(5), Decimal(2501)))
    app = create_app(world, exchange)
    config = uvicorn.Config(app, lifespan="off", log_config=None, ws="websockets-sansio")
    server = uvicorn.Server(config)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        task = asyncio.create_task(server.serve(sockets=[listener]))
        async with asyncio.timeout(BOUND_S):
            while not server.started:
                await asyncio.sleep(0)
        yield Running(world, listener.getsockname()[1])
        server.should_exit = True
        async with asyncio.timeout(BOUND_S):
            await task


async def test_an_outside_client_signs_in_trades_and_hears_its_fill(running: Running):
    signer, now_ms = Signer(), running.world.wall_us("paradex") // 1000
    async with (
        httpx.AsyncClient(base_url=running.rest, trust_env=False) as http,
        websockets.connect(running.ws, proxy=None) as stream,
        asyncio.timeout(BOUND_S),
    ):
        answer = await http.post(f"/v1/auth/{PUBLIC}", headers=signer.auth(now_ms // 1000))
        token = answer.json()["jwt_token"]
        http.headers["Authorization"] = f"Bearer {token}"
        for number, (method, params) in enumerate(
            [("auth", {"bearer": token}), ("subscribe", {"channel": "fills.ALL"})]
        ):
            request = {"jsonrpc": "2.0", "method": method, "params": params, "id": number}
            await stream.send(json.dumps(request))
            assert "result" in json.loads(await stream.recv())
        body = signer.order("BUY", "0.1", "2501", at_ms=now_ms, client_id="out-1")
        assert (await http.post("/v1/orders", json=body)).status_code == 201
        running.world.advance(10_000)
        notice = json.loads(await stream.recv())["params"]
        assert (notice["channel"], notice["data"]["client_id"]) == ("fills.ALL", "out-1")
        (position,) = (await http.get("/v1/positions")).json()["results"]
        assert (position["market"], position["size"]) == (ETH, "0.1")


async def test_a_binary_version_that_is_not_served_is_refused_at_the_handshake_without_noise(
    running: Running, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.WARNING)
    with pytest.raises(websockets.InvalidStatus) as refused:
        await websockets.connect(f"{running.ws}?sbeSchemaId=1&sbeSchemaVersion=3", proxy=None)
    assert refused.value.response.status_code == 400
    assert caplog.records == []
