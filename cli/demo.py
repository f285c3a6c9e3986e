"""`hedge demo`: start everything, run one session, watch it, check its end against the venues, stop everything."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

from api.runs import start_run
from cli.place import database_url
from cli.watch import watch
from connectors.settings import Environment
from deployments.local import start
from flows.wiring import create_session
from store import Session, SessionStatus, StoreError, open_store
from store.home import Home
from store.requests import parse_request
from store.results import session_fills

TIMEOUT_S = 300.0


@dataclass(frozen=True, slots=True)
class Check:
    """One condition of a clean end, and what was found."""

    name: str
    holds: bool
    found: str


def run(*, volume: float, seed: int, keep: bool, primary: str) -> int:
    """Run the demo; 0 when the session is completed, flat everywhere, reconciled, and reached its volume."""
    home, console = Home.from_env(os.environ), Console()
    request = parse_request(demo_request(volume, primary))
    began = time.monotonic()
    # Being told to end is an ordinary end: what was started is stopped on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    family = start(home, seed=seed, speed=1.0, say=lambda text: console.print(text, highlight=False), with_api=False)
    try:
        with open_store(home.path, database_url()) as store:
            session = create_session(store, request, Environment.SANDBOX, home, os.environ)
            run_id = start_run(home, environment="sandbox", session_id=session.session_id, attempt=1)
            store.journal.set_flow_run.now(session.session_id, run_id)
            console.print(f"ready in {time.monotonic() - began:.1f} s; session {session.session_id}", highlight=False)
            session = watch(store, session.session_id, console, timeout_s=TIMEOUT_S)
        if not session.status.is_final:
            console.print(f"the session did not end; what its run said last is in {home.logs / 'service.log'}")
        checks = verify(home, session)
    finally:
        if keep:
            console.print("left running; `hedge down` stops it")
        else:
            family.stop()
    show(console, home, session, checks)
    return 0 if all(check.holds for check in checks) else 1


def demo_request(volume: float, primary: str) -> dict[str, object]:
    """The demo's session: ETH/USD over three venues, 100 to 500 USD a pair, about a minute for 20,000 USD."""
    return {
        "name": "demo",
        "accounts": ["account1", "account2", "account3"],
        "volumeTarget": str(volume),
        "strategy": {
            "symbol": "ETH/USD",
            "volumeDistribution": "equal",
            "priceRange": {"min": "0", "max": "0.0002"},
            "timing": {"minInterval": 0.1, "maxInterval": 0.5, "orderSize": {"min": 100, "max": 500}},
            "riskLimits": {"maxPositionSize": "0.5", "stopLossThreshold": "0.05", "maxSlippage": "0.005"},
            "orderTypes": {"primary": primary, "fallback": "market"},
        },
    }


def verify(home: Home, session: Session) -> list[Check]:
    """Check the end against three witnesses: our rows, the results file, and the venues' own truth."""
    totals, target = session.totals, session.volume_target or Decimal(0)
    state = httpx.get(f"{home.sandbox_url}/control/state", trust_env=False, timeout=30).json()
    held = venue_positions(state)
    return [
        Check(
            "session completed",
            session.status is SessionStatus.COMPLETED,
            session.status_reason or session.status.value,
        ),
        Check(
            "volume reached", totals.volume_generated >= target, f"{totals.volume_generated:,.2f} of {target:,.2f} USD"
        ),
        Check("flat on every venue", not any(held.values()), ", ".join(f"{v} {q}" for v, q in held.items())),
        _reconciled(home, session, state),
    ]


def venue_positions(state: dict[str, Any]) -> dict[str, Decimal]:
    """Sum of absolute positions of the operator's accounts by venue, from the twins' own books."""
    return {
        venue: sum(
            (abs(Decimal(p["quantity"])) for a in truth["accounts"].values() for p in a["positions"].values()),
            Decimal(0),
        )
        for venue, truth in state["venues"].items()
    }


def _reconciled(home: Home, session: Session, state: dict[str, Any]) -> Check:
    """Every execution the venues know of is in the results, to the last digit, and none of them was an own match."""
    theirs = Counter(
        (venue, fill["side"].lower(), Decimal(fill["quantity"]), Decimal(fill["price"]), Decimal(fill["fee"]))
        for venue, truth in state["venues"].items()
        for account in truth["accounts"].values()
        for fill in account["fills"]
    )
    try:
        ours = Counter(session_fills(home.path, session.session_id))
    except StoreError as error:
        return Check("reconciled fill by fill", False, str(error))
    own = sum(int(truth["self_trades"]) for truth in state["venues"].values())
    found = f"{sum(ours.values())} fills in the results, {sum(theirs.values())} at the venues, {own} own matches"
    return Check("reconciled fill by fill", ours == theirs and own == 0, found)


def show(console: Console, home: Home, session: Session, checks: list[Check]) -> None:
    """Print the summary table and where everything lies."""
    totals = session.totals
    table = Table(title=f"{session.name}: {session.status.value}", title_justify="left", show_header=False)
    rows = {
        "volume": f"{totals.volume_generated:,.2f} USD of {session.volume_target or 0:,.2f}",
        "pairs": f"{totals.pairs_filled} filled, {totals.pairs_unwound} unwound",
        "PnL": f"{totals.pnl:,.4f} USD (fees {totals.fees:,.4f}, funding {totals.funding:,.4f})",
        "slippage": f"{totals.slippage * 10_000:.2f} bps against arrival mid",
        "max net exposure": f"{totals.max_net_exposure_usd:,.2f} USD for {totals.naked_usd_seconds:,.1f} USD·s in all",
    }
    for name, value in rows.items():
        table.add_row(name, value)
    for check in checks:
        table.add_row(("[green]✓[/] " if check.holds else "[red]✗[/] ") + check.name, check.found)
    console.print(table)
    for name, value in {
        "report": str(home.reports / f"{session.session_id}.html"),
        "results": str(home.results),
        "flow run": f"{home.prefect_url}/runs/flow-run/{session.flow_run_id}",
    }.items():
        console.print(f"{name:<9} {value}", highlight=False, soft_wrap=True)
