"""A slice of the twins' benchmark: every order that is counted was signed rightly and taken."""

from __future__ import annotations

import asyncio

import pytest

from benchmarks.hasty_loop import run
from benchmarks.twins import hour, orders_per_second
from core.instrument import Venue


@pytest.mark.parametrize("venue", Venue)
async def test_every_order_sent_to_a_twin_is_taken(venue: Venue) -> None:
    rate, taken, sent = await orders_per_second(venue, orders=5, slices=2)

    assert taken == sent == 10
    assert rate > 0


def test_virtual_minutes_trade_at_all_venues() -> None:
    spent, trades = hour(minutes=0.5)

    assert spent > 0
    assert trades > 20


def test_an_hour_of_waiting_takes_no_time_on_a_hasty_loop() -> None:
    async def wait() -> float:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        await asyncio.gather(*(asyncio.sleep(3600 / n) for n in range(1, 4)))
        return loop.time() - begun

    assert 3600 <= run(wait()) < 3601


def test_what_a_socket_carries_takes_no_time_on_a_hasty_loop() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readexactly(4))
        await writer.drain()
        writer.close()

    async def talk() -> tuple[bytes, float]:
        loop = asyncio.get_running_loop()
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        async with server:
            begun = loop.time()
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(b"ping")
            async with asyncio.timeout(0.5):
                said = await reader.readexactly(4)
            writer.close()
            return said, loop.time() - begun

    said, took = run(talk())

    assert (said, took < 0.5) == (b"ping", True)
