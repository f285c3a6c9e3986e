"""`hedge account …`: list accounts, seal their keys, ask their venues about them. Keys go in and never come out."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cli.nouns import noun
from cli.output import clean, columns, emit, facts, paint
from cli.place import DONE, NOT_CLEAN, here, now, opened
from core.errors import ConfigurationError, InsufficientAccounts

if TYPE_CHECKING:
    from connectors.settings import Environment
    from flows.accounts import Account
    from flows.looking import Seen
    from flows.roster import Listed

app = noun("Accounts at the venues, and their sealed keys.")

AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]


@app.command()
def add(
    account_id: Annotated[str, typer.Argument(help="Your own name for it.")],
    *,
    venue: Annotated[Literal["pacifica", "paradex", "backpack"], typer.Option(help="Where it is.")],
    environment: Annotated[Literal["testnet", "production"], typer.Option(help="Which of the venue's worlds.")],
    account: Annotated[str, typer.Option(help="The public address, or the API key where that names the account.")],
    owner: Annotated[str, typer.Option(help="Whose money it is.")] = "desk",
    agent_wallet: Annotated[str | None, typer.Option(help="Pacifica: public key of the agent that signs.")] = None,
    binary_version: Annotated[int | None, typer.Option(help="Paradex: read the public stream in binary.")] = None,
    key_file: Annotated[Path | None, typer.Option(help="File (mode 600) with the secret on its first line.")] = None,
    as_json: AsJson = False,
) -> None:
    """List an account in accounts.yaml and seal its key in the keystore; asks for the key, without showing it."""
    from cli.secrets import read_key, read_passphrase
    from flows.accounts import label_of
    from flows.roster import add as write
    from flows.roster import listed
    from store.keystore import Keystore

    entry = _entry(
        id=account_id, venue=venue, environment=environment, owner=owner, account=account, agent_wallet=agent_wallet,
        binary_version=binary_version,
    )  # fmt: skip
    home, keystore = here(), Keystore(here().path)
    if any(known.id == account_id for known in listed(home.path)):
        raise ConfigurationError(f"account {account_id} is listed already; remove it first", field="id")
    secret = read_key(f"secret key of {account_id} on {venue}", key_file)
    _try_key(entry, secret)
    # The key first: an account without its key would stop every session of its environment.
    keystore.put(label_of(entry), secret, read_passphrase(keystore))
    write(home.path, entry)
    if as_json:
        emit(_row(entry, "keystore"))
    else:
        typer.echo(
            f"account {account_id} is listed and its key sealed; `hedge account check {account_id}` asks {venue}"
        )


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List all accounts and where their keys come from; needs no passphrase."""
    from flows.accounts import sandbox_accounts

    rows = [_row(entry, source) for entry, source in _listed_with_sources()]
    rows += [
        {
            "accountId": a.ref.account_id, "venue": a.ref.venue.value, "environment": "sandbox", "owner": a.ref.owner,
            "account": next(iter(a.public_identity().values())), "key": "built in",
        }
        for a in sandbox_accounts(here().port_base)
    ]  # fmt: skip
    if as_json:
        emit(rows)
        return
    titles = ("account", "venue", "environment", "owner", "key", "address")
    shown = [[r["accountId"], r["venue"], r["environment"], r["owner"], r["key"], r["account"]] for r in rows]
    typer.echo(columns(titles, shown))


