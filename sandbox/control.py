"""The control door of the twins: accounts, price, clock, faults, and the venues' own truth.

Duty: `GET /`, `POST /control/...`, `GET /control/state`, for operators and tests. No venue has such a door;
nothing here is part of a venue's wire. Bad input is answered 422 with the name of the field.
"""

from __future__ import annotations

from decimal import Decimal

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox import scenarios
from sandbox.control_bodies import (
    AccountBody,
    ClockBody,
    FaultBody,
    FundingBody,
    LimitBody,
    PriceBody,
    QuirkBody,
    ScenarioBody,
    StatusBody,
)
from sandbox.faults import FaultKind
from sandbox.model import Refusal
from sandbox.ports import rest_url, ws_url
from sandbox.quirks import QuirkError
from sandbox.scenarios import Scenario
from sandbox.world import COALESCE_AFTER, TICK_US, World

OWN_STEPS = "steps of one's own"


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
            _advance(self._world, int(body.advance_s * 1_000_000))
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
            scenario = Scenario(about=OWN_STEPS, steps=body.steps) if body.steps else scenarios.load(body.name)
        except scenarios.ScenarioError as error:
            raise FieldError("name", str(error)) from None
        self._world.sync()
        scenarios.play(self._world, scenario)
        return JSONResponse({"playing": body.name or OWN_STEPS, "steps": len(scenario.steps)})

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


def _advance(world: World, delta_us: int) -> None:
    """Let time jump, but live through the last seconds: what the venues show with a delay is then of after the jump."""
    tail_us = min(delta_us, COALESCE_AFTER * TICK_US)
    if delta_us > tail_us:
        world.advance(delta_us - tail_us)
    world.advance(tail_us)


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
