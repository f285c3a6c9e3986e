"""Write `src/api.d.ts`, the types of everything on the wire, from the service's own OpenAPI document.

    python sdk/typescript/generate.py

Covers what our documents use of JSON Schema; anything else is an error here and not a guess there.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1]))

TARGET = HERE / "src" / "api.d.ts"
HEAD = "// Written from the service's OpenAPI document by generate.py; do not edit.\n"
_PLAIN = {"string": "string", "number": "number", "integer": "number", "boolean": "boolean", "null": "null"}
Schema = dict[str, Any]


def openapi() -> Schema:
    """Return the service's OpenAPI document; opens no store and no port."""
    from api.app import create_app
    from api.settings import ApiSettings
    from connectors.settings import Outside
    from store.home import Home

    outside = Outside(lambda: datetime.now(UTC), asyncio.sleep, random.Random(1))  # noqa: TID251
    document: Schema = create_app(ApiSettings(Home(HERE)), outside).openapi()
    return document


def types_of(document: Schema) -> str:
    """Return the text of the declarations."""
    named: dict[str, Schema] = dict(document["components"]["schemas"])
    create = document["paths"]["/api/v1/hedging/sessions"]["post"]
    named["SessionRequest"] = create["requestBody"]["content"]["application/json"]["schema"]
    codes = sorted(_codes(document))
    blocks = [_declared(name, named[name]) for name in sorted(named)]
    return HEAD + "\n" + "\n\n".join([*blocks, f"export type ErrorCode = {_union(codes)};"]) + "\n"


def _codes(document: Schema) -> set[str]:
    from api.errors import STATUS

    return set(STATUS)


def _declared(name: str, schema: Schema) -> str:
    note = _note(schema, "")
    if schema.get("type") == "object" and "properties" in schema:
        return f"{note}export interface {name} {_object(schema, '')}"
    return f"{note}export type {name} = {_type(schema, '')};"


def _object(schema: Schema, indent: str) -> str:
    deeper = indent + "  "
    required = set(schema.get("required", ()))
    lines = []
    for name, inner in schema["properties"].items():
        mark = "" if name in required else "?"
        lines.append(f"{_note(inner, deeper)}{deeper}{json.dumps(name)}{mark}: {_type(inner, deeper)};")
    return "{\n" + "\n".join(lines) + f"\n{indent}}}"


def _type(schema: Schema, indent: str) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[-1]
    if "const" in schema:
        return json.dumps(schema["const"])
    if "enum" in schema:
        return _union(schema["enum"])
    for many in ("anyOf", "oneOf"):
        if many in schema and "properties" not in schema:
            return " | ".join(dict.fromkeys(_type(part, indent) for part in schema[many]))
    match schema.get("type"):
        case "array":
            return f"Array<{_type(schema['items'], indent)}>"
        case "object":
            return _object(schema, indent) if "properties" in schema else "Record<string, unknown>"
        case str(kind) if kind in _PLAIN:
            return _PLAIN[kind]
        case None if not set(schema) - {"title", "description"}:
            return "unknown"
    raise ValueError(f"a schema that this script does not know: {schema}")


def _union(values: list[Any]) -> str:
    return " | ".join(json.dumps(value) for value in values)


def _note(schema: Schema, indent: str) -> str:
    text = " ".join(str(schema.get("description", "")).split()).replace("*/", "* /")
    return f"{indent}/** {text} */\n" if text else ""


if __name__ == "__main__":
    TARGET.write_text(types_of(openapi()))
