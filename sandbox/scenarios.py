"""Scripted trouble as text: the files of sandbox/scenarios, one line for each step.

Duty: read and check a script, then arm its steps at their times or on their occasions. Must not know a wire;
the steps act through the fault desk, the venues' clocks and the engine's own interventions.

A step has a `venue` (or `all`), a `kind` and that kind's parameters. It happens `at_s` seconds of venue time
after the start, or `after_s` seconds after the `nth` client order or fill at its venue (`upon: order | fill`).
Kinds are those of sandbox/faults.py, and:
  clock_skew  the venue's own clock shows `skew_ms` more (signed), for `duration_s` if given
  adl         `share` of the position behind the occasion's fill is closed at mark, rounded down to a lot
  tradebust   the occasion's fill is undone
  liquidation one step of `tier` (BOOK or BACKSTOP) against the account behind the occasion's fill
  status      the venue takes only what `mode` allows, for `duration_s` if given
  split_fills orders meet the makers in pieces: `shares` of the order one after the other, the rest in one
  price_shock the reference price of all venues jumps by `change` (signed fraction)
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from decimal import ROUND_DOWN, Decimal
from functools import partial
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from sandbox.announcer import never
from sandbox.events import Event, FillHappened, OrderChanged
from sandbox.exchange import Exchange
from sandbox.faults import FaultKind
from sandbox.liquidation import Tier
from sandbox.markets import VENUES
from sandbox.model import Fill, OrderChange, Refusal, VenueMode
from sandbox.world import World

FOLDER = Path(__file__).with_name("scenarios")
STEPS_MAX = 200
SECOND_US = 1_000_000
CENT = Decimal("0.01")
Share = Annotated[Decimal, Field(gt=0, le=1)]

_WHEN = frozenset({"venue", "kind", "at_s", "upon", "nth", "after_s"})
_STRIKES = frozenset({"count", "probability", "duration_s"})
_PARAMETERS: dict[str, frozenset[str]] = {
    FaultKind.LOST_REQUEST: _STRIKES | {"action"},
    FaultKind.LOST_ANSWER: _STRIKES | {"action"},
    FaultKind.DELAY: _STRIKES | {"action", "delay_ms"},
    FaultKind.SLOW_ANSWER: _STRIKES | {"action", "delay_ms"},
    FaultKind.HTTP_429: _STRIKES | {"action"},
    FaultKind.HTTP_5XX: _STRIKES | {"action", "status", "when", "delay_ms"},
    FaultKind.WS_DISCONNECT: _STRIKES,
    FaultKind.WS_GAP: _STRIKES,
    FaultKind.DUPLICATE_FILL_FRAME: _STRIKES,
    FaultKind.WS_DELAY: _STRIKES | {"action", "delay_ms"},
    FaultKind.WS_REORDER: _STRIKES | {"action"},
    FaultKind.HALF_OPEN: frozenset({"duration_s"}),
    FaultKind.ACCOUNT_SILENCE: frozenset({"duration_s"}),
    FaultKind.STALE_MARK: frozenset({"duration_s"}),
    FaultKind.THIN_BOOK: frozenset({"duration_s", "share"}),
    "clock_skew": frozenset({"skew_ms", "duration_s"}),
    "adl": frozenset({"share"}),
    "tradebust": frozenset(),
    "liquidation": frozenset({"tier"}),
    "status": frozenset({"mode", "duration_s"}),
    "split_fills": frozenset({"shares", "duration_s"}),
    "price_shock": frozenset({"change"}),
}


EngineKind = Literal["clock_skew", "adl", "tradebust", "liquidation", "status", "split_fills", "price_shock"]
_UPON_FILLS = ("adl", "tradebust", "liquidation")


class ScenarioError(ValueError):
    """There is no such scenario, or its file is wrong; the text names the file and the field."""


class Step(BaseModel):
    """One line of a script."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    venue: Literal["pacifica", "paradex", "backpack", "all"]
    kind: FaultKind | EngineKind
    at_s: float | None = Field(default=None, ge=0, le=30 * 86_400)
    upon: Literal["order", "fill"] | None = None
    nth: int = Field(default=1, ge=1, le=100_000)
    after_s: float = Field(default=0, ge=0, le=86_400)
    action: Literal["place", "cancel", "read", "fill", "book", "any"] = "place"
    count: int | None = Field(default=None, ge=1, le=1_000_000)
    probability: float = Field(default=1.0, gt=0, le=1)
    duration_s: float | None = Field(default=None, gt=0, le=86_400)
    delay_ms: int = Field(default=0, ge=0, le=600_000)
    status: int = Field(default=503, ge=500, le=599)
    when: Literal["before", "after"] = "before"
    share: Decimal = Field(default=Decimal(1), gt=0, le=1)
    skew_ms: int = Field(default=0, ge=-86_400_000, le=86_400_000)
    tier: Literal["BOOK", "BACKSTOP"] = "BOOK"
    mode: VenueMode = VenueMode.OPEN
    shares: tuple[Share, ...] = Field(default=(), max_length=20)
    change: Decimal = Field(default=Decimal(0), gt=-1, le=1)

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if (self.at_s is None) == (self.upon is None):
            raise ValueError("give at_s or upon")
        if self.upon is None and self.model_fields_set & {"nth", "after_s"}:
            raise ValueError("nth and after_s go with upon")
        if self.kind is FaultKind.HTTP_5XX and self.delay_ms and self.when == "before":
            raise ValueError("delay_ms goes with when: after")
        strangers = self.model_fields_set - _WHEN - _PARAMETERS[self.kind]
        if strangers:
            raise ValueError(f"{self.kind} does not take {', '.join(sorted(strangers))}")
        if self.kind in _UPON_FILLS and self.upon != "fill":
            raise ValueError(f"{self.kind} happens upon a fill")
        return self

    @model_validator(mode="after")
    def _says_what(self) -> Self:
        needed = {"status": "mode", "split_fills": "shares", "price_shock": "change", "clock_skew": "skew_ms"}
        if self.kind in needed and needed[self.kind] not in self.model_fields_set:
            raise ValueError(f"{self.kind} needs {needed[self.kind]}")
        if sum(self.shares) > 1:
            raise ValueError("shares add up to more than 1")
        return self

    @property
    def venues(self) -> tuple[str, ...]:
        """Venues the step acts on; a price shock happens once for all of them."""
        if self.kind == "price_shock":
            return VENUES[:1]
        return VENUES if self.venue == "all" else (self.venue,)


