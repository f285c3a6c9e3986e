"""Leases: one holder at a time, taken over only after expiry, older attempts fenced off."""

from __future__ import annotations

from pathlib import Path

from store_world import NOW, later, race_for_leases, run_children

from store import Store

SESSION, ACCOUNT, OTHER = "session:s1", "account:a1", "account:a2"


def test_of_processes_racing_for_a_lease_exactly_one_wins_each(store: Store, tmp_path: Path) -> None:
    answers = run_children(race_for_leases, tmp_path / "home", store.url, 40, count=2)

    won = [list(answer) for answer in answers if isinstance(answer, list)]
    assert [sum(round_) for round_ in zip(*won, strict=True)] == [1] * 40


def test_a_lease_is_taken_over_only_after_it_expired(store: Store) -> None:
    acquire, renew = store.journal.acquire_lease, store.journal.renew_lease
    assert acquire.now(SESSION, "run-1", attempt=1, ttl_s=10, now=NOW)
    assert not acquire.now(SESSION, "run-2", attempt=2, ttl_s=10, now=later(9.9))
    assert renew.now(SESSION, "run-1", attempt=1, ttl_s=10, now=later(9))
    assert not acquire.now(SESSION, "run-2", attempt=2, ttl_s=10, now=later(11))
    assert acquire.now(SESSION, "run-2", attempt=2, ttl_s=10, now=later(19))

    assert not renew.now(SESSION, "run-1", attempt=1, ttl_s=10, now=later(19))
    assert not store.journal.release_lease.now(SESSION, "run-1", attempt=1)
    lease = store.reads.lease(SESSION)
    assert lease is not None
    assert (lease.holder, lease.attempt, lease.expires_at) == ("run-2", 2, later(29))


def test_a_holder_that_was_late_keeps_what_nobody_took(store: Store) -> None:
    store.journal.acquire_lease.now(SESSION, "run-1", attempt=1, ttl_s=10, now=NOW)
    assert store.journal.renew_lease.now(SESSION, "run-1", attempt=1, ttl_s=10, now=later(60))


def test_a_later_attempt_of_the_same_run_fences_the_earlier_one_off(store: Store) -> None:
    store.journal.acquire_lease.now(SESSION, "run-1", attempt=1, ttl_s=10, now=NOW)
    assert store.journal.acquire_lease.now(SESSION, "run-1", attempt=2, ttl_s=10, now=later(1))
    assert not store.journal.renew_lease.now(SESSION, "run-1", attempt=1, ttl_s=10, now=later(2))
    assert not store.journal.acquire_lease.now(SESSION, "run-1", attempt=1, ttl_s=10, now=later(2))


def test_a_lease_given_back_is_free_at_once(store: Store) -> None:
    store.journal.acquire_lease.now(SESSION, "run-1", attempt=1, ttl_s=10, now=NOW)
    assert store.journal.release_lease.now(SESSION, "run-1", attempt=1)
    assert store.reads.lease(SESSION) is None
    assert store.journal.acquire_lease.now(SESSION, "run-2", attempt=1, ttl_s=10, now=NOW)


def test_many_scopes_are_taken_all_or_none(store: Store) -> None:
    store.journal.acquire_lease.now(OTHER, "run-1", attempt=1, ttl_s=10, now=NOW)

    scopes = [SESSION, ACCOUNT, OTHER]
    assert store.journal.acquire_many.now(scopes, "run-2", attempt=1, ttl_s=10, now=NOW) == OTHER
    assert store.reads.lease(SESSION) is None
    assert store.reads.lease(ACCOUNT) is None

    assert store.journal.acquire_many.now(scopes, "run-2", attempt=1, ttl_s=10, now=later(10)) is None
    assert store.journal.renew_many.now(scopes, "run-2", attempt=1, ttl_s=10, now=later(12))
    store.journal.release_many.now(scopes, "run-2", attempt=1)
    assert [store.reads.lease(scope) for scope in scopes] == [None, None, None]


def test_losing_one_of_many_scopes_is_noticed_at_renewal(store: Store) -> None:
    store.journal.acquire_many.now([SESSION, ACCOUNT], "run-1", attempt=1, ttl_s=10, now=NOW)
    store.journal.acquire_lease.now(ACCOUNT, "run-2", attempt=1, ttl_s=10, now=later(10))

    before = store.reads.lease(SESSION)
    assert not store.journal.renew_many.now([SESSION, ACCOUNT], "run-1", attempt=1, ttl_s=10, now=later(10))
    assert store.reads.lease(SESSION) == before, "what is left to a run that has to stop is not prolonged"
    assert not store.journal.renew_many.now([SESSION, OTHER], "run-1", attempt=1, ttl_s=10, now=later(10))
    assert store.reads.lease(SESSION) == before
