"""The Python client against the real service: every call, every refusal, and a stream that survives its restart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from decimal import Decimal
from typing import Any

import pytest

from pacifica_hedging import (
    AsyncHedgingClient,
    BreachNotFound,
    Forbidden,
    HedgingClient,
    IdempotencyConflict,
    InsufficientAccounts,
    InvalidSessionStatus,
    InvalidStrategy,
    NotFound,
    RateLimitExceeded,
    Retry,
    SessionNotFound,
    SessionRequest,
    Unauthorized,
    Update,
    ValidationFailed,
)
from tests.api.api_world import FORM_A, FORM_B, STRATEGY, ApiWorld
from tests.api.running_session import RunningSession
from tests.fakes.served_api import ServedApi, ToldSession, served, told_session

D = Decimal


@pytest.fixture
async def client(service: ServedApi) -> AsyncIterator[AsyncHedgingClient]:
    async with AsyncHedgingClient(service.api.key, service.root) as opened:
        yield opened


async def test_both_older_forms_and_the_model_create_sessions(client: AsyncHedgingClient) -> None:
    model = SessionRequest.model_validate(
        {"strategy": STRATEGY, "accounts": ["account1", "account2"], "duration": 1000}
    )
    first, second, third = [await client.create_session(body) for body in (FORM_A, FORM_B, model)]
    assert (first.status, first["duration"], first.accounts) == ("pending", 300000, ["account1", "account2"])
    assert (second["name"], second.volume_target) == ("ETH Delta Neutral", D(10000))
    assert third.metrics is not None
    assert third.metrics.total_volume == D(0)
    assert [s.id async for s in client.iter_sessions(page_size=2)] == [third.id, second.id, first.id]
    assert (await client.list_sessions(status="created", limit=1)).total == 3


async def test_a_session_is_steered_from_start_to_stop(service: ServedApi, client: AsyncHedgingClient) -> None:
    session_id = (await client.create_session(FORM_B)).id
    started = await client.start_session(session_id)
    assert (started.status, started.pending) == ("active", False)
    assert started.flow_run_id
    async with RunningSession(service.api, session_id):
        assert (await client.pause_session(session_id)).status == "paused"
        assert (await client.resume_session(session_id)).resumed_at is not None
        stopped = await client.stop_session(session_id, wait_s=20)
    assert (stopped.status, stopped.final_volume, stopped.pending) == ("completed", D(0), False)


async def test_a_command_that_is_not_carried_out_yet_is_pending(client: AsyncHedgingClient) -> None:
    session_id = (await client.create_session(FORM_B)).id
    await client.start_session(session_id)
    assert (await client.flatten(session_id, wait_s=0)).pending is True
    everything = await client.flatten_all(wait_s=0)
    assert [session.id for session in everything.sessions] == [session_id]


async def test_what_a_session_left_behind_can_be_read(service: ServedApi, client: AsyncHedgingClient) -> None:
    told = await told_session(service.api)
    await told.tell()
    session = await client.get_session(told.session_id)
    assert session.metrics is not None
    assert (session.status, session.volume_generated, session.metrics.fees) == ("completed", D(250), D("0.13"))
    (pair,) = [p async for p in client.iter_orders(told.session_id)]
    assert pair.order_pair.buy_order is not None
    assert (pair.volume, pair.order_pair.buy_order.filled_quantity) == (D(250), D("0.1"))
    assert pair["orderPair"]["sellOrder"]["venue"] == "paradex"
    fills = [f async for f in client.iter_fills(told.session_id, page_size=1)]
    assert sorted(f.account_id for f in fills) == ["account1", "account2"]
    events = [e.sequence async for e in client.iter_events(told.session_id, page_size=3)]
    assert events == list(range(1, told.EVENTS + 1))
    told_pair = await client.explain(told.session_id, pair.id)
    assert told_pair.sentences
    assert [(c.position, c["kind"], len(c.sha256)) for c in told_pair.certificates] == [(1, "pair", 64)]
    risk = await client.risk_status(told.session_id)
    assert (risk.overall_risk, len(risk.active_breaches), len(risk.account_risks)) == ("high", 1, 2)
    breach = await client.acknowledge_breach(told.session_id, risk.active_breaches[0].id, "resolve", "seen")
    assert breach.acknowledged_at is not None
    assert breach.action == "resolve"


async def test_accounts_venues_markets_and_an_estimate(client: AsyncHedgingClient) -> None:
    assert [account.id for account in await client.accounts()] == ["account1", "account2", "account3"]
    account = await client.account("account1")
    assert account.equity is not None
    assert account.as_of is not None
    assert {venue.venue for venue in await client.venues()} == {"pacifica", "paradex", "backpack"}
    markets = await client.markets(symbol="ETH/USD")
    assert len(markets.markets) == 3
    assert markets.unread == []
    estimate = await client.estimate(FORM_B)
    assert set(estimate.volume) == {"p10", "p50", "p90"}


async def test_keys_are_made_used_and_revoked(service: ServedApi, client: AsyncHedgingClient) -> None:
    made = await client.create_key("reader", ["read"])
    assert made.api_key
    async with AsyncHedgingClient(made.api_key, service.root) as reader:
        assert (await reader.list_sessions()).total == 0
        with pytest.raises(Forbidden) as refused:
            await reader.create_session(FORM_A)
        assert refused.value.details["requiredScopes"]
        assert refused.value.request_id
        await client.revoke_key(made.id)
        with pytest.raises(Unauthorized):
            await reader.list_sessions()
    assert {key.name for key in await client.keys()} >= {"reader", "served"}
    assert (await client.create_ticket()).ticket


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"accounts": ["account1"]}, InsufficientAccounts),
        ({"strategy": {**STRATEGY, "priceRange": {"min": 0.02, "max": 0.01}}}, InvalidStrategy),
        ({"duration": -1}, ValidationFailed),
        ({"surprise": 1}, ValidationFailed),
    ],
)
async def test_what_cannot_be_done_is_the_error_of_its_code(
    client: AsyncHedgingClient, change: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        await client.create_session({**FORM_A, **change})


async def test_what_is_not_there_or_not_possible_now_is_said_by_name(client: AsyncHedgingClient) -> None:
    session_id = (await client.create_session(FORM_A)).id
    for call, error in [
        (client.get_session("nobody"), SessionNotFound),
        (client.account("nobody"), NotFound),
        (client.acknowledge_breach(session_id, "nobody"), BreachNotFound),
        (client.pause_session(session_id), InvalidSessionStatus),
        (client.report(session_id), NotFound),
    ]:
        with pytest.raises(error):
            await call


async def test_the_same_idempotency_key_makes_one_session_and_another_body_is_refused(
    client: AsyncHedgingClient,
) -> None:
    first, again = [await client.create_session(FORM_A, idempotency_key="k1") for _ in range(2)]
    assert first.id == again.id
    with pytest.raises(IdempotencyConflict):
        await client.create_session(FORM_B, idempotency_key="k1")
    assert (await client.list_sessions()).total == 1


async def test_the_rate_limit_is_told_with_the_time_to_wait(world: ApiWorld) -> None:
    world.rate = 3
    async with served(world) as service:
        retry = Retry(tries=1)
        async with AsyncHedgingClient(service.api.key, service.root, retry=retry) as client:
            for _ in range(3):
                await client.list_sessions()
            with pytest.raises(RateLimitExceeded) as limited:
                await client.list_sessions()
    assert limited.value.retry_after_s is not None
    assert 0 < limited.value.retry_after_s <= 60


async def test_a_session_is_followed_to_its_settled_end(service: ServedApi, client: AsyncHedgingClient) -> None:
    told = await told_session(service.api)
    heard: list[Update] = []
    async for update in client.subscribe(told.session_id):
        heard.append(update)
        if len(heard) == 4:
            await told.tell()
    assert [u.type for u in heard[:4]] == ["snapshot"] * 4
    assert [u.sequence for u in heard[4:]] == list(range(1, told.EVENTS + 1))
    assert heard[5]["data"]["orderPair"]["buyOrder"]["accountId"] == "account1"
    assert heard[6]["data"]["totalVolume"] == D(250)


async def test_a_restart_of_the_service_loses_and_doubles_nothing(world: ApiWorld) -> None:
    async with AsyncExitStack() as first:
        service = await first.enter_async_context(served(world))
        told = await told_session(service.api)
        heard: list[int | None] = []

        async def follow() -> None:
            retry = Retry(pause_s=0.01, pause_s_max=0.1)
            async with AsyncHedgingClient(service.api.key, service.root, retry=retry) as client:
                async for update in client.subscribe(told.session_id):
                    heard.append(update.sequence)

        following = asyncio.create_task(follow())
        while len(heard) < 4:
            await asyncio.sleep(0)
        await told.begin()
        await told.pair(1)
        while len(heard) < 7:
            await asyncio.sleep(0)
    async with served(world, port=service.port) as again:
        rest = ToldSession(again.api.store, told.session_id, world.clock())
        await rest.pair(2)
        await rest.end()
        async with asyncio.timeout(20):
            await following
    assert heard == [0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7]


async def test_the_blocking_client_creates_follows_and_reads(service: ServedApi) -> None:
    heard: list[Update] = []

    def use(session_id: str) -> tuple[str, int]:
        with HedgingClient(service.api.key, service.root) as client:
            assert client.get_session(session_id)["status"] == "pending"
            subscription = client.subscribe_to_session(session_id, heard.append)
            assert subscription.join(30)
            return client.get_session(session_id).status, len(list(client.iter_orders(session_id)))

    told = await told_session(service.api)
    using = asyncio.create_task(asyncio.to_thread(use, told.session_id))
    while len(heard) < 4:
        await asyncio.sleep(0)
    await told.tell()
    assert await using == ("completed", 1)
    assert [u.sequence for u in heard[4:]] == list(range(1, told.EVENTS + 1))
