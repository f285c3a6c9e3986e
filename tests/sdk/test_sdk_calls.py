"""The Python client's calls: what is sent, what is tried again, how answers and errors are read."""

from __future__ import annotations

import inspect
import json
import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import httpx
import pytest
from scripted_service import ROOT, ScriptedHttp, refused

import pacifica_hedging
from pacifica_hedging import (
    ERRORS,
    AsyncHedgingClient,
    ConnectionFailed,
    HedgingClient,
    HedgingError,
    InvalidSessionStatus,
    RateLimitExceeded,
    Retry,
    ServiceUnavailable,
    SessionRequest,
    UnexpectedAnswer,
)

SESSION = {"id": "s1", "status": "pending", "volumeGenerated": 12.5, "metrics": {"totalVolume": 12.5, "pnl": -0.1}}
STRATEGY = {
    "symbol": "ETH/USD",
    "priceRange": {"min": "0.001", "max": "0.01"},
    "timing": {"minInterval": 30, "maxInterval": 120, "orderSize": {"min": 100, "max": 500}},
    "riskLimits": {"maxPositionSize": "0.1", "stopLossThreshold": "0.05", "maxSlippage": "0.02"},
}


@pytest.fixture
def http() -> ScriptedHttp:
    return ScriptedHttp()


@pytest.fixture
def client(http: ScriptedHttp) -> HedgingClient:
    return HedgingClient("hk_1", ROOT, transport=http.transport(), sleep=http.sleep, retry=Retry(rng=random.Random(1)))


def one(**more: object) -> dict[str, object]:
    return {"success": True, "session": {**SESSION, **more}}


def test_an_answer_can_be_read_by_item_and_by_attribute(http: ScriptedHttp, client: HedgingClient) -> None:
    http.then(200, one(novelty={"a": 1}))
    session = client.get_session("s1")
    assert session["id"] == session.id == "s1"
    assert session["volumeGenerated"] == session.volume_generated == session.volumeGenerated == Decimal("12.5")
    assert session["metrics"]["totalVolume"] == session.metrics.total_volume == Decimal("12.5")
    assert session.novelty == {"a": 1}
    assert "volumeGenerated" in session
    assert session.get("nothing", 7) == 7
    with pytest.raises(KeyError):
        session["nothing"]
    with pytest.raises(AttributeError):
        session.nothing  # noqa: B018
    assert session.to_dict()["volumeGenerated"] == Decimal("12.5")


def test_a_dict_goes_over_the_wire_as_it_stands_and_a_model_by_its_wire_names(
    http: ScriptedHttp, client: HedgingClient
) -> None:
    request = SessionRequest.model_validate(
        {"strategy": STRATEGY, "accounts": ["account1", "account2"], "volumeTarget": "10000.1"}
    )
    for body in ({"strategy": STRATEGY, "accounts": ["a"], "duration": 300000}, request):
        http.then(201, one())
        client.create_session(body)
    plain, modelled = (json.loads(asked.content, parse_float=Decimal) for asked in http.asked)
    assert plain == {"strategy": STRATEGY, "accounts": ["a"], "duration": 300000}
    assert modelled["volumeTarget"] == Decimal("10000.1")
    assert modelled["strategy"]["riskLimits"]["maxPositionSize"] == Decimal("0.1")
    assert "name" not in modelled


def test_a_decimal_that_no_double_can_say_is_sent_as_text(http: ScriptedHttp, client: HedgingClient) -> None:
    http.then(201, one())
    client.create_session({"volumeTarget": Decimal("0.1000000000000000000001")})
    assert json.loads(http.asked[0].content)["volumeTarget"] == "0.1000000000000000000001"


def test_every_command_carries_one_idempotency_key_over_all_its_tries(
    http: ScriptedHttp, client: HedgingClient
) -> None:
    http.then(503, refused("SERVICE_UNAVAILABLE")).then_fail(httpx.ReadTimeout("lost")).then(200, one(status="active"))
    assert client.start_session("s1").status == "active"
    keys = {asked.headers["Idempotency-Key"] for asked in http.asked}
    assert len(http.asked) == 3
    assert len(keys) == 1
    http.then(200, one())
    client.start_session("s1")
    assert http.asked[-1].headers["Idempotency-Key"] not in keys


