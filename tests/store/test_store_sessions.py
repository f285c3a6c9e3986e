"""Sessions, pairs, breaches, commands and events: compare-and-set, once-only, and what reads give back."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

import pytest
from store_world import NOW, later, new_pair, new_session

from core.account import Position
from core.errors import InvalidSessionStatus, SelfTradeRisk
from core.instrument import Venue
from core.market import FundingPayment
from core.pair import PairStatus
from core.risk import Severity
from store import (
    Account,
    BreachAction,
    BreachNotFound,
    CommandKind,
    NewBreach,
    PairOutcome,
    RecordNotFound,
    SessionNotFound,
    SessionStatus,
    SessionTotals,
    Store,
    StoreError,
)

PENDING, ACTIVE, PAUSED = SessionStatus.PENDING, SessionStatus.ACTIVE, SessionStatus.PAUSED


def test_a_session_comes_back_as_it_was_asked_for(store: Store) -> None:
    session = store.reads.session("s1")

    asked = new_session()
    assert (session.session_id, session.name, session.accounts) == ("s1", asked.name, asked.accounts)
    assert (session.status, session.attempt, session.totals) == (PENDING, 0, SessionTotals())
    assert (session.volume_target, session.duration_s, session.created_at) == (Decimal("10000"), 300.0, NOW)
    assert session.strategy == {"symbol": "ETH/USD", "max_slippage": "0.02"}


def test_creating_a_session_twice_keeps_the_first(store: Store) -> None:
    again = store.journal.create_session.now(replace(new_session(), name="another"))

    assert again.name == "session s1"


def test_a_naive_time_is_refused(store: Store) -> None:
    naive = replace(new_session("s2"), created_at=datetime(2026, 3, 1))
    with pytest.raises(StoreError, match="timezone"):
        store.journal.create_session.now(naive)


def test_status_moves_only_from_the_statuses_named(store: Store) -> None:
    active = store.journal.set_session_status.now("s1", [PENDING], ACTIVE, at=later(1), flow_run_id="run", attempt=1)
    assert (active.status, active.started_at, active.flow_run_id, active.attempt) == (ACTIVE, later(1), "run", 1)

    with pytest.raises(InvalidSessionStatus) as refused:
        store.journal.set_session_status.now("s1", [PENDING], ACTIVE, at=later(2))
    assert refused.value.details == {"sessionId": "s1", "currentStatus": "active", "requiredStatus": "pending"}

    store.journal.set_session_status.now("s1", [ACTIVE], PAUSED, at=later(3), reason="asked by an operator")
    resumed = store.journal.set_session_status.now("s1", [PAUSED], ACTIVE, at=later(4))
    assert (resumed.started_at, resumed.status_reason, resumed.flow_run_id) == (later(1), None, "run")
    done = store.journal.set_session_status.now("s1", [ACTIVE, PAUSED], SessionStatus.COMPLETED, at=later(5))
    assert done.ended_at == later(5)


async def test_of_many_who_start_a_session_at_once_one_wins(store: Store) -> None:
    outcomes = await asyncio.gather(
        *(store.journal.set_session_status("s1", [PENDING], ACTIVE, at=later(n)) for n in range(20)),
        return_exceptions=True,
    )

    assert sum(not isinstance(outcome, BaseException) for outcome in outcomes) == 1


def test_attempts_count_up(store: Store) -> None:
    assert [store.journal.begin_attempt.now("s1") for _ in range(3)] == [1, 2, 3]
    store.journal.set_flow_run.now("s1", "run-3")
    assert (store.reads.session("s1").attempt, store.reads.session("s1").flow_run_id) == (3, "run-3")


def test_an_unknown_session_is_said_to_be_unknown(store: Store) -> None:
    for call in (
        lambda: store.reads.session("nope"),
        lambda: store.journal.begin_attempt.now("nope"),
        lambda: store.journal.update_session_totals.now("nope", SessionTotals()),
        lambda: store.journal.set_session_status.now("nope", [PENDING], ACTIVE, at=NOW),
    ):
        with pytest.raises(SessionNotFound):
            call()


def test_totals_are_replaced_and_rounded_to_18_decimals(store: Store) -> None:
    third = Decimal(1) / 3
    store.journal.update_session_totals.now("s1", SessionTotals(volume_generated=Decimal("100.50"), slippage=third))

    totals = store.reads.session("s1").totals
    assert totals.volume_generated == Decimal("100.5")
    assert totals.slippage == Decimal("0.333333333333333333")


def test_sessions_are_listed_newest_first_by_status_and_account(store: Store) -> None:
    store.journal.create_session.now(new_session("s2", created_at=later(1), accounts=("a2", "a10")))
    store.journal.create_session.now(new_session("s3", created_at=later(2), accounts=("a3", "a1")))
    store.journal.set_session_status.now("s3", [PENDING], ACTIVE, at=later(3))

    def ids(**wanted: object) -> list[str]:
        return [session.session_id for session in store.reads.sessions(**wanted)]  # type: ignore[arg-type]

    assert ids() == ["s3", "s2", "s1"]
    assert ids(limit=1, offset=1) == ["s2"]
    assert ids(statuses=[PENDING]) == ["s2", "s1"]
    assert ids(account_id="a1") == ["s3", "s1"]
    assert ids(account_id="a%") == []
    assert store.reads.count_sessions(account_id="a2") == 2


def test_a_pair_on_one_venue_is_never_recorded(store: Store) -> None:
    with pytest.raises(SelfTradeRisk):
        store.journal.record_pair.now(new_pair(sell_venue=Venue.PACIFICA))
    assert store.reads.pairs("s1") == []


def test_a_pair_is_planned_once_and_its_last_outcome_holds(store: Store) -> None:
    planned = store.journal.record_pair.now(new_pair())
    again = store.journal.record_pair.now(replace(new_pair(), quantity=Decimal("9")))
    assert again == planned
    assert planned.outcome == PairOutcome(PairStatus.PENDING)
    assert planned.plan.decision == {"verdict": "approved", "cost": "0.0004"}
    assert [pair.plan.sequence for pair in store.reads.open_pairs("s1")] == [1]

    partial = PairOutcome(PairStatus.PARTIAL, quantity=Decimal("0.04"))
    filled = PairOutcome(
        status=PairStatus.FILLED,
        quantity=Decimal("0.10"),
        volume=Decimal("250.01"),
        price=Decimal("2500.1"),
        slippage=Decimal("0.0004"),
        fees=Decimal("0.03"),
        leg_skew_ms=Decimal("0.85"),
        naked_usd_seconds=Decimal("12.5"),
        executed_at=later(1),
        completed_at=later(2),
    )
    store.journal.complete_pair.now("s1-p1", partial)
    assert store.journal.complete_pair.now("s1-p1", filled).outcome == filled
    assert store.reads.pair("s1-p1").outcome == filled
    assert store.reads.open_pairs("s1") == []
    assert store.reads.next_pair_sequence("s1") == 2
    with pytest.raises(RecordNotFound):
        store.journal.complete_pair.now("nope", filled)


def test_a_sequence_belongs_to_one_pair(store: Store) -> None:
    store.journal.record_pair.now(new_pair())
    with pytest.raises(StoreError, match=r"(?i)unique"):
        store.journal.record_pair.now(replace(new_pair(), pair_id="another"))


def test_pairs_are_listed_by_status_and_account(store: Store) -> None:
    for sequence in (1, 2, 3):
        store.journal.record_pair.now(new_pair(sequence))
    store.journal.complete_pair.now("s1-p2", PairOutcome(PairStatus.FILLED, completed_at=NOW))

    assert [pair.plan.sequence for pair in store.reads.pairs("s1", newest_first=True, limit=2)] == [3, 2]
    assert [pair.plan.sequence for pair in store.reads.pairs("s1", statuses=[PairStatus.FILLED])] == [2]
    assert store.reads.count_pairs("s1", account_id="a2") == 3
    assert store.reads.count_pairs("s1", account_id="a3") == 0


def test_a_breach_is_recorded_once_and_acknowledged_once(store: Store) -> None:
    new = NewBreach("b1", "s1", None, "slippage", Severity.CRITICAL, {"limit": Decimal("0.02")}, NOW)
    store.journal.record_breach.now(new)
    store.journal.record_breach.now(replace(new, category="another"))
    assert [(breach.category, breach.is_open) for breach in store.reads.breaches("s1")] == [("slippage", True)]

    store.journal.acknowledge_breach.now("s1", "b1", BreachAction.RESOLVE, at=later(1), comment="seen")
    kept = store.journal.acknowledge_breach.now("s1", "b1", BreachAction.IGNORE, at=later(2))
    assert (kept.action, kept.acknowledged_at, kept.comment) == (BreachAction.RESOLVE, later(1), "seen")
    assert store.reads.breaches("s1", open_only=True) == []
    for session_id, breach_id in (("s1", "nope"), ("s2", "b1")):
        with pytest.raises(BreachNotFound):
            store.journal.acknowledge_breach.now(session_id, breach_id, BreachAction.RESOLVE, at=NOW)


def test_a_command_is_taken_by_one_and_finished_once(store: Store) -> None:
    pause = store.journal.add_command.now("s1", CommandKind.PAUSE, created_by="cli", created_at=NOW)
    stop = store.journal.add_command.now("s1", CommandKind.STOP, created_by="api", created_at=NOW)
    assert store.reads.pending_commands("s1") == [pause, stop]

    assert store.journal.take_command.now(pause.command_id, at=later(1)) is True
    assert store.journal.take_command.now(pause.command_id, at=later(1)) is False
    assert store.reads.pending_commands("s1") == [stop]
    done = store.journal.finish_command.now(pause.command_id, "paused", at=later(2))
    assert store.journal.finish_command.now(pause.command_id, "again", at=later(3)) == done
    assert (done.outcome, done.done_at) == ("paused", later(2))


def test_commands_of_a_dead_run_can_be_put_back(store: Store) -> None:
    stop = store.journal.add_command.now("s1", CommandKind.STOP, created_by="api", created_at=NOW)
    store.journal.take_command.now(stop.command_id, at=NOW)

    assert store.journal.reopen_commands.now("s1") == 1
    assert store.reads.pending_commands("s1") == [stop]


def test_events_can_be_read_from_any_sequence_on(store: Store) -> None:
    for index in range(5):
        store.journal.append_event.now("s1", at=NOW, channel="orders", type="order_update", payload={"n": index})

    since = store.reads.events_since("s1", 3)
    assert [(event.sequence, event.payload["n"]) for event in since] == [(4, 3), (5, 4)]
    assert store.reads.last_event_sequence("s1") == 5
    assert store.reads.last_event_sequence("s2") == 0


def test_funding_is_booked_once_by_payment_id(store: Store) -> None:
    payment = FundingPayment(
        Venue.PACIFICA, "a1", "ETH/USD", "f1", Decimal("-0.0123"), Decimal("0.0000125"), NOW, later(1)
    )
    other = replace(payment, payment_id="f2", payment=Decimal("0.02"), rate=None)

    assert store.journal.record_funding.now("s1", [payment]) == [payment]
    assert store.journal.record_funding.now("s1", [payment, other]) == [other]
    assert store.reads.funding_of("s1") == [payment, other]
    assert store.reads.totals("s1").funding == Decimal("0.0077")


def test_a_snapshot_of_a_position_is_kept_once(store: Store) -> None:
    position = Position(Venue.PARADEX, "a2", "ETH/USD", Decimal("-0.1"), Decimal("2500.1"), None, None, NOW)
    moved = replace(position, received_time=later(1), unrealized_pnl=Decimal("1.5"))

    store.journal.record_positions.now("s1", [position, position])
    store.journal.record_positions.now("s1", [moved])
    assert store.reads.positions_of("s1") == [position, moved]


def test_accounts_are_registered_under_their_id(store: Store) -> None:
    account = Account("a1", Venue.PACIFICA, "sandbox", "operator", "first", NOW)
    store.journal.register_account.now(account)
    store.journal.register_account.now(replace(account, label="renamed"))

    assert [known.label for known in store.reads.accounts()] == ["renamed"]
    assert store.reads.account("a1").venue is Venue.PACIFICA
    with pytest.raises(RecordNotFound):
        store.reads.account("a9")
