"""The REST door: what it says when an answer comes, is cut, or never could have come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest

from connectors.http import READ_RETRIES_MAX, Answer, HttpVenue
from connectors.settings import Outside, Timeouts
from connectors.venue import NotSent, Unknown
from core.errors import ProtocolViolation, VenueUnreachable
from core.instrument import Venue

QUICK = Timeouts(connect_s=0.2, read_s=0.3, command_s=0.3)


class Wire(httpx.AsyncBaseTransport):
    """A venue at the transport's hole: answers or fails by turns and counts what reached it."""

    def __init__(self, *turns: httpx.Response | Exception) -> None:
        self.turns = list(turns)
        self.requests: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        turn = self.turns.pop(0)
        if isinstance(turn, Exception):
            raise turn
        return turn


class Endless(httpx.AsyncByteStream):
    """A body that does not end."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 1000


def door(stepped, wire: httpx.AsyncBaseTransport, **options) -> HttpVenue:
    return HttpVenue(
        Venue.PACIFICA, "http://venue.test", outside=stepped.outside(), timeouts=QUICK, transport=wire, **options
    )


@pytest.mark.parametrize("failure", [httpx.ConnectError("refused"), httpx.ConnectTimeout("t"), httpx.PoolTimeout("t")])
async def test_a_command_whose_connection_never_opened_was_not_sent(stepped, failure) -> None:
    outcome = await door(stepped, Wire(failure)).command("POST", "/orders", content=b"{}")
    assert isinstance(outcome, NotSent)


@pytest.mark.parametrize(
    "failure",
    [
        httpx.ReadTimeout("t"),
        httpx.ReadError("reset"),
        httpx.WriteError("reset"),
        httpx.WriteTimeout("t"),
        httpx.RemoteProtocolError("cut"),
        httpx.CloseError("c"),
        httpx.DecodingError("gzip"),
    ],
)
async def test_a_command_that_may_have_arrived_is_unknown_and_never_repeated(stepped, failure) -> None:
    wire = Wire(failure, httpx.Response(200))
    outcome = await door(stepped, wire).command("POST", "/orders", content=b"{}")
    assert isinstance(outcome, Unknown)
    assert len(wire.requests) == 1


@pytest.mark.parametrize("status", [200, 302, 400, 429, 500, 503])
async def test_any_status_of_a_command_is_an_answer(stepped, status) -> None:
    outcome = await door(stepped, Wire(httpx.Response(status, text="words"))).command("POST", "/orders")
    assert isinstance(outcome, Answer)
    assert (outcome.status, outcome.body, outcome.received_at) == (status, b"words", stepped.now)


async def test_a_command_with_an_endless_answer_is_unknown(stepped) -> None:
    wire = Wire(httpx.Response(200, stream=Endless()))
    outcome = await door(stepped, wire, body_bytes_max=10_000).command("POST", "/orders")
    assert isinstance(outcome, Unknown)


async def test_neither_outcome_nor_answer_shows_the_body(stepped) -> None:
    unknown = await door(stepped, Wire(httpx.ReadTimeout("t"))).command("POST", "/orders", content=b"sesame")
    answer = await door(stepped, Wire(httpx.Response(200, text="sesame"))).command("POST", "/orders")
    assert "sesame" not in repr(unknown) + repr(answer)


async def test_a_read_is_repeated_with_fresh_headers_until_it_answers(stepped) -> None:
    wire = Wire(httpx.ReadTimeout("t"), httpx.Response(500), httpx.Response(200, text="ok"))
    signatures = iter(["one", "two", "three"])
    answer = await door(stepped, wire).read("/x", params={"a": "1"}, headers=lambda: {"X-Sign": next(signatures)})
    assert answer.body == b"ok"
    assert [request.headers["X-Sign"] for request in wire.requests] == ["one", "two", "three"]
    assert [request.url.query for request in wire.requests] == [b"a=1"] * 3
    assert len(stepped.slept) == 2


async def test_a_read_that_never_answers_raises_after_a_bounded_number_of_attempts(stepped) -> None:
    wire = Wire(*(httpx.ReadError("reset") for _ in range(10)))
    with pytest.raises(VenueUnreachable, match="GET /x was not answered"):
        await door(stepped, wire).read("/x")
    assert len(wire.requests) == READ_RETRIES_MAX + 1


async def test_a_read_that_keeps_failing_on_the_venues_side_returns_the_last_status(stepped) -> None:
    wire = Wire(*(httpx.Response(504) for _ in range(10)))
    assert (await door(stepped, wire).read("/x")).status == 504
    assert len(wire.requests) == READ_RETRIES_MAX + 1


@pytest.mark.parametrize("status", [400, 404, 422, 429])
async def test_a_conclusive_status_is_not_asked_again(stepped, status) -> None:
    wire = Wire(httpx.Response(status))
    assert (await door(stepped, wire).read("/x")).status == status


async def test_an_oversized_read_is_a_protocol_violation(stepped) -> None:
    wire = Wire(httpx.Response(200, stream=Endless()))
    with pytest.raises(ProtocolViolation, match="larger than"):
        await door(stepped, wire, body_bytes_max=10_000).read("/x")


async def listen(reply: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]) -> asyncio.Server:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reply(reader, writer)
        finally:
            writer.close()

    return await asyncio.start_server(serve, "127.0.0.1", 0)


def real_door(server: asyncio.Server, outside: Outside) -> HttpVenue:
    port = server.sockets[0].getsockname()[1]
    return HttpVenue(Venue.PACIFICA, f"http://127.0.0.1:{port}", outside=outside, timeouts=QUICK)


async def test_over_a_real_socket_a_closed_port_is_not_sent(real_outside) -> None:
    server = await listen(lambda reader, writer: asyncio.sleep(0))
    client = real_door(server, real_outside)
    server.close()
    await server.wait_closed()
    assert isinstance(await client.command("POST", "/orders", content=b"{}"), NotSent)
    await client.aclose()


async def test_over_a_real_socket_a_reply_cut_off_after_the_order_arrived_is_unknown(real_outside) -> None:
    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{")

    server = await listen(cut)
    client = real_door(server, real_outside)
    assert isinstance(await client.command("POST", "/orders", content=b"{}"), Unknown)
    await client.aclose()
    server.close()


async def test_over_a_real_socket_silence_after_sending_is_unknown_within_the_bound(real_outside) -> None:
    silent = asyncio.Event()

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await silent.wait()

    server = await listen(hold)
    client = real_door(server, real_outside)
    async with asyncio.timeout(3):
        assert isinstance(await client.command("POST", "/orders", content=b"{}"), Unknown)
    silent.set()
    await client.aclose()
    server.close()
