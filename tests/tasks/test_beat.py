"""The beat: lease, commands, positions, losses. What it finds acts on the session between pairs, never inside one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal

import pytest

from core.errors import LeaseLost
from core.pair import Done, PairStatus
from core.risk import Severity
from store import SessionStatus
from store.records import Breach, BreachAction, Command, CommandKind
from tasks.beat import Heart
from tasks.course import Course
from tasks.desk import LEASE_TTL_S, Desk
from tasks.fund_check import check_funds
from tasks.place_pair import open_pair
from tests.fakes.venue import Script
from tests.fakes.world import SESSION, QuietBoard, World

D = Decimal
Make = Callable[..., World]


@dataclass
class Run:
    """A running session between two pairs."""

    world: World
    desk: Desk
    course: Course
    board: QuietBoard
    heart: Heart

    async def ask(self, kind: CommandKind) -> Command:
        """An operator asks for something."""
        journal, at = self.world.store.journal, self.world.clock()
        return await journal.add_command(SESSION, kind, created_by="ops", created_at=at)

    async def beat(self, seconds: float = 1.0) -> None:
        """Let time pass, then beat."""
        self.world.clock.advance(seconds)
        await self.heart.beat()

    def outcome(self, command: Command) -> str | None:
        """What came of a command."""
        found = {c.command_id: c.outcome for c in self.world.store.reads.commands(SESSION)}
        return found[command.command_id]

    @property
    def breaches(self) -> list[Breach]:
        """Open breaches."""
        return self.world.store.reads.breaches(SESSION, open_only=True)


async def start(world: World, *, pair: bool = False) -> Run:
    """Start a session; with one pair open if wanted."""
    desk = world.desk()
    await check_funds.fn()
    world.activate()
    if pair:
        end = await open_pair(desk, world.plan(), {})
        assert isinstance(end.action, Done)
        desk.put_down()
    course, board = Course(started_at=desk.now(), last_progress_at=desk.now()), QuietBoard()
    return Run(world, desk, course, board, Heart(desk, course, board))  # type: ignore[arg-type]


@pytest.fixture
async def run(world: World) -> Run:
    """A session that holds one pair."""
    return await start(world, pair=True)


async def test_quiet_beat_finds_nothing(run: Run) -> None:
    for _ in range(40):
        await run.beat()
    assert run.breaches == []
    assert (run.course.closing, run.course.paused) == (None, None)
    assert run.world.session.status is SessionStatus.ACTIVE


async def test_pause_acts_at_the_next_beat(run: Run) -> None:
    command = await run.ask(CommandKind.PAUSE)
    await run.beat()
    assert run.outcome(command) == "paused"
    assert run.course.paused == "paused by ops"
    assert run.world.session.status is SessionStatus.PAUSED
    assert run.board.states == ["OperatorPaused"]


async def test_resume_goes_on(run: Run) -> None:
    await run.ask(CommandKind.PAUSE)
    await run.beat()
    command = await run.ask(CommandKind.RESUME)
    await run.beat()
    assert run.outcome(command) == "resumed"
    assert run.course.paused is None
    assert run.world.session.status is SessionStatus.ACTIVE
    assert run.board.states == ["OperatorPaused", "Running"]


async def test_resume_after_a_long_pause_is_not_taken_for_a_standstill(run: Run) -> None:
    await run.ask(CommandKind.PAUSE)
    await run.beat()
    for _ in range(100):
        await run.beat(10)
    await run.ask(CommandKind.RESUME)
    await run.beat()
    assert run.course.closing is None


async def test_session_that_gets_nothing_done_winds_down(run: Run) -> None:
    for _ in range(32):
        await run.beat(10)
    assert run.course.closing is not None
    assert "no pair could be done" in run.course.closing


async def test_stop_winds_down_and_ends_a_pause(run: Run) -> None:
    await run.ask(CommandKind.PAUSE)
    await run.beat()
    command = await run.ask(CommandKind.STOP)
    await run.beat()
    assert run.outcome(command) == "winding down"
    assert (run.course.closing, run.course.paused) == ("stopped by ops", None)
    assert run.world.session.status is SessionStatus.ACTIVE
    assert run.board.states[-1] == "WindingDown"


async def test_commands_are_obeyed_in_the_order_of_asking(run: Run) -> None:
    for kind in (CommandKind.PAUSE, CommandKind.RESUME, CommandKind.STOP, CommandKind.PAUSE):
        last = await run.ask(kind)
    await run.beat()
    assert run.outcome(last) == "refused: the session is winding down"
    assert (run.course.closing, run.course.paused) == ("stopped by ops", None)


async def test_resume_of_a_session_that_is_not_paused_is_refused(run: Run) -> None:
    command = await run.ask(CommandKind.RESUME)
    await run.beat()
    assert run.outcome(command) == "refused: the session is not paused"


async def test_resume_is_refused_until_the_critical_breach_is_acknowledged(run: Run) -> None:
    await run.heart.breach("naked_leg", Severity.CRITICAL, {"why": "test"})
    await run.heart.pause("halted for a test")
    refused = await run.ask(CommandKind.RESUME)
    await run.beat()
    (breach,) = run.breaches
    assert run.outcome(refused) == (
        f"refused: acknowledge the critical breach {breach.breach_id} (naked_leg) first"
    )  # fmt: skip
    assert run.course.paused
    await run.world.store.journal.acknowledge_breach(
        SESSION, breach.breach_id, BreachAction.RESOLVE, at=run.world.clock()
    )
    granted = await run.ask(CommandKind.RESUME)
    await run.beat()
    assert run.outcome(granted) == "resumed"


async def test_warning_does_not_stand_against_resuming(run: Run) -> None:
    await run.heart.breach("drawdown", Severity.WARNING, {})
    await run.ask(CommandKind.PAUSE)
    command = await run.ask(CommandKind.RESUME)
    await run.beat()
    assert run.outcome(command) == "resumed"


async def test_command_waits_until_both_legs_are_even(world: World) -> None:
    """A stop asked for between the legs does not touch the pair: the chase is sent, and then the stop is obeyed."""
    run = await start(world)
    world.venues["b"].script(Script(share=D(0), fill_after_s=0.5))
    pair = asyncio.ensure_future(open_pair(run.desk, world.plan(), {}))
    while not world.venues["b"].placed:
        await asyncio.sleep(0)
    command = await run.ask(CommandKind.STOP)
    end = await pair
    assert isinstance(end.action, Done)
    assert end.action.status is PairStatus.FILLED
    assert run.outcome(command) is None
    run.desk.put_down()
    await run.beat()
    assert run.outcome(command) == "winding down"


async def test_breach_is_written_once_while_it_is_open(run: Run) -> None:
    for _ in range(3):
        await run.heart.breach("drawdown", Severity.WARNING, {"loss": "1"})
    assert len(run.breaches) == 1


async def test_position_that_the_journal_does_not_explain_is_critical_and_pauses(run: Run) -> None:
    run.world.venues["a"].meddle(D("0.05"))
    await run.beat(25)
    (breach,) = run.breaches
    assert (breach.category, breach.severity) == ("position_mismatch", Severity.CRITICAL)
    assert breach.details == {"a": "venue 0.15, journal 0.1"}
    assert run.course.paused is not None
    assert run.course.closing is None


async def test_position_that_a_venue_shows_late_is_no_breach(run: Run) -> None:
    venue = run.world.venues["a"]
    venue.meddle(D("0.05"))
    run.world.clock.later(25.6, lambda: venue.meddle(D("-0.05")))
    await run.beat(25)
    assert run.breaches == []
    assert run.course.paused is None


async def test_positions_that_cannot_be_read_are_neither_zero_nor_a_breach(run: Run) -> None:
    run.world.venues["a"].fail("positions")
    await run.beat(25)
    assert run.breaches == []
    texts = [str(e.payload["text"]) for e in run.world.store.reads.events_since(SESSION, 0) if e.type == "notice"]
    assert any("positions could not be read" in text for text in texts)


async def test_mismatch_while_winding_down_does_not_stop_the_winding_down(run: Run) -> None:
    run.course.close("stopped by ops")
    run.world.venues["a"].meddle(D("0.05"))
    await run.beat(25)
    assert run.course.paused is None
    assert [b.category for b in run.breaches] == ["position_mismatch"]


async def test_drawdown_warns_and_then_closes_the_session(run: Run) -> None:
    """The stop loss is 20: half of it warns, all of it closes. The long leg's price falls alone."""
    run.desk.limits = replace(run.desk.limits, stop_loss=D("0.0001"))
    run.world.venues["a"].mid = D(2380)
    await run.beat()
    assert [(b.category, b.severity) for b in run.breaches] == [("drawdown", Severity.WARNING)]
    assert run.course.closing is None
    run.world.venues["a"].mid = D(2250)
    await run.beat()
    assert ("stop_loss", Severity.CRITICAL) in [(b.category, b.severity) for b in run.breaches]
    assert run.course.closing is not None
    assert run.course.closing.startswith("stop_loss")


