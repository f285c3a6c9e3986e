"""The terms of the venues are watched at the beat: a raised margin warns once and is what the planner reckons with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from core.account import Balance, LeverageSetting, MarginMode
from core.risk import Severity
from store.records import Breach
from tasks.account_terms import TERMS_EVERY_S
from tasks.beat import Heart
from tasks.course import Course
from tasks.fund_check import check_funds
from tests.fakes.venue import FakeVenue
from tests.fakes.world import SESSION, QuietBoard, World

D = Decimal


class Records:
    """What the venue says of the account: its leverage, and what may be withdrawn."""

    def __init__(self, venue: FakeVenue) -> None:
        self.venue, self.level, self.withdrawable = venue, D(20), D(90_000)

    async def leverage(self, symbol: str) -> LeverageSetting:
        """As set."""
        at = self.venue.clock()
        return LeverageSetting(self.venue.venue, "a", symbol, self.level, MarginMode.CROSS, at)

    async def balances(self) -> Sequence[Balance]:
        """One collateral asset and one coin."""
        at, place = self.venue.clock(), self.venue.venue
        return [
            Balance(place, "a", "USDC", D(100_000), self.withdrawable, at),
            Balance(place, "a", "ETH", D(1), None, at),
        ]


async def heart_of(world: World) -> Heart:
    desk = world.desk()
    await check_funds.fn()
    world.activate()
    return Heart(desk, Course(started_at=desk.now(), last_progress_at=desk.now()), QuietBoard())  # type: ignore[arg-type]


def warnings(world: World) -> list[Breach]:
    return world.store.reads.breaches(SESSION)


async def test_a_raised_margin_a_lower_leverage_and_a_stop_of_withdrawals_each_warn_once(world: World) -> None:
    a = world.venues["a"]
    records = Records(a)
    a.records = records  # type: ignore[attr-defined]
    heart = await heart_of(world)
    await heart.beat()
    assert warnings(world) == []
    a.market = replace(a.market, initial_margin=D("0.1"))
    records.level, records.withdrawable = D(10), D(0)
    for _ in range(3):
        world.clock.advance(TERMS_EVERY_S)
        await heart.beat()
    told = {b.category: b for b in warnings(world)}
    assert set(told) == {"initial_margin_raised", "leverage_lowered", "withdrawal_limited"}
    assert len(warnings(world)) == 3
    assert {b.severity for b in told.values()} == {Severity.WARNING}
    assert told["initial_margin_raised"].details == {"accountId": "a", "before": "0.05", "now": "0.1"}


async def test_the_planner_reckons_with_a_raised_margin_and_terms_that_cannot_be_read_stay(world: World) -> None:
    a = world.venues["a"]
    heart = await heart_of(world)
    a.market = replace(a.market, initial_margin=D("0.1"))
    await heart.beat()
    desk = heart._desk
    assert desk.markets["a"].initial_margin == D("0.1")
    a.fail("markets", times=5)
    world.clock.advance(TERMS_EVERY_S)
    await heart.beat()
    assert desk.markets["a"].initial_margin == D("0.1")
    assert [b.category for b in warnings(world)] == ["initial_margin_raised"]
