"""Certificates: one for each pair that ended, chained; nothing of them or of what they certify changes unnoticed."""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from store_world import NOW, end_pairs_and_die, entry, fill, later, new_pair, new_session, report, run_child

from core.instrument import Venue
from core.numbers import ZERO
from core.order import OrderStatus, Reported, Side, apply
from core.pair import PairStatus
from store import PairOutcome, SessionNotFound, SessionStatus, SessionTotals, Store, open_store
from store.verification import Verified, verify

PAIRS = 3
ENDED = PairOutcome(PairStatus.FILLED, Decimal("0.1"), Decimal("249.95"), slippage=Decimal("0.0002"), completed_at=NOW)


def trade(store: Store, number: int, *, outcome: PairOutcome = ENDED) -> None:
    """A pair with two legs, an execution each, that ended."""
    plan = new_pair(number)
    store.journal.record_pair.now(plan)
    for side, account, venue in ((Side.BUY, "a1", Venue.PACIFICA), (Side.SELL, "a2", Venue.PARADEX)):
        key, trade_id = f"c{number}-{side}", f"t{number}-{side}"
        leg = entry(key, account_id=account, venue=venue, side=side, price="2400" if side is Side.SELL else "2500")
        leg = replace(leg, intent=replace(leg.intent, pair_id=plan.pair_id), decision={"reason": "take both legs"})
        (recorded,) = store.journal.record_intents.now([leg])
        executed = replace(fill(trade_id, client_order_id=key), side=side, account_id=account, venue=venue)
        store.journal.record_fills.now([replace(executed, venue_order_id=f"v{key}", quantity=Decimal("0.1"))])
        told = report(OrderStatus.FILLED, filled="0.1", average="2499.5", at=later(3), venue_order_id=f"v{key}")
        told = replace(told, client_order_id=key, account_id=account, venue=venue)
        store.journal.record_order.now(apply(recorded.order, Reported(told)))
    at = later(4 + number)
    store.journal.complete_pair.now(plan.pair_id, replace(outcome, completed_at=at), "both legs filled equally")


