"""Whatever the document allows, and much it does not, is sent to every call: no 5xx, documented answers only.

Schemathesis makes the requests from the OpenAPI document, seeded and bounded; the venues, Prefect and the clock are
fakes, the store is real.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
import schemathesis
from api_world import Api, ApiWorld, new_home
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

T = TypeVar("T")

EXAMPLES = 8
SEED = 20261121
BOUNDED = settings(
    max_examples=EXAMPLES, deadline=None, database=None, derandomize=False,
    suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.generate],
)  # fmt: skip


class Loop:
    """One event loop with a living app in it, for checks that are not coroutines."""

    def __init__(self, folder: Path) -> None:
        self.runner = asyncio.Runner()
        self.world = ApiWorld(new_home(folder), changes={"stop_wait_s": 0.1, "command_wait_s": 0.1})
        self._living = self.world.opened()
        self.api: Api = self.run(self._living.__aenter__())
        self.session_id = self.run(self.api.started())

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run to the end."""
        return self.runner.run(work)

    def close(self) -> None:
        """Let the app end its life."""
        self.run(self._living.__aexit__(None, None, None))
        self.runner.close()


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loop]:
    """A living app for all calls of this module."""
    made = Loop(tmp_path_factory.mktemp("fuzz"))
    yield made
    made.close()


DOCUMENT = schemathesis.openapi.from_dict(ApiWorld(new_home(Path("nowhere"))).app().openapi())
CALLS = {found.ok().label: found.ok() for found in DOCUMENT.get_all_operations()}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("label", sorted(CALLS))
@pytest.mark.parametrize("mode", list(GenerationMode))
def test_whatever_is_sent_gets_a_documented_answer_and_never_a_failure_of_ours(
    loop: Loop, label: str, mode: GenerationMode
) -> None:
    if not _can_be_wrong(CALLS[label]) and mode is GenerationMode.NEGATIVE:
        mode = GenerationMode.POSITIVE

    @seed(SEED)
    @BOUNDED
    @given(case=CALLS[label].as_strategy(generation_mode=mode))
    def send(case: schemathesis.Case) -> None:
        for key in ("", loop.api.key):
            _send(loop, case, key)

    send()


def _can_be_wrong(operation: Any) -> bool:
    """Whether the document says anything about the call that a request could break."""
    return bool(list(operation.iter_parameters()) or operation.body)


def _send(loop: Loop, case: schemathesis.Case, key: str) -> None:
    if "sessionId" in case.path_parameters and len(str(case.path_parameters["sessionId"])) % 2:
        case.path_parameters["sessionId"] = loop.session_id
    if isinstance(wait := (case.query or {}).get("wait"), int | float) and wait > 1:
        case.query["wait"] = 0.1  # nobody obeys here; waiting longer would only take longer
    sent = case.as_transport_kwargs(base_url="http://api")
    headers = {name: value for name, value in dict(sent["headers"]).items() if name.lower() != "authorization"}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    response = loop.run(_answer(loop, sent, headers))
    if not key and case.path.startswith("/api/"):
        assert response.status_code in (401, 429)
    case.validate_response(
        schemathesis.Response.from_httpx(response, verify=False),
        checks=[not_a_server_error, status_code_conformance, response_schema_conformance],
    )


async def _answer(loop: Loop, sent: dict[str, Any], headers: dict[str, str]) -> httpx.Response:
    transport = httpx.ASGITransport(app=loop.api.app, raise_app_exceptions=True)
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        return await client.request(
            sent["method"], sent["url"], params=sent.get("params"), headers=headers,
            json=sent.get("json"), content=sent.get("data"),
        )  # fmt: skip
