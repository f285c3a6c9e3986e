"""What each venue's requests count against, and how much: by the venues' documents, never more in a minute."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace

import base58
import httpx
import pytest
from nacl.signing import SigningKey
from paradex_fakes import keys as paradex_keys
from pydantic import SecretStr

from connectors.backpack import build as backpack_build
from connectors.backpack import rest as backpack
from connectors.backpack.rest import BackpackRest
from connectors.budgets import Budgets
from connectors.pacifica.rest import PacificaRest
from connectors.paradex import rest as paradex
from connectors.paradex.auth import StarkKey, best_curve
from connectors.paradex.rest import ParadexRest
from connectors.settings import BackpackKeys, Endpoints, Outside, PacificaKeys, Timeouts
from core.credits import Terms
from core.errors import RateLimited

ENDPOINTS = Endpoints("https://venue.test", "wss://venue.test")
MINUTE_S = 60


@pytest.mark.parametrize(
    ("terms", "limit"),
    [
        (paradex.ADDRESS_PUBLIC, 1500),
        (paradex.ADDRESS_PRIVATE, 1500),
        (paradex.ADDRESS_AUTH, 600),
        (paradex.ACCOUNT_READS, 600),
        (backpack.ACCOUNT, 2000),
        (backpack.ADDRESS, 2000),
        (backpack.HISTORICAL, 30),
    ],
)
def test_a_burst_and_a_minutes_refill_stay_within_the_venues_limit(terms: Terms, limit: int) -> None:
    assert terms.capacity + MINUTE_S * terms.per_s <= limit


def answering(status: int = 200, body: str = "{}", headers: dict[str, str] | None = None) -> httpx.MockTransport:
    return httpx.MockTransport(lambda _: httpx.Response(status, text=body, headers=headers))


def shared(stepped) -> Outside:
    """An outside whose clients share their budgets."""
    outside = stepped.outside()
    return replace(outside, budgets=Budgets(outside))


def seed(number: int) -> bytes:
    return bytes([number]) * 32


def pacifica_rest(outside: Outside, number: int = 1, *, config_key: str | None = None, **transport) -> PacificaRest:
    key = SigningKey(seed(number))
    keys = PacificaKeys(
        account=base58.b58encode(bytes(key.verify_key)).decode(),
        secret_key=SecretStr(base58.b58encode(seed(number)).decode()),
        config_key=SecretStr(config_key) if config_key else None,
    )
    return PacificaRest(keys, ENDPOINTS, outside, Timeouts(), answering(**transport), account_id=f"p{number}")


def backpack_rest(outside: Outside, number: int = 1) -> BackpackRest:
    key = SigningKey(seed(number))
    keys = BackpackKeys(
        api_key=base64.b64encode(bytes(key.verify_key)).decode(),
        api_secret=SecretStr(base64.b64encode(seed(number)).decode()),
    )
    now = str(int(outside.clock().timestamp() * 1000))
    return BackpackRest(f"b{number}", keys, ENDPOINTS, outside, Timeouts(), transport=answering(body=now))


def paradex_rest(outside: Outside) -> ParadexRest:
    key = StarkKey.of(paradex_keys())
    return ParadexRest("x", key, ENDPOINTS, outside, Timeouts(), curve=best_curve(), transport=answering())


async def count(read: Callable[[], object], times: int) -> None:
    for _ in range(times):
        await read()  # type: ignore[misc]


async def test_pacificas_burst_is_counted_in_credits_by_path(stepped) -> None:
    """40 % of 100 credits go at once, 10 of them kept for cancels: 30 are two histories at 12 and six reads at 1."""
    rest = pacifica_rest(stepped.outside())
    await rest.get("/trades/history")
    await rest.get("/orders/history")
    await count(lambda: rest.get("/info"), 6)
    assert stepped.slept == []
    await rest.get("/info")
    assert sum(stepped.slept) == pytest.approx(1, abs=0.01)


async def test_pacificas_histories_cost_less_with_a_config_key(stepped) -> None:
    """40 % of 300 are 120, less the reserve 110: 27 histories at 4."""
    rest = pacifica_rest(stepped.outside(), config_key="8chars__key")
    await count(lambda: rest.get("/trades/history"), 27)
    assert stepped.slept == []
    await rest.get("/trades/history")
    assert stepped.slept != []


async def test_pacifica_accounts_share_an_address_or_a_config_key(stepped) -> None:
    outside = shared(stepped)
    await count(lambda: pacifica_rest(outside, 1).get("/info"), 15)
    await count(lambda: pacifica_rest(outside, 2).get("/info"), 15)
    await count(lambda: pacifica_rest(outside, 3, config_key="one-key").get("/info"), 110)
    assert stepped.slept == []
    await pacifica_rest(outside, 4, config_key="one-key").get("/info")
    assert sum(stepped.slept) == pytest.approx(1 / 3, abs=0.01)
    waits = len(stepped.slept)
    await pacifica_rest(outside, 5, config_key="another").get("/info")
    assert len(stepped.slept) == waits


async def test_a_429_of_one_pacifica_account_stops_the_others_of_the_address(stepped) -> None:
    outside = shared(stepped)
    await pacifica_rest(outside, 1, status=429, headers={"retry-after": "30"}).get("/info")
    with pytest.raises(RateLimited):
        await pacifica_rest(outside, 2).get("/info")


async def test_backpack_counts_signed_requests_by_account_and_unsigned_ones_by_address(stepped) -> None:
    outside = shared(stepped)
    one, two = backpack_rest(outside, 1), backpack_rest(outside, 2)
    await count(lambda: one.ask(backpack_build.account()), 180)
    await count(lambda: one.read("/api/v1/depth"), 90)
    await count(lambda: two.read("/api/v1/depth"), 90)
    assert stepped.slept == []
    await count(lambda: two.read("/api/v1/depth"), 21)
    assert stepped.slept != []


async def test_backpacks_historical_reads_have_a_limit_of_their_own(stepped) -> None:
    rest = backpack_rest(stepped.outside())
    await count(lambda: rest.read("/api/v1/klines"), 6)
    assert stepped.slept == []
    await rest.read("/api/v1/trades/history")
    assert sum(stepped.slept) == pytest.approx(2.5, abs=0.01)


async def test_paradex_counts_public_reads_by_address(stepped) -> None:
    outside = shared(stepped)
    await count(lambda: paradex_rest(outside).read("/v1/markets", public=True), 300)
    assert stepped.slept == []
    await paradex_rest(outside).read("/v1/markets", public=True)
    assert stepped.slept != []
