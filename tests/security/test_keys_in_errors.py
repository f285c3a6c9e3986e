"""No key in what goes wrong: errors, tracebacks and representations of every connector, and logs at their loudest."""

from __future__ import annotations

import asyncio
import logging
import random
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import httpx
import pytest
from pydantic import SecretStr, ValidationError

from benchmarks.soak import free_ports, keys_of
from connectors.registry import open_client, sandbox_endpoints
from connectors.settings import Keys, Outside, PacificaKeys, ParadexKeys, Timeouts
from connectors.venue import Accepted
from core.errors import HedgeError
from core.instrument import Venue
from sandbox.server import serve
from tests.fakes.planted import Search
from tests.fuzz.calls import COMMANDS, READS, SYMBOL, Scene
from tests.fuzz.record import CLIENTS
from tests.fuzz.replay import Replay, Said, StillTime

CONFIG_KEY = "pf-planted-config-key-77"


def planted(keys: Keys) -> dict[str, str]:
    """The secrets in keys by field."""
    return {name: value.get_secret_value() for name, value in keys if isinstance(value, SecretStr)}


def keys_for(venue: Venue) -> Keys:
    """A venue's keys whose every character could be told apart in a log."""
    keys, _ = keys_of(venue)
    if isinstance(keys, PacificaKeys):
        return keys.model_copy(update={"config_key": SecretStr(CONFIG_KEY)})
    if isinstance(keys, ParadexKeys):
        return keys.model_copy(update={"private_key": SecretStr("0x3c0ffee5ec7e7" + "9d3" * 16)})
    return keys


class Spoiling(httpx.AsyncBaseTransport):
    """Answers, changes answers, and fails in every way a network can."""

    def __init__(self, replay: Replay, rng: random.Random) -> None:
        self._replay, self._rng = replay, rng
        self.is_calm = True

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        failures: tuple[Exception, ...] = (
            httpx.ConnectError("refused", request=request), httpx.ReadTimeout("late", request=request),
            httpx.RemoteProtocolError("cut", request=request), httpx.ReadError("reset", request=request),
        )  # fmt: skip
        if not self.is_calm and self._rng.random() < 0.3:
            raise self._rng.choice(failures)
        return await self._replay.handle_async_request(request)


@pytest.mark.parametrize("venue", Venue, ids=str)
async def test_errors_of_every_call_tell_no_key_however_they_come(
    venue: Venue, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    keys, said, rng = keys_for(venue), Said.of(venue), random.Random(5)
    search, clock = Search(planted(keys)), StillTime(said.time)
    transport = Spoiling(Replay(said, rng), rng)
    client = CLIENTS[venue](
        "acc-1", keys, sandbox_endpoints(venue, 7100), clock.outside(), Timeouts(), transport=transport
    )
    await client.connect()
    market = (await client.markets())[SYMBOL]
    scene = Scene(client, clock.now, (await client.mark(SYMBOL)).mark, market.tick, market.lot)
    transport.is_calm, transport._replay.spoil = False, 0.5
    told: list[str] = [repr(client), repr(client.__dict__)]
    for name, call in 2 * list((COMMANDS | READS).items()):
        try:
            told.append(f"{name} {await call(scene)!r}")
        except HedgeError as failure:
            told += [repr(failure), str(failure), repr(failure.details), "".join(traceback.format_exception(failure))]
            told += [repr(vars(cause)) for cause in (failure.__cause__, failure.__context__) if cause is not None]
    await client.aclose()
    assert sum("Traceback" in text for text in told) > 10
    assert search.found("what was told", "\n".join(told)) == []
    assert search.found("the log", caplog.text) == []


@pytest.mark.parametrize("venue", Venue, ids=str)
def test_keys_that_do_not_fit_are_refused_without_being_repeated(venue: Venue) -> None:
    keys, clock = keys_for(venue), StillTime(datetime.now(UTC))
    search = Search(planted(keys))
    told = []
    for name, text in planted(keys).items():
        for wrong in (text + "!", [text], {"secret": text}, text[:-1]):
            try:
                found = type(keys).model_validate({**keys.model_dump(), name: wrong})
                CLIENTS[venue]("a", found, sandbox_endpoints(venue, 7100), clock.outside(), Timeouts())
            except (ValidationError, HedgeError) as refused:
                told += ["".join(traceback.format_exception(refused)), repr(refused)]
    assert len(told) >= 4
    assert search.found("the refusals", "\n".join(told)) == []
    assert search.found("the keys", f"{keys!r} {keys} {keys.model_dump()} {keys.model_dump_json()}") == []


@asynccontextmanager
async def twins() -> AsyncIterator[int]:
    """The twins on free ports, in this process."""
    port_base, ready, stop = free_ports(4), asyncio.Event(), asyncio.Event()
    serving = asyncio.create_task(serve(seed=5, port_base=port_base, speed=1.0, ready=ready.set, stop=stop))
    await ready.wait()
    try:
        yield port_base
    finally:
        stop.set()
        await serving


async def test_logs_of_every_library_at_their_loudest_hold_no_key_and_no_token(
    caplog: pytest.LogCaptureFixture,
) -> None:
    outside = Outside(lambda: datetime.now(UTC), asyncio.sleep, random.Random(1))
    secrets: dict[str, str] = {}
    async with twins() as port_base, httpx.AsyncClient(trust_env=False) as control:
        caplog.set_level(logging.DEBUG)
        for venue in Venue:
            keys, known = keys_of(venue)
            body = {"venue": str(venue), "balance": "100000", **known}
            (await control.post(f"http://127.0.0.1:{port_base}/control/accounts", json=body)).raise_for_status()
            secrets |= {f"{venue} {name}": text for name, text in planted(keys).items() if len(text) >= 16}
            client = open_client("acc-1", keys, sandbox_endpoints(venue, port_base), outside)
            await client.connect()
            await client.feed.start([SYMBOL])
            market = (await client.markets())[SYMBOL]
            scene = Scene(client, datetime.now(UTC), (await client.mark(SYMBOL)).mark, market.tick, market.lot)
            assert isinstance(await client.place(scene.intent()), Accepted)
            assert await client.margin() is not None
            await client.aclose()
    assert len(secrets) >= 2
    assert {"httpcore.http11", "httpx"} & {record.name for record in caplog.records}, "the libraries spoke"
    text = "\n".join(record.getMessage() for record in caplog.records)
    assert Search(secrets).found("the log", text) == []
