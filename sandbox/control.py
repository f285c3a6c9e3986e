"""The control door of the twins: accounts, price, clock, faults, and the venues' own truth.

Duty: `GET /`, `POST /control/...`, `GET /control/state`, for operators and tests. No venue has such a door;
nothing here is part of a venue's wire. Bad input is answered 422 with the name of the field.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
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
    ValidationError,
    field_validator,
    model_validator,
)
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox import scenarios
from sandbox.faults import FaultKind
from sandbox.model import Refusal, VenueMode
from sandbox.ports import rest_url, ws_url
from sandbox.quirks import QuirkError
from sandbox.world import World

Venue = Literal["pacifica", "paradex", "backpack"]
Instrument = Literal["ETH/USD", "BTC/USD", "SOL/USD"]
Handler = Callable[[Request], Awaitable[Response]]


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
    """A script of sandbox/scenarios to play from now on."""

    name: str = Field(max_length=100)


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


class Control:
    """Request handlers over one world."""

    def __init__(self, world: World, port_base: int) -> None:
        self._world = world
        self._port_base = port_base

    async def describe(self, _request: Request) -> Response:
        """Answer base URLs, markets and accounts."""
        self._world.sync()
        venues = {}
        for name, exchange in self._world.exchanges.items():
            venues[name] = {
                "rest": rest_url(self._port_base, name),
                "ws": ws_url(self._port_base, name),
                "markets": {
                    s.instrument: {
                        "symbol": s.symbol,
                        "tick": f"{s.tick:f}",
                        "lot": f"{s.lot:f}",
                        "min_notional": f"{s.min_notional:f}",
                        "maker_fee": f"{s.maker_fee:f}",
                        "taker_fee": f"{s.taker_fee:f}",
                        "mark": f"{exchange.mark(s.instrument):f}",
                    }
                    for s in exchange.markets.values()
                },
                "accounts": [a.id for a in exchange.accounts.values() if not a.is_internal],
            }
        return JSONResponse(
            {
                "seed": self._world.seed,
                "speed": self._world.clock.speed,
                "now_us": self._world.now_us(),
                "venues": venues,
            }
        )

    async def open_account(self, request: Request) -> Response:
        """Open or top up an account."""
        body = AccountBody.model_validate_json(await request.body())
        account_id = body.account if body.venue == "paradex" else body.public_key or body.account
        attributes = {"public_key": body.public_key} if body.public_key else {}
        exchange = self._world.exchanges[body.venue]
        account = exchange.open_account(account_id, Decimal(body.balance), attributes=attributes)
        answer = {"venue": body.venue, "account": account.id, "balance": f"{account.balance:f}"}
        return JSONResponse(answer, status_code=201)

    async def set_price(self, request: Request) -> Response:
        """Move or push the reference price."""
        body = PriceBody.model_validate_json(await request.body())
        if body.price is not None:
            self._world.set_reference(body.instrument, Decimal(body.price))
        if body.drift is not None:
            self._world.paths[body.instrument].drift_bps_per_min = float(body.drift)
        reference = self._world.reference(body.instrument)
        return JSONResponse({"instrument": body.instrument, "reference": f"{reference:f}"})

    async def set_funding(self, request: Request) -> Response:
        """Fix or free a funding rate."""
        body = FundingBody.model_validate_json(await request.body())
        exchange = self._world.exchanges[body.venue]
        exchange.set_funding_rate(body.instrument, None if body.rate is None else Decimal(body.rate))
        rate = exchange.funding_rate(body.instrument)
        return JSONResponse({"venue": body.venue, "instrument": body.instrument, "rate": f"{rate:f}"})

    async def set_clock(self, request: Request) -> Response:
        """Advance or re-pace venue time, or skew one venue's clock."""
        body = ClockBody.model_validate_json(await request.body())
        if body.advance_s is not None:
            self._world.advance(int(body.advance_s * 1_000_000))
        if body.speed is not None:
            self._world.clock.set_speed(body.speed)
        if body.skew_ms is not None and body.venue is not None:
            self._world.shift_wall(body.venue, body.skew_ms * 1000)
        return JSONResponse({"now_us": self._world.now_us(), "speed": self._world.clock.speed})

    async def set_limit(self, request: Request) -> Response:
        """Replace or restore a venue's request limit."""
        body = LimitBody.model_validate_json(await request.body())
        self._world.quotas.pop(body.venue, None)
        if body.per_minute is not None:
            self._world.quotas[body.venue] = body.per_minute
        return JSONResponse({"venue": body.venue, "per_minute": body.per_minute})

    async def list_quirks(self, _request: Request) -> Response:
        """Answer every switch with its value, default, permitted values and meaning."""
        return JSONResponse({"quirks": self._world.quirks.rows()})

    async def set_quirk(self, request: Request) -> Response:
        """Set one switch, or restore its default."""
        body = QuirkBody.model_validate_json(await request.body())
        try:
            quirk = self._world.quirks.set(body.venue, body.name, body.value)
        except QuirkError as error:
            raise FieldError(error.field, str(error)) from None
        return JSONResponse(self._world.quirks.row(quirk))

    async def set_status(self, request: Request) -> Response:
        """Open a venue or a market, or close it in part; answer the modes of now."""
        body = StatusBody.model_validate_json(await request.body())
        self._world.sync()
        exchange = self._world.exchanges[body.venue]
        exchange.set_mode(body.mode, body.instrument)
        markets = {instrument: exchange.mode(instrument).value for instrument in exchange.markets}
        return JSONResponse({"venue": body.venue, "mode": exchange.mode().value, "markets": markets})

    async def list_scenarios(self, _request: Request) -> Response:
        """Answer every script with what it shows."""
        return JSONResponse({"scenarios": {name: scenarios.load(name).about for name in scenarios.names()}})

    async def play_scenario(self, request: Request) -> Response:
        """Let a script begin now."""
        body = ScenarioBody.model_validate_json(await request.body())
        try:
            scenario = scenarios.load(body.name)
        except scenarios.ScenarioError as error:
            raise FieldError("name", str(error)) from None
        self._world.sync()
        scenarios.play(self._world, scenario)
        return JSONResponse({"playing": body.name, "steps": len(scenario.steps)})

    async def arm_fault(self, request: Request) -> Response:
        """Arm a fault, or let an ADL or a tradebust happen now."""
        body = FaultBody.model_validate_json(await request.body())
        if body.kind == "clear":
            return JSONResponse({"disarmed": self._world.faults.disarm(body.venue)})
        if isinstance(body.kind, FaultKind):
            self._world.faults.arm(
                body.venue,
                body.kind,
                action=body.action,
                count=body.count,
                probability=body.probability,
                duration_s=body.duration_s,
                delay_ms=body.delay_ms,
                status=body.status,
                after=body.when == "after",
                share=Decimal(body.share),
            )
            return JSONResponse({"armed": body.kind.value, "venue": body.venue})
        return JSONResponse(self._act(body))

    async def state(self, _request: Request) -> Response:
        """Answer every venue's own truth."""
        self._world.sync()
        return JSONResponse(
            {
                "now_us": self._world.now_us(),
                "reference": {i: f"{self._world.reference(i):f}" for i in self._world.paths},
                "venues": {name: exchange.state() for name, exchange in self._world.exchanges.items()},
            }
        )

    def _act(self, body: FaultBody) -> dict[str, object]:
        exchange = self._world.exchanges[body.venue]
        if body.kind == "tradebust":
            if body.fill_id is None:
                raise FieldError("fill_id", "a tradebust needs fill_id")
            undo = exchange.bust(body.fill_id)
        else:
            if body.account is None or body.instrument is None:
                raise FieldError("account", "an adl needs account and instrument")
            quantity = None if body.quantity is None else Decimal(body.quantity)
            undo = exchange.deleverage(body.account, body.instrument, quantity)
        return {"done": body.kind, "fill_id": undo.id, "account": undo.account}


