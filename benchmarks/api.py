"""How fast the API answers and how late its live updates are, beside what this machine allows and beside a peer.

    python -m benchmarks.api [--rates 10,25] [--seconds 5] [--listeners 500] [--without-prefect]

Requests leave at fixed times whether or not earlier ones were answered, and each delay counts from the time at which
its request was due, so a server that falls behind shows it. *limit* is a bare Starlette app (and a bare websockets
server) that sends the same bytes and does nothing else; the peer is Prefect's own server, which is asked for a flow run
and for a list of 50 of them. Everything is on loopback, one process a server, clients in processes of their own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx

from api.auth import make_key
from benchmarks.api_record import write_record
from benchmarks.machine import machine, table
from deployments.local import prefect_environ
from deployments.processes import Child, Family
from store import open_store
from store.api_records import Scope
from store.home import Home

BASE = "/api/v1/hedging"
ASKED = {
    "a session, 50 pairs": "/sessions/session-0",
    "a session, no pairs": "/sessions/session-1",
    "list of 50 sessions": "/sessions?limit=50",
}
SESSIONS = 200
PREFECT_RUNS = 60
PREFECT_TRIES = 60
EVENTS_PER_S = 5
CONNECTIONS = 32
LOAD_S_MAX = 120.0


@dataclass(frozen=True, slots=True)
class Question:
    """One kind of request to one server."""

    server: str
    name: str
    method: str
    url: str
    headers: dict[str, str]
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of a load: delays in ms from when each request was due, and requests that failed."""

    delays_ms: list[float]
    failed: int
    cpu: float


def main() -> int:
    """Run all parts and print the tables."""
    options = _options()
    print(f"{machine()}, load {os.getloadavg()[0]:.1f}\n")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        home = Home(folder, prefect_port=_free_port(), api_port=_free_port())
        home.make()
        key = _prepare(home)
        family = Family(home)
        stack.callback(family.stop)
        servers = _start(family, home, key, with_prefect=not options.without_prefect)
        rates = [int(rate) for rate in options.rates.split(",")]
        print(asyncio.run(_requests(servers, rates, options.seconds)))
        print()
        print(_fan_outs(servers, home, key, options))
    return 0


@dataclass(frozen=True, slots=True)
class _Server:
    child: Child
    questions: tuple[Question, ...]
    socket_url: str | None = None


def _prepare(home: Home) -> str:
    """Write sessions into a new store, and a key; return the key."""
    key, text = make_key("bench", (Scope.ADMIN,), at=datetime.now(UTC), random=os.urandom)
    with open_store(home.path) as store:
        store.journal.create_api_key.now(key)
        write_record(store, SESSIONS)
    return text


def _start(family: Family, home: Home, key: str, *, with_prefect: bool) -> list[_Server]:
    environ = {**home.environ(), "HEDGE_API_RATE": "1000000"}
    api = family.start("api", [sys.executable, "-m", "api.server"], environ)
    family.wait_for(api, f"{home.api_url}/healthz", 60)
    headers = {"Authorization": f"Bearer {key}"}
    urls = {name: f"{home.api_url}{BASE}{path}" for name, path in ASKED.items()}
    servers = [_Server(api, tuple(
        Question("hedging API", name, "GET", url, headers) for name, url in urls.items()
    ), f"ws://127.0.0.1:{home.api_port}/ws/sessions/session-0?api_key={key}")]  # fmt: skip
    for number, url in enumerate(urls.values()):
        answer = httpx.get(url, headers=headers, trust_env=False, timeout=30).raise_for_status()
        (home.path / f"{number}.json").write_bytes(answer.content)
    port, ws_port = _free_port(), _free_port()
    limit = family.start(
        "limit", [sys.executable, "-m", "benchmarks.api_limit", str(home.path), str(port), str(ws_port)], {}
    )
    family.wait_for(limit, f"http://127.0.0.1:{port}/0.json", 60)
    servers.append(_Server(limit, tuple(
        Question("bare Starlette", name, "GET", f"http://127.0.0.1:{port}/{number}.json", {})
        for number, name in enumerate(urls)
    ), f"ws://127.0.0.1:{ws_port}/"))  # fmt: skip
    if with_prefect:
        servers.append(_prefect(family, home))
    return servers


def _prefect(family: Family, home: Home) -> _Server:
    command = [sys.executable, "-m", "prefect", "server", "start", "--no-ui", "--host", "127.0.0.1", "--port"]
    child = family.start(
        "prefect", [*command, str(home.prefect_port), "--log-level", "WARNING"], prefect_environ(home)
    )  # fmt: skip
    api = f"{home.prefect_url}/api"
    family.wait_for(child, f"{api}/health", 120)
    with httpx.Client(trust_env=False, timeout=30) as client:
        flow = client.post(f"{api}/flows/", json={"name": "bench"}).raise_for_status().json()["id"]
        wish = {"flow_id": flow, "state": {"type": "COMPLETED"}}
        runs = [_created(client, f"{api}/flow_runs/", wish) for _ in range(PREFECT_RUNS)]
    headers = {"Content-Type": "application/json"}
    return _Server(child, (
        Question("Prefect", "a flow run", "GET", f"{api}/flow_runs/{runs[0]}", {}),
        Question("Prefect", "list of 50 flow runs", "POST", f"{api}/flow_runs/filter", headers, b'{"limit":50}'),
    ))  # fmt: skip


