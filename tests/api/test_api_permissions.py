"""Which key opens which call: the whole matrix of routes and scopes, against the table of the contract."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from api_world import BASE, Api, ApiWorld, code_of, new_home

from store.api_records import Scope

READ, TRADE, KILL, ADMIN = Scope.READ, Scope.TRADE, Scope.KILL, Scope.ADMIN
READERS, TRADERS, STOPPERS = {READ, TRADE, ADMIN}, {TRADE, ADMIN}, {KILL, TRADE, ADMIN}

OPENS = {
    "GET /sessions": READERS,
    "POST /sessions": TRADERS,
    "POST /sessions/estimate": READERS,
    "GET /sessions/{sessionId}": READERS,
    "POST /sessions/{sessionId}/start": TRADERS,
    "POST /sessions/{sessionId}/pause": TRADERS,
    "POST /sessions/{sessionId}/resume": TRADERS,
    "POST /sessions/{sessionId}/stop": STOPPERS,
    "POST /sessions/{sessionId}/flatten": STOPPERS,
    "POST /flatten": STOPPERS,
    "GET /sessions/{sessionId}/orders": READERS,
    "GET /sessions/{sessionId}/orders/{pairId}/explain": READERS,
    "GET /sessions/{sessionId}/fills": READERS,
    "GET /sessions/{sessionId}/events": READERS,
    "GET /sessions/{sessionId}/risk-status": READERS,
    "GET /sessions/{sessionId}/report": READERS,
    "POST /sessions/{sessionId}/risk-breaches/{breachId}/acknowledge": TRADERS,
    "GET /accounts": READERS,
    "GET /accounts/{accountId}": READERS,
    "GET /venues": READERS,
    "GET /markets": READERS,
    "GET /keys": {ADMIN},
    "POST /keys": {ADMIN},
    "DELETE /keys/{keyId}": {ADMIN},
    "POST /tickets": READERS,
}
OPEN_TO_ALL = ("/healthz", "/readyz", "/metrics", "/openapi.json", "/docs", "/")


def _calls(world: ApiWorld) -> set[str]:
    """Every call the app has, as its own document lists them."""
    paths = world.app().openapi()["paths"]
    return {
        f"{method.upper()} {path.removeprefix(BASE)}"
        for path, methods in paths.items()
        if path.startswith("/api/")
        for method in methods
    }


def test_every_call_is_in_the_table(tmp_path: Path) -> None:
    assert _calls(ApiWorld(new_home(tmp_path))) == OPENS.keys()


@pytest.mark.parametrize("scope", list(Scope))
async def test_scope_opens_what_the_contract_says_and_nothing_else(api: Api, scope: Scope) -> None:
    key = api.new_key(scope)
    opened = set()
    for call in OPENS:
        method, path = _filled(call)
        answer = await api.call(method, path, key=key)
        assert answer.status_code != 401, call
        if answer.status_code != 403:
            opened.add(call)
        else:
            assert code_of(answer) == "FORBIDDEN"
    assert opened == {call for call, scopes in OPENS.items() if scope in scopes}


@pytest.mark.parametrize("key", ["", "nonsense", "hk_abcdefgh_" + "0" * 43, "hk_é"])
async def test_without_a_good_key_nothing_is_opened_nor_told(api: Api, key: str) -> None:
    for number, call in enumerate(OPENS):
        method, path = _filled(call)
        headers = {"Authorization": b"Bearer " + key.encode()} if key else {}
        answer = await api.call(method, path, key="", headers=headers, content=b"{broken", address=f"10.0.0.{number}")  # type: ignore[arg-type]
        assert (answer.status_code, code_of(answer)) == (401, "UNAUTHORIZED"), call
        assert "X-RateLimit-Limit" not in answer.headers


@pytest.mark.parametrize("scheme", ["", "Basic ", "Token "])
async def test_key_counts_only_as_a_bearer(api: Api, scheme: str) -> None:
    answer = await api.get("/sessions", key="", headers={"Authorization": scheme + api.key})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


async def test_key_in_a_query_opens_no_rest_call(api: Api) -> None:
    assert (await api.get(f"/sessions?api_key={api.key}", key="")).status_code == 401


@pytest.mark.parametrize("path", OPEN_TO_ALL)
async def test_health_metrics_and_documentation_need_no_key(api: Api, path: str) -> None:
    assert (await api.get(path, key="", base="")).status_code == 200


async def test_scope_is_checked_before_the_body_is_looked_at(api: Api) -> None:
    answer = await api.post("/sessions", content=b"{broken", key=api.new_key(READ))
    assert answer.status_code == 403


def _filled(call: str) -> tuple[str, str]:
    method, path = call.split(" ")
    return method, re.sub(r"{\w+}", "none", path)
