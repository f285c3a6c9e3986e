"""The page of a session: its figures are the database's, it needs nothing from elsewhere, and it hides no trouble."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path

import duckdb
import pytest
from report_world import START, at, fill, outcomes, session, traded

from core.account import Position
from core.instrument import Venue
from core.market import FundingPayment
from core.order import Fill, Liquidity, OrderIntent, OrderType, Side, TimeInForce
from core.pair import PairStatus
from core.risk import Severity
from flows.report import write_report
from flows.report.facts import BreachFacts, PositionFacts, Record
from flows.report.figures import account_results, split
from flows.report.findings import findings
from flows.report.page import pair_table, render, settings
from store import (
    JournalEntry,
    NewBreach,
    NewPair,
    NewSession,
    PairOutcome,
    SessionNotFound,
    SessionStatus,
    SessionTotals,
    Store,
)
from store.home import Home
from tests.fakes.empty_store import fresh_store

SIZE_MAX = 300_000
VOID = {"meta", "br", "link", "img", "input", "hr"}
HOSTILE = "<script>alert(1)</script>\"'&{{ 7*7 }}</style></title>"


class Page(HTMLParser):
    """A parsed page: every element with its attributes, the text by element id, and whether tags nest properly."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.faults: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        self.faults += [f"{tag} is never closed" for tag in self._open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.faults.append(f"</{tag}> closes what is not open")

    def handle_data(self, data: str) -> None:
        if self._open[-1:] != ["style"]:
            self.text += data

    def value(self, element_id: str) -> Decimal:
        """The exact value of a figure, as written for machines."""
        (found,) = [attrs["value"] for tag, attrs in self.elements if tag == "data" and attrs.get("id") == element_id]
        assert found is not None
        return Decimal(found)

    def count(self, tag: str) -> int:
        return sum(one == tag for one, _ in self.elements)


def order_intent(number: int, side: Side, venue: Venue, account: str, quantity: str) -> OrderIntent:
    return OrderIntent(
        client_order_id=f"c{number}", session_id="s1", pair_id="p1", account_id=account, venue=venue, symbol="ETH/USD",
        side=side, type=OrderType.MARKET, time_in_force=TimeInForce.IOC, quantity=Decimal(quantity),
        price=Decimal(2500), reference_price=Decimal(2500), reduce_only=False, created_at=START,
        valid_until=START + timedelta(seconds=5),
    )  # fmt: skip


def execution(number: int, side: Side, venue: Venue, account: str, price: str, second: float) -> Fill:
    return Fill(
        venue=venue, account_id=account, symbol="ETH/USD", trade_id=f"t{number}", client_order_id=f"c{number}",
        venue_order_id=f"v{number}", side=side, quantity=Decimal("0.1"), price=Decimal(price),
        fee=Decimal("0.11251"), liquidity=Liquidity.TAKER, venue_time=at(second), received_time=at(second),
    )  # fmt: skip


