"""`hedge session …`: run a session from a request file, list sessions, and ask one to pause, resume or stop."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from connectors.settings import Environment
from core.errors import InvalidSessionStatus, RequestRefused
from store import BreachAction, CommandKind, Session, SessionStatus, Store, open_store
from store.home import Home
from store.requests import parse_request

app = typer.Typer(help="Run and steer hedging sessions.", no_args_is_help=True)

WATCH_S = 30 * 86_400.0
_FROM = {
    CommandKind.PAUSE: (SessionStatus.ACTIVE,),
    CommandKind.RESUME: (SessionStatus.PAUSED,),
    CommandKind.STOP: (SessionStatus.ACTIVE, SessionStatus.PAUSED),
}


@app.command()
def run(
    request: Annotated[Path, typer.Argument(help="A session request as JSON; - reads standard input.")],
    environment: Annotated[Environment, typer.Option(help="Where the accounts live.")] = Environment.SANDBOX,
) -> None:
    """Create a session, start it through Prefect and watch it to its end; exit code 0 only if it is completed.

    Needs a running `hedge up`.
    """
    from api.runs import start_run
    from cli.watch import watch
    from flows.wiring import create_session

    console = Console()
    home = Home.from_env(os.environ)
    with open_store(home.path) as store:
        session = create_session(store, parse_request(_read(request)), environment, home, os.environ)
        run_id = start_run(home, environment=environment.value, session_id=session.session_id, attempt=1)
        store.journal.set_flow_run.now(session.session_id, run_id)
        console.print(f"session {session.session_id}", highlight=False)
        session = watch(store, session.session_id, console, timeout_s=WATCH_S)
    console.print(f"{session.status.value}: {session.status_reason or ''}", highlight=False, soft_wrap=True)
    raise typer.Exit(0 if session.status is SessionStatus.COMPLETED else 1)


@app.command("list")
def list_(
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
) -> None:
    """List sessions, newest first."""
    with _store() as store:
        rows = [summary(s) for s in store.reads.sessions(limit=limit)]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    table = Table(box=None, header_style="bold", padding=(0, 1))
    table.add_column("session", no_wrap=True, min_width=36)
    for column in ("name", "status"):
        table.add_column(column, overflow="ellipsis", no_wrap=True)
    for column in ("volume", "PnL"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(row["sessionId"], row["name"], row["status"], row["volume"], row["pnl"])
    Console().print(table if rows else "no sessions yet; `hedge demo` or `hedge session run` makes one")


@app.command()
def show(session_id: str) -> None:
    """Show one session as JSON."""
    with _store() as store:
        typer.echo(json.dumps(summary(store.reads.session(session_id)), indent=2))


@app.command()
def pause(session_id: str) -> None:
    """Open nothing more after the pair in progress."""
    _ask(session_id, CommandKind.PAUSE)


@app.command()
def resume(session_id: str) -> None:
    """Go on with a paused session."""
    _ask(session_id, CommandKind.RESUME)


@app.command()
def stop(session_id: str) -> None:
    """Wind down to flat and settle."""
    _ask(session_id, CommandKind.STOP)


@app.command()
def breaches(session_id: str) -> None:
    """List a session's risk breaches as JSON, open ones last."""
    with _store() as store:
        store.reads.session(session_id)
        found = sorted(store.reads.breaches(session_id), key=lambda b: (b.is_open, b.created_at))
    rows = [
        {
            "breachId": b.breach_id, "category": b.category, "severity": b.severity.value, "details": dict(b.details),
            "createdAt": b.created_at.isoformat(timespec="seconds"), "open": b.is_open,
        }
        for b in found
    ]  # fmt: skip
    typer.echo(json.dumps(rows, indent=2, default=str))


@app.command()
def acknowledge(
    session_id: str,
    breach_id: str,
    action: Annotated[BreachAction, typer.Option(help="What was decided.")] = BreachAction.RESOLVE,
    comment: Annotated[str | None, typer.Option(help="Why.")] = None,
) -> None:
    """Acknowledge a breach; a critical one keeps a session from being resumed until then."""
    with _store() as store:
        now = datetime.now(UTC)  # noqa: TID251
        store.journal.acknowledge_breach.now(session_id, breach_id, action, at=now, comment=comment)
    typer.echo(f"breach {breach_id}: {action}")


def summary(session: Session) -> dict[str, Any]:
    """A session's row for people and programs; money as text in USD."""
    totals = session.totals
    return {
        "sessionId": session.session_id, "name": session.name, "symbol": session.symbol,
        "environment": session.environment, "status": session.status.value, "reason": session.status_reason,
        "accounts": list(session.accounts), "volume": f"{totals.volume_generated:.2f}",
        "volumeTarget": None if session.volume_target is None else f"{session.volume_target:.2f}",
        "pnl": f"{totals.pnl:.4f}", "fees": f"{totals.fees:.4f}", "pairsFilled": totals.pairs_filled,
        "createdAt": session.created_at.isoformat(timespec="seconds"), "flowRunId": session.flow_run_id,
    }  # fmt: skip


def _ask(session_id: str, kind: CommandKind) -> None:
    with _store() as store:
        session = store.reads.session(session_id)
        if session.status not in _FROM[kind]:
            wanted = " or ".join(s.value for s in _FROM[kind])
            raise InvalidSessionStatus(f"session {session_id} is {session.status}; {kind} needs it {wanted}")
        now = datetime.now(UTC)  # noqa: TID251
        store.journal.add_command.now(session_id, kind, created_by="command line", created_at=now)
    typer.echo(f"{kind} asked; it acts between two pairs")


def _read(path: Path) -> object:
    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
        return json.loads(text, parse_float=Decimal)
    except OSError as error:
        raise RequestRefused(f"cannot read {path}: {error.strerror}", field="request") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise RequestRefused(f"{path} is not JSON: {error}", field="request") from None


@contextmanager
def _store() -> Iterator[Store]:
    with open_store(Home.from_env(os.environ).path) as store:
        yield store
