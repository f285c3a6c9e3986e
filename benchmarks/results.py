"""Questions over ten million executions: the views of results.duckdb beside SQLite with the same rows, in the same run.

The rows are drawn by a seed, written as segments, and loaded by the keeper; what is asked are the views that everybody
asks. SQLite gets its best case: numbers as REAL instead of exact text, and only the columns that matter. Both must
give the same answers. Needs about 6 GB of disk in a temporary folder, which is removed.
"""

from __future__ import annotations

import argparse
import math
import shutil
import sqlite3
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import duckdb

from benchmarks.machine import machine, table
from store.records import Segment
from store.segment_reads import Sealed
from store.segments import sha256_of
from store.warehouse import content, load, results

T = TypeVar("T")
FILE_PAIRS = 250_000
SESSIONS = 200
DAY_PAIRS_US = 86_400_000_000 * 90  # ninety days of trading
_VENUES = "['pacifica', 'paradex', 'backpack']"

# Every draw is hash(number of the row, which draw, seed); prices of two decimals, quantities of four, as venues quote.
_PAIRS = f"""
select format('{{:08x}}-0000-4000-8000-{{:012x}}', i * {SESSIONS} // $pairs, $seed) as session_id,
       session_id || '-p' || i as pair_id, i as sequence,
       {_VENUES}[1 + i % 3] as buy_venue, {_VENUES}[1 + (i + 1) % 3] as sell_venue,
       buy_venue || '1' as buy_account, sell_venue || '1' as sell_account, 'filled' as status,
       ((1 + hash(i, 1, $seed) % 9999)::decimal(10, 0) * 0.0001)::decimal(38, 18) as quantity,
       ((200000 + hash(i, 2, $seed) % 100000)::decimal(10, 0) * 0.01)::decimal(38, 18) as buy_price,
       ((200000 + hash(i, 3, $seed) % 100000)::decimal(10, 0) * 0.01)::decimal(38, 18) as sell_price,
       ((hash(i, 4, $seed) % 2000)::decimal(10, 0) * 0.000001 - 0.0005)::decimal(38, 18) as slippage,
       ((hash(i, 5, $seed) % 1000)::decimal(10, 0) * 0.000001)::decimal(38, 18) as fee,
       make_timestamptz(1767225600000000 + i * ({DAY_PAIRS_US} // $pairs)) as traded
from range($first, $last) as numbers(i)
"""
_PAIR_ROWS = f"""
select pair_id, session_id, sequence, buy_venue, buy_account, sell_venue, sell_account, status,
       quantity as planned_quantity, quantity, quantity as volume, buy_price as price, slippage, fee as fees,
       null::decimal(38, 18) as leg_skew_ms, 0::decimal(38, 18) as naked_usd_seconds, buy_price as buy_arrival_mid,
       sell_price as sell_arrival_mid, '{{}}' as decision, traded as created_at, traded as executed_at,
       traded as completed_at, sequence as change
from ({_PAIRS})
"""
_FILL_ROWS = f"""
select venue || ':' || account_id || ':' || trade_id as fill_id, *
from (select unnest([buy_venue, sell_venue]) as venue, unnest([buy_account, sell_account]) as account_id,
             unnest(['b', 's']) || sequence as trade_id, 'ETH/USD' as symbol, session_id, pair_id,
             trade_id as client_order_id, trade_id as venue_order_id, unnest(['buy', 'sell']) as side, quantity,
             unnest([buy_price, sell_price]) as price, fee, 'taker' as liquidity, traded as venue_time,
             traded as received_time, 'trade' as cause, null::timestamptz as busted_at, sequence as change
      from ({_PAIRS}))
"""

