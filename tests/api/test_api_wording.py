"""What is wrong with a request is said by the field's path and in plain words, whatever was sent."""

from __future__ import annotations

import asyncio
import copy
import inspect
import json
import random
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from api_world import FORM_A, FORM_B, Api, ApiWorld, code_of, new_home
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

import api.documents.keys
import api.documents.sessions
import store.requests
from store.wording import not_finite, shown

_OURS = {
    name
    for module in (store.requests, api.documents.keys, api.documents.sessions)
    for name, kind in inspect.getmembers(module, inspect.isclass)
    if issubclass(kind, BaseModel)
}
# Words that are ours only: Python's, pydantic's and our classes' names. Plain English words among them are left out.
LEAKS = re.compile(
    r"\b(?:" + "|".join(sorted(_OURS - {"Timing", "Name", "Answer", "Page", "Document", "Legs"}))
    + r"|Decimal|NoneType|dict|tuple|str|int|instance|valid dictionary|Input should|pydantic|None|True|False)\b"
)  # fmt: skip
RUBBISH: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, 10**30, "", "x", "🦔" * 60, "a\x1bb", [], {}, [[[]]], {"a": {"b": 1}},
    ["x", 1, None], Decimal("1e400"),
)  # fmt: skip


@pytest.fixture(scope="module")
def living(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[asyncio.Runner, Api]]:
    """One app in a loop of its own, for examples that are not coroutines."""
    with asyncio.Runner() as runner:
        opened = ApiWorld(new_home(tmp_path_factory.mktemp("wording"))).opened()
        yield runner, runner.run(opened.__aenter__())
        runner.run(opened.__aexit__(None, None, None))


def places(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a document, the whole of it included."""
    inner = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    return [path, *(place for key, part in inner for place in places(part, (*path, key)))]


def mutated(rng: random.Random) -> Any:
    """A request with one to three places turned into rubbish, gone, or joined by a field nobody knows."""
    document: Any = copy.deepcopy(rng.choice([FORM_A, FORM_B]))
    for _ in range(rng.randint(1, 3)):
        place = rng.choice(places(document))
        if not place:
            document = copy.deepcopy(rng.choice(RUBBISH)) if rng.random() < 0.2 else document
            continue
        holder = document
        for key in place[:-1]:
            holder = holder[key]
        match rng.randrange(3):
            case 0:
                holder[place[-1]] = copy.deepcopy(rng.choice(RUBBISH))
            case 1:
                del holder[place[-1]]
            case _ if isinstance(holder, dict):
                holder[rng.choice(["x", "volumeTraget", "__class__", "a b"])] = rng.choice(RUBBISH)
    return document


def encoded(document: Any) -> bytes:
    return json.dumps(document, default=lambda number: 1e308 if number else 0).encode()


@settings(max_examples=120, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**32))
def test_rubbish_is_refused_by_the_name_of_a_field_and_in_no_words_of_python(
    living: tuple[asyncio.Runner, Api], seed: int
) -> None:
    runner, app = living
    answer = runner.run(app.post("/sessions", content=encoded(mutated(random.Random(seed)))))
    if answer.status_code == 201:
        return
    assert answer.status_code in (400, 422), answer.text
    error = answer.json()["error"]
    assert error["details"]["field"], error
    message = re.sub(r"\(given: .*?\)(?=;|$)", "", error["message"])
    assert not LEAKS.search(message), error
    assert re.match(r"[\w.\[\]·… ]+: ", message), error


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"strategy": 5}, "strategy: give an object, { … } (given: 5)"),
        ({"accounts": ["account1", 7]}, "accounts[1]: give a text (given: 7)"),
        ({"accounts": "account1"}, 'accounts: give a list, [ … ] (given: "account1")'),
        ({"duration": True}, "duration: a number is wanted, not true or false (given: true)"),
        ({"duration": 0}, "duration: must be above 0 (given: 0)"),
        ({"name": "ab"}, 'name: give at least 3 characters (given: "ab")'),
        ({"volumeTraget": 5}, "volumeTraget: not a known field; leave it out (given: 5)"),
        ({"volumeTarget": "many"}, 'volumeTarget: give a number (given: "many")'),
        ({"volumeTarget": 1e300}, "volumeTarget: must be at most 1000000000000 (given: 1e+300)"),
    ],
)
async def test_each_fault_has_its_words(api: Api, change: dict[str, Any], message: str) -> None:
    answer = await api.post("/sessions", {**FORM_A, **change})
    assert (answer.status_code, answer.json()["error"]["message"]) == (422, message)
    assert answer.json()["error"]["details"]["field"] == message.partition(":")[0]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
async def test_number_that_is_none_is_named_by_its_path(api: Api, number: str) -> None:
    text = json.dumps(FORM_A).replace('"maxSlippage": 0.02', f'"maxSlippage": {number}')
    answer = await api.post("/sessions", content=text.encode())
    assert code_of(answer) == "INVALID_STRATEGY"
    assert answer.json()["error"]["details"]["field"] == "strategy.riskLimits.maxSlippage"
    text = json.dumps({**FORM_A, "x": [1, {"y": 0}]}).replace('"y": 0', f'"y": {number}')
    answer = await api.post("/sessions", content=text.encode())
    assert (code_of(answer), answer.json()["error"]["details"]["field"]) == ("VALIDATION_ERROR", "x[1].y")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/sessions?limit=0", "limit: must be at least 1"),
        ("/sessions?limit=many", "limit: give a whole number"),
        ("/sessions?status=dead", "status: must be 'pending', 'active', 'paused', 'completed', 'failed', 'created', "
         "'running' or 'stopped'"),
        ("/sessions/a%20b", "sessionId: is not of the form ^[A-Za-z0-9_.:-]+$"),
    ],
)  # fmt: skip
async def test_queries_and_paths_are_refused_in_the_same_words(api: Api, path: str, message: str) -> None:
    answer = await api.get(path)
    assert (answer.status_code, answer.json()["error"]["message"]) == (422, message)


async def test_keys_and_acknowledgements_too(api: Api) -> None:
    answer = await api.post("/keys", {"name": "a bot", "scopes": ["everything"]})
    assert answer.json()["error"]["message"] == (
        """scopes[0]: must be 'read', 'trade', 'kill' or 'admin' (given: "everything")"""
    )
    session_id = await api.created()
    answer = await api.post(f"/sessions/{session_id}/risk-breaches/b1/acknowledge", [])
    assert answer.json()["error"]["message"] == "request: give an object, { … } (given: [])"


def test_what_is_shown_of_an_input_is_short_json_without_control_characters() -> None:
    deep: Any = 1
    for _ in range(5000):
        deep = [deep]
    for value in (deep, "x" * 10_000, {"a\x1b": ["\n"]}, Decimal("1e999999")):
        text = shown(value)
        assert len(text) <= 40
        assert text.isprintable()
    assert shown({"a": None, "b": True}) == '{"a": null, "b": true}'


def test_first_number_that_is_not_finite_is_found_in_order() -> None:
    nan = Decimal("NaN")
    assert not_finite({"a": [1, Decimal(2)], "b": {"c": [0, nan], "d": nan}, "e": nan}) == "b.c[1]"
    assert not_finite(nan) == "body"
    assert not_finite({"a": "NaN"}) is None
