"""The HTTP door of the Backpack twin: who is asking, what was asked, and how answers are spelled.

Duty: authorise a parsed request, page history rows, encode answers and refusals. It must not know routes.

Source: docs.backpack.exchange, "Authentication"; API reference (JSON with explicit nulls, X-Current-Page,
X-Page-Count, X-Page-Size and X-Total on history calls); support.backpack.exchange, "Rate limits".
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from sandbox.dialects import backpack_auth as auth
from sandbox.dialects import backpack_errors as errors
from sandbox.dialects.backpack_context import Twin
from sandbox.dialects.backpack_numbers import milliseconds
from sandbox.dialects.backpack_payload import SORT_DIRECTIONS, Members
from sandbox.dialects.backpack_wire import Json

PAGE_ROWS_DEFAULT = 100
PAGE_ROWS_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Page:
    """Which rows of a history are wanted."""

    limit: int
    offset: int
    is_newest_first: bool = True


def query_members(twin: Twin, request: Request) -> Members:
    """Return the query parameters; of a repeated key the last one counts."""
    return Members(dict(request.query_params.multi_items()), symbols=twin.by_symbol)


def authorise(twin: Twin, request: Request, instruction: str, groups: Sequence[Mapping[str, auth.SignedValue]]) -> str:
    """Return the account that signed the request.

    Checks headers, clock window, signature over the members that were read, account, and rate limit, in this
    order; raises ``ApiRefusal``.
    """
    credentials = auth.read_headers(request.headers)
    auth.check_window(credentials, milliseconds(twin.wall_us()))
    text = auth.signing_text(instruction, groups, credentials.timestamp, credentials.window)
    if not auth.is_signed_by_key(credentials, text):
        raise errors.invalid_signature(twin.switches.signature_error_code)
    account_id = twin.account(credentials.api_key).id
    twin.limit.spend(account_id, twin.wall_us())
    return account_id


def read_limit(members: Members, maximum: int = PAGE_ROWS_MAX) -> int:
    """Return the ``limit`` parameter, default 100; out of range is a plain-text refusal."""
    limit = members.unsigned("limit")
    if limit is None:
        return PAGE_ROWS_DEFAULT
    if not 1 <= limit <= maximum:
        raise members.refusal("limit", "integer", f"verification failed. maximum({maximum})")
    return limit


def read_page(members: Members) -> Page:
    """Return ``limit``, ``offset`` and ``sortDirection``."""
    limit = read_limit(members)
    offset = members.unsigned("offset") or 0
    return Page(limit, offset, members.choice("sortDirection", SORT_DIRECTIONS) != "Asc")


def page_answer(rows: Sequence[Json], page: Page) -> Response:
    """Answer one page of ``rows`` (oldest first) with the pagination headers."""
    ordered = list(reversed(rows)) if page.is_newest_first else list(rows)
    answer = json_answer(ordered[page.offset : page.offset + page.limit])
    answer.headers["X-Current-Page"] = str(page.offset // page.limit + 1)
    answer.headers["X-Page-Count"] = str(-(-len(ordered) // page.limit))
    answer.headers["X-Page-Size"] = str(page.limit)
    answer.headers["X-Total"] = str(len(ordered))
    return answer


def json_answer(value: object, status: int = 200) -> Response:
    """Answer JSON with alphabetical keys."""
    body = json.dumps(value, separators=(",", ":"), sort_keys=True)
    return Response(body, status_code=status, media_type="application/json; charset=utf-8")


def refusal_answer(refusal: errors.WireRefusal) -> Response:
    """Answer a refusal: JSON for API refusals, plain text for parse failures."""
    if isinstance(refusal, errors.ApiRefusal):
        return json_answer(refusal.body(), refusal.status)
    return PlainTextResponse(str(refusal), status_code=refusal.status)
