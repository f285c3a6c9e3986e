"""Upkeep of results: hashes that see every change, rebuilding, compacting and retiring that lose and double nothing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_world import NOW, entry, fill, later, new_pair, new_session

from core.risk import Severity
from store import NewBreach, SegmentCorrupt, SessionStatus, Store, StoreBusy, StoreError, open_store
from store.content import content_of
from store.locks import upkeep
from store.notional import notional
from store.segments import seal
from store.upkeep import compact, groups, retire
from store.warehouse import content, load, rebuild, results
from tests.simulation.results_kills import CUTOFF, LIVE, OLD, TODAY, make_home, trade
from tests.simulation.results_truth import cash_in_results, cash_in_store, told, truth

EXACT = pa.decimal128(38, 18)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A live session and two that are over, all sealed and loaded; made once and copied for each test."""
    home = tmp_path_factory.mktemp("results") / "home"
    make_home(home)
    with open_store(home) as store:
        store.load()
    return home


@pytest.fixture
def store(template: Path, tmp_path: Path) -> Iterator[Store]:
    with open_store(Path(shutil.copytree(template, tmp_path / "home"))) as opened:
        yield opened


def files(store: Store) -> set[str]:
    return {path.name for path in (store.home / "segments").iterdir()} - {".lock"}


def test_results_hash_to_what_the_operational_store_hashes_to(store: Store) -> None:
    assert told(store.home) == truth(store)
    assert cash_in_results(store.home) == cash_in_store(store)


CHANGES = (
    "update sealed.fills set fee = fee + 0.000000000000000001 where fill_id = 'pacifica:a1:s1-c1-1'",
    "insert into sealed.pairs select * from sealed.pairs limit 1",
    "delete from sealed.orders where client_order_id = 's1-c1'",
    "update sealed.sessions set name = name || ' '",
    "update sealed.pairs set completed_at = completed_at + interval 1 microsecond",
    "update sealed.pairs set slippage = 0 where slippage is null",
)


def test_the_hash_sees_whatever_somebody_changed(store: Store) -> None:
    good = content(store.home)
    with duckdb.connect(str(store.home / "results.duckdb")) as connection:
        connection.execute("set timezone = 'UTC'")
        for sql in CHANGES:
            connection.begin()
            connection.execute(sql)
            assert content_of(connection) != good, sql
            connection.rollback()
        assert content_of(connection) == good


def test_a_rebuild_tells_of_a_change_and_mends_it(store: Store) -> None:
    good = content(store.home)
    with duckdb.connect(str(store.home / "results.duckdb")) as connection:
        connection.execute(CHANGES[2])

    assert store.rebuild(check_only=True).is_identical is False
    assert content(store.home) != good
    mended = store.rebuild()

    assert (mended.is_identical, mended.after) == (False, good)
    assert store.rebuild().is_identical is True


def test_the_hash_does_not_depend_on_the_order_of_rows(store: Store) -> None:
    good = content(store.home)
    with duckdb.connect(str(store.home / "results.duckdb")) as connection:
        connection.execute("create temp table turned as select * from sealed.fills order by fill_id desc")
        connection.execute("delete from sealed.fills")
        connection.execute("insert into sealed.fills select * from turned")
    assert content(store.home) == good


def test_a_damaged_results_file_is_named_with_its_remedy_and_rebuilt(store: Store) -> None:
    good = content(store.home)
    (store.home / "results.duckdb").write_bytes(b"no database" * 1000)

    with pytest.raises(StoreError, match="hedge results rebuild"), results(store.home):
        pass
    done = store.rebuild()

    assert (done.is_identical, done.before, done.after) == (None, None, good)
    assert content(store.home) == good


def test_a_rebuild_that_lacks_a_segment_leaves_what_is_there(store: Store) -> None:
    good, victim = content(store.home), store.segments.sealed().segments[0]
    (store.home / "segments" / victim.path).unlink()
    with pytest.raises(SegmentCorrupt, match=f"{victim.path} is missing.*bring it back"):
        store.rebuild()
    assert content(store.home) == good


