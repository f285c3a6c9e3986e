"""`hedge results`: exact answers in three forms from a connection that can only read, and the upkeep of results."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import duckdb
import pytest
from cli_world import NOW, Machine, totals

from store import SessionStatus


@pytest.fixture
def loaded(machine: Machine) -> Machine:
    """A machine with one session in its results."""
    machine.session(name="the one")
    with machine.store() as store:
        store.journal.update_session_totals.now("s1", totals("1234.50"))
        store.seal("s1")
        store.load()
    return machine


def test_json_and_csv_are_exact(loaded: Machine) -> None:
    sql = "select name, volume_generated, pairs_filled, created_at, ended_at from sessions"
    row = {
        "name": "the one", "volume_generated": "1234.5", "pairs_filled": 3,
        "created_at": "2026-03-01T12:00:00+00:00", "ended_at": None,
    }  # fmt: skip

    assert loaded.hedge("results", "query", sql, "--json").document == [row]
    (line,) = csv.DictReader(io.StringIO(loaded.hedge("results", "query", sql, "--csv").out))
    assert line == {name: "" if value is None else str(value) for name, value in row.items()}


def test_a_table_is_cut_at_the_limit_and_says_so(loaded: Machine) -> None:
    ended = loaded.hedge("results", "query", "select range as n from range(10)", "--limit", "3")

    assert ended.out.split() == ["n", "0", "1", "2"]
    assert "more than 3 rows" in ended.err


def test_no_rows_is_an_answer(loaded: Machine) -> None:
    ended = loaded.hedge("results", "query", "select name from sessions where false")
    assert (ended.code, ended.out, ended.err) == (0, "name\n", "no rows\n")
    assert loaded.hedge("results", "query", "select name from sessions where false", "--json").document == []


@pytest.mark.parametrize(
    ("sql", "sentence"),
    [
        ("selct 1", "syntax error"),
        ("select * from fils", "does not exist"),
        ("select 1; select 2", "give one statement, not 2"),
        ("", "give one statement, not 0"),
        ("drop view sessions", "read-only"),
        ("insert into sealed.loaded values ('x', 'y', 1)", "read-only"),
        ("select * from read_csv('/etc/passwd')", "disabled by configuration"),
        ("select * from '/etc/passwd'", ""),
        ("copy (select 1) to 'out.csv'", "disabled by configuration"),
        ("attach 'other.duckdb' as other", "disabled"),
        ("set enable_external_access = true", "configuration"),
        ("install httpfs", "disabled"),
    ],
)
def test_what_is_not_a_question_to_the_results_is_refused_in_one_sentence(
    loaded: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sql: str, sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(path.name for path in tmp_path.iterdir())

    ended = loaded.hedge("results", "query", sql)

    assert ended.code == 2
    assert sentence in ended.err
    assert ended.err.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_both_forms_at_once_are_refused_and_no_results_are_told(machine: Machine) -> None:
    assert machine.hedge("results", "query", "select 1", "--json", "--csv").code == 2
    nothing = machine.hedge("results", "query", "select 1")
    assert (nothing.code, "there is no results.duckdb" in nothing.err) == (2, True)


def test_hashes_are_shown_and_a_rebuild_says_whether_they_stay(loaded: Machine) -> None:
    shown = loaded.hedge("results", "hash", "--json").document
    assert shown["tables"]["sessions"]["rows"] == 1
    assert shown["sha256"] in loaded.hedge("results", "hash").out

    again = loaded.hedge("results", "rebuild", "--json")
    assert (again.code, again.document["identical"], again.document["after"]) == (0, True, shown)
    with duckdb.connect(str(loaded.home / "results.duckdb")) as connection:
        connection.execute("delete from sealed.sessions")
    checked = loaded.hedge("results", "rebuild", "--check")
    assert (checked.code, "NOT identical" in checked.out, "nothing was replaced" in checked.out) == (1, True, True)
    assert loaded.hedge("results", "rebuild").code == 1
    assert loaded.hedge("results", "hash", "--json").document == shown


def test_a_missing_segment_is_named_with_its_remedy(loaded: Machine) -> None:
    (segment,) = (loaded.home / "segments").glob("*.sessions.*")
    segment.unlink()
    ended = loaded.hedge("results", "rebuild")
    assert (ended.code, segment.name in ended.err, "bring it back from a copy" in ended.err) == (2, True, True)


def test_segments_are_merged_and_sessions_retired_only_when_told(loaded: Machine) -> None:
    with loaded.store() as store:
        store.journal.update_session_totals.now("s1", totals("2000"))
        store.seal("s1")
    merged = loaded.hedge("results", "compact", "--json").document
    assert (merged["identical"], merged["filesBefore"], merged["filesAfter"]) == (True, 2, 1)
    assert "nothing to merge" in loaded.hedge("results", "compact").out

    staying = loaded.hedge("results", "retain", "--days", "1")
    assert (staying.code, "stays: it is pending" in staying.out) == (0, True)
    with loaded.store() as store:
        for before, after in (("pending", "active"), ("active", "completed")):
            store.journal.set_session_status.now("s1", [SessionStatus(before)], SessionStatus(after), at=NOW)
        store.seal("s1")
    told = loaded.hedge("results", "retain", "--before", "2026-03-02", "--json").document
    assert ([one["goes"] for one in told["sessions"]], told["done"]) == ([True], False)
    assert "add --yes" in loaded.hedge("results", "retain", "--before", "2026-03-02").out
    assert loaded.hedge("results", "query", "select count(*) as n from sessions", "--json").document == [{"n": 1}]

    assert "left the results" in loaded.hedge("results", "retain", "--before", "2026-03-02", "--yes").out
    assert loaded.hedge("results", "query", "select count(*) as n from sessions", "--json").document == [{"n": 0}]
    assert "no session ended before" in loaded.hedge("results", "retain", "--before", "2026-03-02").out


@pytest.mark.parametrize(
    ("arguments", "word"),
    [((), "--days N or --before"), (("--days", "3", "--before", "2026-03-01"), "--days N or --before"),
     (("--before", "March"), "is a day such as"), (("--before", "2999-01-01"), "in the future")],
)  # fmt: skip
def test_a_cutoff_that_cannot_be_meant_is_refused(machine: Machine, arguments: tuple[str, ...], word: str) -> None:
    ended = machine.hedge("results", "retain", *arguments)
    assert (ended.code, word in ended.err) == (2, True)