def trade(store: Store) -> None:
    """Journal a session of one pair that is opened, with funding, positions and one breach."""
    journal = store.journal
    journal.create_session.now(
        NewSession(
            session_id="s1",
            name="night run",
            symbol="ETH/USD",
            strategy={"symbol": "ETH/USD", "note": HOSTILE},
            accounts=("a1", "a2"),
            environment="testnet",
            volume_target=Decimal("1000.5"),
            duration_s=None,
            seed=42,
            created_at=START,
        )
    )
    journal.record_pair.now(
        NewPair(
            pair_id="p1",
            session_id="s1",
            sequence=1,
            buy_venue=Venue.PACIFICA,
            buy_account="a1",
            sell_venue=Venue.PARADEX,
            sell_account="a2",
            quantity=Decimal("0.1"),
            buy_arrival_mid=Decimal("2500.05"),
            sell_arrival_mid=Decimal("2500.15"),
            decision={"verdict": "approved"},
            created_at=at(1),
        )
    )
    legs = ((1, Side.BUY, Venue.PACIFICA, "a1", "2500.3"), (2, Side.SELL, Venue.PARADEX, "a2", "2499.9"))
    journal.record_intents.now(
        [JournalEntry(order_intent(n, s, v, a, "0.1"), s.value, 1, f"w{n}") for n, s, v, a, _ in legs]
    )
    journal.record_fills.now([execution(n, s, v, a, price, 1 + n / 10) for n, s, v, a, price in legs])
    journal.complete_pair.now(
        "p1",
        PairOutcome(
            PairStatus.FILLED,
            Decimal("0.1"),
            Decimal("249.99"),
            Decimal("2500.1"),
            Decimal("0.0002"),
            Decimal("0.22502"),
            Decimal("100"),
            Decimal("25.003"),
            at(1.2),
            at(1.5),
        ),
    )
    payment = FundingPayment(Venue.PARADEX, "a2", "ETH/USD", "f1", Decimal("0.000012345678"), None, at(2), at(2))
    journal.record_funding.now("s1", [payment])
    journal.record_positions.now(
        "s1",
        [
            Position(Venue.PACIFICA, "a1", "ETH/USD", Decimal("0.1"), Decimal("2500.3"), Decimal("0.5"), None, at(3)),
            Position(Venue.PARADEX, "a2", "ETH/USD", Decimal("-0.1"), Decimal("2499.9"), Decimal("-0.4"), None, at(3)),
        ],
    )
    breach = NewBreach("b1", "s1", "p1", "slippage", Severity.WARNING, {"paid": HOSTILE}, at(2))
    journal.record_breach.now(breach)
    journal.update_session_totals.now(
        "s1",
        SessionTotals(
            Decimal("249.99"),
            Decimal("-0.125007654322"),
            Decimal("0.22502"),
            Decimal("0.000012345678"),
            Decimal("0.0002"),
            1,
            0,
            Decimal("250.01"),
            Decimal("25.003"),
        ),
    )
    journal.set_session_status.now("s1", [SessionStatus.PENDING], SessionStatus.ACTIVE, at=at(0.5))
    journal.set_session_status.now("s1", [SessionStatus.ACTIVE], SessionStatus.COMPLETED, at=at(4), reason=HOSTILE)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A data folder whose results hold one traded session, s1."""
    found = Home(tmp_path / "home")
    with fresh_store(found.path) as store:
        trade(store)
        store.seal("s1")
        store.load()
    return found


def test_the_headline_is_the_database_to_the_last_digit(home: Home) -> None:
    path = write_report(home, "s1")
    page = Page(path.read_text())

    columns = {
        "volume": "volume_generated", "volume-target": "volume_target", "pnl": "pnl", "fees": "fees",
        "funding": "funding", "slippage": "slippage", "pairs-filled": "pairs_filled",
        "pairs-unwound": "pairs_unwound", "max-net-exposure": "max_net_exposure_usd", "naked": "naked_usd_seconds",
    }  # fmt: skip
    with duckdb.connect(str(home.results), read_only=True) as connection:
        row = connection.execute(f"select {', '.join(columns.values())} from sessions").fetchone()
    assert path == home.reports / "s1.html"
    assert row is not None
    assert {name: page.value(name) for name in columns} == dict(zip(columns, map(Decimal, row), strict=True))


def test_rows_in_the_database_become_rows_on_the_page(home: Home) -> None:
    page = Page(write_report(home, "s1").read_text())

    for text in (
        "night run", "ETH/USD perpetual on Pacifica × Paradex", "testnet", "2026-03-01 12:00:00 UTC", "3.5 s",
        "−0.1250", "+0.000012", "42",
        "Pacifica a1 held 0.1 ETH", "Paradex a2 held −0.1 ETH", "Risk event slippage",
    ):  # fmt: skip
        assert text in page.text, text
    cells = re.findall(r"<td>(.*?)</td>", table(home, "pairs"))
    assert cells == [
        "1", "12:00:01.200", "Pacifica", "Paradex", "filled", "0.1", "249.99", "2,500.10", "2.00", "0.2250", "100.0",
        "25.00",
    ]  # fmt: skip
    assert "<td>Pacifica</td><td>a1</td><td>1</td><td>1</td><td>0</td><td>250.03</td><td>+0.5000</td>" in table(
        home, "accounts"
    )


def table(home: Home, name: str) -> str:
    """The markup of one table of the report."""
    found = re.search(rf'<table class="{name}">.*?</table>', (home.reports / "s1.html").read_text(), re.DOTALL)
    assert found is not None
    return found[0]


def test_what_comes_from_the_database_is_escaped(home: Home) -> None:
    text = write_report(home, "s1").read_text()
    page = Page(text)

    assert page.faults == []
    assert page.count("script") == 0
    assert text.count("</style>") == 1
    assert page.text.count(HOSTILE) == 4  # beside the status, in two warnings, and among the settings


@pytest.mark.parametrize(
    "spoil",
    [
        lambda r: replace(r, session=replace(r.session, name=HOSTILE, symbol=HOSTILE, environment=HOSTILE)),
        lambda r: replace(r, session=replace(r.session, status=HOSTILE, strategy=HOSTILE, flow_run_id=HOSTILE)),
        lambda r: replace(r, session=replace(r.session, session_id=HOSTILE, accounts=(HOSTILE,))),
        lambda r: replace(r, fills=tuple(replace(f, venue=HOSTILE, account_id=HOSTILE) for f in r.fills)),
        lambda r: replace(r, pairs=tuple(replace(p, buy_venue=HOSTILE, status=HOSTILE) for p in r.pairs)),
        lambda r: replace(r, breaches=(BreachFacts(HOSTILE, HOSTILE, HOSTILE, START, START, HOSTILE, HOSTILE),)),
    ],
    ids=["names", "texts", "ids", "fills", "pairs", "breaches"],
)
def test_no_text_can_break_out_of_its_place(spoil: Callable[[Record], Record]) -> None:
    page = Page(render(spoil(traded(4))))

    assert page.faults == []
    assert page.count("script") == 0
    assert page.count("style") == 1
    assert page.count("title") >= 1
    assert HOSTILE in page.text + "".join(str(v) for _, attrs in page.elements for v in attrs.values())


@pytest.mark.parametrize("pairs", [0, 1, 2, 83, 301, 2_000])
def test_a_page_is_well_formed_self_contained_and_small(pairs: int) -> None:
    text = render(traded(pairs) if pairs else Record(session()))
    page = Page(text)

    assert page.faults == []
    assert len(text.encode()) < SIZE_MAX
    assert "NaN" not in text
    assert "Infinity" not in text
    assert {"script", "link", "img", "iframe", "object", "image"}.isdisjoint(tag for tag, _ in page.elements)
    for tag, attrs in page.elements:
        for name in ("src", "href", "xlink:href", "action", "data", "srcset"):
            assert attrs.get(name, "#").startswith("#"), (tag, attrs)  # type: ignore[union-attr]
        assert "style" not in attrs, tag
        assert not any(name.startswith("on") for name in attrs), tag
    assert "://" not in text
    assert "url(" not in text
    assert "@import" not in text


def test_the_policy_lets_nothing_through_but_the_pages_own_style() -> None:
    text = render(traded(2))
    style = re.search(r"<style>(.*?)</style>", text, re.S)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    policies = [a["content"] for tag, a in Page(text).elements if a.get("http-equiv") == "Content-Security-Policy"]

    assert policies == [f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"]


def test_every_symbol_that_is_used_is_defined() -> None:
    for record in (traded(3), traded(600)):
        elements = Page(render(record)).elements
        defined = {f"#{attrs['id']}" for tag, attrs in elements if tag == "path" and attrs.get("id")}
        assert {attrs["href"] for tag, attrs in elements if tag == "use"} <= defined


def test_the_same_facts_make_the_same_page(home: Home) -> None:
    assert render(traded(50)) == render(traded(50))
    first = write_report(home, "s1").read_bytes()
    assert write_report(home, "s1").read_bytes() == first
    assert [path.name for path in home.reports.iterdir()] == ["s1.html"]


@pytest.mark.parametrize(("count", "left_out"), [(0, 0), (10, 0), (11, 1), (57, 47)])
def test_the_table_shows_all_pairs_or_the_first_and_the_last(count: int, left_out: int) -> None:
    pairs = traded(count).pairs if count else ()
    table = pair_table(pairs, limit=10)

    assert table.left_out == left_out
    assert len(table.first) + len(table.last) + left_out == count
    assert [*table.first, *table.last] == ([*pairs[:5], *pairs[-5:]] if left_out else [*pairs])


def test_a_long_table_says_how_many_pairs_are_left_out_and_where_they_are() -> None:
    page = Page(render(traded(2_000)))

    assert "1,700 pairs are left out here; all 2,000 are in results.duckdb" in page.text
    assert "select * from pairs where session_id = 's1' order by sequence" in page.text
    assert "left out here" not in Page(render(traded(300))).text


def test_a_clean_session_says_plainly_that_there_are_no_warnings() -> None:
    record = replace(traded(40), session=replace(traded(40).session, volume_target=None))

    assert findings(record) == []
    assert "No warnings." in Page(render(record)).text


def clean() -> Record:
    record = traded(10)
    return replace(record, session=replace(record.session, volume_target=Decimal(100)))


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (lambda r: replace(r, session=replace(r.session, status="failed")), ("critical", "Session failed")),
        (lambda r: replace(r, session=replace(r.session, status="active")), ("warning", "Session has not ended")),
        (
            lambda r: replace(r, session=replace(r.session, volume_target=Decimal(10**9))),
            ("warning", "Volume target not reached"),
        ),
        (lambda r: outcomes(r, "unwound", "unwound"), ("warning", "2 pairs unwound")),
        (lambda r: outcomes(r, "failed"), ("critical", "1 pair failed")),
        (lambda r: outcomes(r, "pending"), ("critical", "1 pair pending")),
        (
            lambda r: replace(r, positions=(replace(r.positions[0], quantity=Decimal("-0.2")), *r.positions[1:])),
            ("critical", "Not flat"),
        ),
        (lambda r: replace(r, positions=()), ("critical", "Closing position unknown")),
        (lambda r: replace(r, fills=r.fills[:-1]), ("critical", "Fills and position disagree")),
        (lambda r: replace(r, fills=(replace(r.fills[0], pair_id=None), *r.fills[1:])),
         ("critical", "1 fill belongs to no pair")),
        (lambda r: replace(r, session=replace(r.session, fees=Decimal(1))), ("critical", "Sums disagree: fees")),
        (lambda r: replace(r, session=replace(r.session, pnl=Decimal(1))), ("critical", "Sums disagree: net PnL")),
        (lambda r: replace(r, payments=()), ("critical", "Sums disagree: funding")),
        (lambda r: replace(r, pairs=r.pairs[1:]), ("critical", "Sums disagree: volume")),
        (
            lambda r: replace(r, breaches=(BreachFacts("drawdown", "warning", "{}", START, None, None, None),)),
            ("warning", "Risk event drawdown"),
        ),
    ],
)  # fmt: skip
def test_trouble_is_always_among_the_warnings(spoil: Callable[[Record], Record], expected: tuple[str, str]) -> None:
    assert findings(clean()) == []
    record = spoil(clean())

    found = [(f.severity, f.title) for f in findings(record)]
    assert expected in found
    assert expected[1] in Page(render(record)).text
    assert found == sorted(found, key=lambda one: one[0] != "critical")
    assert "No warnings." not in render(record)


def test_a_risk_event_tells_its_details_and_what_was_decided() -> None:
    details = json.dumps({"accountId": "a2", "ratio": "0.55", "positions": {"a1": 1}})
    breach = BreachFacts("margin_ratio", "warning", details, at(3), at(9), "ignore", "topped up")
    (found,) = findings(replace(clean(), breaches=(breach,)))

    assert found.text == (
        'accountId a2, ratio 0.55, positions {"a1": 1} — acknowledged 2026-03-01 12:00:09 UTC (ignore): topped up'
    )


def test_many_risk_events_are_counted_not_listed_and_the_gravest_still_shows() -> None:
    mild = BreachFacts("spread", "warning", "{}", START, None, None, None)
    grave = replace(mild, severity="critical")
    found = findings(replace(clean(), breaches=(*[mild] * 40, *[mild] * 9, grave)))

    assert len(found) == 41
    assert (found[0].severity, found[0].title) == ("critical", "10 more risk events")


def test_accounts_add_up_to_the_session() -> None:
    record = traded(20)
    accounts, whole = account_results(record), split(record)

    assert [(a.venue, a.account_id) for a in accounts] == [("backpack", "a3"), ("pacifica", "a1"), ("paradex", "a2")]
    assert sum(a.net for a in accounts if a.net is not None) == whole.net == record.session.pnl
    assert sum(a.price_pnl for a in accounts if a.price_pnl is not None) == whole.price_pnl
    assert whole.price_pnl - whole.fees + whole.funding == whole.net


@pytest.mark.parametrize(
    ("position", "expected"),
    [
        (None, None),
        (PositionFacts("pacifica", "a1", Decimal("0.1"), Decimal(2500), None, at(2)), None),
        (PositionFacts("pacifica", "a1", Decimal("0.2"), Decimal(2500), Decimal(3), at(2)), None),
        (PositionFacts("pacifica", "a1", Decimal("0.1"), Decimal(2500), Decimal(3), at(2)), Decimal(3)),
    ],
    ids=["no position", "no mark", "another quantity", "valued by the venue"],
)
def test_an_open_position_is_worth_what_its_venue_says_or_unknown(
    position: PositionFacts | None, expected: Decimal | None
) -> None:
    record = Record(session(), fills=(fill(),), positions=() if position is None else (position,))
    (account,) = account_results(record)

    assert account.price_pnl == expected
    assert (account.net is None) == (expected is None)


def test_a_session_without_fills_is_a_whole_page() -> None:
    page = Page(render(Record(session(volume_target=None, duration_s=300.0))))

    for text in ("There are no fills", "No pair was planned", "no volume target; bounded by 300.0 s", "no volume to"):
        assert text in page.text, text


def test_one_lone_fill_is_a_whole_page_with_its_warning() -> None:
    page = Page(render(Record(session(), fills=(fill(),))))

    assert page.faults == []
    assert "Pacifica: 1 fill" in page.text
    assert "Closing position unknown" in page.text


@pytest.mark.parametrize(
    ("environment", "words"),
    [("sandbox", "no real funds"), ("testnet", "test networks"), ("production", "real funds")],
)
def test_the_environment_is_said_first(environment: str, words: str) -> None:
    text = render(replace(clean(), session=replace(clean().session, environment=environment)))

    assert f'<div class="environment {environment}">' in text
    page = Page(text).text
    assert page.index(words) < page.index("Hedging session")


def test_settings_are_flat_and_in_their_own_order() -> None:
    assert list(settings('{"b":{"min":"0.1","deep":{"x":[1,2]}},"a":true}')) == [
        ("b.min", "0.1"), ("b.deep.x", "[1, 2]"), ("a", "true"),
    ]  # fmt: skip
    assert list(settings("not json")) == [("strategy", "not json")]
    assert list(settings("[1]")) == [("strategy", "[1]")]


def test_an_unknown_session_has_no_report(home: Home) -> None:
    with pytest.raises(SessionNotFound, match="nope"):
        write_report(home, "nope")
    assert not home.reports.exists() or list(home.reports.iterdir()) == []


def test_a_session_id_never_leaves_the_reports_folder(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    with fresh_store(home.path) as store:
        store.journal.create_session.now(
            NewSession("../../up", "x", "ETH/USD", {}, ("a1", "a2"), "sandbox", None, 60.0, 1, START)
        )
        store.seal("../../up")
        store.load()

    path = write_report(home, "../../up")
    assert path.resolve().parent == home.reports.resolve()
    assert "../../up" in Page(path.read_text()).text