async def test_uneven_position_between_pairs_is_critical_and_closes(run: Run) -> None:
    run.desk.settled["a"] += D("0.01")
    await run.beat()
    assert ("net_exposure", Severity.CRITICAL) in [(b.category, b.severity) for b in run.breaches]
    assert run.course.closing is not None


async def test_missing_mark_is_not_judged_with_a_made_up_one(run: Run) -> None:
    run.world.venues["a"].feed.disconnect(5)
    await run.beat()
    assert run.breaches == []
    assert run.course.closing is None


async def test_duration_ends_the_session(world: World) -> None:
    run = await start(world)
    run.desk.goal = replace(run.desk.goal, duration_s=30)
    await run.beat(29)
    assert run.course.closing is None
    await run.beat(2)
    assert run.course.closing == "the duration is over"


async def test_lease_is_renewed_beat_by_beat(run: Run) -> None:
    for _ in range(60):
        await run.beat()
    run.desk.require_lease()
    held = run.world.store.reads.lease(f"session:{SESSION}")
    assert held is not None
    assert held.expires_at > run.world.clock() + timedelta(seconds=LEASE_TTL_S / 2)


async def test_beat_of_a_run_that_lost_its_lease_raises(run: Run) -> None:
    run.world.die()
    other = run.world.desk()
    with pytest.raises(LeaseLost):
        await run.beat(0)
    with pytest.raises(LeaseLost):
        run.desk.require_lease()
    other.require_lease()


async def test_margin_that_cannot_be_read_is_forgotten_not_kept(run: Run) -> None:
    run.world.venues["b"].fail("margin")
    await run.beat(11)
    assert set(run.desk.margins) == {"a"}
    await run.beat(11)
    assert set(run.desk.margins) == {"a", "b"}


async def test_lost_stream_is_told_once(run: Run) -> None:
    run.world.venues["a"].feed.disconnect(3)
    for _ in range(6):
        await run.beat()
    texts = [str(e.payload["text"]) for e in run.world.store.reads.events_since(SESSION, 0) if e.type == "notice"]
    assert sum("stream lost" in text for text in texts) == 1


async def test_execution_of_somebody_else_is_told_and_changes_nothing(run: Run) -> None:
    run.world.venues["a"].meddle(D("0.05"))
    run.world.venues["a"].meddle(D("-0.05"))
    await run.beat()
    assert run.desk.positions == {"a": D("0.1"), "b": D("-0.1")}
    texts = [str(e.payload["text"]) for e in run.world.store.reads.events_since(SESSION, 0) if e.type == "notice"]
    assert len([t for t in texts if "0.05" in t]) == 2
