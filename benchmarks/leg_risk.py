"""Naked dollar-seconds under faults: ccxt scripts and this system trade the same pairs while the same faults strike.

    python -m benchmarks.leg_risk [--pairs 10] [--seed 7] [--together 1] [--only NAME ...] [--without-ccxt]

For each run the three venue twins are started anew on loopback, from the same seed; the faults are the scripts in
benchmarks/leg_risk_scenarios, counted from each venue's own orders so that they hit everybody alike. All figures come
from the twins' own state. ccxt is put into an environment of its own under build/benchmarks; where that fails, the
tables say so and have our figures only.
Exits with 1 when one of our own sessions executed an intent twice or left something unhedged.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx

from benchmarks.leg_risk_truth import Figures, intents_of, measure
from benchmarks.machine import machine, table
from benchmarks.signing import CCXT_FOLDER, CCXT_VERSION, install_ccxt
from benchmarks.soak import free_ports
from connectors.settings import BackpackKeys, PacificaKeys, ParadexKeys
from deployments.twins import open_sandbox_accounts
from flows.accounts import sandbox_accounts
from sandbox.scenarios import Scenario, read
from store.home import Home

SYMBOL = "ETH/USD"
NOTIONAL_USD = 300
PAUSE_S = 0.3
CALM = "no faults"
FOLDER = Path(__file__).with_name("leg_risk_scenarios")
READY_S, RUN_S, END_S = 180.0, 300.0, 10.0  # settling waits for the venues' request budgets
GRACE_S = 4.0  # what was sent and given up may still arrive so much later

log = logging.getLogger("leg_risk")


@dataclass(frozen=True, slots=True)
class Contender:
    """Somebody who trades: the name in the tables, the program, and the way it trades."""

    name: str
    is_ours: bool
    style: str


CONTENDERS = (
    Contender("ccxt, gather and retry", False, "retry"),
    Contender("ccxt, gather and verify", False, "verify"),
    Contender("ccxt, maker first", False, "maker"),
    Contender("session, market", True, "market"),
    Contender("session, maker first", True, "limit"),
)


@dataclass(frozen=True, slots=True)
class Run:
    """One contender through one scenario, and how its process ended."""

    contender: Contender
    scenario: str
    figures: Figures
    ended: str


async def run_one(contender: Contender, name: str, *, pairs: int, seed: int, traded: asyncio.Event) -> Run:
    """Start the twins, let the contender trade while the scenario plays, and ask the twins what happened.

    traded is set once nothing more is traded; settling may take longer.
    """
    scenario = None if name == CALM else load(name)
    with tempfile.TemporaryDirectory(prefix="leg-risk-") as folder:
        place = Home(Path(folder), port_base=free_ports(4))
        async with running_twins(place, seed), httpx.AsyncClient(trust_env=False, timeout=30) as http:
            open_sandbox_accounts(place)
            job = _job(contender, place, pairs=pairs, seed=seed) | {"scenario": name}
            try:
                lines, ended = await _trade(contender, place, job, scenario, http, traded)
            finally:
                traded.set()
            await asyncio.sleep(GRACE_S)
            state = (await http.get(f"{place.sandbox_url}/control/state")).json()
    return Run(contender, name, measure(state, intents_of(lines), SYMBOL), ended)


def names() -> list[str]:
    """All scenarios' names, the one without faults first."""
    return [CALM, *sorted(path.stem for path in FOLDER.glob("*.yaml"))]


