"""The OpenAPI document: what FastAPI finds, and what it cannot know: keys, scopes, headers, both request forms."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api.bodies import body_schemas

_SUMMARY = (
    "Hedging sessions across perpetual-futures venues. Every keyed answer carries X-Request-Id and X-RateLimit-Limit, "
    "-Remaining and -Reset; every refusal is {success: false, error: {code, message, details}, timestamp}."
)
_IDEMPOTENCY = {
    "name": "Idempotency-Key", "in": "header", "required": False,
    "description": "The same key with the same body gets the first answer again, for a day; another body gets 409.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
}  # fmt: skip


def document(app: FastAPI) -> dict[str, Any]:
    """Return the app's OpenAPI document; it is made once."""
    if app.openapi_schema is not None:
        return app.openapi_schema
    made = get_openapi(
        title=app.title, version=app.version, summary="Own orders never meet.", description=_SUMMARY, routes=app.routes
    )
    components = made.setdefault("components", {})
    components.setdefault("schemas", {}).update(body_schemas())
    for unused in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(unused, None)
    components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer", "description": "hk_<id>_<secret>"}}
    for path, operations in made["paths"].items():
        if path.startswith("/api/"):
            for method, operation in operations.items():
                operation["security"] = [{"key": []}]
                _refuse_in_json(operation)
                if method == "post":
                    operation.setdefault("parameters", []).append(_IDEMPOTENCY)
    app.openapi_schema = made
    return made


def _refuse_in_json(operation: dict[str, Any]) -> None:
    """Refusals are JSON, also where the answer itself is a page."""
    for status, told in operation["responses"].items():
        if status >= "400" and "application/json" not in told.get("content", {}):
            (told["content"],) = ({"application/json": content} for content in told["content"].values())
