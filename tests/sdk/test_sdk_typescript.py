"""The TypeScript client on Node: alone, against the real service, and its types against the OpenAPI document.

Nothing is downloaded or built: the client is plain ES modules.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import shutil
import subprocess
from contextlib import AsyncExitStack
from pathlib import Path
from types import ModuleType

import pytest

from tests.api.api_world import FORM_A, ApiWorld
from tests.fakes.served_api import ServedApi, ToldSession, served, told_session

SDK = Path(__file__).parents[2] / "sdk" / "typescript"
NODE = shutil.which("node")
NODE_S = 100

with_node = pytest.mark.skipif(NODE is None, reason="node is not installed: the TypeScript client cannot be run here")


@pytest.fixture
def generator() -> ModuleType:
    """The script that writes the types."""
    spec = importlib.util.spec_from_file_location("hedging_sdk_generate", SDK / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_types_are_those_of_the_service(generator: ModuleType) -> None:
    written = (SDK / "src" / "api.d.ts").read_text()
    assert written == generator.types_of(generator.openapi()), "run `python sdk/typescript/generate.py`"


def test_a_schema_that_the_generator_does_not_know_is_an_error(generator: ModuleType) -> None:
    with pytest.raises(ValueError, match="does not know"):
        generator._type({"type": "tuple"}, "")


def test_the_package_depends_on_nothing_and_its_lock_names_no_address() -> None:
    package = json.loads((SDK / "package.json").read_text())
    lock = json.loads((SDK / "package-lock.json").read_text())
    assert "dependencies" not in package
    assert not [name for name, entry in lock["packages"].items() if "resolved" in entry]


@with_node
def test_the_client_alone_keeps_its_promises() -> None:
    tests = [str(path) for path in sorted((SDK / "test").glob("*.test.js"))]
    assert tests
    done = subprocess.run(
        [str(NODE), "--test", *tests], capture_output=True, text=True, timeout=NODE_S, check=False
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:]


@with_node
async def test_the_client_and_the_real_service_understand_each_other(world: ApiWorld) -> None:
    async with AsyncExitStack() as first, AsyncExitStack() as cleaning:
        service = await first.enter_async_context(served(world))
        done, live, restarted = [await told_session(service.api) for _ in range(3)]
        await done.tell()
        node = await asyncio.create_subprocess_exec(
            str(NODE), "--experimental-websocket", "--test", str(SDK / "test" / "service.js"),
            env={
                **os.environ, "HEDGE_URL": service.root, "HEDGE_KEY": service.api.key, "REQUEST": json.dumps(FORM_A),
                "DONE": done.session_id, "LIVE": live.session_id, "RESTARTED": restarted.session_id,
            },
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        cleaning.push_async_callback(_end, node)
        output = asyncio.create_task(node.communicate())
        await _until_watched(service, live.session_id, output)
        await live.tell()
        await _until_watched(service, restarted.session_id, output)
        await restarted.begin()
        await restarted.pair(1)
        await first.aclose()
        again = await first.enter_async_context(served(world, port=service.port))
        rest = ToldSession(again.api.store, restarted.session_id, world.clock())
        await rest.pair(2)
        await rest.end()
        async with asyncio.timeout(NODE_S):
            text, _ = await output
    assert node.returncode == 0, text.decode()[-6000:]


async def _until_watched(service: ServedApi, session_id: str, output: asyncio.Task[tuple[bytes, bytes]]) -> None:
    """Wait until somebody listens to a session; fail with Node's words when it ended before."""
    while not service.api.app.state.live.hub.is_watched(session_id):
        assert not output.done(), output.result()[0].decode()[-6000:]
        await asyncio.wait({output}, timeout=0.02)


async def _end(node: asyncio.subprocess.Process) -> None:
    if node.returncode is None:
        node.kill()
        await node.wait()
