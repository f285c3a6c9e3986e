"""The beat between pairs: lease, operator's commands, streams, limits. Not a task: it comes once a second."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from core.account_terms import AccountTerms
from core.errors import MarketDataUnavailable, VenueError
from core.numbers import canonical
from core.paired_reduction import CONSEQUENCES, After
from core.risk import AccountRiskFacts, SessionRiskFacts, Severity, assess_session
from core.risk_state import RiskState
from store.records import Command, CommandKind, NewBreach, SessionStatus
from tasks.account_terms import TERMS_EVERY_S, changed_terms
from tasks.course import Course
from tasks.desk import Desk
from tasks.differences import MISMATCH, Wrong, described, differences, explain
from tasks.foreign_orders import (
    FOREIGN_ORDER,
    ORDERS_EVERY_S,
    TOLD_MAX,
    breach_id,
    foreign_orders,
    may_look,
    sentence,
)
from tasks.foreign_orders import described as described_order
from tasks.market_view import show_market
from tasks.money import tally
from tasks.naked import begin, outside
from tasks.publish import Board, say
from tasks.risk_gate import exposure
from tasks.settle import book_funding
from tasks.standing import announcement
from tasks.upsets import TOO_OFTEN, Upset, forced_too_often, take_in
from tasks.venue_facts import (
    CLOCK_EVERY_S,
    STATUS_EVERY_S,
    VOLUME_EVERY_S,
    closed_venues,
    measure_clocks,
    read_statuses,
    read_volumes,
)

MARGIN_EVERY_S = 10.0
POSITIONS_EVERY_S = 20.0
FUNDING_EVERY_S = 300.0
STALL_S = 300.0


class Heart:
    """Does at each beat what is due, and remembers when it was last done."""

    def __init__(self, desk: Desk, course: Course, board: Board) -> None:
        self._desk, self._course, self._board = desk, course, board
        self._done_at: dict[str, datetime] = dict.fromkeys(("margin", "clock"), desk.now())
        self._foreign_said: set[tuple[str, str]] = set()
        self._announced: dict[str, object] | None = None
        self._terms: dict[str, AccountTerms] = {}

    async def beat(self) -> None:
        """Renew, listen, look and judge; raises LeaseLost when another run took over."""
        desk, course = self._desk, self._course
        await desk.keep_lease()
        await desk.absorb()
        await self._take_in()
        await self._obey()
        if self._due("margin", MARGIN_EVERY_S):
            await desk.refresh_margins()
        in_flight = any(not order.status.is_final for order in desk.working.values())
        if not in_flight and (self._due("positions", POSITIONS_EVERY_S) or desk.recheck):
            await self.compare_positions()
        if desk.net == 0 and self._is_due("orders", ORDERS_EVERY_S) and may_look(desk):
            self._done_at["orders"] = desk.now()
            await self._tell_foreign_orders()
        if self._due("funding", FUNDING_EVERY_S):
            await self._read_funding()
        await self._look_around()
        course.naked_today = desk.store.reads.ledger.naked_on_day_of(desk.now())
        await self._judge()
        self._watch_goal()
        desk.rematch()
        for fill in desk.foreign:
            if (fill.account_id, fill.trade_id) not in self._foreign_said:
                self._foreign_said.add((fill.account_id, fill.trade_id))
                who = f"{fill.account_id}: {fill.side} {fill.quantity}"
                desk.notices.append(f"{who} was filled by somebody else; left alone")
        for notice in desk.notices:
            await say(desk, "log", "notice", {"text": notice})
        desk.notices.clear()
        await self.announce()
        await show_market(desk)
        await self._board.progress(desk, course)

    async def breach(self, category: str, severity: Severity, details: Mapping[str, object]) -> None:
        """Write a breach once per category while it is open; a critical one stops new exposure."""
        if any(b.category == category for b in self._desk.store.reads.breaches(self._desk.session_id, open_only=True)):
            return
        await self._write(str(uuid.uuid4()), category, severity, details)

    async def announce(self) -> None:
        """Tell the session's risk state, once for each change of it or of its reason."""
        told = announcement(self._desk, self._course)
        if told != self._announced:
            self._announced = told
            await say(self._desk, "risk", "risk_update", told)
            if told["riskState"] == RiskState.REDUCING and self._course.paused is None:
                await self._board.state("Reducing" if self._course.closing is None else "WindingDown")

    async def compare_positions(self) -> None:
        """The venues' positions against the journal's; a difference is explained by evidence, or waits for a person.

        A venue may be late with its positions after a fill, so only a difference that lasts is believed.
        """
        try:
            await self.settle_differences()
        except VenueError as error:
            self._desk.notices.append(f"positions could not be read ({error})")

    async def settle_differences(self) -> bool:
        """Compare positions; False where a venue may only be late, so that the same must be asked again.

        Raises VenueError: what could not be read is neither explained nor a difference.
        """
        desk, is_late = self._desk, False
        desk.recheck = False
        wrong = await differences(desk)
        if wrong:
            wrong, is_late = await explain(desk, self._course, wrong, self._upset)
        if wrong:
            await self._unexplained(wrong)
        return not is_late

    async def _unexplained(self, wrong: Wrong) -> None:
        await self.breach(MISMATCH, Severity.CRITICAL, described(self._desk, wrong))
        if self._course.paused is None and self._course.closing is None:
            await self.pause("a venue's position is not what the journal explains")

    async def _write(self, breach_id: str, category: str, severity: Severity, details: Mapping[str, object]) -> None:
        desk = self._desk
        await desk.store.journal.record_breach(
            NewBreach(breach_id, desk.session_id, None, category, severity, dict(details), desk.now())
        )
        self._announced = announcement(desk, self._course)
        await say(desk, "risk", "risk_update", self._announced | {
            "riskLevel": "high" if severity is Severity.CRITICAL else "medium",
            "breach": {"id": breach_id, "category": category, "severity": severity.value, "details": dict(details)},
        })  # fmt: skip

    async def _take_in(self) -> None:
        """Journal funding that was told, and take in what venues undid or forced."""
        desk, course = self._desk, self._course
        news, desk.funding_news = desk.funding_news, []
        since = course.started_at - timedelta(seconds=1)
        ours = [p for p in news if p.symbol == desk.symbol and p.paid_at >= since]
        if ours:
            desk.payments.extend(await desk.store.journal.record_funding(desk.session_id, ours))
        await take_in(desk, course, self._upset)
        if course.closing is None and (often := forced_too_often(desk)) is not None:
            await self.breach(TOO_OFTEN, Severity.CRITICAL, {"reason": often, "then": After.STAND_STILL.value})
            await self.pause(often)

    async def _tell_foreign_orders(self) -> None:
        """Warn of each order of somebody else once; told before it is known, so that a crash cannot swallow it."""
        desk = self._desk
        for found in await foreign_orders(desk):
            told = desk.store.reads.breaches(desk.session_id)
            ids, still_open = {b.breach_id for b in told}, sum(b.category == FOREIGN_ORDER and b.is_open for b in told)
            for report in found.new:
                desk.notices.append(sentence(report))
                this = breach_id(desk, report)
                if this not in ids and still_open < TOLD_MAX:
                    await self._write(this, FOREIGN_ORDER, Severity.WARNING, described_order(report))
                    still_open += 1
            await desk.store.journal.record_foreign_orders(found.account, desk.symbol, found.orders, at=desk.now())

    async def _upset(self, upset: Upset) -> None:
        """Write what changed a leg from outside, once, and decide what the session does; the other legs follow."""
        desk, course = self._desk, self._course
        consequence = CONSEQUENCES[upset.cause]
        breach_id = upset.breach_id(desk.session_id)
        desk.notices.append(upset.text)
        desk.recheck = True
        net, held = desk.net + upset.change, desk.positions
        held[upset.account_id] += upset.change
        if outside(desk) + upset.change != 0:
            await begin(desk, course, upset.at, change=upset.change)
        shown = {f"position of {name}": canonical(q) for name, q in held.items()}
        details = {**upset.details, "netDelta": canonical(net), **shown, "then": consequence.after.value}
        if all(b.breach_id != breach_id for b in desk.store.reads.breaches(desk.session_id)):
            await self._write(breach_id, upset.cause.value, consequence.severity, details)
        if consequence.after is After.WIND_DOWN:
            course.close(f"{upset.cause}: {upset.text}")
            course.urgent = True
        elif consequence.after is After.STAND_STILL and course.closing is None:
            await self.pause(upset.text)

    def _due(self, what: str, every_s: float) -> bool:
        if not self._is_due(what, every_s):
            return False
        self._done_at[what] = self._desk.now()
        return True

    def _is_due(self, what: str, every_s: float) -> bool:
        last = self._done_at.get(what)
        return last is None or self._desk.now() - last >= timedelta(seconds=every_s)

    async def _obey(self) -> None:
        desk = self._desk
        for command in desk.store.reads.pending_commands(desk.session_id):
            if not await desk.store.journal.take_command(command.command_id, at=desk.now()):
                continue
            outcome = await self._carry_out(command)
            await desk.store.journal.finish_command(command.command_id, outcome, at=desk.now())
            await say(desk, "status", "command", {"kind": command.kind.value, "outcome": outcome})

    async def _carry_out(self, command: Command) -> str:
        course = self._course
        match command.kind:
            case CommandKind.PAUSE:
                if course.closing:
                    return "refused: the session is winding down"
                await self.pause(f"paused by {command.created_by}")
                return "paused"
            case CommandKind.RESUME:
                return await self._resume()
            case CommandKind.STOP | CommandKind.FLATTEN:
                if course.paused:
                    await self._set_status(SessionStatus.ACTIVE)
                course.urgent = course.urgent or command.kind is CommandKind.FLATTEN
                course.close(f"{'flattened' if course.urgent else 'stopped'} by {command.created_by}")
                await self._board.state("Flattening" if course.urgent else "WindingDown")
                return "winding down"

    async def pause(self, reason: str) -> None:
        """Open nothing more until resumed; shown as a state of its own in Prefect."""
        self._course.paused = reason
        self._course.last_decision = reason
        await self._set_status(SessionStatus.PAUSED, reason)
        await self._board.state("OperatorPaused" if self._course.halted is None else "Halted")

    async def _resume(self) -> str:
        desk, course = self._desk, self._course
        if course.paused is None:
            return "refused: the session is not paused"
        critical = [
            b for b in desk.store.reads.breaches(desk.session_id, open_only=True) if b.severity is Severity.CRITICAL
        ]  # fmt: skip
        if critical:
            return f"refused: acknowledge the critical breach {critical[0].breach_id} ({critical[0].category}) first"
        if course.halted is not None:
            return f"refused: {course.halted}"
        course.paused = None
        course.last_progress_at = desk.now()
        await self._set_status(SessionStatus.ACTIVE)
        await self._board.state("Running")
        return "resumed"

    async def _set_status(self, status: SessionStatus, reason: str | None = None) -> None:
        desk = self._desk
        await desk.store.journal.set_session_status(
            desk.session_id, (SessionStatus.ACTIVE, SessionStatus.PAUSED), status, at=desk.now(), reason=reason
        )
        await say(desk, "status", "session_update", {"status": status.value, "reason": reason})

    async def _read_funding(self) -> None:
        desk = self._desk
        try:
            await book_funding(desk, self._course.started_at)
            for name, client in desk.clients.items():
                desk.funding[name] = await client.funding_rate(desk.symbol)
        except VenueError as error:
            desk.notices.append(f"funding could not be read ({error})")

    async def _look_around(self) -> None:
        """Read what the venues say about themselves; the connectors measured the clocks when they connected."""
        if self._due("clock", CLOCK_EVERY_S):
            await measure_clocks(self._desk)
        if self._due("status", STATUS_EVERY_S):
            await read_statuses(self._desk)
        if self._due("volume", VOLUME_EVERY_S):
            await read_volumes(self._desk)
        # Three readings of a venue that hangs are half a minute; a leg that stands alone does not wait for them.
        if self._course.gap.since is None and self._due("terms", TERMS_EVERY_S):
            for found in await changed_terms(self._desk, self._terms):
                await self._write(str(uuid.uuid4()), found.category, found.severity, found.details)

    async def _judge(self) -> None:
        desk, course = self._desk, self._course
        try:
            pnl = tally(desk).net
        except MarketDataUnavailable as error:
            desk.notices.append(str(error))
            return
        course.series.note(desk.now(), pnl)
        marks = desk.marks()
        risk = assess_session(
            SessionRiskFacts(
                accounts=tuple(
                    AccountRiskFacts(
                        exposure(desk, n),
                        marks[n].mark if n in marks else None,
                        desk.margins.get(n),
                        *self._liquidation(n),
                    )
                    for n in desk.accounts
                ),
                session_pnl=pnl,
                capital=desk.capital,
                naked_usd_seconds=course.naked_spent,
                naked_today=course.naked_today,
                value_at_risk=course.series.value_at_risk(),
                between_pairs=course.halted is None and course.gap.since is None,
            ),
            desk.limits,
        )
        for found in risk.breaches:
            await self.breach(found.category, found.severity, found.details)
            if found.severity is Severity.CRITICAL and course.closing is None:
                course.close(f"{found.category}: {', '.join(f'{k} {v}' for k, v in found.details.items())}")

    def _liquidation(self, name: str) -> tuple[Decimal | None, Decimal | None]:
        """The liquidation price as the venue last said it, and of how much: of all that is there, whoever made it.

        Nothing is said where the account has traded since, so that it is about another position.
        """
        desk, held = self._desk, self._desk.held.get(name)
        if held is None:
            return None, None
        traded = [f.received_time for f in (*desk.fills, *desk.foreign) if f.account_id == name]
        if held.quantity != desk.expected[name] and max(traded, default=held.received_time) > held.received_time:
            return None, None
        return held.liquidation_price, held.quantity

    def _watch_goal(self) -> None:
        desk, course = self._desk, self._course
        now = desk.now()
        if desk.goal.duration_s is not None and now >= course.started_at + timedelta(seconds=desk.goal.duration_s):
            course.close("the duration is over")
        if closed_venues(desk):
            course.last_progress_at = now  # waiting for a venue to open again is no standstill
        progressed = course.last_progress_at or course.started_at
        if course.paused is None and now - progressed > timedelta(seconds=STALL_S):
            course.close(f"no pair could be done for {STALL_S:.0f} s ({course.last_decision})")


def money(value: Decimal) -> str:
    """Write quote units for people."""
    return f"{value:,.2f}"