def _created(client: httpx.Client, url: str, wish: dict[str, object]) -> str:
    """Create a flow run; Prefect answers 503 while its database is locked and wants to be asked again."""
    for _ in range(PREFECT_TRIES):
        answer = client.post(url, json=wish)
        if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
            return str(answer.raise_for_status().json()["id"])
        time.sleep(0.5)
    raise SystemExit(f"Prefect did not create a flow run in {PREFECT_TRIES} tries")


async def _requests(servers: Sequence[_Server], rates: Sequence[int], seconds: float) -> str:
    rows = []
    for server in servers:
        for question in server.questions:
            for rate in rates:
                answered = await _load(question, rate, seconds, pid=server.child.process.pid)
                rows.append(_row(question, rate, answered))
    heads = ("server: question", "asked/s", "p50 ms", "p99 ms", "CPU % of a core", "failed")
    return table(heads, rows)


async def _load(question: Question, rate: int, seconds: float, *, pid: int) -> Answered:
    limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
    async with httpx.AsyncClient(trust_env=False, timeout=30, limits=limits) as client:

        async def ask(due: float) -> float | None:
            try:
                answer = await client.request(
                    question.method, question.url, headers=question.headers, content=question.body
                )
            except httpx.HTTPError:
                return None
            return 1e3 * (time.perf_counter() - due) if answer.is_success else None

        for _ in range(10):
            await ask(time.perf_counter())
        cpu, began = cpu_seconds(pid), time.perf_counter()
        asking: list[asyncio.Task[float | None]] = []
        async with asyncio.timeout(LOAD_S_MAX):
            for number in range(int(rate * seconds)):
                due = began + number / rate
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                asking.append(asyncio.create_task(ask(due)))
            delays = [delay for delay in await asyncio.gather(*asking) if delay is not None]
        share = (cpu_seconds(pid) - cpu) / (time.perf_counter() - began)
    return Answered(delays, len(asking) - len(delays), share)


def _row(question: Question, rate: int, answered: Answered) -> tuple[str, ...]:
    p50, p99 = quantiles(answered.delays_ms)
    return (
        f"{question.server}: {question.name}",
        str(rate),
        p50,
        p99,
        f"{100 * answered.cpu:.0f}",
        str(answered.failed),
    )


def _fan_outs(servers: Sequence[_Server], home: Home, key: str, options: argparse.Namespace) -> str:
    rows = []
    for server in servers:
        if server.socket_url is None:
            continue
        ours = server.child.name == "api"
        command = [sys.executable, "-m", "benchmarks.api_listeners", str(options.listeners), str(options.seconds)]
        cpu, began = cpu_seconds(server.child.process.pid), time.perf_counter()
        listeners = Family(Home(home.path / server.child.name))
        listeners.home.make()
        child = listeners.start("listeners", [*command, "subscribe" if ours else "listen"], {"URL": server.socket_url})
        try:
            if ours:
                _speak(home, child)
            child.process.wait(LOAD_S_MAX)
        finally:
            listeners.stop()
        spent = cpu_seconds(server.child.process.pid) - cpu
        heard = json.loads(child.log.read_text().splitlines()[-1])
        p50, p99 = quantiles(heard["delays_ms"])
        name = "hedging API" if ours else "bare websockets"
        share = 100 * spent / (time.perf_counter() - began)
        rows.append(
            (name, str(options.listeners), f"{heard['per_s']:,.0f}", p50, p99, f"{share:.0f}", str(heard["missed"]))
        )
    heads = ("server", "listeners", "messages/s", "p50 ms", "p99 ms", "CPU % of a core", "missed")
    return table(heads, rows)


def _speak(home: Home, listeners: Child) -> None:
    """Journal events from this process, as a run does in its own, as long as somebody listens."""
    with open_store(home.path) as store:
        sequence = store.reads.last_event_sequence("session-0")
        while listeners.process.poll() is None:
            sequence += 1
            payload = {"status": "active", "sentAt": time.time(), "n": sequence}
            store.journal.append_event.now(
                "session-0", at=datetime.now(UTC), channel="status", type="session_update", payload=payload
            )
            time.sleep(1 / EVENTS_PER_S)


def cpu_seconds(pid: int) -> float:
    """Return the processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def quantiles(delays_ms: Sequence[float]) -> tuple[str, str]:
    """Return the median and the 99th percentile, written for people; dashes when there is nothing."""
    if not delays_ms:
        return "-", "-"
    ordered = sorted(delays_ms)
    p50, p99 = (ordered[min(len(ordered) - 1, int(len(ordered) * share))] for share in (0.5, 0.99))
    return f"{p50:,.1f}", f"{p99:,.1f}"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rates", default="10,25", help="requests a second, with commas")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of each load")
    parser.add_argument("--listeners", type=int, default=500, help="WebSocket clients")
    parser.add_argument("--without-prefect", action="store_true", help="do not start Prefect's server")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
