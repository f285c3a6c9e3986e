"""Every error code of the contract can be provoked, and arrives in the one envelope with its own status."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import httpx
import pytest
from api_world import FORM_A, FORM_B, STRATEGY, Api, ApiWorld, code_of
from running_session import RunningSession

from api.errors import STATUS, error_response
from core.errors import HedgeError, VenueRejected
from store import SessionStatus
from store.api_records import Scope

Provoke = Callable[[Api], Awaitable[httpx.Response]]
PROVOKED: dict[str, Provoke] = {}


def provokes(code: str) -> Callable[[Provoke], Provoke]:
    def note(provoke: Provoke) -> Provoke:
        PROVOKED[code] = provoke
        return provoke

    return note


@provokes("VALIDATION_ERROR")
async def _malformed(api: Api) -> httpx.Response:
    return await api.post("/sessions", content=b'{"strategy":')


@provokes("INVALID_STRATEGY")
async def _contradiction(api: Api) -> httpx.Response:
    timing = {**STRATEGY["timing"], "minInterval": 200}
    return await api.post("/sessions", {**FORM_A, "strategy": {**STRATEGY, "timing": timing}})


@provokes("INSUFFICIENT_ACCOUNTS")
async def _one_account(api: Api) -> httpx.Response:
    return await api.post("/sessions", {**FORM_A, "accounts": ["account1"]})


@provokes("SELF_TRADE_RISK")
async def _one_venue(api: Api) -> httpx.Response:
    rows = "".join(
        f"  - {{id: {name}, venue: pacifica, environment: testnet, owner: desk, account: {name}address}}\n"
        for name in ("p1", "p2")
    )
    (api.world.home.path / "accounts.yaml").write_text("accounts:\n" + rows)
    return await api.post("/sessions", {**FORM_A, "accounts": ["p1", "p2"]})


@provokes("UNAUTHORIZED")
async def _no_key(api: Api) -> httpx.Response:
    return await api.get("/sessions", key="")


@provokes("FORBIDDEN")
async def _reader_trades(api: Api) -> httpx.Response:
    return await api.post("/sessions", FORM_A, key=api.new_key(Scope.READ))


@provokes("NOT_FOUND")
async def _nowhere(api: Api) -> httpx.Response:
    return await api.get("/nowhere")


@provokes("METHOD_NOT_ALLOWED")
async def _put(api: Api) -> httpx.Response:
    return await api.call("PUT", "/sessions")


@provokes("SESSION_NOT_FOUND")
async def _no_session(api: Api) -> httpx.Response:
    return await api.get("/sessions/none")


@provokes("BREACH_NOT_FOUND")
async def _no_breach(api: Api) -> httpx.Response:
    return await api.post(
        f"/sessions/{await api.created()}/risk-breaches/none/acknowledge", {"action": "resolve"}
    )  # fmt: skip


@provokes("INVALID_SESSION_STATUS")
async def _start_twice(api: Api) -> httpx.Response:
    return await api.post(f"/sessions/{await api.started()}/start")


@provokes("ACCOUNT_NOT_ACTIVE")
async def _in_liquidation(api: Api) -> httpx.Response:
    session_id = await api.created()
    api.world.venues["account2"].is_active = False
    return await api.post(f"/sessions/{session_id}/start")


@provokes("INSUFFICIENT_BALANCE")
async def _poor(api: Api) -> httpx.Response:
    session_id = await api.created()
    api.world.venues["account1"].deposit = Decimal(3)
    return await api.post(f"/sessions/{session_id}/start")


@provokes("RISK_LIMIT_EXCEEDED")
async def _too_large(api: Api) -> httpx.Response:
    session_id = await api.created()
    venue = api.world.venues["account1"]
    venue.market = replace(venue.market, max_notional=Decimal(400))
    return await api.post(f"/sessions/{session_id}/start")


@provokes("IDEMPOTENCY_CONFLICT")
async def _other_body(api: Api) -> httpx.Response:
    await api.post("/sessions", FORM_A, headers={"Idempotency-Key": "k"})
    return await api.post("/sessions", FORM_B, headers={"Idempotency-Key": "k"})


@provokes("RATE_LIMIT_EXCEEDED")
async def _guessing(api: Api) -> httpx.Response:
    answers = [await api.get("/sessions", key=f"hk_abcd_{n:030}") for n in range(30)]
    return answers[-1]


@provokes("INTERNAL_ERROR")
async def _broken(api: Api) -> httpx.Response:
    api.world.breaks = RuntimeError("a secret of the server's inside")
    return await api.post("/sessions", FORM_A)


@provokes("ORDER_EXECUTION_FAILED")
async def _left_exposed(api: Api) -> httpx.Response:
    session_id = await api.started()
    run = RunningSession(api, session_id)
    run.halts_when_stopped = "ORDER_EXECUTION_FAILED: paradex refuses every order; net 0.1 ETH/USD is not hedged"
    async with run:
        return await api.post(f"/sessions/{session_id}/stop")


@provokes("MARKET_DATA_UNAVAILABLE")
async def _blind(api: Api) -> httpx.Response:
    session_id = await api.created()
    api.world.venues["account1"].fail("book")
    return await api.post(f"/sessions/{session_id}/start")


@provokes("SERVICE_UNAVAILABLE")
async def _no_prefect(api: Api) -> httpx.Response:
    session_id = await api.created()
    api.world.prefect.is_away = True
    answer = await api.post(f"/sessions/{session_id}/start")
    assert api.store.reads.session(session_id).status is SessionStatus.PENDING
    return answer


@pytest.mark.parametrize("code", sorted(STATUS))
async def test_code_is_answered_with_its_status_in_the_envelope(
    api: Api, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("P1", "P2"):
        monkeypatch.setenv(f"HEDGE_KEY_TESTNET_{name}", "key")
    answer = await PROVOKED[code](api)
    assert (code_of(answer), answer.status_code) == (code, STATUS[code]), answer.text


def test_every_code_has_a_provocation_and_no_other_is_known() -> None:
    assert PROVOKED.keys() == STATUS.keys()


async def test_failure_nobody_foresaw_tells_an_id_and_nothing_of_the_inside(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await _broken(api)
    error = answer.json()["error"]
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text
    assert error["details"]["requestId"] == answer.headers["X-Request-Id"]
    assert error["details"]["requestId"] in caplog.text


async def test_short_accounts_are_told_with_what_is_needed_and_what_is_there(api: Api) -> None:
    told = (await _poor(api)).json()["error"]["details"]["accounts"]
    assert set(told) == {"account1"}
    assert told["account1"]["available"] == 3
    assert told["account1"]["required"] > 3


async def test_wrong_status_is_told_as_the_contract_says(api: Api) -> None:
    details = (await _start_twice(api)).json()["error"]["details"]
    assert set(details) == {"sessionId", "currentStatus", "requiredStatus"}
    assert (details["currentStatus"], details["requiredStatus"]) == ("active", "pending")


@pytest.mark.parametrize(
    ("content", "field"),
    [
        (b"", "body"), (b"[]", "request"), (b"null", "request"), (b'{"a":NaN}', "a"), (b"[" * 60_000, "body"),
        (b"\xff\xfe", "body"), (b"x" * 70_000, "body"), (b'{"strategy":1}', "strategy"),
    ],
)  # fmt: skip
async def test_body_that_is_no_request_is_refused_by_name(api: Api, content: bytes, field: str) -> None:
    answer = await api.post("/sessions", content=content)
    assert answer.status_code == 422
    assert answer.json()["error"]["details"]["field"].split(".")[0] == field


@pytest.mark.parametrize(
    ("path", "value", "code"),
    [
        ("name", "ab", "VALIDATION_ERROR"), ("name", "x" * 51, "VALIDATION_ERROR"),
        ("volumeTarget", 0, "VALIDATION_ERROR"), ("volumeTarget", -5, "VALIDATION_ERROR"),
        ("volumeTarget", 1e300, "VALIDATION_ERROR"), ("volumeTarget", True, "VALIDATION_ERROR"),
        ("volumeTarget", None, "VALIDATION_ERROR"), ("surprise", 1, "VALIDATION_ERROR"),
        ("strategy.symbol", "eth", "INVALID_STRATEGY"), ("strategy.symbol", "NONE/USD", "INVALID_STRATEGY"),
        ("strategy.priceRange.max", 0.0001, "INVALID_STRATEGY"), ("strategy.priceRange.max", 1, "INVALID_STRATEGY"),
        ("strategy.priceRange.min", -0.1, "INVALID_STRATEGY"), ("strategy.timing.minInterval", 0, "INVALID_STRATEGY"),
        ("strategy.timing.orderSize.min", 600, "INVALID_STRATEGY"),
        ("strategy.timing.orderSize.min", 0.5, "INVALID_STRATEGY"),
        ("strategy.riskLimits.maxPositionSize", 0, "INVALID_STRATEGY"),
        ("strategy.riskLimits.stopLossThreshold", 1, "INVALID_STRATEGY"),
        ("strategy.riskLimits.maxSlippage", 1.5, "INVALID_STRATEGY"),
        ("strategy.orderTypes.primary", "iceberg", "INVALID_STRATEGY"),
    ],
)  # fmt: skip
async def test_rule_of_the_contract_is_enforced_and_the_field_named(
    api: Api, path: str, value: object, code: str
) -> None:
    document = json.loads(json.dumps(FORM_B))
    *parents, last = path.split(".")
    part = document
    for name in parents:
        part = part[name]
    part[last] = value
    answer = await api.post("/sessions", document)
    assert (answer.status_code, code_of(answer)) == (422, code)
    assert last in answer.json()["error"]["message"]
    assert (await api.get("/sessions")).json()["total"] == 0


@pytest.mark.parametrize(
    ("accounts", "status", "code"),
    [
        ([], 400, "INSUFFICIENT_ACCOUNTS"), (["account1", "account1"], 400, "INSUFFICIENT_ACCOUNTS"),
        (["account1", "nobody"], 400, "INSUFFICIENT_ACCOUNTS"), ("account1", 422, "VALIDATION_ERROR"),
        (["a"] * 17, 422, "VALIDATION_ERROR"),
    ],
)  # fmt: skip
async def test_accounts_that_cannot_hedge_are_refused(
    api: Api, accounts: object, status: int, code: str
) -> None:  # fmt: skip
    answer = await api.post("/sessions", {**FORM_A, "accounts": accounts})
    assert (answer.status_code, code_of(answer)) == (status, code)


async def test_accounts_of_two_environments_are_refused_by_name(
    world: ApiWorld, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEDGE_KEY_TESTNET_P1", "key")
    row = "accounts:\n  - {id: p1, venue: pacifica, environment: testnet, owner: desk, account: address}\n"
    Path(world.home.path / "accounts.yaml").write_text(row)
    answer = await api.post("/sessions", {**FORM_A, "accounts": ["account2", "p1"]})
    assert code_of(answer) == "VALIDATION_ERROR"
    assert "p1 is in testnet" in answer.json()["error"]["message"]
    assert "account2 is in sandbox" in answer.json()["error"]["message"]


async def test_venue_error_never_carries_the_venues_answer_to_the_caller(world: ApiWorld) -> None:
    error: HedgeError = VenueRejected("refused", venue="paradex", account="a", body="token=abc")
    answer = error_response(error, now=world.clock(), request_id="r")
    assert answer.status_code == 503
    assert b"token" not in bytes(answer.body)
