"""Reading bodies by hand where exact decimals matter: JSON numbers become decimals, never floats."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from fastapi import Request

from api.documents.keys import NewKey
from core.errors import RequestRefused
from store.requests import SessionRequest, refused_at
from store.wording import not_finite


async def json_body(request: Request) -> object:
    """Return the body as JSON with exact numbers; raise RequestRefused when it is none, or names no finite number."""
    try:
        document = json.loads(await request.body(), parse_float=Decimal, parse_constant=Decimal)
    except (ValueError, ArithmeticError, RecursionError):
        raise RequestRefused("body: not JSON (or nested too deeply); send one JSON object", field="body") from None
    field = not_finite(document)
    if field is not None:
        raise refused_at(field, f"{field}: give a finite number; NaN and Infinity are none")
    return document


async def no_body(request: Request) -> None:
    """Accept nothing, or an empty object; raise RequestRefused for anything else, so that nothing is ignored."""
    if await request.body() and await json_body(request) != {}:
        raise RequestRefused("body: this call takes none", field="body")


def session_request_body() -> dict[str, Any]:
    """Return the documentation of a session request's body, both older forms included."""
    schema = SessionRequest.model_json_schema(by_alias=True, ref_template="#/components/schemas/{model}")
    schema.pop("$defs", None)
    properties = schema["properties"]
    properties["accountIds"] = {
        **properties["accounts"],
        "title": "Account ids",
        "description": "The same as accounts.",
    }
    schema["required"] = [name for name in schema["required"] if name != "accounts"]
    schema["oneOf"] = [{"required": ["accounts"]}, {"required": ["accountIds"]}]
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def body_schemas() -> dict[str, Any]:
    """Return the schemas that the documentation of bodies read by hand refers to."""
    schema = SessionRequest.model_json_schema(by_alias=True, ref_template="#/components/schemas/{model}")
    new_key = NewKey.model_json_schema(by_alias=True, ref_template="#/components/schemas/{model}")
    return {**schema.pop("$defs", {}), **new_key.pop("$defs", {}), "NewKey": new_key}
