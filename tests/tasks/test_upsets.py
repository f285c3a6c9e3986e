"""What a venue does besides trading our orders is journalled, changes positions, and decides what the session does."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from connectors.venue import BalanceUpdate, FundingUpdate, MarginUpdate, PositionUpdate, TradeBusted
from core.account import Balance, Margin, Position
from core.market import FundingPayment
from core.order import Fill, FillCause
from core.pair import Done
from core.plan import Nothing, NothingCode, plan_pair
from core.risk import Severity
from store.records import Breach
from tasks.beat import Heart
from tasks.course import Course
from tasks.desk import Desk
from tasks.fund_check import check_funds
from tasks.place_pair import open_pair
from tasks.reconcile_fills import reconcile
from tasks.recover import load_course
from tasks.risk_gate import session_view
from tasks.upsets import BUST_UNKNOWN_S
from tests.fakes.venue import Crash
from tests.fakes.world import SESSION, QuietBoard, World

D = Decimal


class Run:
    """A session between two pairs that holds one: long 0.1 on a, short 0.1 on b."""

    def __init__(self, world: World, desk: Desk, course: Course) -> None:
        self.world, self.desk, self.course = world, desk, course
        self.heart = Heart(desk, course, QuietBoard())  # type: ignore[arg-type]

    async def beat(self) -> None:
        self.world.clock.advance(1)
        await self.heart.beat()

    @property
    def breaches(self) -> dict[str, Breach]:
        found = self.world.store.reads.breaches(SESSION, open_only=True)
        assert len(found) == len({b.category for b in found})
        return {b.category: b for b in found}

    def fill_of(self, name: str) -> Fill:
        (fill,) = [f for f in self.world.store.reads.fills_of_session(SESSION) if f.account_id == name]
        return fill


@pytest.fixture
async def run(world: World) -> Run:
    desk = world.desk()
    await check_funds.fn()
    world.activate()
    course = Course(started_at=desk.now(), last_progress_at=desk.now())
    end = await open_pair(desk, world.plan(), {})
    assert isinstance(end.action, Done)
    course.volume += (await reconcile(desk, end)).result.volume
    desk.put_down()
    run = Run(world, desk, course)
    await run.beat()
    assert run.breaches == {}
    return run


@pytest.mark.parametrize(
    ("cause", "category", "severity", "then"),
    [
        (FillCause.ADL, "adl", Severity.WARNING, "go on"),
        (FillCause.LIQUIDATION, "liquidation", Severity.CRITICAL, "wind down"),
        (FillCause.BACKSTOP, "liquidation", Severity.CRITICAL, "wind down"),
        (FillCause.SETTLEMENT, "settlement", Severity.CRITICAL, "wind down"),
    ],
)
async def test_a_forced_execution_is_a_breach_of_its_cause_and_the_gap_begins(
    run: Run, cause: FillCause, category: str, severity: Severity, then: str
) -> None:
    run.world.venues["a"].meddle(D("-0.04"), cause=cause)
    await run.beat()
    breach = run.breaches[category]
    assert breach.severity is severity
    assert breach.details["netDelta"] == "-0.04"
    assert breach.details["position of a"] == "0.06"
    assert (breach.details["cause"], breach.details["then"]) == (cause.value, then)
    assert run.course.gap.since is not None
    assert (run.course.closing is not None, run.course.urgent) == (then == "wind down", then == "wind down")
    assert run.course.paused is None
    assert run.desk.positions == {"a": D("0.06"), "b": D("-0.1")} == run.world.positions
    assert "position_mismatch" not in run.breaches


async def test_executions_of_one_cause_told_together_are_one_breach(run: Run) -> None:
    for quantity in ("-0.01", "-0.02"):
        run.world.venues["a"].meddle(D(quantity), cause=FillCause.ADL)
    await run.beat()
    (breach,) = run.breaches.values()
    assert (breach.details["quantity"], breach.details["netDelta"]) == ("0.03", "-0.03")
    assert len(str(breach.details["tradeId"]).split(", ")) == 2


async def test_a_forced_execution_is_journalled_with_its_cause_and_survives_a_restart(run: Run) -> None:
    run.world.venues["a"].meddle(D("-0.04"), cause=FillCause.LIQUIDATION)
    await run.beat()
    run.world.die()
    desk = run.world.desk()
    course = await load_course(desk, run.world.session)
    assert {f.cause for f in desk.fills} == {FillCause.TRADE, FillCause.LIQUIDATION}
    assert desk.positions == {"a": D("0.06"), "b": D("-0.1")}
    assert course.closing is not None
    assert course.urgent
    assert desk.forced == []


async def test_a_forced_execution_that_no_beat_took_in_is_found_by_the_next_run(run: Run) -> None:
    run.world.venues["a"].meddle(D("-0.04"), cause=FillCause.ADL)
    await run.desk.absorb()
    run.world.die()
    desk = run.world.desk()
    course = await load_course(desk, run.world.session)
    later = Run(run.world, desk, course)
    await later.beat()
    assert "adl" in later.breaches
    assert desk.positions == {"a": D("0.06"), "b": D("-0.1")}


async def test_what_was_told_and_not_yet_journalled_when_the_run_died_is_told_once(run: Run) -> None:
    """The breach is written before the execution is claimed; the next run finds both again and writes neither twice."""
    run.world.venues["a"].meddle(D("-0.04"), cause=FillCause.LIQUIDATION)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(run.desk.store.journal, "claim_fills", _dies, raising=False)
        with pytest.raises(Crash):
            await run.beat()
    run.world.die()
    desk = run.world.desk()
    course = await load_course(desk, run.world.session)
    assert course.closing is not None
    later = Run(run.world, desk, course)
    await later.beat()
    assert "liquidation" in later.breaches
    assert "position_mismatch" not in later.breaches
    assert desk.positions == {"a": D("0.06"), "b": D("-0.1")}


async def _dies(*_: object) -> None:
    raise Crash("before the execution is claimed")


async def test_both_legs_deleveraged_alike_leave_nothing_naked_and_the_session_goes_on(run: Run) -> None:
    run.world.venues["a"].meddle(D("-0.04"), cause=FillCause.ADL)
    run.world.venues["b"].meddle(D("0.04"), cause=FillCause.ADL)
    await run.beat()
    assert (run.course.halted, run.course.paused, run.course.closing) == (None, None, None)
    assert sum(run.desk.positions.values()) == 0


async def test_an_undone_trade_leaves_position_volume_and_fees_and_halts(run: Run) -> None:
    volume, fill = run.course.volume, run.fill_of("b")
    assert volume > 0
    run.world.venues["b"].bust(fill)
    await run.beat()
    assert run.breaches["trade_bust"].details["tradeId"] == fill.trade_id
    assert run.breaches["trade_bust"].details["netDelta"] == "0.1"
    assert run.desk.positions == {"a": D("0.1"), "b": D(0)} == run.world.positions
    assert run.course.volume == 0
    assert run.course.paused is not None
    (pair,) = run.world.pairs
    assert (pair.outcome.volume, pair.outcome.quantity) == (0, 0)
    assert [f.account_id for f in run.world.store.reads.fills_of_session(SESSION)] == ["a"]
    order = next(o for o in run.world.store.reads.journal_orders_of_pair(pair.plan.pair_id) if o.leg == "sell")
    assert (order.order.filled_quantity, order.fees) == (0, 0)
    assert "position_mismatch" not in run.breaches


async def test_a_run_that_dies_right_after_an_undone_trade_is_journalled_leaves_no_volume_of_it(run: Run) -> None:
    fill, journal = run.fill_of("b"), run.desk.store.journal
    await journal.update_session_totals(SESSION, run.course.totals(pnl=D(0), fees=D(0), funding=D(0)))
    assert run.world.session.totals.volume_generated == run.course.volume > 0
    for _ in range(2):
        await journal.bust_fill(fill.venue, "b", fill.trade_id, at=run.desk.now())
    (pair,) = run.world.pairs
    assert (pair.outcome.volume, pair.outcome.quantity, pair.outcome.price) == (0, 0, None)
    assert run.world.session.totals.volume_generated == 0
    run.world.die()
    course = await load_course(run.world.desk(), run.world.session)
    assert (course.volume, course.slippage_paid) == (0, 0)


async def test_an_undone_trade_is_undone_once_and_for_the_next_run_too(run: Run) -> None:
    fill = run.fill_of("b")
    run.world.venues["b"].bust(fill)
    run.world.venues["b"].bust(fill)
    await run.beat()
    run.world.die()
    desk = run.world.desk()
    await load_course(desk, run.world.session)
    assert desk.positions == {"a": D("0.1"), "b": D(0)}
    await check_funds.fn()
    view = session_view(desk, sequence=2, volume=D(0), closing=True, unwinding=False)
    planned = plan_pair(view, desk.strategy, desk.rng)
    assert isinstance(planned, Nothing)
    assert planned.code in (NothingCode.NET_EXPOSURE, NothingCode.UNMATCHED)


async def test_an_undone_trade_that_the_journal_does_not_know_is_waited_for_and_then_told(run: Run) -> None:
    a = run.world.venues["a"]
    a.feed.tell(TradeBusted(a.venue, "a", "ETH/USD", "never-heard-of", run.world.clock()))
    await run.beat()
    assert run.breaches == {}
    run.world.clock.advance(BUST_UNKNOWN_S)
    await run.beat()
    assert run.breaches["trade_bust"].details["tradeId"] == "never-heard-of"
    assert run.course.halted is None


async def test_told_funding_is_booked_once_though_rest_tells_it_too(run: Run) -> None:
    a, now = run.world.venues["a"], run.world.clock()
    payment = FundingPayment(a.venue, "a", "ETH/USD", "f1", D("0.25"), None, now, now)
    a.payments.append(payment)
    for _ in range(2):
        a.feed.tell(FundingUpdate(payment))
    await run.beat()
    assert [p.payment for p in run.world.store.reads.funding_of(SESSION)] == [D("0.25")]
    for _ in range(4):
        run.world.clock.advance(100)
        await run.beat()
    assert [p.payment for p in run.desk.payments] == [D("0.25")]


async def test_told_funding_of_another_time_or_market_is_not_the_sessions(run: Run) -> None:
    a, now = run.world.venues["a"], run.world.clock()
    before = run.course.started_at - timedelta(hours=1)
    a.feed.tell(FundingUpdate(FundingPayment(a.venue, "a", "BTC/USD", "f1", D(1), None, now, now)))
    a.feed.tell(FundingUpdate(FundingPayment(a.venue, "a", "ETH/USD", "f2", D(1), None, before, before)))
    await run.beat()
    assert run.world.store.reads.funding_of(SESSION) == []


async def test_a_told_margin_is_fresher_than_the_one_read_and_an_old_one_is_not(run: Run) -> None:
    a, known = run.world.venues["a"], run.desk.margins["a"]
    now = run.world.clock()
    fresh = Margin(a.venue, "a", D(77), D(70), D(7), D(3), True, now)
    old = Margin(a.venue, "a", D(1), D(1), D(0), D(0), True, known.received_time - timedelta(seconds=1))
    a.feed.tell(MarginUpdate(fresh))
    a.feed.tell(MarginUpdate(old))
    a.feed.tell(BalanceUpdate(Balance(a.venue, "a", "USDC", D(1), D(1), now)))
    await run.desk.absorb()
    assert run.desk.margins["a"] == fresh


async def test_a_told_position_brings_its_liquidation_price_to_the_judgement(run: Run) -> None:
    a, now = run.world.venues["a"], run.world.clock()
    near = a.mid * D("0.98")
    a.feed.tell(PositionUpdate(Position(a.venue, "a", "ETH/USD", D("0.1"), a.mid, None, near, now)))
    await run.beat()
    assert run.breaches["liquidation_distance"].severity is Severity.CRITICAL


async def test_a_liquidation_price_of_another_position_is_not_judged(run: Run) -> None:
    a, now = run.world.venues["a"], run.world.clock()
    near = a.mid * D("0.98")
    a.feed.tell(PositionUpdate(Position(a.venue, "a", "ETH/USD", D("0.7"), a.mid, None, near, now)))
    await run.beat()
    assert run.breaches == {}


async def test_a_gap_that_a_dead_run_left_is_no_surprise_to_the_next_and_is_counted_from_its_beginning(
    run: Run,
) -> None:
    run.world.venues["a"].meddle(D("-0.04"), cause=FillCause.ADL)
    await run.beat()
    began = run.world.clock()
    run.world.die()
    desk = run.world.desk()
    course = await load_course(desk, run.world.session)
    assert course.gap.since is not None
    assert course.gap.since <= began
    assert course.gap.usd == D("0.04") * 2500
    later = Run(run.world, desk, course)
    await check_funds.fn()
    await later.beat()
    assert "net_exposure" not in later.breaches
    assert later.course.closing is None