@app.command()
def check(
    account_ids: Annotated[list[str] | None, typer.Argument(help="Which ones; all of the environment without.")] = None,
    environment: Annotated[
        Literal["sandbox", "testnet", "production"] | None, typer.Option(help="Which environment's accounts.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Ask the venues about accounts, read-only: money, status, clock, fees; exit code 1 when one cannot be used."""
    from flows.looking import look_at_all
    from flows.wiring import outside

    chosen = _chosen(account_ids or [], environment)
    seen = asyncio.run(look_at_all(chosen, outside()))
    if as_json:
        emit([_document(one) for one in seen])
    else:
        typer.echo("\n\n".join(_shown(one) for one in seen))
    raise typer.Exit(DONE if all(one.is_usable for one in seen) else NOT_CLEAN)


@app.command()
def onboard(
    account_id: Annotated[str, typer.Argument(help="Which one.")],
    *,
    ethereum_account: Annotated[str, typer.Option(help="The wallet's public L1 address; never a key.")],
    environment: Annotated[
        Literal["sandbox", "testnet", "production"] | None, typer.Option(help="Which environment's account.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Open an account at its venue with the account's own key, once (Paradex); harmless when it is open already."""
    from flows.looking import look_at
    from flows.onboarding import onboard as register
    from flows.wiring import outside

    (account,) = _chosen([account_id], environment).values()
    asyncio.run(register(account, ethereum_account, outside()))
    seen = asyncio.run(look_at(account, outside()))
    if as_json:
        emit(_document(seen))
    else:
        typer.echo(_shown(seen))
    raise typer.Exit(DONE if seen.is_usable else NOT_CLEAN)


@app.command()
def remove(
    account_id: Annotated[str, typer.Argument(help="Which one.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Forget an account and its sealed key; the account at the venue stays as it is."""
    from flows.accounts import label_of
    from flows.roster import listed
    from flows.roster import remove as take_out
    from store.keystore import Keystore

    home = here()
    keystore = Keystore(home.path)
    entry = next((e for e in listed(home.path) if e.id == account_id), None)
    # Without an entry, keys under that name are what a removal that died in between left behind.
    labels = [
        lb for lb in keystore.labels() if lb.account_id == account_id and (entry is None or lb == label_of(entry))
    ]
    if entry is None and not labels:
        raise InsufficientAccounts(
            f"no account {clean(account_id)[:64]} is listed; `hedge account list` shows all", field="account"
        )
    _refuse_while_used(account_id)
    if not yes:
        where = f"{entry.venue}, {entry.environment}" if entry else "no longer listed, its key is still sealed"
        typer.confirm(f"forget account {account_id} ({where}) and its key?", abort=True)
    # The list first: an entry without its key would keep every account of its environment from being used.
    take_out(home.path, account_id)
    was_sealed = sum(keystore.remove(label) for label in labels) > 0  # each of them, not only the first
    if as_json:
        emit({"accountId": account_id, "removed": True, "keyRemoved": was_sealed})
    else:
        left = "" if was_sealed or entry is None else f"; its key was not sealed, look for {entry.variable}"
        typer.echo(f"account {account_id} is forgotten{left}")


def _entry(**fields: Any) -> Listed:
    """Read what was typed; says which field is wrong and never repeats it: it may be a key in the wrong place."""
    from pydantic import ValidationError

    from flows.roster import Listed
    from store.wording import field_of, problem_of

    try:
        entry = Listed.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = field_of(first["loc"])
        raise ConfigurationError(f"{field}: {problem_of(first, echoes=False)}", field=field) from None
    entry.check()
    return entry


def _try_key(entry: Listed, secret: Any) -> None:
    """Raise ConfigurationError when the text cannot be a key of that venue; asks nobody."""
    from connectors.registry import open_client
    from flows.accounts import account_of
    from flows.wiring import outside

    async def build() -> None:
        account = account_of(entry, secret)
        await open_client(entry.id, account.keys, account.endpoints, outside()).aclose()

    asyncio.run(build())


def _listed_with_sources() -> list[tuple[Listed, str]]:
    from flows.accounts import label_of
    from flows.roster import listed
    from store.keystore import Keystore

    home = here()
    sealed = set(Keystore(home.path).labels())
    found = []
    for entry in listed(home.path):
        source = "keystore" if label_of(entry) in sealed else "missing"
        if source == "missing" and os.environ.get(entry.variable):
            source = "environment"
        found.append((entry, source))
    return found


def _row(entry: Listed, source: str) -> dict[str, Any]:
    return {
        "accountId": entry.id, "venue": entry.venue.value, "environment": entry.environment.value,
        "owner": entry.owner, "account": entry.account, "key": source,
    }  # fmt: skip


def _chosen(wanted: list[str], environment: str | None) -> dict[str, Account]:
    """The accounts meant: by id in any environment, or all of one (the sandbox, when nothing is said)."""
    from connectors.settings import Environment
    from flows.accounts import accounts_for, choose

    if not wanted:
        return accounts_for(Environment(environment or "sandbox"), here(), _environ())
    found: dict[str, Account] = {}
    for name in wanted:
        place = Environment(environment) if environment else _environment_of(name)
        found |= choose(accounts_for(place, here(), _environ()), [name])
    return found


def _environment_of(name: str) -> Environment:
    from connectors.settings import Environment
    from flows.roster import listed

    return next((e.environment for e in listed(here().path) if e.id == name), Environment.SANDBOX)


def _environ() -> dict[str, str]:
    """The environment, with a passphrase that is asked for where a key is sealed and none was given."""
    from cli.secrets import read_passphrase
    from store.keystore import PASSPHRASE_VARIABLE, Keystore, passphrase_from

    keystore = Keystore(here().path)
    if not keystore.labels() or passphrase_from(os.environ) is not None or not os.isatty(0):
        return dict(os.environ)
    return {**os.environ, PASSPHRASE_VARIABLE: read_passphrase(keystore).get_secret_value()}


def _refuse_while_used(account_id: str) -> None:
    from store.glance import sessions_at_a_glance

    if not sessions_at_a_glance(here().path, limit=1):
        return
    with opened() as store:
        lease = store.reads.lease(f"account:{account_id}")
    if lease is not None and lease.expires_at > now():
        raise ConfigurationError(f"account {account_id} is held by a running session; stop it first", field="account")


def _document(seen: Seen) -> dict[str, Any]:
    margin, ref = seen.margin, seen.account.ref
    return {
        "accountId": ref.account_id, "venue": ref.venue.value, "environment": seen.account.environment.value,
        "usable": seen.is_usable, "problem": seen.problem,
        "active": None if margin is None else margin.active,
        "equity": None if margin is None else f"{margin.equity:f}",
        "available": None if margin is None else f"{margin.available:f}",
        "maintenance": None if margin is None else f"{margin.maintenance:f}",
        "positions": None if margin is None else {p.symbol: f"{p.quantity:f}" for p in seen.positions},
        "clockOffsetMs": None if seen.offset is None else round(seen.offset.total_seconds() * 1000, 1),
        "feeTier": None if seen.tier is None else seen.tier.tier,
        "makerFee": None if seen.tier is None else f"{seen.tier.maker_fee:f}",
        "takerFee": None if seen.tier is None else f"{seen.tier.taker_fee:f}",
        "venueStatus": None if seen.status is None else seen.status.state.value,
    }  # fmt: skip


def _shown(seen: Seen) -> str:
    ref, margin = seen.account.ref, seen.margin
    head = paint("ok", "green", bold=True) if seen.is_usable else paint("fail", "red", bold=True)
    title = f"{head}  {paint(ref.account_id, bold=True)} on {ref.venue} ({seen.account.environment})"
    if margin is None:
        return f"{title}\n{clean(seen.problem)}"
    held = ", ".join(f"{p.quantity:f} {p.symbol}" for p in seen.positions) or "none"
    rows: dict[str, object] = {
        "  equity": f"{margin.equity:,.2f} USD, of which {margin.available:,.2f} available",
        "  account": "active" if margin.active else "not active: in liquidation or disabled by the venue",
        "  positions": held,
    }
    if seen.offset is not None and seen.offset_error is not None:
        off, bound = seen.offset.total_seconds() * 1000, seen.offset_error.total_seconds() * 1000
        rows["  clock"] = f"{off:+.0f} ms against ours, within {bound:.0f} ms"
    if seen.tier is not None:
        maker, taker = seen.tier.maker_fee * 10_000, seen.tier.taker_fee * 10_000
        rows["  fees"] = f"tier {seen.tier.tier}: maker {maker:.2f} bps, taker {taker:.2f} bps"
    if seen.status is not None:
        rows["  venue"] = f"{seen.status.state.value}: {seen.status.text}"
    return f"{title}\n{facts(rows)}"
