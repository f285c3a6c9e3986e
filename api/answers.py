"""Which answers a route can give, for its documentation: every status with its document."""

from __future__ import annotations

from typing import Any

from api.documents.common import Refusal

_MEANINGS = {
    400: "Fewer than two usable accounts.",
    401: "No, bad or revoked key.",
    403: "The key lacks the scope.",
    404: "There is no such thing.",
    409: "Not in this state; the code says why.",
    422: "The request is malformed or contradicts itself; the message names the field.",
    429: "Too many calls; wait for Retry-After seconds.",
    500: "A failure of ours; its id is in the log.",
    502: "A venue refused or lost an order for good.",
    503: "Database, Prefect or a venue cannot be read; nothing was changed.",
}
_ALWAYS = (401, 403, 422, 429, 500, 503)


def answers(*statuses: int, **extra: Any) -> dict[int | str, dict[str, Any]]:
    """Return the documentation of a keyed route's failures: those every one has, and the given ones."""
    documented: dict[int | str, dict[str, Any]] = {
        status: {"model": Refusal, "description": _MEANINGS[status]} for status in sorted({*_ALWAYS, *statuses})
    }
    return documented | {int(status.removeprefix("_")): told for status, told in extra.items()}