class Scenario(BaseModel):
    """A script: what it shows, and its steps."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    about: str = Field(min_length=10, max_length=300)
    steps: tuple[Step, ...] = Field(min_length=1, max_length=STEPS_MAX)


def names() -> list[str]:
    """Names of all scenarios, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load(name: str) -> Scenario:
    """Read a scenario by name; raise ScenarioError."""
    if name not in names():
        raise ScenarioError(f"no scenario {name}; there are {', '.join(names())}")
    return read((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"), name)


def read(text: str, name: str) -> Scenario:
    """Check a scenario's text; `name` is for messages. Raises ScenarioError."""
    try:
        return Scenario.model_validate(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise ScenarioError(f"scenario {name} is not YAML: {error}") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ScenarioError(f"scenario {name}, {place}: {first['msg']}") from None


def play(world: World, scenario: Scenario) -> None:
    """Let a scenario begin now; its steps happen as venue time goes on."""
    for step in scenario.steps:
        for venue in step.venues:
            if step.at_s is not None:
                _later(world, step.at_s, partial(_carry_out, world, step, venue, None))
            else:
                _await_occasion(world, step, venue)


def _later(world: World, delay_s: float, act: Callable[[], None]) -> None:
    if delay_s:
        world.call_later(round(delay_s * SECOND_US), act)
    else:
        act()


def _await_occasion(world: World, step: Step, venue: str) -> None:
    """Count the venue's client orders or fills, act on the nth, then stop listening."""
    left = step.nth

    def listen(event: Event) -> None:
        nonlocal left
        if left == 0 or not _is_occasion(event, step, world.exchanges[venue]):
            return
        left -= 1
        if left == 0:
            fill = event.fill if isinstance(event, FillHappened) else None
            # A timer, never at once: the command that made the event must be complete first.
            world.call_later(round(step.after_s * SECOND_US), partial(_end_of_wait, fill))

    def _end_of_wait(fill: Fill | None) -> None:
        stop_listening()
        _carry_out(world, step, venue, fill)

    stop_listening = world.exchanges[venue].subscribe(listen, never)


def _is_occasion(event: Event, step: Step, exchange: Exchange) -> bool:
    if step.upon == "fill":
        return isinstance(event, FillHappened)
    if not isinstance(event, OrderChanged) or event.change is not OrderChange.ACCEPTED:
        return False
    return not exchange.account(event.order.account).is_internal


def _carry_out(world: World, step: Step, venue: str, fill: Fill | None) -> None:
    match step.kind:
        case "clock_skew":
            world.shift_wall(venue, step.skew_ms * 1000)
            _undo_later(world, step, partial(world.shift_wall, venue, 0))
        case "adl":
            assert fill is not None
            _deleverage(world.exchanges[venue], fill, step.share)
        case "tradebust":
            assert fill is not None
            world.exchanges[venue].bust(fill.id)
        case "liquidation":
            assert fill is not None
            world.exchanges[venue].force_liquidation(fill.account, Tier(step.tier))
        case "status":
            world.exchanges[venue].set_mode(step.mode)
            _undo_later(world, step, partial(world.exchanges[venue].set_mode, VenueMode.OPEN))
        case "split_fills":
            world.exchanges[venue].split_fills(step.shares)
            _undo_later(world, step, partial(world.exchanges[venue].split_fills, ()))
        case "price_shock":
            _shock(world, step.change)
        case _:
            world.faults.arm(
                venue,
                step.kind,
                action=step.action,
                count=step.count,
                probability=step.probability,
                duration_s=step.duration_s,
                delay_ms=step.delay_ms,
                status=step.status,
                after=step.when == "after",
                share=step.share,
            )


def _undo_later(world: World, step: Step, undo: Callable[[], None]) -> None:
    if step.duration_s is not None:
        _later(world, step.duration_s, undo)


def _shock(world: World, change: Decimal) -> None:
    for instrument in world.paths:
        world.set_reference(instrument, (world.reference(instrument) * (1 + change)).quantize(CENT))


def _deleverage(exchange: Exchange, fill: Fill, share: Decimal) -> None:
    """Close a share of the position; a position that is gone or below a lot by then is left alone."""
    held = next((p.quantity for p in exchange.positions(fill.account) if p.instrument == fill.instrument), Decimal(0))
    lot = exchange.markets[fill.instrument].lot
    quantity = (abs(held) * share / lot).to_integral_value(ROUND_DOWN) * lot
    if quantity:
        with suppress(Refusal):  # closed meanwhile
            exchange.deleverage(fill.account, fill.instrument, quantity)
