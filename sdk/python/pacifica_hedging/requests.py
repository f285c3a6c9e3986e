"""What can be asked for, as models; a plain dict with the names of the wire does as well."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

OrderKind = Literal["limit", "market"]


class _Request(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)


class PriceRange(_Request):
    """How far from mid resting legs are quoted, as fractions (0.001 = 10 bps)."""

    min: Decimal
    max: Decimal


class OrderSize(_Request):
    """Notional of one leg in USD."""

    min: Decimal
    max: Decimal


class Timing(_Request):
    """Seconds between pairs, and the size of each."""

    min_interval: float
    max_interval: float
    order_size: OrderSize


class RiskLimits(_Request):
    """max_position_size in base units; stop_loss_threshold and max_slippage as fractions."""

    max_position_size: Decimal
    stop_loss_threshold: Decimal
    max_slippage: Decimal


class OrderTypes(_Request):
    """How legs are placed first, and what hedges the rest."""

    primary: OrderKind = "market"
    fallback: OrderKind = "market"


class Strategy(_Request):
    """What to hedge and how."""

    symbol: str
    volume_distribution: Literal["equal", "weighted"] = "equal"
    price_range: PriceRange
    timing: Timing
    risk_limits: RiskLimits
    order_types: OrderTypes = OrderTypes()


class SessionRequest(_Request):
    """One hedging session: volume_target in USD and duration in milliseconds, at least one of them."""

    strategy: Strategy
    accounts: list[str]
    name: str | None = None
    volume_target: Decimal | None = None
    duration: int | None = None
    seed: int | None = None


Body = Mapping[str, Any] | BaseModel


def to_document(body: Body) -> dict[str, Any]:
    """Return a request as the document that goes over the wire; fields that are None are left out of models."""
    if isinstance(body, BaseModel):
        return body.model_dump(by_alias=True, exclude_none=True)
    return dict(body)


def encode(document: Mapping[str, Any]) -> bytes:
    """Write a document as JSON; decimals become numbers where a double says exactly the same, else text."""
    return json.dumps(document, default=_plain, allow_nan=False, separators=(",", ":")).encode()


def _plain(value: object) -> object:
    match value:
        case Decimal():
            number = float(value)
            return number if Decimal(repr(number)) == value else str(value)
        case Enum():
            return value.value
        case BaseModel():
            return to_document(value)
        case Mapping():
            return dict(value)
        case _:
            raise TypeError(f"a {type(value).__name__} cannot be sent as JSON")