VIEWS = {
    "PnL by session": "select session_id, pnl from pnl_by_session order by 1",
    "PnL by venue": "select venue, cash_flow from pnl_by_venue order by 1",
    "PnL by hour": """select epoch_us("hour") // 3600000000, pnl from pnl_by_hour order by 1""",
    "slippage quantiles": "select buy_venue, sell_venue, p10, p50, p90, p99 from slippage_quantiles order by 1, 2",
}
_CASH = "sum(case side when 'sell' then notional else -notional end) - sum(fee)"
ROW_BY_ROW = {
    "PnL by session": f"select session_id, {_CASH} from fills where busted_at is null group by 1 order by 1",
    "PnL by venue": f"select venue, {_CASH} from fills where busted_at is null group by 1 order by 1",
    "PnL by hour": f"select epoch_us(venue_time) // 3600000000, {_CASH} from fills where busted_at is null "
    "group by 1 order by 1",
}
_REAL_CASH = "sum(case side when 'sell' then 1 else -1 end * quantity * price) - sum(fee)"
SQLITE = {
    "PnL by session": f"select session_id, {_REAL_CASH} from fills where busted_at is null group by 1 order by 1",
    "PnL by venue": f"select venue, {_REAL_CASH} from fills where busted_at is null group by 1 order by 1",
    "PnL by hour": f"select venue_us / 3600000000, {_REAL_CASH} from fills where busted_at is null "
    "group by 1 order by 1",
    "slippage quantiles": """
        select buy_venue, sell_venue, max(case when n <= ceil(0.1 * m) then slippage end),
               max(case when n <= ceil(0.5 * m) then slippage end), max(case when n <= ceil(0.9 * m) then slippage end),
               max(case when n <= ceil(0.99 * m) then slippage end)
        from (select buy_venue, sell_venue, slippage, row_number() over by_size as n,
                     count(*) over (partition by buy_venue, sell_venue) as m
              from pairs window by_size as (partition by buy_venue, sell_venue order by slippage))
        group by 1, 2 order by 1, 2""",
}


@dataclass(frozen=True)
class Answer:
    """One question: the rows, and how long they took, first and in the median."""

    rows: list[tuple[object, ...]]
    first_s: float
    median_s: float


def make_segments(home: Path, fills: int, seed: int) -> Sealed:
    """Write seeded fills, two for each pair, and the pairs as segments of a data folder."""
    folder = home / "segments"
    folder.mkdir(parents=True)
    found: list[Segment] = []
    pairs = fills // 2
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        for first in range(0, pairs, FILE_PAIRS):
            last = min(pairs, first + FILE_PAIRS)
            for name, sql, rows in (("pairs", _PAIR_ROWS, last - first), ("fills", _FILL_ROWS, 2 * (last - first))):
                path = folder / f"{name}.{first}.parquet"
                numbers = {"pairs": pairs, "seed": seed, "first": first, "last": last}
                connection.execute(f"copy ({_with(sql, numbers)}) to '{path}' (format parquet, compression zstd)")
                found.append(Segment("", name, first, last, path.name, rows, sha256_of(path)))
    return Sealed(tuple(found))


def _with(sql: str, numbers: dict[str, int]) -> str:
    for name, value in numbers.items():
        sql = sql.replace(f"${name}", str(value))
    return sql


def fill_sqlite(path: Path, home: Path) -> sqlite3.Connection:
    """Put the same rows into SQLite, numbers as REAL and times as integers."""
    database = sqlite3.connect(path)
    database.executescript(
        "pragma journal_mode = off; pragma synchronous = off; pragma cache_size = -1000000;"
        "create table fills (session_id text, venue text, side text, quantity real, price real, fee real,"
        " venue_us integer, busted_at integer);"
        "create table pairs (buy_venue text, sell_venue text, slippage real);"
    )
    asked = {
        "fills": "select session_id, venue, side, quantity::double, price::double, fee::double, epoch_us(venue_time), "
        "epoch_us(busted_at) from fills",
        "pairs": "select buy_venue, sell_venue, slippage::double from pairs",
    }
    with results(home) as connection:
        for name, sql in asked.items():
            cursor = connection.execute(sql)
            marks = ", ".join("?" for _ in cursor.description or ())
            while batch := cursor.fetchmany(100_000):
                database.executemany(f"insert into {name} values ({marks})", batch)
    database.commit()
    return database