def test_an_older_version_of_a_row_never_replaces_a_newer_one(store: Store) -> None:
    store.journal.set_session_status.now(LIVE, [SessionStatus.PENDING], SessionStatus.ACTIVE, at=later(1))
    store.seal(LIVE)
    store.load()
    wanted = content(store.home)
    sealed = store.segments.sealed()

    turned = rebuild(store.home, lambda: replace(sealed, segments=tuple(reversed(sealed.segments))))

    assert turned.after == wanted


def test_compacting_keeps_every_row_in_fewer_files_and_what_comes_later_joins(store: Store) -> None:
    before, names = content(store.home), files(store)

    done = compact(store.upkeep())

    assert (done.before, done.after) == (before, before)
    assert done.files_after == len(files(store)) < done.files_before == len(names)
    assert not names & files(store)
    assert compact(store.upkeep()).merged == ()
    trade(store, LIVE, 3)
    store.seal(LIVE)
    store.load()
    assert told(store.home) == truth(store)
    assert store.rebuild().is_identical is True
    again = compact(store.upkeep())
    assert again.before == again.after
    assert told(store.home) == truth(store)


def test_rows_sealed_before_a_merge_and_changed_after_it_come_out_in_their_latest_version(store: Store) -> None:
    """A session's change may be older than the newest in a merged file and still be newer than its own rows there."""
    store.journal.set_session_status.now(LIVE, [SessionStatus.PENDING], SessionStatus.ACTIVE, at=later(1))
    trade(store, "old", 9)
    store.seal("old")
    compact(store.upkeep())
    store.seal(LIVE)
    (store.home / "results.duckdb").unlink()
    store.load()
    assert told(store.home) == truth(store)


def test_merged_files_keep_to_the_rows_they_may_have(store: Store) -> None:
    done = compact(store.upkeep(), rows_max=4)
    assert all(one.rows <= 4 for one in done.merged)
    assert done.merged != ()
    sealed = store.segments.sealed().segments
    assert all(sum(s.rows for s in group) <= 4 and len(group) > 1 for group in groups(sealed, 4))
    assert told(store.home) == truth(store)


