"""From rows to results: sealed once, loaded once, whatever dies in between; every decimal arrives unchanged."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_world import NOW, entry, fill, later, load_and_die, new_pair, new_session, report, run_child, seal_and_die

from core.account import Position
from core.instrument import Venue
from core.market import FundingPayment
from core.numbers import decimal
from core.order import OrderStatus, Reported, apply
from core.pair import PairStatus
from core.risk import Severity
from store import (
    NewBreach,
    PairOutcome,
    SegmentCorrupt,
    SessionNotFound,
    SessionStatus,
    Store,
    StoreBusy,
    StoreError,
    open_store,
)
from store.columns import OutOfRange, derived, exact
from store.records import Recount
from store.results import session_fills, session_rows
from store.segment_reads import Sealed
from store.segments import SOURCES, sha256_of
from store.warehouse import load

VIEWS = {
    "sessions": "session_id name symbol status volume_target volume_generated started_at ended_at pnl fees funding "
    "slippage pairs_filled pairs_unwound max_net_exposure_usd",
    "pairs": "pair_id session_id sequence buy_venue sell_venue buy_account sell_account status quantity volume price "
    "slippage fees leg_skew_ms naked_usd_seconds created_at completed_at",
    "orders": "order_id client_order_id venue_order_id pair_id session_id venue account_id side type quantity price "
    "status filled_quantity average_price fees created_at completed_at",
    "fills": "fill_id session_id pair_id venue account_id client_order_id side quantity price fee liquidity venue_time "
    "received_time",
    "funding": "session_id venue account_id symbol rate payment paid_at",
    "positions": "session_id venue account_id symbol quantity entry_price at",
    "risk_events": "breach_id session_id pair_id category severity details created_at",
}


@contextmanager
def home_with_session() -> Iterator[tuple[Path, Store]]:
    with TemporaryDirectory() as folder, open_store(Path(folder)) as store:
        store.journal.create_session.now(new_session())
        yield Path(folder), store


def trade(store: Store, number: int) -> None:
    """Add one finished pair with one order and two fills, and what else a session leaves behind."""
    plan = new_pair(number)
    store.journal.record_pair.now(plan)
    order_id = f"c{number}"
    (recorded,) = store.journal.record_intents.now([entry(order_id)])
    store.journal.record_fills.now([fill(f"t{number}-{n}", client_order_id=order_id) for n in (1, 2)])
    filled = report(OrderStatus.FILLED, filled="0.10", average="2499.5", at=later(3), venue_order_id=f"v{number}")
    store.journal.record_order.now(apply(recorded.order, Reported(filled)))
    outcome = PairOutcome(PairStatus.FILLED, Decimal("0.1"), Decimal("249.95"), completed_at=later(4))
    store.journal.complete_pair.now(plan.pair_id, outcome)
    payment = FundingPayment(Venue.PACIFICA, "a1", "ETH/USD", f"f{number}", Decimal("-0.01"), None, NOW, NOW)
    store.journal.record_funding.now("s1", [payment])
    at = NOW + timedelta(minutes=number)
    store.journal.record_positions.now(
        "s1", [Position(Venue.PACIFICA, "a1", "ETH/USD", Decimal("0.1"), Decimal("2499.5"), None, None, at)]
    )
    breach = NewBreach(f"b{number}", "s1", plan.pair_id, "slippage", Severity.WARNING, {"n": number}, at)
    store.journal.record_breach.now(breach)


def column(store: Store, query: str) -> list[object]:
    with store.results() as connection:
        return [value for (value,) in connection.execute(query).fetchall()]


def assert_results_hold_exactly(store: Store, trades: int) -> None:
    """Compare every view's rows with what was recorded: nothing lost, nothing doubled."""
    numbers = range(1, trades + 1)
    assert column(store, "select session_id from sessions") == ["s1"]
    assert column(store, "select sequence from pairs order by 1") == list(numbers)
    assert column(store, "select distinct status from pairs") == ["filled"]
    assert column(store, "select order_id from orders order by created_at, order_id") == sorted(
        f"c{n}" for n in numbers
    )
    assert column(store, "select trade_id from fills order by 1") == sorted(
        f"t{n}-{m}" for n in numbers for m in (1, 2)
    )
    assert column(store, "select payment_id from funding order by 1") == sorted(f"f{n}" for n in numbers)
    assert len(column(store, 'select "at" from positions')) == trades
    assert column(store, "select breach_id from risk_events order by 1") == sorted(f"b{n}" for n in numbers)
    assert column(store, "select sum(fee) from fills") == [Decimal("0.03") * trades]


def test_views_keep_their_names_and_columns(store: Store) -> None:
    store.seal("s1")
    store.load()

    with store.results() as connection:
        for view, columns in VIEWS.items():
            described = connection.execute(f"select * from {view}").description
            assert [one[0] for one in described][: len(columns.split())] == columns.split(), view