def test_a_caller_may_bring_the_idempotency_key(http: ScriptedHttp, client: HedgingClient) -> None:
    http.then(201, one())
    client.create_session({}, idempotency_key="mine")
    assert http.asked[0].headers["Idempotency-Key"] == "mine"


def test_retry_after_is_obeyed(http: ScriptedHttp, client: HedgingClient) -> None:
    http.then(429, refused("RATE_LIMIT_EXCEEDED"), Retry_After="7").then(200, one())
    client.get_session("s1")
    assert http.pauses == [7.0]


def test_retry_after_as_a_date_counts_from_the_answers_own_date(http: ScriptedHttp, client: HedgingClient) -> None:
    dates = {"Date": "Sun, 01 Mar 2026 12:00:00 GMT", "Retry_After": "Sun, 01 Mar 2026 12:00:09 GMT"}
    http.then(503, refused("SERVICE_UNAVAILABLE"), **dates).then(200, one())
    client.get_session("s1")
    assert http.pauses == [9.0]


def test_a_wait_that_is_too_long_is_left_to_the_caller(http: ScriptedHttp, client: HedgingClient) -> None:
    http.then(429, refused("RATE_LIMIT_EXCEEDED"), Retry_After="3600")
    with pytest.raises(RateLimitExceeded) as limited:
        client.get_session("s1")
    assert limited.value.retry_after_s == 3600
    assert http.pauses == []


def test_pauses_grow_and_tries_end(http: ScriptedHttp, client: HedgingClient) -> None:
    for _ in range(5):
        http.then(503, refused("SERVICE_UNAVAILABLE"))
    with pytest.raises(ServiceUnavailable):
        client.get_session("s1")
    assert len(http.asked) == 5
    assert all(later > 1.1 * sooner for sooner, later in zip(http.pauses, http.pauses[1:], strict=False))


@pytest.mark.parametrize(
    ("status", "code"),
    [(409, "INVALID_SESSION_STATUS"), (500, "INTERNAL_ERROR"), (502, "ORDER_EXECUTION_FAILED"), (401, "UNAUTHORIZED")],
)
def test_a_refusal_that_will_not_pass_is_not_asked_again(
    http: ScriptedHttp, client: HedgingClient, status: int, code: str
) -> None:
    http.then(status, refused(code))
    with pytest.raises(ERRORS[code]):
        client.start_session("s1")
    assert len(http.asked) == 1


def test_the_same_command_still_being_carried_out_is_waited_for(http: ScriptedHttp, client: HedgingClient) -> None:
    http.then(409, refused("IDEMPOTENCY_CONFLICT"), Retry_After="1").then(200, one())
    client.stop_session("s1")
    assert http.pauses == [1.0]


def test_no_answer_at_all_is_unknown_and_never_a_refusal(http: ScriptedHttp, client: HedgingClient) -> None:
    for _ in range(5):
        http.then_fail(httpx.ConnectError("nobody listens"))
    with pytest.raises(ConnectionFailed, match="unknown"):
        client.get_session("s1")


def test_an_error_tells_code_message_details_status_and_request_id(http: ScriptedHttp, client: HedgingClient) -> None:
    body = refused("INVALID_SESSION_STATUS", "it is active", currentStatus="active", requiredStatus="pending")
    http.then(409, body, X_Request_Id="r-1")
    with pytest.raises(InvalidSessionStatus) as error:
        client.start_session("s1")
    told = error.value
    assert (told.code, told.message, told.status, told.request_id) == (
        "INVALID_SESSION_STATUS", "it is active", 409, "r-1",
    )  # fmt: skip
    assert told.details["currentStatus"] == "active"


def test_every_code_of_the_contract_has_a_class_of_its_own() -> None:
    codes = [
        "VALIDATION_ERROR", "INVALID_STRATEGY", "INSUFFICIENT_ACCOUNTS", "SELF_TRADE_RISK", "UNAUTHORIZED", "FORBIDDEN",
        "SESSION_NOT_FOUND", "BREACH_NOT_FOUND", "NOT_FOUND", "INVALID_SESSION_STATUS", "ACCOUNT_NOT_ACTIVE",
        "INSUFFICIENT_BALANCE", "RISK_LIMIT_EXCEEDED", "RATE_LIMIT_EXCEEDED", "ORDER_EXECUTION_FAILED",
        "MARKET_DATA_UNAVAILABLE", "SERVICE_UNAVAILABLE", "INTERNAL_ERROR", "IDEMPOTENCY_CONFLICT",
    ]  # fmt: skip
    assert len({ERRORS[code] for code in codes}) == len(codes)
    assert all(name in pacifica_hedging.__all__ for name in (kind.__name__ for kind in ERRORS.values()))


