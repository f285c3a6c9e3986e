"""What the control door accepts: one model for each request body.

Duty: check bodies; a wrong one names its field. Must not act.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StrictStr,
    field_validator,
    model_validator,
)

from sandbox.faults import FaultKind
from sandbox.model import VenueMode
from sandbox.scenarios import STEPS_MAX, Step

Venue = Literal["pacifica", "paradex", "backpack"]
Instrument = Literal["ETH/USD", "BTC/USD", "SOL/USD"]


def _decimal(text: str) -> str:
    try:
        value = Decimal(text)
    except ArithmeticError:
        raise ValueError("must be a decimal number in a string") from None
    if not value.is_finite():
        raise ValueError("must be finite")
    return text


DecimalText = Annotated[str, AfterValidator(_decimal)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class AccountBody(_Body):
    """A funded account for any outside client.

    Pacifica: base58 public key. Backpack: base64 public key. Paradex: `account` is the L2 address and
    `publicKey` its Stark key.
    """

    venue: Venue
    public_key: str = Field(default="", alias="publicKey", max_length=200)
    account: str = Field(default="", max_length=200)
    balance: DecimalText = "10000"

    @model_validator(mode="after")
    def _has_identity(self) -> AccountBody:
        if self.venue == "paradex" and not (self.account and self.public_key):
            raise ValueError("paradex needs account (L2 address) and publicKey (Stark key)")
        if not (self.public_key or self.account):
            raise ValueError("publicKey is missing")
        if Decimal(self.balance) < 0:
            raise ValueError("balance must not be negative")
        return self


class PriceBody(_Body):
    """A new reference price, or a drift in bps a minute (signed)."""

    instrument: Instrument
    price: DecimalText | None = None
    drift: DecimalText | None = None

    @model_validator(mode="after")
    def _has_one(self) -> PriceBody:
        if (self.price is None) == (self.drift is None):
            raise ValueError("give price or drift")
        if self.price is not None and Decimal(self.price) <= 0:
            raise ValueError("price must be above 0")
        return self


class FundingBody(_Body):
    """A fixed funding rate (fraction per the venue's period); null returns to the formula."""

    venue: Venue
    instrument: Instrument
    rate: DecimalText | None = None


class ClockBody(_Body):
    """Advance venue time, change its speed, or let one venue's own clock go wrong."""

    advance_s: float | None = Field(default=None, ge=0, le=30 * 86_400)
    speed: float | None = Field(default=None, gt=0, le=3600)
    venue: Venue | None = None
    skew_ms: int | None = Field(default=None, ge=-86_400_000, le=86_400_000)

    @model_validator(mode="after")
    def _has_one(self) -> ClockBody:
        if self.advance_s is None and self.speed is None and self.skew_ms is None:
            raise ValueError("give advance_s, speed, or venue and skew_ms")
        if (self.skew_ms is None) != (self.venue is None):
            raise ValueError("skew_ms and venue go together")
        return self


class LimitBody(_Body):
    """A request limit in the venue's own unit per minute, instead of the documented one; null restores it."""

    venue: Venue
    per_minute: int | None = Field(default=None, ge=1, le=10_000_000)


class QuirkBody(_Body):
    """A switch of sandbox/quirks.py; `value` null restores its default."""

    venue: Venue
    name: str = Field(max_length=100)
    value: StrictBool | StrictInt | StrictStr | None


class StatusBody(_Body):
    """What a venue, or one of its markets, takes from now on."""

    venue: Venue
    mode: VenueMode
    instrument: Instrument | None = None


class ScenarioBody(_Body):
    """A script to play from now on: one of sandbox/scenarios by `name`, or the `steps` of one's own."""

    name: str = Field(default="", max_length=100)
    steps: tuple[Step, ...] = Field(default=(), max_length=STEPS_MAX)

    @model_validator(mode="after")
    def _has_one(self) -> ScenarioBody:
        if bool(self.name) == bool(self.steps):
            raise ValueError("give name or steps")
        return self


class FaultBody(_Body):
    """A fault to arm; adl and tradebust happen at once, clear disarms."""

    venue: Venue
    kind: FaultKind | Literal["adl", "tradebust", "clear"]
    action: Literal["place", "cancel", "read", "fill", "book", "any"] = "place"
    count: int | None = Field(default=None, ge=1, le=1_000_000)
    probability: float = Field(default=1.0, gt=0, le=1)
    duration_s: float | None = Field(default=None, gt=0, le=86_400)
    delay_ms: int = Field(default=0, ge=0, le=600_000)
    status: int = Field(default=503, ge=500, le=599)
    when: Literal["before", "after"] = "before"
    share: DecimalText = "1"
    account: str | None = None
    instrument: Instrument | None = None
    quantity: DecimalText | None = None
    fill_id: int | None = None

    @field_validator("share")
    @classmethod
    def _is_share(cls, text: str) -> str:
        if not 0 < Decimal(text) <= 1:
            raise ValueError("must be above 0 and at most 1")
        return text
