"""Runs the twins: one process, one loop, four ports on 127.0.0.1.

Duty: the composition root of the sandbox. Owns the real clock, sockets and signals; builds the world, the
venues' apps and the control door; ends cleanly on SIGINT and SIGTERM. Must not know a venue's wire.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import errno
import importlib
import logging
import signal
import socket
import sys
import time
from collections.abc import Callable, Generator, Sequence
from email.utils import formatdate
from functools import partial

import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from sandbox.clock import ScaledClock
from sandbox.control import create_control_app
from sandbox.faults import DROP_EXTENSION
from sandbox.markets import VENUES
from sandbox.ports import CONTROL_OFFSET, HOST, VENUE_OFFSETS
from sandbox.scenarios import ScenarioError, load, play
from sandbox.world import World

DEFAULT_PORT_BASE = 7100
IDLE_MAX_S = 0.25
IDLE_MIN_S = 0.001
SHUTDOWN_S = 3
# Seconds between the server's protocol pings, by venue (docs.paradex.trade: 55; Backpack documents 60).
PING_INTERVALS_S: dict[str, float] = {"pacifica": 30.0, "paradex": 55.0, "backpack": 60.0}

log = logging.getLogger("sandbox")


class PortOccupied(OSError):
    """A port of the sandbox is in use."""


class _Protocol(HttpToolsProtocol):
    """HTTP protocol that lets the fault middleware close the connection without an answer."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {DROP_EXTENSION: {"close": self.transport.close}}


