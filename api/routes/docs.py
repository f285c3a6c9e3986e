"""`/docs`: the OpenAPI document as one plain page, without script and without any request to elsewhere."""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

router = APIRouter(include_in_schema=False)

_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1c2430;background:#fff}
code,pre{font:14px/1.45 ui-monospace,monospace;background:#f2f4f7;border-radius:4px;padding:.1em .3em}
pre{padding:.8em;overflow:auto}
details{border:1px solid #d5dae1;border-radius:6px;margin:.5rem 0;padding:.4rem .8rem}
summary{cursor:pointer}
table{border-collapse:collapse;margin:.5rem 0}
td,th{text-align:left;padding:.2rem .8rem .2rem 0;vertical-align:top}
@media(prefers-color-scheme:dark){body{color:#e3e8ef;background:#12161c}code,pre{background:#1e252e}
details{border-color:#343d49}a{color:#8ab8ff}}
""".strip()
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; frame-ancestors 'none'"


@router.get("/docs")
async def docs(request: Request) -> HTMLResponse:
    """Show every call with its parameters, body and answers."""
    return HTMLResponse(page(request.app.openapi()), headers={"Content-Security-Policy": _POLICY})


def page(document: Mapping[str, Any]) -> str:
    """Return the page of an OpenAPI document."""
    told = document["info"]
    schemas = document.get("components", {}).get("schemas", {})
    operations = "".join(
        _operation(path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    )
    shapes = "".join(_schema(name, schema) for name, schema in sorted(schemas.items()))
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{_t(told["title"])}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style>'
        f"<h1>{_t(told['title'])}</h1><p>{_t(told.get('description', ''))}</p>"
        "<p>Keys go into the header <code>Authorization: Bearer hk_…</code>. For programs: "
        '<a href="/openapi.json">openapi.json</a>.</p>'
        f"<h2>Calls</h2>{operations}<h2>Documents</h2>{shapes}</html>"
    )


def _operation(path: str, method: str, operation: Mapping[str, Any]) -> str:
    parts = [f"<p>{_t(operation.get('description', operation.get('summary', '')))}</p>"]
    if operation.get("parameters"):
        rows = "".join(_parameter(parameter) for parameter in operation["parameters"])
        parts.append(f"<table><tr><th>parameter</th><th>in</th><th>type</th><th></th></tr>{rows}</table>")
    parts += [f"<p>Body: {name}</p>" for name in _bodies(operation.get("requestBody", {}))]
    answers = "".join(
        f"<tr><td>{_t(status)}</td><td>{_t(told.get('description', ''))}</td><td>{', '.join(_bodies(told))}</td></tr>"
        for status, told in sorted(operation["responses"].items())
    )
    parts.append(f"<table><tr><th>status</th><th></th><th>document</th></tr>{answers}</table>")
    return f"<details><summary><code>{_t(method.upper())} {_t(path)}</code></summary>{''.join(parts)}</details>"


def _parameter(parameter: Mapping[str, Any]) -> str:
    name = _t(parameter["name"]) + (" *" if parameter.get("required") else "")
    told = _t(parameter.get("description", ""))
    return (
        f"<tr><td><code>{name}</code></td><td>{_t(parameter['in'])}</td>"
        f"<td>{_kind(parameter['schema'])}</td><td>{told}</td></tr>"
    )


def _schema(name: str, schema: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{_t(field)}</code></td><td>{_kind(told)}</td><td>{_t(told.get('description', ''))}</td></tr>"
        for field, told in schema.get("properties", {}).items()
    )
    values = ", ".join(_t(str(value)) for value in schema.get("enum", []))
    body = f"<p>{_t(schema.get('description', ''))}</p><p>{values}</p><table>{rows}</table>"
    return f'<details id="{_t(name)}"><summary>{_t(name)}</summary>{body}</details>'


def _bodies(told: Mapping[str, Any]) -> Iterator[str]:
    for content in told.get("content", {}).values():
        yield _kind(content.get("schema", {}))


def _kind(schema: Mapping[str, Any]) -> str:
    """Say a schema in a word or two, with links to named ones."""
    if "$ref" in schema:
        name = _t(schema["$ref"].rsplit("/", 1)[-1])
        return f'<a href="#{name}">{name}</a>'
    for word in ("anyOf", "oneOf"):
        if word in schema and "properties" not in schema:
            return " or ".join(_kind(part) for part in schema[word])
    if "enum" in schema:
        return " | ".join(_t(str(value)) for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    return _t(str(schema.get("const", schema.get("title") if "properties" in schema else schema.get("type", "any"))))


def _t(text: str) -> str:
    return html.escape(text, quote=True)