def end(store: Store) -> None:
    """The session is completed, with the sums of its pairs."""
    for before, after in (
        (SessionStatus.PENDING, SessionStatus.ACTIVE),
        (SessionStatus.ACTIVE, SessionStatus.COMPLETED),
    ):
        store.journal.set_session_status.now("s1", (before,), after, at=NOW)
    store.journal.update_session_totals.now(
        "s1", SessionTotals(volume_generated=PAIRS * ENDED.volume, pairs_filled=PAIRS)
    )  # fmt: skip


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A completed session of three pairs, sealed and loaded; every test leaves it as it was."""
    with open_store(tmp_path_factory.mktemp("certified")) as opened:
        opened.journal.create_session.now(new_session())
        for number in range(1, PAIRS + 1):
            trade(opened, number)
        end(opened)
        assert verify(opened, "s1").is_intact
        yield opened


@pytest.fixture
def sealed(recorded: Store) -> Iterator[Store]:
    """The same, with its segments and results; those are gone again afterwards."""
    recorded.seal("s1")
    recorded.load()
    yield recorded
    (recorded.home / "results.duckdb").unlink()


@pytest.fixture
def tampered(recorded: Store) -> Iterator[Callable[[str], Verified]]:
    """Change the database by SQL and verify; it is put back at the end."""
    database = recorded.home / "hedge.db"
    with closing(sqlite3.connect(database)) as copy, closing(sqlite3.connect(":memory:")) as kept:
        copy.backup(kept)

        def change(sql: str, *values: object) -> Verified:
            with closing(sqlite3.connect(database, isolation_level=None)) as connection:
                connection.execute(sql, values)
            return verify(recorded, "s1")

        yield change  # type: ignore[misc]
        with closing(sqlite3.connect(database)) as back:
            kept.backup(back)


def texts(found: Verified) -> str:
    return "\n".join(finding.text for finding in found.findings)


def test_a_pair_gets_one_certificate_as_it_ends_and_the_chain_begins_with_the_request(store: Store) -> None:
    store.journal.record_pair.now(new_pair(1))
    store.journal.complete_pair.now("s1-p1", PairOutcome(PairStatus.PARTIAL, Decimal("0.02")))
    assert store.certificates.of_pair("s1-p1") == []
    assert verify(store, "s1").open_pairs == 1

    store.journal.complete_pair.now("s1-p1", ENDED, "both legs filled equally")
    trade(store, 2)

    (first,), (second,) = store.certificates.of_pair("s1-p1"), store.certificates.of_pair("s1-p2")
    content = second.content()
    assert (first.position, second.position, second.previous) == (1, 2, first.sha256)
    assert content["reason"] == "both legs filled equally"
    assert content["pair"]["slippage"] == "0.0002"  # type: ignore[index]
    assert [order["decision"] for order in content["orders"]] == [{"reason": "take both legs"}] * 2  # type: ignore[attr-defined]
    assert [(f["fillId"], f["quantity"]) for f in content["fills"]] == [  # type: ignore[attr-defined]
        ("pacifica:a1:t2-buy", "0.1"), ("paradex:a2:t2-sell", "0.1"),
    ]  # fmt: skip
    assert store.certificates.head("s1") == second
    assert verify(store, "s1").findings == ()


def test_ending_a_pair_again_certifies_nothing_again(store: Store) -> None:
    trade(store, 1)
    once = store.certificates.of_pair("s1-p1")

    again = store.journal.complete_pair.now("s1-p1", replace(ENDED, completed_at=later(99)), "after a crash")

    assert again.outcome.completed_at == later(5)
    assert store.certificates.of_pair("s1-p1") == once
    assert verify(store, "s1").is_intact


def test_what_changes_after_a_pairs_end_is_certified_as_a_correction(store: Store) -> None:
    trade(store, 1)
    trade(store, 2)
    store.journal.bust_fill.now(Venue.PACIFICA, "a1", "t1-buy", at=later(50))
    store.journal.complete_pair.now("s1-p1", replace(ENDED, volume=ZERO, completed_at=later(5)), "worked out anew")

    first, busted, counted = store.certificates.of_pair("s1-p1")
    assert [c.kind for c in (first, busted, counted)] == ["pair", "correction", "correction"]
    assert busted.content()["reason"] == "the venue undid the execution t1-buy"
    assert [c.position for c in (first, busted, counted)] == [1, 3, 4]
    found = verify(store, "s1")
    assert (found.findings, found.certificates, found.corrections) == ((), 4, 2)


def test_news_and_executions_after_a_pairs_end_are_corrections_too(store: Store) -> None:
    trade(store, 1)
    late = replace(fill("late", client_order_id="c1-buy"), venue_order_id="vc1-buy")
    store.journal.record_fills.now([late])

    assert len(store.certificates.of_pair("s1-p1")) == 2
    assert verify(store, "s1").is_intact


def test_sessions_have_chains_of_their_own(store: Store) -> None:
    trade(store, 1)
    store.journal.create_session.now(new_session("s2"))
    store.journal.record_pair.now(new_pair(1, session_id="s2"))
    store.journal.complete_pair.now("s2-p1", ENDED)

    mine, other = store.certificates.head("s1"), store.certificates.head("s2")
    assert mine is not None
    assert other is not None
    assert (mine.position, other.position) == (1, 1)
    assert mine.previous != other.previous
    assert verify(store, "s1").is_intact
    assert verify(store, "s2").is_intact


def test_a_session_that_is_not_there_is_refused(store: Store) -> None:
    with pytest.raises(SessionNotFound, match="nope"):
        verify(store, "nope")


COLUMNS = (
    "certificate_id", "session_id", "position", "pair_id", "kind", "previous", "sha256", "document", "created_at",
)  # fmt: skip


def test_one_flipped_byte_anywhere_in_a_certificate_is_always_found(recorded: Store) -> None:
    """Every column of every certificate at seeded places, any bit: the verification names the pair, or the gap."""
    rng = random.Random(20261121)
    database = recorded.home / "hedge.db"
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        for position in range(1, PAIRS + 1):
            for column in COLUMNS:
                for _ in range(15 if column == "document" else 3):
                    _flip_and_put_back(recorded, connection, column, position, rng)
    assert verify(recorded, "s1").is_intact


def _flip_and_put_back(
    store: Store, connection: sqlite3.Connection, column: str, position: int, rng: random.Random
) -> None:  # fmt: skip
    read = f"select rowid, {column}, cast({column} as blob) from certificates where session_id = 's1' and position = ?"
    row, was, raw = connection.execute(read, [position]).fetchone()
    at, bit = rng.randrange(len(raw)), rng.randrange(8)
    if column == "certificate_id" and at == len(raw) - 1:
        bit = rng.randrange(3, 8)  # the id of another pair would be refused by the database itself
    flipped = bytes(byte ^ (1 << bit if n == at else 0) for n, byte in enumerate(raw))
    write = f"update certificates set {column} = cast(? as text) where rowid = ?"
    if column == "position":
        connection.execute("update certificates set position = ? where rowid = ?", [was ^ (8 << bit), row])
    else:
        connection.execute(write, [flipped, row])
    found = verify(store, "s1")
    assert not found.is_intact, f"{column} of certificate {position}, bit {bit} of byte {at}"
    assert any(f.position == position or f.pair_id == f"s1-p{position}" for f in found.findings), texts(found)
    connection.execute(f"update certificates set {column} = ? where rowid = ?", [was, row])


@pytest.mark.parametrize("table", ["pairs", "orders", "fills"])
def test_every_field_of_a_pair_its_orders_and_its_fills_is_held_to_the_certificate(recorded: Store, table: str) -> None:
    rng = random.Random(table)
    with closing(sqlite3.connect(recorded.home / "hedge.db", isolation_level=None)) as connection:
        connection.execute("pragma foreign_keys = off")
        columns = [row[1] for row in connection.execute(f"pragma table_info({table})") if row[1] != "change"]
        for column in columns:
            rows = connection.execute(f"select rowid, {column} from {table} where session_id = 's1'").fetchall()
            row, was = rng.choice(rows)
            connection.execute(f"update {table} set {column} = ? where rowid = ?", [_other(was, rng), row])
            found = verify(recorded, "s1")
            connection.execute(f"update {table} set {column} = ? where rowid = ?", [was, row])
            assert not found.is_intact, f"{table}.{column}"
            assert any(finding.pair_id for finding in found.findings), f"{table}.{column}: {texts(found)}"
    assert verify(recorded, "s1").is_intact


def _other(was: object, rng: random.Random) -> object:
    match was:
        case None:
            return "2026-03-01 12:00:00.000000"
        case int():
            return 1 - was if was in (0, 1) else was + 10
        case _:
            text = str(was)
            at = rng.randrange(len(text))
            return text[:at] + chr(ord(text[at]) ^ 1) + text[at + 1 :]


Tamper = Callable[..., Verified]


def test_a_missing_certificate_is_named(tampered: Tamper) -> None:
    found = tampered("delete from certificates where position = 2")
    assert "certificate 2 is missing" in texts(found)
    assert "pair 2 ended without a certificate" in texts(found)


def test_a_missing_last_certificate_is_named(tampered: Tamper) -> None:
    assert "pair 3 ended without a certificate" in texts(tampered("delete from certificates where position = 3"))


def test_a_certificate_that_was_put_in_is_named(tampered: Tamper) -> None:
    copy = "select 'x', session_id, 4, pair_id, kind, sha256, sha256, document, created_at, change"
    found = tampered(f"insert into certificates {copy} from certificates where position = 3")
    assert "certificate 4: position is '4', its document says '3'" in texts(found)
    assert "certificate 4: certificate_id is 'x', its document says 's1-p3'" in texts(found)


def test_two_certificates_that_changed_places_are_named(tampered: Tamper) -> None:
    tampered("update certificates set position = -position where position in (1, 2)")
    found = tampered("update certificates set position = 3 + position where position < 0")
    assert "certificate 1: position is '1', its document says '2'" in texts(found)
    assert "certificate 2: position is '2', its document says '1'" in texts(found)


def test_a_certificate_written_anew_with_its_hash_breaks_the_chain_and_does_not_fit_the_record(
    recorded: Store, tampered: Tamper
) -> None:
    from core.certificate import canonical_json, digest

    (second,) = recorded.certificates.of_pair("s1-p2")
    content = second.content()
    content["fills"][0]["price"] = "2400"  # type: ignore[index]
    forged = canonical_json(content)
    found = tampered("update certificates set document = ?, sha256 = ? where position = 2", forged, digest(forged))
    assert "certificate 3 does not follow certificate 2" in texts(found)
    assert "pair 2: fill pacifica:a1:t2-buy: price is '2499.5', certified is '2400'" in texts(found)
    assert {finding.pair_id for finding in found.findings} >= {"s1-p2", "s1-p3"}


def test_a_changed_fill_is_named_with_both_values(tampered: Tamper) -> None:
    found = tampered("update fills set price = '2499' where trade_id = 't2-sell'")
    assert texts(found) == "pair 2: fill paradex:a2:t2-sell: price is '2499', certified is '2499.5'"
    assert found.findings[0].pair_id == "s1-p2"


def test_a_missing_order_and_a_fill_that_was_put_in_are_named(tampered: Tamper) -> None:
    tampered("delete from orders where client_order_id = 'c1-buy'")
    found = tampered("update fills set pair_id = 's1-p1' where trade_id = 't3-buy'")
    assert "pair 1: order c1-buy is missing" in texts(found)
    assert "pair 1: fill pacifica:a1:t3-buy is not in the certificate" in texts(found)
    assert "pair 3: fill pacifica:a1:t3-buy is missing" in texts(found)


def test_a_pair_that_went_with_all_its_rows_is_missed_in_the_sums(sealed: Store, tampered: Tamper) -> None:
    for table in ("certificates", "fills", "orders", "pairs"):
        found = tampered(f"delete from {table} where pair_id = 's1-p3'")
    assert "the session counts 3 as pairs_filled, its pairs are 2" in texts(found)
    assert "certificate 3 in the results is not the store's" in texts(found)


def test_another_request_is_not_what_the_chain_begins_with(tampered: Tamper) -> None:
    found = tampered("""update sessions set strategy = '{"symbol": "ETH/USD", "max_slippage": "0.2"}'""")
    assert "certificate 1 does not follow the session's request" in texts(found)


def test_a_head_that_was_written_down_must_be_in_the_chain(recorded: Store) -> None:
    head = recorded.certificates.head("s1")
    assert head is not None
    assert verify(recorded, "s1", head=head.sha256).is_intact
    assert "was rewritten or cut short" in texts(verify(recorded, "s1", head="0" * 64))


def test_results_and_segments_are_compared_too(sealed: Store) -> None:
    assert verify(sealed, "s1").results == PAIRS
    results, segments = sealed.home / "results.duckdb", sealed.home / "segments"
    before = results.read_bytes()
    with duckdb.connect(str(results)) as connection:
        connection.execute("update sealed.fills set price = 1 where trade_id = 't1-buy'")
        connection.execute("delete from sealed.certificates where position = 2")
    found = texts(verify(sealed, "s1"))
    results.write_bytes(before)
    assert "pair 1 in the results: fill pacifica:a1:t1-buy: price is '1', certified is '2499.5'" in found
    assert "certificate 2 is missing in the results" in found

    path = next(segments.glob("*.fills.*"))
    kept = path.read_bytes()
    path.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
    assert f"segment {path.name} is not what was registered" in texts(verify(sealed, "s1"))
    path.write_bytes(kept)
    assert verify(sealed, "s1").is_intact


def test_the_view_holds_each_certificate_as_it_was_made(sealed: Store) -> None:
    with sealed.results() as connection:
        rows = connection.execute("select position, sha256, document from certificates order by position").fetchall()
    assert [(n, sha) for n, sha, _ in rows] == [
        (c.position, c.sha256) for n in (1, 2, 3) for c in sealed.certificates.of_pair(f"s1-p{n}")
    ]
    assert json.loads(rows[0][2])["pairId"] == "s1-p1"


def test_certificates_from_before_a_process_died_are_followed_by_those_after(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with open_store(home) as store:
        store.journal.create_session.now(new_session())
    assert run_child(end_pairs_and_die, home) == -9
    with open_store(home) as store:
        assert len(store.reads.open_pairs("s1")) <= 2
        for number in range(1, 7):
            store.journal.record_pair.now(new_pair(number))
            ended = PairOutcome(PairStatus.FILLED, ENDED.quantity, ENDED.volume, completed_at=later(200))
            store.journal.complete_pair.now(f"s1-p{number}", ended)
        found = verify(store, "s1")
        assert (found.findings, found.certificates, found.corrections) == ((), 6, 0)


def test_writers_that_certify_at_once_make_one_chain(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with open_store(home) as one, open_store(home) as other:
        one.journal.create_session.now(new_session())
        for number in range(1, 31):
            one.journal.record_pair.now(new_pair(number))
        writing = [
            store.journal.complete_pair.soon(f"s1-p{(number + shift) % 30 + 1}", ENDED)
            for number in range(30)
            for shift, store in ((0, one), (11, other))
        ]
        assert {future.result(timeout=60).outcome.status for future in writing} == {PairStatus.FILLED}
        found = verify(one, "s1")
        assert (found.findings, found.certificates) == ((), 30)
