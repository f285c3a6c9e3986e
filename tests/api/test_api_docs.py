"""Documentation, metrics, health and headers: without a key, without requests to elsewhere, and true."""

from __future__ import annotations

import re
from typing import Any

import pytest
from api_world import Api, code_of

EXTERNAL = re.compile(r"""(?:src|href|url\()\s*=?\s*["']?(?:https?:)?//""")


async def test_docs_page_asks_nobody_else_and_shows_every_call(api: Api) -> None:
    page = await api.get("/docs", key="", base="")
    assert page.status_code == 200
    assert "<script" not in page.text
    assert not EXTERNAL.search(page.text)
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    for path, methods in api.app.openapi()["paths"].items():
        for method in methods:
            assert f"{method.upper()} {path}" in page.text


async def test_document_lists_every_failure_of_every_keyed_call(api: Api) -> None:
    document = (await api.get("/openapi.json", key="", base="")).json()
    assert document["openapi"].startswith("3.1")
    for path, method, operation in _operations(document):
        statuses = set(operation["responses"])
        assert statuses >= {"401", "403", "422", "429", "500", "503"}, (method, path)
        if "{sessionId}" in path:
            assert "404" in statuses
        assert operation["security"] == [{"key": []}]
        names = {parameter["name"] for parameter in operation.get("parameters", [])}
        assert ("Idempotency-Key" in names) == (method == "post")
        for status in statuses - {"200", "201", "202"}:
            schema = operation["responses"][status]["content"]["application/json"]["schema"]
            assert schema == {"$ref": "#/components/schemas/Refusal"}


async def test_every_reference_of_the_document_leads_somewhere(api: Api) -> None:
    document = (await api.get("/openapi.json", key="", base="")).json()
    names = set(re.findall(r"#/components/schemas/([\w.-]+)", str(document)))
    assert names <= set(document["components"]["schemas"])
    assert "SessionRequest" not in names  # the body's form is spelt out, both older names included
    body = document["paths"]["/api/v1/hedging/sessions"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert {"accounts", "accountIds", "volumeTarget", "duration"} <= set(body["properties"])


async def test_health_says_that_the_process_is_there_and_readiness_what_is_missing(api: Api) -> None:
    assert (await api.get("/healthz", key="", base="")).json() == {"status": "ok"}
    ready = await api.get("/readyz", key="", base="")
    assert (ready.status_code, ready.json()) == (200, {"status": "ok", "database": "ok", "prefect": "ok"})
    api.world.prefect.is_away = True
    away = await api.get("/readyz", key="", base="")
    assert (away.status_code, away.json()["prefect"]) == (503, "unreachable")
    assert (await api.get("/healthz", key="", base="")).status_code == 200


async def test_metrics_count_answers_by_route_and_never_by_id(api: Api) -> None:
    session_id = await api.started()
    await api.get(f"/sessions/{session_id}")
    await api.get("/sessions/none")
    text = (await api.get("/metrics", key="", base="")).text
    route = 'route="/api/v1/hedging/sessions/{sessionId}"'
    assert f'hedge_api_requests_total{{method="GET",{route},status="200"}} 1.0' in text
    assert f'hedge_api_requests_total{{method="GET",{route},status="404"}} 1.0' in text
    assert 'hedge_sessions{status="active"} 1.0' in text
    assert session_id not in text


@pytest.mark.parametrize("path", ["/healthz", "/docs", "/metrics", "/nowhere", "/api/v1/hedging/sessions"])
async def test_every_answer_carries_an_id_of_its_own_and_security_headers(api: Api, path: str) -> None:
    first, second = [await api.get(path, key="", base="") for _ in range(2)]
    assert first.headers["X-Request-Id"] != second.headers["X-Request-Id"]
    assert first.headers["X-Content-Type-Options"] == "nosniff"
    assert first.headers["Referrer-Policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in first.headers["Content-Security-Policy"]
    assert "server" not in {name.lower() for name in first.headers}


@pytest.mark.parametrize("path", ["/nowhere", "/api/v1/hedging", "/api/v1/hedging/nowhere", "/web/../settings.py"])
async def test_unknown_address_is_refused_in_the_envelope(api: Api, path: str) -> None:
    answer = await api.get(path, base="")
    assert (answer.status_code, code_of(answer)) == (404, "NOT_FOUND")


def _operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (path, method, operation)
        for path, methods in document["paths"].items()
        if path.startswith("/api/")
        for method, operation in methods.items()
    ]
