"""The session request: the one document that the API, the Prefect form, the command line and a schedule hand in.

Field names are camelCase on the wire; both older forms are accepted (`accounts` or `accountIds`, with or without a
name). It checks shapes and single-field bounds here; rules that need markets or accounts are checked in core.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails, PydanticCustomError

from core.errors import InvalidStrategy, RequestRefused
from core.order import OrderType
from core.strategy import Distribution, SessionGoal, Strategy
from store.wording import field_of, problem_of


def _no_truth_value(value: object) -> object:
    if isinstance(value, bool):
        raise PydanticCustomError("number", "a number is wanted, not true or false")
    return value


def _printable(text: str) -> str:
    """Names are shown in terminals, tables and pages: nothing that hides or turns the text around it."""
    if not text.isprintable():
        raise PydanticCustomError("name", "only printable characters are taken")
    return text


Name = Annotated[str, Field(min_length=3, max_length=50), AfterValidator(_printable)]  # of a session, of an API key
Number = BeforeValidator(_no_truth_value)
Money = Annotated[Decimal, Field(gt=0, le=Decimal("1e12"), allow_inf_nan=False)]
Fraction = Annotated[Decimal, Field(gt=0, lt=1, allow_inf_nan=False)]
Seconds = Annotated[float, Number, Field(gt=0, le=86_400, allow_inf_nan=False)]


class _Document(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        frozen=True,
        field_title_generator=lambda name, _: name.replace("_", " ").capitalize(),
    )


class PriceRange(_Document):
    """How far from mid resting legs are quoted, as fractions of it (0.001 = 10 bps)."""

    min: Annotated[Decimal, Field(ge=0, lt=1, allow_inf_nan=False)]
    max: Annotated[Decimal, Field(ge=0, lt=1, allow_inf_nan=False)]


class OrderSize(_Document):
    """Notional of one leg in quote currency (USD)."""

    min: Money
    max: Money


class Timing(_Document):
    """Seconds between pairs, and the size of each."""

    min_interval: Seconds
    max_interval: Seconds
    order_size: OrderSize


class RiskLimitsForm(_Document):
    """maxPositionSize in base units; stopLossThreshold and maxSlippage as fractions.

    maxNakedUsdSeconds: how much notional (USD) times seconds legs may stand alone in all; nothing opens once it is
    spent. Without it: as much as a hundred of the largest pairs at the longest delay of a leg.
    """

    max_position_size: Money
    stop_loss_threshold: Fraction
    max_slippage: Fraction
    max_naked_usd_seconds: Money | None = None

    @model_serializer(mode="wrap")
    def _as_given(self, handler: SerializerFunctionWrapHandler) -> dict[str, object]:
        """Leave out what was not given, so that a document reads as it was handed in."""
        return {name: value for name, value in handler(self).items() if value is not None}


class OrderTypes(_Document):
    """How legs are placed first, and what hedges the rest."""

    primary: OrderType = OrderType.MARKET
    fallback: OrderType = OrderType.MARKET


class StrategyForm(_Document):
    """What to hedge and how."""

    symbol: Annotated[str, Field(pattern=r"^[A-Za-z0-9]{1,20}/[A-Z]{3,5}$", examples=["ETH/USD"])]
    volume_distribution: Distribution = Distribution.EQUAL
    price_range: PriceRange
    timing: Timing
    risk_limits: RiskLimitsForm
    order_types: OrderTypes = OrderTypes()


class SessionRequest(_Document):
    """One hedging session. volumeTarget in USD of hedged notional, duration in milliseconds; at least one of them."""

    name: Name | None = None
    strategy: StrategyForm
    accounts: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=64)]],
        Field(validation_alias=AliasChoices("accounts", "accountIds", "account_ids"), max_length=16),
    ]
    volume_target: Money | None = None
    duration: Annotated[int, Number, Field(gt=0, le=30 * 86_400_000)] | None = None
    seed: Annotated[int, Number, Field(ge=0, lt=2**53)] | None = None

    @model_validator(mode="after")
    def _has_a_goal(self) -> Self:
        if self.volume_target is None and self.duration is None:
            wanted = "give volumeTarget (USD), duration (milliseconds), or both"
            raise PydanticCustomError("goal", wanted, {"field": "volumeTarget"})
        return self

    def to_strategy(self) -> Strategy:
        """Return the core strategy; raises InvalidStrategy where parameters contradict each other."""
        form = self.strategy
        return Strategy(
            symbol=form.symbol,
            distribution=form.volume_distribution,
            price_range_min=form.price_range.min,
            price_range_max=form.price_range.max,
            interval_min_s=form.timing.min_interval,
            interval_max_s=form.timing.max_interval,
            order_size_min=form.timing.order_size.min,
            order_size_max=form.timing.order_size.max,
            max_position=form.risk_limits.max_position_size,
            stop_loss=form.risk_limits.stop_loss_threshold,
            max_slippage=form.risk_limits.max_slippage,
            max_naked_usd_seconds=form.risk_limits.max_naked_usd_seconds,
            primary=form.order_types.primary,
            fallback=form.order_types.fallback,
        )

    def to_goal(self) -> SessionGoal:
        """Return the session's goal, duration in seconds."""
        return SessionGoal(self.volume_target, None if self.duration is None else self.duration / 1000)


def parse_request(document: Any) -> SessionRequest:
    """Read a request document; raises RequestRefused naming every field that is wrong and what it should be."""
    try:
        return SessionRequest.model_validate(document)
    except ValidationError as error:
        refused = refusal(error)
    # Not from the except clause: pydantic's error would stay as context, and with it memory that is never collected.
    raise refused


def refusal(error: ValidationError) -> RequestRefused:
    """Turn a validation error into one sentence that names every field and its remedy; never echoes whole inputs."""
    items = error.errors(include_url=False)
    problems = [f"{_field(item)}: {problem_of(item)}" for item in items]
    return refused_at(_field(items[0]), "; ".join(problems))


def refused_at(field: str, message: str) -> RequestRefused:
    """Return the refusal of a document for what stands at a field."""
    kind = InvalidStrategy if field.startswith("strategy.") else RequestRefused
    return kind(message, field=field)


def _field(item: ErrorDetails) -> str:
    """The field's public name: where the error is, or what a rule over the whole request says is missing."""
    return field_of(item["loc"]) or str(item.get("ctx", {}).get("field", "request"))
