"""How Pacifica's answers are read: the envelope, shapes, times, closed words. No facts are made here.

Whatever cannot be read raises ProtocolViolation, never a default, and the text of it repeats no content.
Source: docs.pacifica.fi, REST API.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import TypeVar

from pydantic import BaseModel, JsonValue, ValidationError

from connectors.pacifica import wire
from connectors.pacifica.outcomes import read_error
from core.errors import ProtocolViolation

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIME_END = datetime(3000, 1, 1, tzinfo=UTC)

ModelT = TypeVar("ModelT", bound=BaseModel)
WordT = TypeVar("WordT")


def envelope(status: int, headers: Mapping[str, str], body: bytes) -> wire.Envelope:
    """Return the envelope of a positive REST read; raise the VenueError that any other answer stands for."""
    if not 200 <= status < 300:
        raise read_error(status, headers, body)
    answer = json_of(wire.Envelope, body)
    if not answer.success:
        raise read_error(status, headers, body)
    return answer


def rows(model: type[ModelT], answer: wire.Envelope) -> list[ModelT]:
    """Read an envelope's list of rows."""
    return list_of(model, answer.data)


def http_date(headers: Mapping[str, str]) -> datetime:
    """Read the Date header (RFC 9110, 6.6.1). It has whole seconds: the venue's clock is at or just after it."""
    try:
        stamp = parsedate_to_datetime(headers.get("date", ""))
        found = stamp.replace(tzinfo=stamp.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        raise violation("an answer carries no readable Date header") from None
    if not _EPOCH <= found < _TIME_END:
        raise violation(f"the venue's clock is in the year {found.year}")
    return found


def moment(millis: int) -> datetime:
    """Turn milliseconds since the epoch into an aware UTC time."""
    return _EPOCH + timedelta(milliseconds=millis)


def word_of(words: Mapping[str, WordT], word: str, what: str) -> WordT:
    """Look up a word of a closed list; raise for a new one."""
    try:
        return words[word]
    except KeyError:
        raise violation(f"unknown {what} {word[:40]!r}") from None


def positive(value: Decimal, what: str) -> Decimal:
    """Return a number above zero; raise otherwise."""
    if value <= 0:
        raise violation(f"{what} is {value}")
    return value


def json_of(model: type[ModelT], text: str | bytes) -> ModelT:
    """Read a text as one shape."""
    try:
        return model.model_validate_json(text)
    except ValidationError as wrong:
        told = _brief(model, wrong)
    # Not from the except clause: pydantic's error would stay as context, and with it memory that is never collected.
    raise violation(told)


def object_of(model: type[ModelT], found: JsonValue) -> ModelT:
    """Read a parsed value as one shape."""
    try:
        return model.model_validate(found)
    except ValidationError as wrong:
        told = _brief(model, wrong)
    raise violation(told)


def list_of(model: type[ModelT], found: JsonValue) -> list[ModelT]:
    """Read a parsed list, every row as one shape."""
    if not isinstance(found, list):
        raise violation(f"expected a list of {model.__name__}")
    return [object_of(model, each) for each in found]


def _brief(model: type[BaseModel], wrong: ValidationError) -> str:
    """Say where a body differs from its shape without repeating its content."""
    first = wrong.errors(include_url=False, include_input=False, include_context=False)[0]
    return f"{model.__name__}.{'.'.join(str(part) for part in first['loc'])}: {first['msg'][:120]}"


def violation(what: str) -> ProtocolViolation:
    """Say what cannot be; the caller raises it."""
    return ProtocolViolation(f"pacifica: {what}; it is not guessed at", venue="pacifica")