def test_a_code_newer_than_the_client_is_still_told(http: ScriptedHttp, client: HedgingClient) -> None:
    http.then(418, refused("TEAPOT"))
    with pytest.raises(HedgingError) as error:
        client.get_session("s1")
    assert error.value.code == "TEAPOT"


@pytest.mark.parametrize("text", ["<html>a proxy's page</html>", "[]", '{"session": {"status": 1}}'])
def test_nothing_is_guessed_from_an_answer_that_cannot_be_read(
    http: ScriptedHttp, client: HedgingClient, text: str
) -> None:
    http.then(200, text)
    with pytest.raises(UnexpectedAnswer):
        client.get_session("s1")


def test_walking_through_pages_gives_everything_once_though_the_list_grows(
    http: ScriptedHttp, client: HedgingClient
) -> None:
    def page(offset: int, total: int, *ids: str) -> dict[str, object]:
        items = [{"id": name, "status": "pending"} for name in ids]
        return {"success": True, "sessions": items, "total": total, "limit": 2, "offset": offset}

    http.then(200, page(0, 4, "d", "c")).then(200, page(2, 5, "c", "b")).then(200, page(4, 5, "a"))
    assert [session.id for session in client.iter_sessions(page_size=2)] == ["d", "c", "b", "a"]
    assert [asked.url.params["offset"] for asked in http.asked] == ["0", "2", "4"]


def test_a_page_is_a_list_and_a_document(http: ScriptedHttp, client: HedgingClient) -> None:
    http.then(200, {"success": True, "sessions": [SESSION], "total": 1, "limit": 50, "offset": 0})
    page = client.list_sessions(status="pending")
    assert [session.id for session in page] == ["s1"]
    assert len(page) == page.total == 1
    assert page["sessions"][0]["id"] == "s1"
    assert dict(http.asked[0].url.params) == {"status": "pending", "limit": "50", "offset": "0"}


def test_ids_cannot_leave_their_place_in_the_path(http: ScriptedHttp, client: HedgingClient) -> None:
    http.then(404, refused("SESSION_NOT_FOUND"))
    with pytest.raises(ERRORS["SESSION_NOT_FOUND"]):
        client.get_session("../keys?x=1")
    assert http.asked[0].url.raw_path == b"/api/v1/hedging/sessions/..%2Fkeys%3Fx%3D1"


@pytest.mark.parametrize("base_url", [ROOT, ROOT + "/", ROOT + "/api/v1/hedging", ROOT + "/api/v1/hedging/"])
def test_the_root_and_the_address_of_the_api_mean_the_same(http: ScriptedHttp, base_url: str) -> None:
    http.then(200, one())
    HedgingClient("hk_1", base_url, transport=http.transport()).get_session("s1")
    assert str(http.asked[0].url) == f"{ROOT}/api/v1/hedging/sessions/s1"
    assert http.asked[0].headers["Authorization"] == "Bearer hk_1"


async def test_the_asynchronous_client_decides_the_same(http: ScriptedHttp) -> None:
    http.then(429, refused("RATE_LIMIT_EXCEEDED"), Retry_After="3").then_fail(httpx.ReadError("cut")).then(200, one())
    async with AsyncHedgingClient("hk_1", ROOT, transport=http.transport(), sleep=http.asleep) as client:
        assert (await client.pause_session("s1")).id == "s1"
    assert http.pauses[0] == 3.0
    assert len({asked.headers["Idempotency-Key"] for asked in http.asked}) == 1


def test_both_clients_have_the_same_calls_with_the_same_parameters() -> None:
    different = {"aclose", "close", "subscribe", "subscribe_to_session"}

    def calls(kind: type[Any]) -> dict[str, Callable[..., Any]]:
        return {n: f for n, f in vars(kind).items() if not n.startswith("_") and n not in different}

    blocking, asynchronous = calls(HedgingClient), calls(AsyncHedgingClient)
    assert blocking.keys() == asynchronous.keys()
    for name, call in blocking.items():
        assert inspect.signature(call).parameters == inspect.signature(asynchronous[name]).parameters, name
        assert inspect.getdoc(call) == inspect.getdoc(asynchronous[name]), name