def test_results_have_every_column_that_is_sealed(store: Store) -> None:
    store.load()
    with store.results() as connection:
        for source in SOURCES:
            described = connection.execute(f"select * from sealed.{source.name}").description
            sealed = [one[0] for one in described if one[0] != "notional"]  # derived from the others at loading
            assert sealed == [column.name for column in source.table.c], source.name


def test_a_session_arrives_once_however_often_it_is_sealed_and_loaded(store: Store) -> None:
    for number in (1, 2):
        trade(store, number)
        assert store.seal("s1") != []
        assert store.seal("s1") == []
        assert store.load().segments > 0
        assert store.load().segments == 0

    assert_results_hold_exactly(store, 2)


def test_an_undone_execution_stays_in_results_with_its_time_and_counts_for_nothing(store: Store) -> None:
    trade(store, 1)
    before, *others = store.reads.fills_of_session("s1")
    store.seal("s1")

    busted = store.journal.bust_fill.now(before.venue, before.account_id, before.trade_id, at=later(9))
    assert busted is not None
    assert (busted.session_id, busted.is_new) == ("s1", True)
    again = store.journal.bust_fill.now(before.venue, before.account_id, before.trade_id, at=later(10))
    assert busted.recount.volume < 0
    assert again == replace(busted, is_new=False, recount=Recount())
    store.seal("s1")
    store.load()

    times = {row["trade_id"]: row["busted_at"] for row in session_rows(store.home, "fills", "s1")}
    assert times == {before.trade_id: later(9), **{other.trade_id: None for other in others}}
    assert len(session_fills(store.home, "s1")) == len(others)
    assert store.reads.fills_of_session("s1") == others
    assert store.reads.totals("s1").fees == sum(other.fee for other in others)


def test_a_part_of_an_order_undone_by_an_execution_against_it_leaves_the_other_part(store: Store) -> None:
    """Some venues list what they undo a second time, on the other side; both rows go, and only one was the order's."""
    trade(store, 1)
    done, other = store.reads.fills_of_session("s1")
    back = replace(done, trade_id="t1-back", side=done.side.opposite)
    store.journal.record_fills.now([back])
    before = store.reads.orders_of_session("s1")[0].filled_quantity
    for one in (done, back):
        assert store.journal.bust_fill.now(one.venue, one.account_id, one.trade_id, at=later(9)) is not None
    assert store.reads.orders_of_session("s1")[0].filled_quantity == before - done.quantity
    assert store.reads.fills_of_session("s1") == [other]


def test_segments_from_before_causes_were_told_are_read_as_trades(store: Store) -> None:
    trade(store, 1)
    sealed = store.seal("s1")
    (fills,) = (segment for segment in sealed if segment.table == "fills")
    path = store.home / "segments" / fills.path
    older = pq.read_table(path).drop_columns(["cause", "busted_at"])
    pq.write_table(older, path)
    as_then = [replace(s, sha256=sha256_of(path)) if s is fills else s for s in sealed]

    load(store.home, lambda: Sealed(tuple(as_then)))

    with store.results() as connection:
        assert connection.execute("select distinct cause, busted_at from fills").fetchall() == [("trade", None)]


def test_a_row_that_changed_after_sealing_is_replaced_by_its_newest_version(store: Store) -> None:
    store.seal("s1")
    store.journal.set_session_status.now("s1", [SessionStatus.PENDING], SessionStatus.ACTIVE, at=later(1))
    store.seal("s1")
    store.journal.set_session_status.now("s1", [SessionStatus.ACTIVE], SessionStatus.COMPLETED, at=later(2))
    store.seal("s1")
    store.load()

    with store.results() as connection:
        assert connection.execute("select status, started_at, ended_at from sessions").fetchall() == [
            ("completed", later(1), later(2))
        ]


def test_only_what_changed_is_sealed_again(store: Store) -> None:
    trade(store, 1)
    store.seal("s1")
    store.journal.record_fills.now([fill("t9")])

    # The execution came after the pair's end, which is certified.
    assert [(one.table, one.rows) for one in store.seal("s1")] == [("orders", 1), ("fills", 1), ("certificates", 1)]


def test_an_unknown_session_cannot_be_sealed(store: Store) -> None:
    with pytest.raises(SessionNotFound):
        store.seal("nope")


@pytest.mark.parametrize("session_id", ["../../escape", "a/b", "s 1.2"])
def test_a_session_id_never_leaves_the_segments_folder(store: Store, tmp_path: Path, session_id: str) -> None:
    store.journal.create_session.now(new_session(session_id))
    (segment,) = store.seal(session_id)

    assert (tmp_path / "home" / "segments" / segment.path).resolve().parent == tmp_path / "home" / "segments"
    store.load()
    assert column(store, "select session_id from sessions") == [session_id]


