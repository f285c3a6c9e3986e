"""Checks of this machine: packages, data folder, database, results, keys, ports. Reads only; asks no network."""

from __future__ import annotations

import re
import shutil
import socket
import sqlite3
import stat
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import datetime
from importlib.metadata import PackageNotFoundError, requires, version
from typing import TYPE_CHECKING

from cli.findings import Finding, fail, ok, warn
from core.errors import ConfigurationError
from store.home import FREE_BYTES_MIN, Home

if TYPE_CHECKING:
    from store import Store

_REQUIREMENT = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*])?\s*([^;]*)(;.*)?$")
_BOUND = re.compile(r"(==|>=|<=|<|>|~=|!=)\s*([0-9][0-9A-Za-z.]*)")


def packages() -> Iterator[Finding]:
    """Compare what is installed with the bounds this system was checked with."""
    wrong = []
    for text in requires("hedging") or ():
        match = _REQUIREMENT.match(text)
        if match is None or (match[3] and "extra" in match[3]):
            continue
        name, bounds = match[1], match[2]
        try:
            installed = version(name)
        except PackageNotFoundError:
            wrong.append(f"{name} is not installed")
            continue
        if not fits(installed, bounds):
            wrong.append(f"{name} {installed}, wanted {bounds.strip()}")
    if wrong:
        yield fail("packages", "; ".join(wrong), "install the locked versions again (docs/adr/0001-versions.md)")
    else:
        yield ok("packages", f"hedging {version('hedging')}, prefect {version('prefect')}, duckdb {version('duckdb')}")


def fits(installed: str, bounds: str) -> bool:
    """Tell whether a version lies within bounds like `>=3.8.8,<4`; only numbers are compared."""
    have = _numbers(installed)
    for sign, text in _BOUND.findall(bounds):
        want = _numbers(text)
        width = max(len(have), len(want))
        left, right = (*have, *(0,) * (width - len(have))), (*want, *(0,) * (width - len(want)))
        holds = {
            "==": left == right, "!=": left != right, ">=": left >= right, "<=": left <= right, ">": left > right,
            "<": left < right, "~=": left >= right and have[: len(want) - 1] == want[:-1],
        }  # fmt: skip
        if not holds[sign]:
            return False
    return True


def _numbers(text: str) -> tuple[int, ...]:
    found = []
    for part in text.split("."):
        digits = re.match(r"\d+", part)
        if digits is None:
            break
        found.append(int(digits[0]))
    return tuple(found)


def folder(home: Home) -> Iterator[Finding]:
    """The data folder: there, private, with room."""
    if not home.path.exists():
        yield warn("data folder", f"{home.path} is not there yet", "`hedge up` or `hedge demo` makes it")
        return
    mode = stat.S_IMODE(home.path.stat().st_mode)
    if mode & 0o077:
        yield warn("data folder", f"{home.path} can be entered by others", f"chmod 700 {home.path}")
    else:
        yield ok("data folder", str(home.path))
    free = shutil.disk_usage(home.path).free
    if free < FREE_BYTES_MIN:
        yield fail("disk", f"{free / 1e6:,.0f} MB free", "free some space or point HEDGE_HOME to another disk")
    elif free < 10 * FREE_BYTES_MIN:
        yield warn("disk", f"{free / 1e6:,.0f} MB free", "free some space before long sessions")
    else:
        yield ok("disk", f"{free / 1e9:,.1f} GB free")


def database(home: Home, url: str | None) -> Iterator[Finding]:
    """The operational store: schema and integrity."""
    from store.engine import reading_engine, sqlite_url
    from store.schema import HEAD, revision

    file = home.path / "hedge.db"
    if url is None and not file.exists():
        yield warn("database", "there is none yet", "`hedge up` or any session command makes it")
        return
    try:
        engine = reading_engine(url or sqlite_url(home.path))
        try:
            found = revision(engine)
        finally:
            engine.dispose()
    except Exception as error:  # noqa: BLE001  (whatever a driver raises is what is wrong with it)
        yield fail("database", f"cannot be read ({type(error).__name__})", "check HEDGE_DATABASE_URL and its server")
        return
    if found != HEAD:
        yield warn("database", f"schema {found}, this version wants {HEAD}", "any command that writes upgrades it")
    else:
        yield ok("database", f"schema {HEAD}")
    if url is None:
        yield from _integrity(home)


