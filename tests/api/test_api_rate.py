"""The rate limit counts in the store, for all processes; who guesses keys is slowed down, who has one is not."""

from __future__ import annotations

import pytest
from api_world import Api, ApiWorld, code_of

from api.auth import Keys
from api.errors import RateLimitExceeded
from api.throttle import FAILURES_MAX, FailureThrottle
from store.api_records import Scope
from tests.fakes.clock import FakeClock


async def test_two_processes_on_one_store_share_one_limit(world: ApiWorld) -> None:
    world.rate = 5
    async with world.opened() as one, world.opened() as other:
        answers = [await api.get("/sessions", key=one.key) for api in (one, other, one, other, one, other, one)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 2
    assert [answer.headers["X-RateLimit-Remaining"] for answer in answers] == ["4", "3", "2", "1", "0", "0", "0"]
    assert code_of(answers[-1]) == "RATE_LIMIT_EXCEEDED"


async def test_answer_says_when_to_come_back_and_then_it_works(world: ApiWorld) -> None:
    world.rate = 1
    async with world.opened() as api:
        first = await api.get("/sessions")
        refused = await api.get("/sessions")
        wait_s = int(refused.headers["Retry-After"])
        assert 1 <= wait_s <= 60
        assert int(refused.headers["X-RateLimit-Reset"]) - world.clock().timestamp() == wait_s
        world.clock.advance(wait_s - 1)
        assert (await api.get("/sessions")).status_code == 429
        world.clock.advance(1)
        assert (await api.get("/sessions")).status_code == 200
    assert first.headers["X-RateLimit-Limit"] == "1"


async def test_limit_survives_a_restart(world: ApiWorld) -> None:
    world.rate = 2
    async with world.opened() as api:
        key = api.key
        await api.get("/sessions")
        await api.get("/sessions")
    async with world.opened() as api:
        assert (await api.get("/sessions", key=key)).status_code == 429


async def test_keys_have_limits_of_their_own(world: ApiWorld) -> None:
    world.rate = 1
    async with world.opened() as api:
        await api.get("/sessions")
        assert (await api.get("/sessions")).status_code == 429
        assert (await api.get("/sessions", key=api.new_key(Scope.READ))).status_code == 200


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/sessions"), ("GET", "/sessions/none"), ("POST", "/sessions"), ("GET", "/keys")]
)
async def test_every_answer_to_a_key_carries_the_limit(api: Api, method: str, path: str) -> None:
    answer = await api.call(method, path, key=api.new_key(Scope.READ))
    names = {"x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", "x-request-id"}
    assert names <= {name.lower() for name in answer.headers}


async def test_clock_that_goes_back_gives_no_second_window(world: ApiWorld) -> None:
    world.rate = 1
    async with world.opened() as api:
        await api.get("/sessions")
        world.clock.advance(-120)
        assert (await api.get("/sessions")).status_code == 429


async def test_guessing_is_slowed_down_while_good_keys_from_there_go_on(api: Api) -> None:
    statuses = [(await api.get("/sessions", key="hk_wrong")).status_code for _ in range(FAILURES_MAX + 2)]
    assert statuses == [401] * FAILURES_MAX + [429] * 2
    assert (await api.get("/sessions")).status_code == 200
    assert (await api.get("/sessions", key="hk_wrong", address="10.1.2.3")).status_code == 401


def test_throttle_remembers_a_bounded_number_of_addresses_and_forgives_with_time() -> None:
    clock = FakeClock()
    throttle = FailureThrottle(clock, failures_max=1, addresses_max=2)
    throttle.failed("a")
    with pytest.raises(RateLimitExceeded) as refused:
        throttle.failed("a")
    clock.advance(float(str(refused.value.details["retryAfter"])))
    throttle.failed("a")
    throttle.failed("b")
    throttle.failed("c")  # "a" is forgotten now
    throttle.failed("a")


async def test_unknown_key_id_and_wrong_secret_are_told_alike(api: Api) -> None:
    keys: Keys = api.services.keys
    right = api.key
    wrong = right[:-1] + ("A" if right[-1] != "A" else "B")
    assert await keys.look_up(right) is not None
    assert await keys.look_up(wrong) is None
    one, other = await api.get("/sessions", key=wrong), await api.get("/sessions", key="hk_nobody00_" + "a" * 43)
    assert one.json()["error"] == other.json()["error"]


async def test_key_that_is_spent_and_ticket_that_is_none_make_the_store_write_nothing(world: ApiWorld) -> None:
    world.rate = 1
    async with world.opened() as api:
        for _ in range(2):
            await api.get("/sessions")
        before = _writes(api)
        for _ in range(5):
            assert (await api.get("/sessions")).status_code == 429
            assert (await api.get("/report/none?ticket=guess", key="", base="")).status_code == 401
            assert (await api.get("/sessions", key="hk_wrong")).status_code == 401
        assert _writes(api) == before
        world.clock.advance(60)
        assert (await api.get("/sessions")).status_code == 200
        assert _writes(api) == before + 1


async def test_guessing_tickets_is_slowed_down(api: Api) -> None:
    answers = [await api.get(f"/report/none?ticket={n}", key="", base="") for n in range(FAILURES_MAX + 1)]
    assert [answer.status_code for answer in answers] == [401] * FAILURES_MAX + [429]


def _writes(api: Api) -> int:
    """How many writing transactions there were, by the store's own clock."""
    from sqlalchemy import create_engine, text

    engine = create_engine(api.store.url)
    with engine.connect() as connection:
        change = connection.execute(text("select change from clock")).scalar_one()
    engine.dispose()
    return int(change)