def test_sealing_and_loading_killed_at_every_step_lose_and_double_nothing(tmp_path: Path) -> None:
    home = tmp_path / "home"
    steps = [
        *((load_and_die, step) for step in ("created", "begun", "inserted", "noted")),
        *((seal_and_die, step) for step in ("read", "written", "renamed", "registered")),
        *((load_and_die, step) for step in ("begun", "inserted", "noted", "committed")),
        *((seal_and_die, step) for step in ("renamed", "written", "registered")),
    ]
    with open_store(home) as store:
        store.journal.create_session.now(new_session())
        for number, (child, step) in enumerate(steps, start=1):
            trade(store, number)
            if child is load_and_die:
                store.seal("s1")
            assert run_child(child, home, step) == -signal.SIGKILL, step
        assert {path.suffix for path in (home / "segments").iterdir()} >= {".parquet"}

        store.seal("s1")
        store.load()

        assert_results_hold_exactly(store, len(steps))
        left = {path.name for path in (home / "segments").glob("*s1.*")} | {
            path.name for path in (home / "segments").glob(".s1.*")
        }
        assert left == {segment.path for segment in store.segments.sealed().segments}
        store.rebuild()
        assert_results_hold_exactly(store, len(steps))


def test_results_can_be_deleted_and_built_again(store: Store, tmp_path: Path) -> None:
    trade(store, 1)
    store.seal("s1")
    trade(store, 2)
    store.seal("s1")
    store.load()
    (tmp_path / "home" / "results.duckdb").unlink()

    assert store.load().segments == len(store.segments.sealed().segments)
    assert_results_hold_exactly(store, 2)


def test_results_made_by_other_scripts_are_built_anew(store: Store, tmp_path: Path) -> None:
    store.seal("s1")
    store.load()
    with duckdb.connect(str(tmp_path / "home" / "results.duckdb")) as connection:
        connection.execute("update sealed.version set sql_sha256 = 'older'")

    assert store.load().segments == 1
    assert column(store, "select session_id from sessions") == ["s1"]


def test_a_damaged_or_missing_segment_is_never_loaded(store: Store, tmp_path: Path) -> None:
    (segment,) = store.seal("s1")
    path = tmp_path / "home" / "segments" / segment.path
    whole = path.read_bytes()

    path.write_bytes(whole[:-1] + b"x")
    with pytest.raises(SegmentCorrupt, match="not what was registered"):
        store.load()
    path.unlink()
    with pytest.raises(SegmentCorrupt, match="missing"):
        store.load()

    path.write_bytes(whole)
    assert store.load().segments == 1


def test_a_results_file_that_somebody_holds_is_a_typed_error(store: Store, tmp_path: Path) -> None:
    home = tmp_path / "home"
    store.load()
    pauses: list[float] = []

    with store.results(), pytest.raises(StoreBusy, match="in use"):
        load(home, lambda: Sealed(()), wait_s=0.2, pause=pauses.append)
    assert len(pauses) == 4
    with (
        duckdb.connect(str(home / "results.duckdb"), read_only=True),
        pytest.raises(StoreBusy, match="close the program"),
    ):
        store.load()
    assert store.load().segments == 0


def test_reading_before_anything_was_loaded_says_what_to_do(store: Store) -> None:
    with pytest.raises(StoreError, match="the first session that ends makes it"), store.results():
        pass


def test_duckdb_never_fetches_an_extension(store: Store) -> None:
    store.load()
    with store.results() as connection:
        for setting in ("autoinstall_known_extensions", "autoload_known_extensions"):
            assert connection.execute(f"select current_setting('{setting}')").fetchone() == (False,)


WIRE_NUMBERS = st.builds(
    lambda sign, whole, fraction: f"{sign}{whole}.{fraction}",
    st.sampled_from(["", "-"]),
    st.integers(0, 10**20 - 1),
    st.text("0123456789", min_size=1, max_size=18),
)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(WIRE_NUMBERS, min_size=1, max_size=40))
def test_a_decimal_is_the_same_from_the_wire_to_results(texts: list[str]) -> None:
    with home_with_session() as (_, store):
        store.journal.record_intents.now([entry()])
        sent = [fill(f"t{n:03}", price=text, quantity=text) for n, text in enumerate(texts)]
        store.journal.record_fills.now(sent)
        assert [one.price for one in store.reads.fills_of_session("s1")] == [decimal(text) for text in texts]

        store.seal("s1")
        store.load()

        numbers = [decimal(text) for text in texts]
        assert column(store, "select price from fills order by fill_id") == numbers
        assert column(store, "select quantity from fills order by fill_id") == numbers


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20) + 1, max_value=10**20 - 1))
def test_a_computed_number_is_rounded_to_18_decimals_and_a_stated_one_never(number: Decimal) -> None:
    rounded = derived(number)
    assert abs(rounded - number) <= Decimal("5e-19")
    assert exact(rounded) == rounded
    if rounded == number:
        assert exact(number) is number
    else:
        with pytest.raises(OutOfRange):
            exact(number)
