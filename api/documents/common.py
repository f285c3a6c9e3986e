"""Building blocks of all documents."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema
from pydantic.alias_generators import to_camel


def iso(at: datetime) -> str:
    """Write a time as ISO 8601 in UTC with milliseconds and a Z."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


# Computed as decimals; a JSON number is what leaves. The nearest double has 15 good digits: enough to be read by.
Number = Annotated[
    Decimal, PlainSerializer(float, return_type=float, when_used="json"), WithJsonSchema({"type": "number"})
]
Time = Annotated[
    datetime,
    PlainSerializer(iso, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]


class Document(BaseModel):
    """Base of all documents of answers."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, frozen=True, serialize_by_alias=True, extra="forbid"
    )


class Answer(Document):
    """Base of all successful answers."""

    success: Literal[True] = True


class ErrorBody(Document):
    """What went wrong: a stable code, a sentence for people, and details for programs."""

    code: str
    message: str
    details: dict[str, object]


class Refusal(Document):
    """The answer to every request that failed."""

    success: Literal[False] = False
    error: ErrorBody
    timestamp: Time


class Page(Answer):
    """Part of a list: total counts what there is without limit and offset."""

    total: Annotated[int, Field(ge=0)]
    limit: int
    offset: int
