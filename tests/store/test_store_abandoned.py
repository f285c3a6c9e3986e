"""Which sessions nobody drives and never traded, and that one is restarted by one only, on every database."""

from __future__ import annotations

from store_world import NOW, entry, later, new_pair, new_session

from store import SessionStatus, Store


def traded(store: Store) -> None:
    """Session s1 has sent an order."""
    store.journal.record_pair.now(new_pair())
    store.journal.record_intents.now([entry()])


def restarted(store: Store, known: int, second: float = 30) -> bool:
    """Ask for another run, knowing that attempt as the last one."""
    at = later(second)
    start = store.journal.open_restart.now(
        "s1", holder="api", now=at, claim_s=30, untraded_since=known, reason="brought back"
    )
    return start is not None


def test_active_session_without_lease_and_order_is_abandoned(store: Store) -> None:
    store.journal.create_session.now(new_session("s2"))
    assert store.reads.abandoned_sessions(NOW) == [], "pending ones are not"
    for one in ("s1", "s2"):
        store.journal.open_start.now(one, holder="api", now=NOW, claim_s=30)
    assert sorted(store.reads.abandoned_sessions(NOW)) == ["s1", "s2"]
    store.journal.acquire_lease.now("session:s1", "s1/run", attempt=1, ttl_s=20, now=NOW)
    assert store.reads.abandoned_sessions(later(19)) == ["s2"]
    assert sorted(store.reads.abandoned_sessions(later(20))) == ["s1", "s2"]
    traded(store)
    store.journal.set_session_status.now("s2", (SessionStatus.ACTIVE,), SessionStatus.PAUSED, at=NOW)
    assert store.reads.abandoned_sessions(later(20)) == []


def test_session_that_has_traded_is_left_to_the_watchdog(store: Store) -> None:
    store.journal.open_start.now("s1", holder="api", now=NOW, claim_s=30)
    store.journal.finish_start.now("s1", 1, "run-1", at=NOW)
    traded(store)
    assert not restarted(store, known=1)
    assert [start.attempt for start in store.reads.starts_of("s1")] == [1]


def test_session_that_somebody_else_started_or_ran_since_is_not_restarted(store: Store) -> None:
    store.journal.open_start.now("s1", holder="api", now=NOW, claim_s=30)
    store.journal.finish_start.now("s1", 1, "run-1", at=NOW)
    assert restarted(store, known=1)
    store.journal.finish_start.now("s1", 2, "run-2", at=NOW)
    assert not restarted(store, known=1), "another process was faster"
    for _ in range(3):
        store.journal.begin_attempt.now("s1")
    assert not restarted(store, known=2), "a run began meanwhile"
    assert [start.attempt for start in store.reads.starts_of("s1")] == [1, 2]
    assert store.reads.events_since("s1", 0)[-1].payload == {"status": "active", "reason": "brought back"}


def test_session_is_ended_untraded_only_while_that_is_so(store: Store) -> None:
    def end(known: int) -> bool:
        return store.journal.end_untraded.now("s1", now=later(30), untraded_since=known, reason="in vain")

    store.journal.open_start.now("s1", holder="api", now=NOW, claim_s=30)
    assert not end(1), "a run is about to be created"
    store.journal.finish_start.now("s1", 1, "run-1", at=NOW)
    store.journal.acquire_lease.now("session:s1", "s1/run", attempt=1, ttl_s=60, now=NOW)
    assert not end(1), "a run holds it"
    store.journal.release_lease.now("session:s1", "s1/run", attempt=1)
    assert not end(0), "somebody started it meanwhile"
    assert end(1)
    assert store.reads.session("s1").status is SessionStatus.FAILED
    assert not end(1)


def test_session_that_has_traded_is_not_ended_as_untraded(store: Store) -> None:
    store.journal.open_start.now("s1", holder="api", now=NOW, claim_s=30)
    store.journal.finish_start.now("s1", 1, "run-1", at=NOW)
    traded(store)
    assert not store.journal.end_untraded.now("s1", now=later(30), untraded_since=1, reason="in vain")
    assert store.reads.session("s1").status is SessionStatus.ACTIVE
