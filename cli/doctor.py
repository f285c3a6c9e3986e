"""`hedge doctor`: every check, a line each: how it is, and what to do where it is not well. Changes nothing."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict

import typer

from cli import checkup
from cli.findings import Finding, Level, fail
from cli.output import COLOURS, clean, emit, paint
from cli.place import DONE, NOT_CLEAN, database_url, here, now, opened
from core.errors import HedgeError
from store.home import Home


def run(*, offline: bool, as_json: bool) -> int:
    """Run all checks, print as they come, and return the exit code."""
    found = []
    for finding in findings(here(), offline=offline):
        found.append(finding)
        if not as_json:
            typer.echo(line(finding))
    failed, warned = (sum(f.level is level for f in found) for level in (Level.FAIL, Level.WARN))
    if as_json:
        emit({"ok": not failed, "findings": [asdict(f) for f in found]})
    else:
        typer.echo(f"{len(found)} checks: {failed} failed, {warned} to look at")
    return NOT_CLEAN if failed else DONE


def findings(home: Home, *, offline: bool) -> Iterator[Finding]:
    """Yield every finding; a check that breaks is a finding itself."""
    yield from checkup.packages()
    yield from checkup.folder(home)
    stored = list(_guarded("database", checkup.database(home, database_url())))
    yield from stored
    yield from _guarded("results", checkup.results(home))
    yield from _guarded("keys", checkup.keys(home, os.environ))
    if all(finding.level is Level.OK for finding in stored):
        yield from _guarded("sessions", _sessions())
    if not offline:
        yield from _services(home)
    yield from checkup.ports(home, taken_by_us=home.running.exists())


def _services(home: Home) -> Iterator[Finding]:
    import httpx

    from cli import checkup_services

    with httpx.Client(trust_env=False, timeout=checkup_services.TIMEOUT_S) as client:
        seen = list(checkup_services.twins(home, client))
        yield from seen
        yield from checkup_services.prefect(home, client)
        yield from checkup_services.api(home, client)
    with_sandbox = all(finding.level is Level.OK for finding in seen)
    yield from _guarded("venues", checkup_services.venues(home, os.environ, with_sandbox=with_sandbox))


def _sessions() -> Iterator[Finding]:
    """Only for a database that is there and up to date: opening another one would make or change it."""
    with opened() as store:
        yield from checkup.sessions(store, now())


def _guarded(subject: str, found: Iterable[Finding]) -> Iterator[Finding]:
    try:
        yield from found
    except HedgeError as error:
        yield fail(subject, str(error), "mend that first, then run this again")


def line(finding: Finding) -> str:
    """One line for people; the remedy below where there is one."""
    mark = paint(f"{finding.level:<4}", COLOURS[finding.level.value], bold=finding.level is not Level.OK)
    text = f"{mark}  {finding.subject:<18} {clean(finding.text)}"
    return f"{text}\n      {'':<18} → {clean(finding.remedy)}" if finding.remedy else text
