"""What `hedge session verify` and `hedge session explain` do: read, compare, print. Changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from cli.output import clean, emit, paint
from cli.place import DONE, NOT_CLEAN, opened

if TYPE_CHECKING:
    from store.verification import Verified


def verify_session(session_id: str, *, head: str | None, as_json: bool) -> int:
    """Verify a session's certificates and print what was found; returns the exit code, 1 when anything differs."""
    from store.verification import verify

    with opened() as store:
        found = verify(store, session_id, head=head)
    if as_json:
        emit(_document(found))
        return DONE if found.is_intact else NOT_CLEAN
    typer.echo(
        f"{found.certificates} certificates ({found.corrections} corrections), {found.open_pairs} open pairs, "
        f"{found.loose_orders} orders outside pairs, {found.results} pairs compared with the results"
    )
    typer.echo(f"head {found.head or 'none'}")
    for finding in found.findings:
        whose = f"  (pair {clean(finding.pair_id)})" if finding.pair_id else ""
        typer.echo(f"{paint('differs', 'red')}  {clean(finding.text)}{whose}")
    typer.echo(paint("intact", "green") if found.is_intact else paint(f"{len(found.findings)} findings", "red"))
    return DONE if found.is_intact else NOT_CLEAN


def explain_pair(session_id: str, pair: str, *, as_json: bool) -> None:
    """Print why a pair was done as it was; `pair` is its id or its number in the session."""
    from store.explanation import explanation_of

    with opened() as store:
        found = explanation_of(store, session_id, pair)
    if as_json:
        kept = [one.content() | {"sha256": one.sha256} for one in found.certificates]
        emit({"pairId": found.pair_id, "sentences": list(found.sentences), "certificates": kept})
    else:
        typer.echo("\n".join(clean(sentence) for sentence in found.sentences))


def _document(found: Verified) -> dict[str, Any]:
    return {
        "sessionId": found.session_id, "intact": found.is_intact, "head": found.head,
        "certificates": found.certificates, "corrections": found.corrections, "openPairs": found.open_pairs,
        "looseOrders": found.loose_orders, "pairsInResults": found.results,
        "findings": [{"position": f.position, "pairId": f.pair_id, "text": f.text} for f in found.findings],
    }  # fmt: skip
