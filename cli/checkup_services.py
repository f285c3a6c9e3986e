"""Checks of what should be running and of the venues: Prefect, the API, the twins, every account. Reads only."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from importlib.metadata import version

import httpx

from cli.findings import Finding, fail, ok, warn
from connectors.settings import Environment
from core.errors import ConfigurationError
from flows.accounts import accounts_for
from flows.looking import Seen, look_at_all
from flows.roster import listed
from flows.wiring import outside
from store.home import Home

TIMEOUT_S = 3.0
CLOCK_MAX = timedelta(seconds=1)
CROWDED = Decimal("0.5")


def twins(home: Home, client: httpx.Client) -> Iterator[Finding]:
    """The local venue twins."""
    try:
        client.get(f"{home.sandbox_url}/").raise_for_status()
        yield ok("twins", home.sandbox_url)
    except httpx.HTTPError:
        yield warn("twins", f"nothing answers at {home.sandbox_url}", "`hedge up` starts them; testnets need none")


def prefect(home: Home, client: httpx.Client) -> Iterator[Finding]:
    """The Prefect server: reachable, of the same version, with the deployments."""
    try:
        client.get(f"{home.prefect_url}/api/health").raise_for_status()
        served = str(client.get(f"{home.prefect_url}/api/admin/version").json())
        rows = client.post(f"{home.prefect_url}/api/deployments/filter", json={}).json()
        names = {str(row["name"]) for row in rows}
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        yield warn("Prefect", f"nothing usable answers at {home.prefect_url}", "`hedge up` starts it")
        return
    if served != version("prefect"):
        yield fail("Prefect", f"the server is {served}, this is {version('prefect')}", "run both from one installation")
    else:
        yield ok("Prefect", f"{home.prefect_url}, version {served}")
    absent = [environment.value for environment in Environment if environment.value not in names]
    if absent:
        yield fail("deployments", f"not served: {', '.join(absent)}", "restart `hedge up`; see the log of the service")
    else:
        yield ok("deployments", ", ".join(sorted(names)))


def api(home: Home, client: httpx.Client) -> Iterator[Finding]:
    """The HTTP API and what it says of its own readiness."""
    try:
        answer = client.get(f"{home.api_url}/readyz")
    except httpx.HTTPError:
        yield warn("API", f"nothing answers at {home.api_url}", "`hedge up` starts it")
        return
    if answer.is_success:
        yield ok("API", f"{home.api_url} is ready")
    else:
        yield fail(
            "API", f"{home.api_url} is not ready ({answer.status_code})", "its /readyz and log say what is missing"
        )


def venues(home: Home, environ: Mapping[str, str], *, with_sandbox: bool) -> Iterator[Finding]:
    """Every account whose key is at hand, asked through its venue."""
    wanted = [Environment.SANDBOX] if with_sandbox else []
    try:
        wanted += sorted({entry.environment for entry in listed(home.path)})
    except ConfigurationError:
        return  # said already, by the check of the keys
    for environment in wanted:
        try:
            accounts = accounts_for(environment, home, environ)
        except ConfigurationError as error:
            yield warn(f"{environment}", str(error), "these accounts were not asked about")
            continue
        for seen in asyncio.run(look_at_all(accounts, outside())):
            yield from of_account(seen)


def of_account(seen: Seen) -> Iterator[Finding]:
    """What is to be said of one account."""
    ref, margin = seen.account.ref, seen.margin
    subject = f"{ref.venue}/{ref.account_id}"
    if seen.problem is not None or margin is None:
        yield fail(subject, seen.problem or "the venue said nothing about its money", "no session can use it")
        return
    if not margin.active:
        yield fail(subject, "the venue reports it as not active", "settle it at the venue or use another account")
    elif margin.available <= 0:
        yield fail(subject, f"no margin is available (equity {margin.equity:,.2f} USD)", "deposit at the venue")
    else:
        held = f", {len(seen.positions)} open positions" if seen.positions else ""
        clock = "" if seen.offset is None else f", clock {seen.offset.total_seconds() * 1000:+.0f} ms"
        yield ok(subject, f"{margin.available:,.2f} of {margin.equity:,.2f} USD available{held}{clock}")
    if seen.status is not None and not seen.status.takes_new_risk:
        yield warn(subject, f"the venue says: {seen.status.state} ({seen.status.text})", "wait until it is open again")
    if seen.offset is not None and abs(seen.offset) > CLOCK_MAX:
        off = seen.offset.total_seconds()
        yield fail(subject, f"its clock is {off:+.1f} s from ours", "set this machine's clock (NTP)")
    if margin.equity > 0 and margin.maintenance / margin.equity > CROWDED:
        share = margin.maintenance / margin.equity
        yield warn(subject, f"maintenance margin is {share:.0%} of equity", "reduce positions or deposit")
