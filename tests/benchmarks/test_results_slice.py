"""A slice of the results' benchmark: DuckDB's views, its rows and SQLite give the same answers, and exact ones."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from benchmarks.results import compare, differences, fill_sqlite, make_segments
from store.warehouse import load, results

FILLS = 20_000


def test_ten_thousand_pairs_are_answered_the_same_by_views_rows_and_sqlite(tmp_path: Path) -> None:
    sealed = make_segments(tmp_path, FILLS, seed=7)
    assert load(tmp_path, lambda: sealed).rows == FILLS + FILLS // 2

    database = fill_sqlite(tmp_path / "peer.db", tmp_path)
    rows, wrong = compare(tmp_path, database, times=1)

    assert wrong == []
    assert len(rows) == 7
    by_hand = [
        ((1 if side == "sell" else -1) * Decimal(str(quantity)) * Decimal(str(price)), Decimal(str(fee)))
        for side, quantity, price, fee in database.execute("select side, quantity, price, fee from fills")
    ]
    with results(tmp_path) as connection:
        (exact,) = connection.execute("select sum(pnl) from pnl_by_session").fetchone() or ()
    assert exact == sum(flow - fee for flow, fee in by_hand)
    database.close()


def test_answers_that_differ_are_told() -> None:
    assert differences([("a", Decimal(1))], [("a", 1.0)]) == []
    assert differences([("a", Decimal(1))], [("a", 1.001)]) != []
    assert differences([("a", Decimal(1))], [("b", 1.0)]) != []
    assert differences([], [("a", 1.0)]) != []
