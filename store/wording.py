"""What is wrong with a field, in plain words with the remedy. Knows pydantic's kinds of errors and shows none of them.

Every text follows the field's name and a colon. Nothing here names a class, and an input is echoed in part and as JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from pydantic_core import ErrorDetails

SHOWN_MAX = 40
_FLOATS_MAX = Decimal("1e300")
_OBJECT, _NUMBER, _WHOLE = "give an object, { … }", "give a number", "give a whole number"
_WORDS = {
    "missing": "is missing; give it",
    "extra_forbidden": "not a known field; leave it out",
    "invalid_key": "a field's name must be a text; take it out, or put the name in quotes",
    "string_type": "give a text",
    "string_too_short": "give at least {min_length} characters",
    "string_too_long": "give at most {max_length} characters",
    "string_pattern_mismatch": "is not of the form {pattern}",
    "string_unicode": "give a text of valid characters",
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_from_float": _WHOLE,
    "int_parsing_size": "give a smaller number",
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "decimal_type": _NUMBER,
    "decimal_parsing": _NUMBER,
    "finite_number": "give a finite number",
    "decimal_max_digits": "give at most {max_digits} digits",
    "decimal_max_places": "give at most {decimal_places} decimals",
    "decimal_whole_digits": "give at most {whole_digits} digits before the point",
    "greater_than": "must be above {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be below {lt}",
    "less_than_equal": "must be at most {le}",
    "bool_type": "give true or false",
    "bool_parsing": "give true or false",
    "enum": "must be {expected}",
    "literal_error": "must be {expected}",
    "list_type": "give a list, [ … ]",
    "too_short": "give at least {min_length} entries",
    "too_long": "give at most {max_length} entries",
    "dict_type": _OBJECT,
    "model_type": _OBJECT,
    "model_attributes_type": _OBJECT,
}
_OWN = frozenset({"number", "name", "goal"})
_WITHOUT_INPUT = frozenset({"missing", "goal"})
# A member of an enumeration as Python writes it, e.g. <Environment.TESTNET: 'testnet'>.
_MEMBER = re.compile(r"<\w+\.\w+: ('[^']*')>")


def field_of(loc: Sequence[int | str]) -> str:
    """Write a place in a document as a path, e.g. `strategy.timing` or `accounts[1]`; empty for the whole of it."""
    path = ""
    for part in loc:
        path += f"[{part}]" if isinstance(part, int) else f".{_cut(part)}"
    return path.removeprefix(".")


def problem_of(item: ErrorDetails, *, echoes: bool = True) -> str:
    """Say what is wrong with one field and what to give instead; echoes: with the first part of what was given."""
    kind = item["type"]
    words = item["msg"] if kind in _OWN else _WORDS.get(kind, "cannot be taken; see the API's documentation")
    if kind not in _OWN and "{" in words and "{ …" not in words:
        words = words.format_map({name: _plain(value) for name, value in item.get("ctx", {}).items()})
        words = _MEMBER.sub(r"\1", words)
    given = "" if not echoes or kind in _WITHOUT_INPUT else f" (given: {shown(item['input'])})"
    return words + given


def shown(value: object) -> str:
    """Write the first part of a value as JSON; control characters never come through."""
    return _cut(json.dumps(_jsonable(value), default=lambda _: "…"))


def not_finite(document: object) -> str | None:
    """Return the path of the first number in a document that is NaN or infinite; None when there is none."""
    waiting: list[tuple[list[int | str], object]] = [([], document)]
    while waiting:
        loc, value = waiting.pop()
        if isinstance(value, Decimal) and not value.is_finite():
            return field_of(loc) or "body"
        if isinstance(value, Mapping):
            waiting += [([*loc, str(name)], part) for name, part in reversed(list(value.items()))]
        elif isinstance(value, list):
            waiting += [([*loc, n], part) for n, part in reversed(list(enumerate(value)))]
    return None


def _jsonable(value: object, depth: int = 0) -> object:
    """The part of a value that can be seen at all in so short a text."""
    if isinstance(value, Decimal):
        return float(value) if abs(value) <= _FLOATS_MAX else str(value)
    if isinstance(value, Mapping | list | tuple) and depth > SHOWN_MAX:
        return "…"
    if isinstance(value, Mapping):
        return {str(name): _jsonable(part, depth + 1) for name, part in list(value.items())[:SHOWN_MAX]}
    if isinstance(value, list | tuple):
        return [_jsonable(part, depth + 1) for part in value[:SHOWN_MAX]]
    return value[:SHOWN_MAX] if isinstance(value, str) else value


def _plain(value: Any) -> str:
    return format(value.normalize(), "f") if isinstance(value, Decimal) else str(value)


def _cut(text: str) -> str:
    safe = "".join(c if c.isprintable() else "·" for c in text)
    return safe if len(safe) <= SHOWN_MAX else safe[: SHOWN_MAX - 1] + "…"