def ask(run: Callable[[str], list[tuple[object, ...]]], sql: str, times: int) -> Answer:
    """Ask a question several times."""
    spent, rows = [], []
    for _ in range(times):
        began = time.perf_counter()
        rows = run(sql)
        spent.append(time.perf_counter() - began)
    return Answer(rows, spent[0], statistics.median(spent))


def differences(left: Sequence[tuple[object, ...]], right: Sequence[tuple[object, ...]]) -> list[str]:
    """Where two answers differ by more than floats may."""
    if len(left) != len(right):
        return [f"{len(left)} rows and {len(right)}"]
    return [f"{a} and {b}" for a, b in zip(left, right, strict=True) if not _alike(a, b)]


def _alike(left: tuple[object, ...], right: tuple[object, ...]) -> bool:
    return all(
        a == b
        if isinstance(a, str | datetime) or a is None
        else math.isclose(float(a), float(b), rel_tol=1e-9, abs_tol=1e-6)  # type: ignore[arg-type]
        for a, b in zip(left, right, strict=True)
    )


def compare(home: Path, database: sqlite3.Connection, *, times: int) -> tuple[list[tuple[str, ...]], list[str]]:
    """Ask both everything; return the table's rows and where the answers differ."""
    rows, wrong = [], []
    with results(home) as connection:
        for question in VIEWS:
            theirs = ask(lambda sql: database.execute(sql).fetchall(), SQLITE[question], 1)
            for way, asked in (("view", VIEWS), ("row by row", ROW_BY_ROW)):
                if question not in asked:
                    continue
                ours = ask(lambda sql: connection.execute(sql).fetchall(), asked[question], times)
                wrong += [f"{question}, {way}: {text}" for text in differences(ours.rows, theirs.rows)]
                figures = (ours.first_s * 1000, ours.median_s * 1000, theirs.median_s * 1000)
                ratio = f"{theirs.median_s / ours.median_s:,.0f}"
                rows.append((f"{question}, {way}", f"{len(ours.rows):,}", *(f"{ms:,.0f}" for ms in figures), ratio))
    return rows, wrong


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print the table; 1 when the two give different answers."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--fills", type=int, default=10_000_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--hash", action="store_true", help="also time the hash of the content")
    options = parser.parse_args(arguments)
    with TemporaryDirectory() as folder:
        home = Path(folder)
        free = shutil.disk_usage(home).free
        if free < options.fills * 800:
            print(f"{options.fills * 800 / 1e9:.0f} GB of free disk are needed for the temporary folder")
            return 1
        sealed, made_s = _timed(lambda: make_segments(home, options.fills, options.seed))
        _, load_s = _timed(lambda: load(home, lambda: sealed))
        database, sqlite_s = _timed(lambda: fill_sqlite(home / "peer.db", home))
        rows, wrong = compare(home, database, times=options.times)
        database.close()
        print(f"{machine()}, DuckDB {duckdb.__version__}, SQLite {sqlite3.sqlite_version}\n")
        print(f"{options.fills:,} fills in {SESSIONS} sessions, seed {options.seed}: segments made in {made_s:.0f} s,")
        print(f"loaded by the keeper in {load_s:.0f} s, into SQLite in {sqlite_s:.0f} s\n")
        print(table(("question", "rows", "first ms", "median ms", "SQLite ms", "times SQLite"), rows))
        if options.hash:
            found, hash_s = _timed(lambda: content(home))
            print(f"\nhash of {found.rows:,} rows in {hash_s:.0f} s: {found.sha256}")
    print(*(["", "the answers differ:", *wrong] if wrong else ["", "all answers are the same"]), sep="\n")
    return 1 if wrong else 0


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    began = time.perf_counter()
    done = work()
    return done, time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main())
