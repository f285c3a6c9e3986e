"""`hedge session …`: create, start, watch and steer sessions. Imports what a command needs only when it runs."""

from __future__ import annotations

import json
import sys
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cli.nouns import noun
from cli.output import clean, columns, emit, facts, shortened
from cli.place import DONE, NOT_CLEAN, database_url, here, now, opened
from core.errors import RequestRefused

if TYPE_CHECKING:
    from store import CommandKind, Session, Store
    from store.glance import Glance
    from store.requests import SessionRequest

app = noun("Create, start, watch and steer hedging sessions.")

WATCH_S = 30 * 86_400.0
Request = Annotated[Path, typer.Argument(help="A session request as JSON; - reads standard input.")]
Where = Annotated[Literal["sandbox", "testnet", "production"], typer.Option(help="Where the accounts live.")]
AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
Wait = Annotated[float, typer.Option(min=0, max=3600, help="Seconds to wait for what comes of it.")]


@app.command()
def create(request: Request, environment: Where = "sandbox", as_json: AsJson = False) -> None:
    """Write a pending session from a request; trades nothing."""
    document = _parse(request)
    with opened() as store:
        session = _create(store, document, environment)
    emit(_full(session)) if as_json else typer.echo(session.session_id)


@app.command()
def start(session_id: str, as_json: AsJson = False) -> None:
    """Start a pending session through Prefect, or run one again whose run died; needs a running `hedge up`."""
    from cli.runs import start as begin

    with opened() as store:
        run_id = begin(store, here(), store.reads.session(session_id))
    if as_json:
        emit({"sessionId": session_id, "flowRunId": run_id})
    else:
        typer.echo(f"session {session_id} is started; watch it with `hedge session watch {session_id}`")


@app.command()
def run(request: Request, environment: Where = "sandbox", as_json: AsJson = False) -> None:
    """Create, start and watch a session to its end; exit code 0 only if it is completed. Needs a running `hedge up`."""
    from cli.runs import start as begin

    document = _parse(request)
    with opened() as store:
        session = _create(store, document, environment)
        begin(store, here(), session)
        if not as_json:
            typer.echo(f"session {session.session_id}")
        _watch(store, session.session_id, WATCH_S, as_json=as_json)


@app.command()
def watch(
    session_id: str,
    timeout: Annotated[float, typer.Option(min=0, help="Seconds after which to stop watching.")] = WATCH_S,
    as_json: AsJson = False,
) -> None:
    """Follow a session to its end: a picture in a terminal, lines elsewhere, events with --json."""
    with opened() as store:
        _watch(store, session_id, timeout, as_json=as_json)


@app.command("list")
def list_(
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")] = 20,
    status: Annotated[list[str] | None, typer.Option(help="Only this status; may be given several times.")] = None,
    as_json: AsJson = False,
) -> None:
    """List sessions, newest first."""
    statuses = _statuses(status or [])
    found = _glances(statuses, limit)
    if as_json:
        emit([summary(session) for session in found])
    elif not found:
        typer.echo("no sessions yet; `hedge demo` or `hedge session run` makes one")
    else:
        titles = ("session", "name", "status", "volume", "of", "PnL", "created")
        typer.echo(columns(titles, [_row(session) for session in found], right=("volume", "of", "PnL")))


@app.command()
def show(session_id: str, as_json: AsJson = False) -> None:
    """Show one session: what it did, how long its legs stood alone, and what its books do not explain."""
    from cli.standing import standing

    with opened() as store:
        session = store.reads.session(session_id)
        open_breaches = sum(breach.is_open for breach in store.reads.breaches(session_id))
        money = standing(store, session)
    document = _full(session) | money | {"openBreaches": open_breaches}
    emit(document) if as_json else typer.echo(facts(_shown(document)))


@app.command()
def pause(session_id: str, wait: Wait = 5, as_json: AsJson = False) -> None:
    """Open nothing more after the pair in progress."""
    _steer(session_id, "pause", wait, as_json)


@app.command()
def resume(session_id: str, wait: Wait = 5, as_json: AsJson = False) -> None:
    """Go on with a paused session."""
    _steer(session_id, "resume", wait, as_json)


@app.command()
def stop(session_id: str, wait: Wait = 30, as_json: AsJson = False) -> None:
    """Wind down to flat and settle; exit code 1 when that is not done in time."""
    _steer(session_id, "stop", wait, as_json)


@app.command()
def flatten(session_id: str, wait: Wait = 30, as_json: AsJson = False) -> None:
    """Wind down to flat and settle, as stop does; exit code 1 when that is not done in time."""
    _steer(session_id, "flatten", wait, as_json)