class _Dated:
    """Puts the Date header (RFC 9110, 6.6.1) on every answer, by the venue's own clock, which may be skewed."""

    def __init__(self, app: ASGIApp, wall_us: Callable[[], int]) -> None:
        self._app = app
        self._wall_us = wall_us

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                date = formatdate(self._wall_us() // 1_000_000, usegmt=True)
                message = {**message, "headers": [*message.get("headers", []), (b"date", date.encode())]}
            await send(message)

        # A client that hangs up while it still sends is its own affair, not an error of the venue.
        with contextlib.suppress(ClientDisconnect):
            await self._app(scope, receive, send_dated)


class _Server(uvicorn.Server):
    """A server that leaves signals to the sandbox, since four of them share one process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


async def serve(
    *,
    seed: int,
    port_base: int,
    speed: float,
    scenario: str | None = None,
    ready: Callable[[], None] | None = None,
    stop: asyncio.Event | None = None,
    wall_us: Callable[[], int] | None = None,
) -> None:
    """Serve the twins until `stop` is set, or SIGINT or SIGTERM arrives; `wall_us` replaces the machine's clock.

    `ready` is called once all ports accept connections; the `scenario` (sandbox/scenarios.py) begins then.
    Raises ScenarioError or PortOccupied before anything is started.
    """
    script = None if scenario is None else load(scenario)
    stopping = stop or asyncio.Event()
    world = World(seed=seed, clock=ScaledClock(wall_us or _wall_us, speed))
    apps = _build_apps(world, port_base)
    sockets = _bind({name: port_base + _offset(name) for name in apps})
    servers = {name: _server(name, _Dated(app, partial(world.wall_us, name))) for name, app in apps.items()}
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(_signals(stopping))
        running = [
            asyncio.create_task(server.serve(sockets=[sockets[name]]), name=f"twin-{name}")
            for name, server in servers.items()
        ]
        running.append(asyncio.create_task(_drive(world, stopping), name="twin-clock"))
        watcher = asyncio.create_task(stopping.wait(), name="twin-stop")
        await _await_started(servers, running)
        log.info("twins ready on %s:%d-%d, seed %d", HOST, port_base, port_base + len(apps) - 1, seed)
        if script is not None:
            world.sync()
            play(world, script)
            log.info("scenario %s: %s", scenario, script.about)
        if ready is not None:
            ready()
        await asyncio.wait([*running, watcher], return_when=asyncio.FIRST_COMPLETED)
        stopping.set()
        watcher.cancel()
        for server in servers.values():
            server.should_exit = True
        world.woken.set()
        await asyncio.gather(*running)


def main_run(seed: int, port_base: int, speed: float, scenario: str | None = None) -> int:
    """Run the sandbox in the foreground; return the process's exit status."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    try:
        asyncio.run(serve(seed=seed, port_base=port_base, speed=speed, scenario=scenario))
    except (PortOccupied, ScenarioError) as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line of `python -m sandbox.server`."""
    parser = argparse.ArgumentParser(prog="sandbox", description="Three local venue twins.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--port-base", type=int, default=DEFAULT_PORT_BASE)
    parser.add_argument("--speed", type=float, default=1.0, help="venue seconds for each real second")
    parser.add_argument("--scenario", help="script of faults to play: a name of sandbox/scenarios")
    chosen = parser.parse_args(argv)
    return main_run(chosen.seed, chosen.port_base, chosen.speed, chosen.scenario)


def _build_apps(world: World, port_base: int) -> dict[str, Starlette]:
    apps = {"control": create_control_app(world, port_base)}
    for venue in VENUES:
        dialect = importlib.import_module(f"sandbox.dialects.{venue}")
        apps[venue] = dialect.create_app(world, world.exchanges[venue])
    return apps


def _offset(name: str) -> int:
    return CONTROL_OFFSET if name == "control" else VENUE_OFFSETS[name]


def _bind(ports: dict[str, int]) -> dict[str, socket.socket]:
    """Bind all ports or none."""
    bound: dict[str, socket.socket] = {}
    try:
        for name, port in ports.items():
            # With the protocol named, the loop sets TCP_NODELAY; without it each answer waits 40 ms.
            bound[name] = sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((HOST, port))
    except OSError as error:
        for sock in bound.values():
            sock.close()
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        raise PortOccupied(
            f"port {port} ({name}) on {HOST} is not free: stop what uses it or choose another --port-base"
        ) from error
    return bound


def _server(name: str, app: ASGIApp) -> _Server:
    interval = PING_INTERVALS_S.get(name, 30.0)
    config = uvicorn.Config(
        app,
        http=_Protocol,
        ws="websockets-sansio",
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        date_header=False,
        timeout_graceful_shutdown=SHUTDOWN_S,
        ws_ping_interval=interval,
        ws_ping_timeout=interval,
    )
    return _Server(config)


async def _await_started(servers: dict[str, _Server], running: list[asyncio.Task[None]]) -> None:
    """Wait until every server accepts; an early end of one is raised by its task."""
    while not all(server.started for server in servers.values()):
        for task in running:
            if task.done():
                await task
        await asyncio.sleep(0.005)


async def _drive(world: World, stopping: asyncio.Event) -> None:
    """Let venue time follow the clock: run timers when they are due, sleep in between."""
    while not stopping.is_set():
        world.woken.clear()
        world.sync()
        due = world.next_due_us()
        wait_s = IDLE_MAX_S
        if due is not None:
            wait_s = (due - world.clock.now_us()) / 1_000_000 / world.clock.speed
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(max(wait_s, IDLE_MIN_S), IDLE_MAX_S)):
                await world.woken.wait()


@contextlib.contextmanager
def _signals(stopping: asyncio.Event) -> Generator[None, None, None]:
    """Set `stopping` on SIGINT and SIGTERM, where this thread may install handlers."""
    loop = asyncio.get_running_loop()
    installed = []
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(ValueError, RuntimeError, NotImplementedError):
            loop.add_signal_handler(number, stopping.set)
            installed.append(number)
    try:
        yield
    finally:
        for number in installed:
            loop.remove_signal_handler(number)


def _wall_us() -> int:
    return time.time_ns() // 1000


if __name__ == "__main__":
    sys.exit(main())
