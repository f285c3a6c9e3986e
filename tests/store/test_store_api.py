"""What the API keeps: counted calls, first answers, tickets and the outbox of starts, on every database."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest
from store_world import NOW, later

from core.errors import InvalidSessionStatus
from store import SessionStatus, Store, open_store
from store.api_records import ApiKey, CallState, Scope, StartState

KEY = ApiKey("k1", "a key", "0" * 64, frozenset({Scope.READ, Scope.KILL}), NOW)
CALL = {"call": "POST /x", "body_sha256": "b1", "hold_s": 10.0, "keep_s": 100.0}


def test_a_key_comes_back_as_it_was_written_and_stays_revoked(store: Store) -> None:
    store.journal.create_api_key.now(KEY)
    assert store.reads.api_key("k1") == KEY
    first = store.journal.revoke_api_key.now("k1", at=later(1))
    assert store.journal.revoke_api_key.now("k1", at=later(2)) == first
    assert not first.is_valid
    assert store.reads.api_key("k2") is None


def test_two_processes_count_into_one_window(store: Store, tmp_path: Path) -> None:
    with open_store(tmp_path / "home", store.url) as other:
        counts = [
            each.journal.count_call.now("k1", now=later(second), window_s=60)
            for each, second in ((store, 0), (other, 1), (store, 59.9), (other, 60), (store, 61), (store, 59))
        ]
    assert [counted.calls for counted in counts] == [1, 2, 3, 1, 2, 3]  # a late one counts where the window is
    assert [counted.window_start for counted in counts] == [NOW] * 3 + [later(60)] * 3


def test_use_of_a_key_is_noted_once_a_minute(store: Store) -> None:
    store.journal.create_api_key.now(KEY)
    seen: list[datetime | None] = []
    for second in (0, 30, 61):
        store.journal.count_call.now("k1", now=later(second), window_s=60)
        key = store.reads.api_key("k1")
        seen.append(None if key is None else key.last_used_at)
    assert seen == [NOW, NOW, later(61)]


def test_a_call_is_taken_up_once_answered_once_and_forgotten_in_time(store: Store) -> None:
    def begin(second: float, holder: str = "one", body: str = "b1") -> CallState:
        call = CALL | {"body_sha256": body, "holder": holder, "now": later(second)}
        return store.journal.begin_call.now("k1", "i1", **call).state  # type: ignore[arg-type]

    assert begin(0) is CallState.FRESH
    assert begin(1, "two") is CallState.RUNNING
    assert begin(1, body="b2") is CallState.CONFLICT
    assert store.journal.hold_call.now("k1", "i1", holder="one", until=later(20))
    assert begin(15, "two") is CallState.RUNNING
    assert begin(21, "two") is CallState.FRESH  # the first holder is gone
    assert not store.journal.hold_call.now("k1", "i1", holder="one", until=later(99))
    assert not store.journal.answer_call.now("k1", "i1", holder="one", status=200, body="late")
    assert store.journal.answer_call.now("k1", "i1", holder="two", status=201, body="first")
    store.journal.forget_call.now("k1", "i1", holder="two")  # too late: it is answered
    assert begin(22) is CallState.ANSWERED
    assert begin(101) is CallState.FRESH


def test_a_ticket_is_good_once_and_until_it_expires(store: Store) -> None:
    store.journal.create_ticket.now("t1", "k1", expires_at=later(30), now=NOW)
    store.journal.create_ticket.now("t2", "k1", expires_at=later(30), now=NOW)
    assert store.journal.redeem_ticket.now("t1", now=later(29)) == "k1"
    assert store.journal.redeem_ticket.now("t1", now=later(29)) is None
    assert store.journal.redeem_ticket.now("t2", now=later(30)) is None


def test_a_session_starts_once_and_its_run_is_numbered_past_every_other(store: Store) -> None:
    start = store.journal.open_start.now("s1", holder="api/1", now=NOW, claim_s=30)
    assert (start.attempt, start.state, start.is_first) == (1, StartState.OPEN, True)
    assert store.reads.session("s1").status is SessionStatus.ACTIVE
    with pytest.raises(InvalidSessionStatus):
        store.journal.open_start.now("s1", holder="api/2", now=NOW, claim_s=30)
    store.journal.finish_start.now("s1", 1, "run-1", at=NOW)
    for _ in range(3):
        store.journal.begin_attempt.now("s1")
    again = store.journal.open_restart.now("s1", holder="api/1", now=NOW, claim_s=30)
    assert again is not None
    assert (again.attempt, again.is_first) == (4, False)


def test_an_open_start_is_claimed_by_one_at_a_time(store: Store) -> None:
    store.journal.open_start.now("s1", holder="api/1", now=NOW, claim_s=30)
    assert store.journal.claim_starts.now(holder="api/2", now=later(29), claim_s=30) == []
    (taken,) = store.journal.claim_starts.now(holder="api/2", now=later(30), claim_s=30)
    assert (taken.claimed_by, taken.claimed_until) == ("api/2", later(60))
    assert store.journal.claim_starts.now(holder="api/3", now=later(31), claim_s=30) == []
    assert not store.journal.refuse_start.now("s1", 1, holder="api/1", reason="late", at=later(32))
    assert store.reads.session("s1").status is SessionStatus.ACTIVE


def test_a_refused_start_leaves_the_session_as_if_it_had_not_been_asked(store: Store) -> None:
    store.journal.open_start.now("s1", holder="api/1", now=NOW, claim_s=30)
    assert store.journal.refuse_start.now("s1", 1, holder="api/1", reason="Prefect is away", at=NOW)
    session = store.reads.session("s1")
    assert (session.status, session.started_at, session.flow_run_id) == (SessionStatus.PENDING, None, None)
    assert store.journal.claim_starts.now(holder="api/2", now=later(99), claim_s=30) == []
    told = [event.payload["status"] for event in store.reads.events_since("s1", 0)]
    assert told[-2:] == ["active", "pending"]


def test_a_start_whose_run_has_begun_cannot_be_refused(store: Store) -> None:
    store.journal.open_start.now("s1", holder="api/1", now=NOW, claim_s=30)
    store.journal.begin_attempt.now("s1")
    assert not store.journal.refuse_start.now("s1", 1, holder="api/1", reason="Prefect is away", at=NOW)
    assert store.reads.session("s1").status is SessionStatus.ACTIVE


def test_a_session_that_is_driven_or_about_to_be_gets_no_other_run(store: Store) -> None:
    def restart(second: float = 0) -> bool:
        return store.journal.open_restart.now("s1", holder="api/1", now=later(second), claim_s=30) is not None

    assert not restart()  # pending
    store.journal.open_start.now("s1", holder="api/1", now=NOW, claim_s=30)
    assert not restart()  # a run is about to be created
    store.journal.finish_start.now("s1", 1, "run-1", at=NOW)
    store.journal.acquire_lease.now("session:s1", "s1/run", attempt=1, ttl_s=20, now=NOW)
    assert not restart(19)  # a run drives it
    assert restart(20)
    assert not restart(20)