@app.command()
def estimate(
    request: Request,
    environment: Where = "sandbox",
    seed: Annotated[int, typer.Option(min=0, help="Seed of what is drawn.")] = 7,
    as_json: AsJson = False,
) -> None:
    """Say what a session would cost, take and risk on the books as they are now; creates and trades nothing."""
    from cli.estimates import of_request, show

    found = of_request(_parse(request), environment, seed=seed)
    emit(found.document) if as_json else typer.echo(show(found))


@app.command()
def report(session_id: str, as_json: AsJson = False) -> None:
    """Write a session's HTML report again, from the results, and print its path."""
    from flows.report import write_report

    path = write_report(here(), session_id)
    emit({"sessionId": session_id, "report": str(path)}) if as_json else typer.echo(path)


@app.command()
def verify(
    session_id: str,
    head: Annotated[str | None, typer.Option(help="A hash that the chain must hold, written down before.")] = None,
    as_json: AsJson = False,
) -> None:
    """Recompute a session's certificates and compare them with its record; exit code 1 when anything differs."""
    from cli.certificates import verify_session

    raise typer.Exit(verify_session(session_id, head=head, as_json=as_json))


@app.command()
def explain(
    session_id: str,
    pair: Annotated[str, typer.Argument(help="The pair's id, or its number in the session.")],
    as_json: AsJson = False,
) -> None:
    """Tell in sentences why a pair was done as it was; with --json its certificates too."""
    from cli.certificates import explain_pair

    explain_pair(session_id, pair, as_json=as_json)


@app.command()
def breaches(session_id: str, as_json: AsJson = False) -> None:
    """List a session's risk breaches, open ones last."""
    with opened() as store:
        store.reads.session(session_id)
        found = sorted(store.reads.breaches(session_id), key=lambda b: (b.is_open, b.created_at))
    rows: list[dict[str, Any]] = [
        {
            "breachId": b.breach_id, "category": b.category, "severity": b.severity.value, "details": dict(b.details),
            "createdAt": b.created_at.isoformat(timespec="seconds"), "open": b.is_open,
        }
        for b in found
    ]  # fmt: skip
    if as_json:
        emit(rows)
    elif not rows:
        typer.echo("no breaches")
    else:
        typer.echo(columns(("breach", "category", "severity", "since", "open", "details"), [_breach(r) for r in rows]))


@app.command()
def acknowledge(
    session_id: str,
    breach_id: str,
    action: Annotated[Literal["resolve", "ignore"], typer.Option(help="What was decided.")] = "resolve",
    comment: Annotated[str | None, typer.Option(help="Why.")] = None,
    as_json: AsJson = False,
) -> None:
    """Acknowledge a breach; a critical one keeps a session from being resumed until then."""
    from store import BreachAction

    with opened() as store:
        store.journal.acknowledge_breach.now(session_id, breach_id, BreachAction(action), at=now(), comment=comment)
    if as_json:
        emit({"breachId": breach_id, "action": action, "open": False})
    else:
        typer.echo(f"breach {breach_id}: {action}")


def summary(session: Session | Glance) -> dict[str, Any]:
    """A session's row for programs; money as text in USD."""
    from store.glance import Glance

    if not isinstance(session, Glance):
        return _full(session)
    return {
        "sessionId": session.session_id, "name": session.name, "symbol": session.symbol,
        "environment": session.environment, "status": session.status, "reason": session.reason,
        "accounts": list(session.accounts), **_money(session.volume, session.volume_target, session.pnl, session.fees),
        "pairsFilled": session.pairs_filled, "createdAt": session.created_at, "flowRunId": session.flow_run_id,
    }  # fmt: skip


def _full(session: Session) -> dict[str, Any]:
    totals = session.totals
    return {
        "sessionId": session.session_id, "name": session.name, "symbol": session.symbol,
        "environment": session.environment, "status": session.status.value, "reason": session.status_reason,
        "accounts": list(session.accounts),
        **_money(totals.volume_generated, session.volume_target, totals.pnl, totals.fees),
        "pairsFilled": totals.pairs_filled, "createdAt": session.created_at.isoformat(timespec="seconds"),
        "flowRunId": session.flow_run_id,
    }  # fmt: skip


def _money(volume: Decimal, target: Decimal | None, pnl: Decimal, fees: Decimal) -> dict[str, Any]:
    return {
        "volume": f"{volume:.2f}", "volumeTarget": None if target is None else f"{target:.2f}",
        "pnl": f"{pnl:.4f}", "fees": f"{fees:.4f}",
    }  # fmt: skip


