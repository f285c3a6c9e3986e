"""`hedge key …`: keys of the HTTP API, straight in this machine's store. A key is shown once, when it is made."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.nouns import noun
from cli.output import columns, emit
from cli.place import now, opened
from store.api_records import Scope

if TYPE_CHECKING:
    from store.api_records import ApiKey

app = noun("Keys of the HTTP API.")

AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
_Scopes = Annotated[
    list[Scope] | None,
    typer.Option("--scope", help="What it may do; may be given several times. kill alone may only stop and flatten."),
]


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What it is for.")], scope: _Scopes = None, as_json: AsJson = False
) -> None:
    """Make a key (scope read without --scope) and show it, this once."""
    from pydantic import ValidationError

    from api.auth import make_key
    from api.documents.keys import NewKey
    from store.requests import refusal

    try:
        wish = NewKey(name=name, scopes=scope or [Scope.READ])
    except ValidationError as error:
        raise refusal(error) from None
    key, text = make_key(wish.name, wish.scopes, at=now(), random=secrets.token_bytes)
    with opened() as store:
        store.journal.create_api_key.now(key)
    if as_json:
        emit(_document(key) | {"key": text})
        return
    typer.echo(text)
    typer.echo("keep it: it is not shown again, only a digest of it is stored", err=True)


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List all keys, oldest first; never their secrets."""
    with opened() as store:
        rows = [_document(key) for key in store.reads.api_keys()]
    if as_json:
        emit(rows)
    elif not rows:
        typer.echo("no keys yet; `hedge up` makes the first, `hedge key create` more")
    else:
        typer.echo(columns(("key", "name", "scopes", "state", "created", "last used"), [_row(row) for row in rows]))


@app.command()
def revoke(key_id: Annotated[str, typer.Argument(help="The key's id, as listed.")], as_json: AsJson = False) -> None:
    """Make a key useless from now on."""
    with opened() as store:
        key = store.journal.revoke_api_key.now(key_id, at=now())
    emit(_document(key)) if as_json else typer.echo(f"key {key.key_id} ({key.name}) is revoked")


def _document(key: ApiKey) -> dict[str, Any]:
    return {
        "keyId": key.key_id, "name": key.name, "scopes": sorted(key.scopes), "valid": key.is_valid,
        "createdAt": key.created_at.isoformat(timespec="seconds"),
        "revokedAt": None if key.revoked_at is None else key.revoked_at.isoformat(timespec="seconds"),
        "lastUsedAt": None if key.last_used_at is None else key.last_used_at.isoformat(timespec="seconds"),
    }  # fmt: skip


def _row(row: dict[str, Any]) -> list[str]:
    created, used = str(row["createdAt"])[:16], str(row["lastUsedAt"] or "never")[:16]
    state = "valid" if row["valid"] else "revoked"
    return [
        row["keyId"],
        row["name"],
        " ".join(row["scopes"]),
        state,
        created.replace("T", " "),
        used.replace("T", " "),
    ]