def load(name: str) -> Scenario:
    """Read one of this benchmark's scenarios; raises ScenarioError."""
    return read((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"), name)


async def _trade(
    contender: Contender, place: Home, job: dict[str, Any], scenario: Scenario | None, http: httpx.AsyncClient,
    traded: asyncio.Event,
) -> tuple[list[dict[str, Any]], str]:  # fmt: skip
    """Run the contender's process; returns its lines and how it ended."""
    program = "leg_risk_session" if contender.is_ours else "leg_risk_ccxt"
    python = sys.executable if contender.is_ours else str(CCXT_FOLDER / "bin" / "python")
    command = [python, "-m", f"benchmarks.{program}"]
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env=_environ(place),
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    complaints = asyncio.create_task(process.stderr.read())
    ended = "ended"
    lines: list[dict[str, Any]] = []
    try:
        process.stdin.write(json.dumps(job).encode() + b"\n")
        async with asyncio.timeout(READY_S):
            first = await process.stdout.readline()
        if not first:
            raise SystemExit(f"{contender.name} did not start: {(await complaints).decode()[-600:]}")
        if scenario is not None:
            steps = [step.model_dump(mode="json", exclude_unset=True) for step in scenario.steps]
            answer = await http.post(f"{place.sandbox_url}/control/scenario", json={"steps": steps})
            assert answer.is_success, answer.text
        process.stdin.write(b"go\n")
        async with asyncio.timeout(RUN_S + END_S):
            async for line in process.stdout:
                said_now = json.loads(line)
                if "traded" in said_now:
                    traded.set()
                else:
                    lines.append(said_now)
            await process.wait()
    except TimeoutError:
        ended = "stopped"
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    said = (await complaints).decode().strip()
    log.info("%s, %s:\n%s", job["scenario"], contender.name, said)
    if ended == "ended" and (process.returncode or "ended early" in said):
        ended = "failed" if process.returncode else "halted"
    return lines, ended


def _job(contender: Contender, place: Home, *, pairs: int, seed: int) -> dict[str, Any]:
    common = {"style": contender.style, "pairs": pairs, "notional": NOTIONAL_USD, "pause_s": PAUSE_S, "seed": seed}
    if contender.is_ours:
        return {**common, "bound_s": RUN_S}
    return {**common, "port_base": place.port_base, "keys": _keys(place)}


def _keys(place: Home) -> dict[str, dict[str, str]]:
    """The sandbox accounts' well-known keys in ccxt's words."""
    found: dict[str, dict[str, str]] = {}
    for account in sandbox_accounts(place.port_base):
        match account.keys:
            case PacificaKeys(account=address, secret_key=secret):
                found["pacifica"] = {"account": address, "secret": secret.get_secret_value()}
            case ParadexKeys(account=address, private_key=secret):
                public = account.public_identity()["publicKey"]
                found["paradex"] = {"address": address, "privateKey": secret.get_secret_value(), "publicKey": public}
            case BackpackKeys(api_key=key, api_secret=secret):
                found["backpack"] = {"account": key, "secret": secret.get_secret_value()}
    return found


@asynccontextmanager
async def running_twins(place: Home, seed: int) -> AsyncIterator[None]:
    """Start the three venue twins on a home's ports in a process of their own; stop them at the end."""
    command = [sys.executable, "-m", "sandbox.server", "--seed", str(seed), "--port-base", str(place.port_base)]
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)
    try:
        async with asyncio.timeout(READY_S), httpx.AsyncClient(trust_env=False) as http:
            while not await _answers(http, place.sandbox_url):
                if process.returncode is not None:
                    raise SystemExit(f"the twins did not start on ports {place.port_base} and above; try again")
                await asyncio.sleep(0.1)
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(END_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


async def _answers(http: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await http.get(url + "/")).is_success
    except httpx.TransportError:
        return False


def _environ(place: Home) -> dict[str, str]:
    return {**place.environ(), "PREFECT_HOME": str(place.prefect), "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}


HEADS = (
    "scenario, contender", "naked USD x s", "longest uneven s", "duplicates", "unhedged USD", "pairs", "turnover USD",
    "trading s",
)  # fmt: skip


def rows_of(runs: Sequence[Run]) -> Sequence[tuple[str, ...]]:
    """One row for each run, as it happened."""
    return [
        (
            f"{run.scenario}: {run.contender.name}" + ("" if run.ended == "ended" else f" ({run.ended})"),
            f"{run.figures.naked_usd_seconds:,.1f}",
            "never even" if run.figures.stretch_s is None else f"{run.figures.stretch_s:.2f}",
            str(run.figures.duplicates),
            f"{run.figures.residual_usd:,.0f}",
            str(run.figures.even_pairs),
            f"{run.figures.turnover_usd:,.0f}",
            f"{run.figures.span_s:.1f}",
        )
        for run in runs
    ]


def sums_of(runs: Sequence[Run]) -> Sequence[tuple[str, ...]]:
    """One row for each contender over all scenarios; the first figure also by the volume that was wanted."""
    rows = []
    for contender in dict.fromkeys(run.contender for run in runs):
        own = [run.figures for run in runs if run.contender is contender]
        naked, turnover = (sum((getattr(f, n) for f in own), Decimal(0)) for n in ("naked_usd_seconds", "turnover_usd"))
        stretches = [f.stretch_s for f in own]
        rows.append(
            (
                contender.name,
                f"{naked:,.1f}",
                "never even" if None in stretches else f"{max(s for s in stretches if s is not None):.2f}",
                str(sum(f.duplicates for f in own)),
                f"{sum((f.residual_usd for f in own), Decimal(0)):,.0f}",
                str(sum(f.even_pairs for f in own)),
                f"{turnover:,.0f}",
                f"{naked / turnover * 1000:,.1f}" if turnover else "",
            )
        )
    return rows


def _chosen(options: argparse.Namespace) -> tuple[list[Contender], str]:
    """Who takes part, and what is to be said about ccxt."""
    wanted = [c for c in CONTENDERS if not options.contenders or c.name in options.contenders]
    problem = "left out on request" if options.without_ccxt else None
    if problem is None and not all(c.is_ours for c in wanted):
        problem = install_ccxt()
    ours = [c for c in wanted if c.is_ours]
    return (ours if problem else wanted), problem or "from an environment of its own"


async def _all(contenders: Sequence[Contender], options: argparse.Namespace) -> list[Run]:
    """Play so many scenarios at a time; in each of them one contender trades at a time."""
    lanes = asyncio.Semaphore(options.together)
    async with asyncio.TaskGroup() as group:
        played = [group.create_task(_scenario(n, contenders, options, lanes)) for n in options.only or names()]
    return [run for task in played for run in task.result()]


async def _scenario(
    name: str, contenders: Sequence[Contender], options: argparse.Namespace, lanes: asyncio.Semaphore
) -> list[Run]:
    """Let everybody trade through a scenario; while one settles, the next one starts."""
    running: list[asyncio.Task[Run]] = []
    async with lanes, asyncio.TaskGroup() as group:
        for contender in contenders:
            traded = asyncio.Event()
            run = run_one(contender, name, pairs=options.pairs, seed=options.seed, traded=traded)
            running.append(group.create_task(run))
            running[-1].add_done_callback(_tell)
            await traded.wait()
    return [task.result() for task in running]


def _tell(task: asyncio.Task[Run]) -> None:
    if not task.cancelled() and task.exception() is None:
        print(" | ".join(rows_of([task.result()])[0]), file=sys.stderr, flush=True)


def main() -> int:
    """Run everybody through everything, print both tables; 1 when a session of ours did what it never may."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--together", type=int, default=1, help="scenarios played at the same time")
    parser.add_argument("--only", nargs="*", choices=names(), help="scenarios")
    parser.add_argument("--contenders", nargs="*", choices=[c.name for c in CONTENDERS])
    parser.add_argument("--without-ccxt", action="store_true", help="do not install or run ccxt")
    parser.add_argument("--loud", action="store_true", help="show what the contenders say about failures")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    log.setLevel(logging.INFO if options.loud else logging.WARNING)
    contenders, said = _chosen(options)
    runs = asyncio.run(_all(contenders, options))
    scale = f"{options.pairs} pairs of {NOTIONAL_USD} USD a leg in a run, {options.together} scenarios at a time"
    print(f"{machine()}; seed {options.seed}, {scale}")
    print(f"ccxt {CCXT_VERSION}: {said}\n")
    print(table(HEADS, rows_of(runs)))
    print("\n" + table(("all scenarios", *HEADS[1:-1], "naked USD x s per 1,000 USD"), sums_of(runs)))
    ours = [run.figures for run in runs if run.contender.is_ours]
    return 1 if any(f.duplicates or f.residual_usd or f.unexplained for f in ours) else 0


if __name__ == "__main__":
    sys.exit(main())