class FieldError(Exception):
    """A field is wrong in a way that only the request as a whole shows."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(text)
        self.field = field


def create_control_app(world: World, port_base: int) -> Starlette:
    """Build the control door."""
    control = Control(world, port_base)
    return Starlette(
        routes=[
            Route("/", control.describe, methods=["GET"]),
            Route("/control/accounts", control.open_account, methods=["POST"]),
            Route("/control/price", control.set_price, methods=["POST"]),
            Route("/control/funding", control.set_funding, methods=["POST"]),
            Route("/control/clock", control.set_clock, methods=["POST"]),
            Route("/control/limits", control.set_limit, methods=["POST"]),
            Route("/control/quirks", control.list_quirks, methods=["GET"]),
            Route("/control/quirks", control.set_quirk, methods=["POST"]),
            Route("/control/status", control.set_status, methods=["POST"]),
            Route("/control/scenario", control.list_scenarios, methods=["GET"]),
            Route("/control/scenario", control.play_scenario, methods=["POST"]),
            Route("/control/faults", control.arm_fault, methods=["POST"]),
            Route("/control/state", control.state, methods=["GET"]),
        ],
        exception_handlers={
            ValidationError: _invalid,
            FieldError: _invalid_field,
            Refusal: _refused,
        },
    )


async def _invalid(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ValidationError)
    problems = [
        {"field": ".".join(str(part) for part in e["loc"]) or "body", "error": e["msg"]}
        for e in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    return JSONResponse({"error": "invalid request", "fields": problems}, status_code=422)


async def _invalid_field(_request: Request, error: Exception) -> Response:
    assert isinstance(error, FieldError)
    problem = {"field": error.field, "error": str(error)}
    return JSONResponse({"error": "invalid request", "fields": [problem]}, status_code=422)


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    problem = {"field": error.reason.value.lower(), "error": error.text}
    return JSONResponse({"error": "refused by the venue", "fields": [problem]}, status_code=422)