def test_what_merging_would_change_is_never_registered(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file that was written is read back; here it is read back with a row missing."""
    import store.upkeep as module

    names, real = files(store), module.table_content

    def short(connection: object, source: object, relation: str) -> object:
        found = real(connection, source, relation)  # type: ignore[arg-type]
        return replace(found, rows=found.rows - 1) if "read_parquet" in relation else found

    monkeypatch.setattr(module, "table_content", short)
    with pytest.raises(StoreError, match="nothing was changed"):
        compact(store.upkeep())
    assert files(store) == names


def test_a_load_with_an_older_list_never_looks_for_files_that_were_merged_meanwhile(store: Store) -> None:
    """The list is read by the keeper, after the merge that it waited for."""
    trade(store, LIVE, 3)
    store.seal(LIVE)

    def merged_first() -> object:
        return store.segments.sealed()

    compact(store.upkeep())
    assert load(store.home, merged_first).segments == 0  # type: ignore[arg-type]
    assert told(store.home) == truth(store)


def test_only_sessions_that_are_over_and_settled_in_full_are_retired(store: Store) -> None:
    for session_id in ("recent", "unsealed", "breach", "order", "pending", "held"):
        store.journal.create_session.now(new_session(session_id))
        if session_id == "order":
            store.journal.record_pair.now(new_pair(1, session_id=session_id))
            store.journal.record_intents.now([entry("order-c1", session_id=session_id)])
        if session_id == "breach":
            breach = NewBreach("b1", session_id, None, "not_flat", Severity.CRITICAL, {}, NOW)
            store.journal.record_breach.now(breach)
        if session_id != "pending":
            ended = CUTOFF + timedelta(days=1) if session_id == "recent" else later(9)
            store.journal.set_session_status.now(session_id, [SessionStatus.PENDING], SessionStatus.ACTIVE, at=NOW)
            store.journal.set_session_status.now(session_id, [SessionStatus.ACTIVE], SessionStatus.COMPLETED, at=ended)
        if session_id != "unsealed":
            store.seal(session_id)
    store.journal.acquire_lease.now("session:held", "run", attempt=1, ttl_s=60, now=TODAY)
    store.load()

    found = {one.session_id: one.stays_because for one in store.segments.ripe(CUTOFF, TODAY)}
    done = retire(store.upkeep(), CUTOFF, TODAY)

    assert {session_id for session_id, why in found.items() if why is None} == set(OLD) == set(done.sessions)
    assert "recent" not in found
    for session_id, word in {"unsealed": "not in the results", "breach": "critical", "order": "orders without an end",
                             "pending": "pending", "held": "a run holds it", LIVE: "pending"}.items():  # fmt: skip
        assert word in (found[session_id] or ""), session_id


def test_a_retired_session_leaves_results_and_segments_and_is_not_sealed_again(store: Store) -> None:
    compact(store.upkeep())
    done = retire(store.upkeep(), CUTOFF, TODAY)

    assert sorted(done.sessions) == sorted(OLD)
    assert done.rows > 0
    assert told(store.home) == truth(store, OLD)
    assert cash_in_results(store.home) == cash_in_store(store, OLD)
    assert store.rebuild().is_identical is True
    store.journal.record_fills.now([fill("late", client_order_id="old-c1", venue_order_id="old-v1")])
    assert store.seal("old") == []
    store.load()
    assert told(store.home) == truth(store, OLD)
    assert len(store.reads.fills_of_session("old")) == 5
    assert retire(store.upkeep(), CUTOFF, TODAY).sessions == ()


def test_one_upkeep_at_a_time_and_loading_goes_on_meanwhile(store: Store) -> None:
    trade(store, LIVE, 3)
    store.seal(LIVE)
    with upkeep(store.home):
        assert store.load().segments > 0
        with pytest.raises(StoreBusy, match="another rebuild, compact or retain"):
            compact(replace(store.upkeep(), wait_s=0.1, pause=lambda _: None))


def test_a_session_whose_id_begins_with_another_s_keeps_its_segments(store: Store) -> None:
    names = {name for name in files(store) if name.startswith("old.2")}
    trade(store, "old", 7)
    store.seal("old")
    assert names
    assert names <= files(store)


def test_a_kill_between_steps_leaves_no_file_behind(store: Store) -> None:
    class Died(Exception):
        pass

    def at(step: str) -> None:
        if step == "renamed":
            raise Died

    trade(store, LIVE, 3)
    with pytest.raises(Died):
        seal(store.home / "segments", LIVE, store.segments._engine, store.journal, at=at)
    with pytest.raises(Died):
        compact(replace(store.upkeep(), at=at))
    store.seal(LIVE)
    compact(store.upkeep())
    assert files(store) == {segment.path for segment in store.segments.sealed().segments}


NUMBERS = st.decimals(
    min_value=0, max_value=10**20 - 1, allow_nan=False, allow_infinity=False, places=18
) | st.decimals(min_value=0, max_value=10**6, allow_nan=False, allow_infinity=False, places=9)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=8))
def test_notional_is_the_exact_product_or_unknown(pairs: list[tuple[Decimal, Decimal]]) -> None:
    from decimal import ROUND_HALF_EVEN, localcontext

    found = notional(pa.array([p for p, _ in pairs], EXACT), pa.array([q for _, q in pairs], EXACT)).to_pylist()
    with localcontext(prec=100):
        for (price, quantity), product in zip(pairs, found, strict=True):
            wanted = (price * quantity).quantize(Decimal("1e-18"), ROUND_HALF_EVEN)
            assert product == (wanted if wanted < 10**20 else None)
