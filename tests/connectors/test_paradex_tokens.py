"""The session token: one request for all, renewed in time, never shown."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from paradex_fakes import ShortSleeps

from connectors.paradex.tokens import LIFE_S_MAX, RETRY_S, TokenKeeper
from core.errors import AuthenticationFailed, VenueUnreachable


class Mint:
    """Hands out numbered tokens, one at a time when told to wait; refuses while `failure` is set."""

    def __init__(self) -> None:
        self.made = 0
        self.failure: Exception | None = None
        self.gate: asyncio.Event | None = None

    async def __call__(self) -> str:
        self.made += 1
        if self.gate is not None:
            await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        return f"token-{self.made}"


async def test_many_callers_share_one_request() -> None:
    mint, time = Mint(), ShortSleeps()
    mint.gate = asyncio.Event()
    keeper = TokenKeeper(mint, time.outside())
    waiting = [asyncio.create_task(keeper.current()) for _ in range(20)]
    await asyncio.sleep(0)
    mint.gate.set()

    assert set(await asyncio.gather(*waiting)) == {"token-1"}
    assert mint.made == 1


async def test_a_failure_is_shared_and_not_remembered() -> None:
    mint = Mint()
    mint.gate, mint.failure = asyncio.Event(), AuthenticationFailed("no")
    keeper = TokenKeeper(mint, ShortSleeps().outside())
    waiting = [asyncio.create_task(keeper.current()) for _ in range(3)]
    await asyncio.sleep(0)
    mint.gate.set()
    failed = await asyncio.gather(*waiting, return_exceptions=True)
    mint.failure = None

    assert [type(failure) for failure in failed] == [AuthenticationFailed] * 3
    assert await keeper.current() == "token-2"


async def test_a_token_near_its_end_is_not_used() -> None:
    mint, time = Mint(), ShortSleeps()
    keeper = TokenKeeper(mint, time.outside())
    await keeper.current()

    time.now += timedelta(seconds=LIFE_S_MAX - 11)
    assert await keeper.current() == "token-1"
    time.now += timedelta(seconds=2)
    assert await keeper.current() == "token-2"


async def test_a_refused_token_is_replaced_once_however_many_were_refused_with_it() -> None:
    mint = Mint()
    keeper = TokenKeeper(mint, ShortSleeps().outside())
    refused = await keeper.current()

    replaced = await asyncio.gather(*(keeper.renewed(refused) for _ in range(5)))

    assert set(replaced) == {"token-2"}
    assert await keeper.renewed(refused) == "token-2"
    assert mint.made == 2


async def test_renewal_happens_at_three_of_five_minutes_without_anybody_waiting() -> None:
    mint, time = Mint(), ShortSleeps()
    slept: list[float] = []
    done = asyncio.Event()

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        time.now += timedelta(seconds=seconds)
        if len(slept) == 3:
            done.set()
            await asyncio.get_running_loop().create_future()

    outside = time.outside()
    keeper = TokenKeeper(mint, type(outside)(time.clock, sleep, outside.rng))
    await keeper.current()
    task = asyncio.create_task(keeper.keep_fresh())
    async with asyncio.timeout(5):
        await done.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert slept == [180.0, 180.0, 180.0]
    assert mint.made == 3


async def test_a_failed_renewal_is_tried_again_soon_while_the_old_token_still_serves(
    caplog: pytest.LogCaptureFixture,
) -> None:
    mint, time = Mint(), ShortSleeps()
    keeper = TokenKeeper(mint, time.outside())
    await keeper.current()
    time.now += timedelta(seconds=200)
    mint.failure = VenueUnreachable("gone")
    task = asyncio.create_task(keeper.keep_fresh())
    async with asyncio.timeout(5):
        while len(time.slept) < 2:
            await asyncio.sleep(0)
    assert await keeper.current() == "token-1"

    mint.failure = None
    async with asyncio.timeout(5):
        while await keeper.current() == "token-1":
            await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert set(time.slept) == {RETRY_S}
    assert "token not renewed" in caplog.text
    assert "token-1" not in caplog.text


async def test_a_caller_that_gives_up_does_not_end_the_request_of_the_others() -> None:
    mint = Mint()
    mint.gate = asyncio.Event()
    keeper = TokenKeeper(mint, ShortSleeps().outside())
    hasty, patient = asyncio.create_task(keeper.current()), asyncio.create_task(keeper.current())
    await asyncio.sleep(0)
    hasty.cancel()
    mint.gate.set()

    assert await patient == "token-1"
    await keeper.aclose()


async def test_no_repr_shows_a_token() -> None:
    keeper = TokenKeeper(Mint(), ShortSleeps().outside())
    await keeper.current()

    assert "token-1" not in repr(vars(keeper))