def _integrity(home: Home) -> Iterator[Finding]:
    try:
        with closing(sqlite3.connect(f"{(home.path / 'hedge.db').as_uri()}?mode=ro", uri=True)) as connection:
            said = [str(row[0]) for row in connection.execute("pragma quick_check(5)")]
    except sqlite3.Error as error:
        said = [str(error)]
    if said == ["ok"]:
        yield ok("integrity", "the database file is sound")
    else:
        remedy = "stop everything, keep a copy of the file, and bring back the last good one"
        yield fail("integrity", "; ".join(said)[:200], remedy)


def results(home: Home) -> Iterator[Finding]:
    """results.duckdb: can be opened, or is not there yet."""
    from store.errors import StoreError
    from store.warehouse import results as opened

    if not home.results.exists():
        yield ok("results", "none yet; the first session's end makes them")
        return
    try:
        with opened(home.path, wait_s=2) as connection:
            row = connection.execute("select count(*) from sessions").fetchone()
        yield ok("results", f"{row[0] if row else 0} sessions")
    except StoreError as error:
        yield warn("results", str(error), "close the program that holds it; it can be rebuilt from the segments")


def keys(home: Home, environ: Mapping[str, str]) -> Iterator[Finding]:
    """The keystore and its passphrase, and whether every listed account has a key."""
    from flows.accounts import label_of
    from flows.roster import listed
    from store.keystore import Keystore, passphrase_from

    keystore = Keystore(home.path)
    try:
        sealed, entries = set(keystore.labels()), listed(home.path)
        passphrase = passphrase_from(environ)
        if sealed and passphrase is not None:
            keystore.check(passphrase)
    except ConfigurationError as error:
        yield fail("keys", str(error), "sessions outside the sandbox cannot start before that is mended")
        return
    if not sealed:
        yield ok("keystore", "empty; the sandbox needs none")
    elif passphrase is None:
        remedy = "set HEDGE_PASSPHRASE or HEDGE_PASSPHRASE_FILE for the process that executes sessions"
        yield warn("keystore", f"{len(sealed)} sealed keys, no passphrase given", remedy)
    else:
        yield ok("keystore", f"{len(sealed)} sealed keys, all open")
    keyless = [e for e in entries if label_of(e) not in sealed and not environ.get(e.variable)]
    for entry in keyless:
        remedy = f"`hedge account remove {entry.id}` and add it again, or set {entry.variable}"
        yield fail("accounts", f"{entry.id} on {entry.venue} ({entry.environment}) has no key", remedy)
    orphans = sealed - {label_of(e) for e in entries}
    for label in sorted(orphans):
        yield warn("accounts", f"a key is sealed for {label}, which is not listed", "list it in accounts.yaml")
    if entries and not keyless:
        yield ok("accounts", f"{len(entries)} listed, each with a key")


def sessions(store: Store, now: datetime) -> Iterator[Finding]:
    """Sessions that wait for somebody: without a run, or with an open critical breach."""
    from core.risk import Severity
    from store import SessionStatus

    live = store.reads.sessions(statuses=(SessionStatus.ACTIVE, SessionStatus.PAUSED), limit=1000)
    quiet = True
    for session in live:
        lease = store.reads.lease(f"session:{session.session_id}")
        if lease is None or lease.expires_at <= now:
            quiet = False
            remedy = f"`hedge session start {session.session_id}` takes it up, `hedge session stop` winds it down"
            yield warn("sessions", f"{session.name} is {session.status} and no run drives it", remedy)
        for breach in store.reads.breaches(session.session_id, open_only=True):
            if breach.severity is Severity.CRITICAL:
                quiet = False
                remedy = f"look, then `hedge session acknowledge {session.session_id} {breach.breach_id}`"
                yield fail("sessions", f"{session.name}: critical breach {breach.category}", remedy)
    if quiet:
        yield ok("sessions", f"{len(live)} running or paused, none waits for anybody")


def ports(home: Home, *, taken_by_us: bool) -> Iterator[Finding]:
    """Whether what `hedge up` needs is free; nothing to say while it runs."""
    if taken_by_us:
        return
    wanted = {home.port_base + n: ("the venue twins", "HEDGE_PORT_BASE") for n in range(4)}
    wanted |= {home.prefect_port: ("Prefect", "HEDGE_PREFECT_PORT"), home.api_port: ("the API", "HEDGE_API_PORT")}
    busy = [(port, *what) for port, what in wanted.items() if _is_taken(port)]
    for port, purpose, variable in busy:
        yield fail("ports", f"{port} (for {purpose}) is taken by another program", f"stop it or set {variable}")
    if not busy:
        yield ok("ports", "all free for `hedge up`")


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False