def _glances(statuses: list[str], limit: int) -> list[Glance] | list[Session]:
    """The list, without loading a database library where the file can be read as it is."""
    from store.glance import sessions_at_a_glance

    found = None if database_url() else sessions_at_a_glance(here().path, statuses=statuses, limit=limit)
    if found is not None:
        return found
    from store import SessionStatus

    with opened() as store:
        return store.reads.sessions(statuses=[SessionStatus(status) for status in statuses], limit=limit)


_WORDS = {"created": "pending", "running": "active", "stopped": "completed"}
_STATUSES = ("pending", "active", "paused", "completed", "failed")


def _statuses(asked: list[str]) -> list[str]:
    found = [_WORDS.get(word, word) for word in asked]
    unknown = [word for word in found if word not in _STATUSES]
    if unknown:
        raise RequestRefused(
            f"status: {clean(unknown[0])[:40]} is none of {', '.join([*_STATUSES, *_WORDS])}", field="status"
        )
    return found


def _row(session: Session | Glance) -> list[str]:
    row = summary(session)
    target = row["volumeTarget"]
    created = str(row["createdAt"])[:16].replace("T", " ")
    volume, of = f"{Decimal(row['volume']):,.2f}", "" if target is None else f"{Decimal(target):,.0f}"
    return [row["sessionId"], shortened(row["name"], 28), row["status"], volume, of, row["pnl"], created]


def _shown(document: dict[str, Any]) -> dict[str, object]:
    target = "" if document["volumeTarget"] is None else f" of {document['volumeTarget']}"
    return {
        "session": document["sessionId"], "name": document["name"],
        "status": document["status"] + (f": {document['reason']}" if document["reason"] else ""),
        "market": f"{document['symbol']} in {document['environment']}", "accounts": ", ".join(document["accounts"]),
        "volume": f"{document['volume']}{target} USD in {document['pairsFilled']} pairs",
        "PnL": f"{document['pnl']} USD, of which fees {document['fees']}", "created": document["createdAt"],
        "risk": " ".join(filter(None, [document["riskState"] or "none", document["riskReason"]])),
        "legs alone": f"{document['nakedUsdSeconds']} of {document['nakedLimit'] or 'unknown'} USD·s",
        "today, all sessions": f"{document['nakedToday']} of {document['nakedDayLimit']} USD·s since midnight UTC",
        "unexplained": "not closed yet" if document["residual"] is None else f"{document['residual']} USD of "
        f"{document['equityChange']} USD change of equity",
        "open breaches": document["openBreaches"], "flow run": document["flowRunId"] or "none",
    }  # fmt: skip


def _breach(row: dict[str, Any]) -> list[object]:
    details = ", ".join(f"{name} {value}" for name, value in row["details"].items())
    since = str(row["createdAt"])[:19].replace("T", " ")
    return [row["breachId"], row["category"], row["severity"], since, "yes" if row["open"] else "no", details]


def _create(store: Store, request: SessionRequest, environment: str) -> Session:
    import os

    from connectors.settings import Environment
    from flows.wiring import create_session

    return create_session(store, request, Environment(environment), here(), os.environ)


def _watch(store: Store, session_id: str, timeout_s: float, *, as_json: bool) -> None:
    from cli.watch import follow_as_json, watch
    from store import SessionStatus

    if as_json:
        session = follow_as_json(store, session_id, timeout_s=timeout_s)
    else:
        from rich.console import Console

        session = watch(store, session_id, Console(), timeout_s=timeout_s)
        typer.echo(f"{session.status.value}: {clean(session.status_reason or '')}")
    raise typer.Exit(DONE if session.status is SessionStatus.COMPLETED else NOT_CLEAN)


def _steer(session_id: str, kind: str, wait_s: float, as_json: bool) -> None:
    from cli.steering import steer
    from store import CommandKind

    asked: CommandKind = CommandKind(kind)
    raise typer.Exit(steer(session_id, asked, wait_s=wait_s, as_json=as_json))


def _parse(path: Path) -> SessionRequest:
    from store.requests import parse_request

    return parse_request(_read(path))


def _read(path: Path) -> object:
    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
        return json.loads(text, parse_float=Decimal)
    except OSError as error:
        raise RequestRefused(f"cannot read {path}: {error.strerror}", field="request") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise RequestRefused(f"{path} is not JSON: {error}", field="request") from None
