"""Paradex's binary frames: every field at its documented place, exact decimals, and no frame that can lie."""

from __future__ import annotations

import struct
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paradex_fakes import NOW, NOW_MS

from connectors.paradex import sbe
from connectors.paradex.book import LiveBook
from connectors.paradex.encoding import Negotiation
from connectors.paradex.wire import BookFrame, SummaryRow, shaped
from core.errors import ProtocolViolation
from core.order import Side
from sandbox.dialects import paradex_sbe as twin

ETH = "ETH-USD-PERP"
NOW_US = NOW_MS * 1000
NULL = -(2**63)
UNITS = st.integers(1, 2**63 - 1)


class Frame:
    """A frame written field by field at the offsets of the venue's document; the tail is appended in order."""

    def __init__(self, template: int, block: int, *, version: int = 2, schema: int = 1) -> None:
        self._header = struct.pack("<HHHH", block, template, schema, version)
        self._block = bytearray(block)
        self._tail = b""
        self.put("q", 0, NOW_US).put("q", 8, 41)

    def put(self, form: str, offset: int, *values: int) -> Frame:
        struct.pack_into(f"<{form}", self._block, offset, *values)
        return self

    def group(self, *entries: tuple[int, int], extra: bytes = b"") -> Frame:
        self._tail += struct.pack("<HH", 16 + len(extra), len(entries))
        self._tail += b"".join(struct.pack("<qq", *entry) + extra for entry in entries)
        return self

    def text(self, content: str) -> Frame:
        self._tail += bytes([len(content.encode())]) + content.encode()
        return self

    def more(self, content: bytes) -> Frame:
        self._tail += content
        return self

    def done(self) -> bytes:
        return self._header + bytes(self._block) + self._tail


def trade(version: int = 2, block: int = 50) -> Frame:
    frame = Frame(1, block, version=version).put("q", 16, -7).put("B", 24, 2)
    return frame.put("qqqB", 25, 300_050_000_000, 12_500_000, NOW_US, 1).text(ETH).text("18446744073709551609")


def book(*, kind: int = 0, block: int = 89, extra: bytes = b"") -> Frame:
    frame = Frame(3, block).put("B", 16, kind).put("qqqqq", 17, 1, 2, 3, 4, NULL).put("qqqq", 57, 5, 6, NULL, NULL)
    return frame.group((299_950_000_000, 200_000_000), extra=extra).group((300_050_000_000, 0), extra=extra).text(ETH)


def test_a_trade_has_its_whole_id_from_version_2_and_the_low_bits_before() -> None:
    read = sbe.decode(trade().done())
    assert read == sbe.TradeEvent(
        market=ETH, sequence=41, trade_id="18446744073709551609", side=Side.SELL, price=Decimal("3000.5"),
        size=Decimal("0.125"), trade_type="FILL", created_us=NOW_US,
    )  # fmt: skip
    old = sbe.decode(trade(version=1).done())
    assert isinstance(old, sbe.TradeEvent)
    assert old.trade_id == "-7"


def test_best_prices_of_an_empty_side_are_none() -> None:
    frame = Frame(2, 48).put("qqqq", 16, 299_950_000_000, 100_000_000, NULL, NULL).text(ETH)
    top = sbe.Top(Decimal("2999.5"), Decimal(1), None, None)
    assert sbe.decode(frame.done()) == sbe.BboEvent(ETH, 41, top, NOW_US)


@pytest.mark.parametrize(("kind", "is_snapshot"), [(0, True), (1, False)])
def test_a_book_keeps_api_and_interactive_best_prices_apart(kind: int, is_snapshot: bool) -> None:
    read = sbe.decode(book(kind=kind).done())
    unit = Decimal("0.00000001")
    assert read == sbe.BookEvent(
        market=ETH, sequence=41, is_snapshot=is_snapshot, bids=((Decimal("2999.5"), Decimal(2)),),
        asks=((Decimal("3000.5"), Decimal(0)),), api=sbe.Top(5 * unit, 6 * unit, None, None),
        interactive=sbe.Top(unit, 2 * unit, 3 * unit, 4 * unit), time_us=NOW_US,
    )  # fmt: skip


def test_fields_that_a_later_version_appends_are_passed_over_everywhere() -> None:
    known = sbe.decode(book().done())
    longer = book(block=113, extra=b"\xff" * 9).more(b"\x05later").done()
    assert known is not None
    assert sbe.decode(longer) == known
    assert sbe.decode(trade(block=77).done()) == sbe.decode(trade().done())


def test_size_zero_removes_a_level() -> None:
    kept = LiveBook("ETH/USD")
    frame = Frame(3, 89).put("B", 16, 0).group((10, 5), (9, 5)).group((11, 5)).text(ETH).done()
    change = Frame(3, 89).put("q", 8, 42).put("B", 16, 1).group((10, 0)).group((11, 7)).text(ETH).done()
    for raw in (frame, change):
        event = sbe.decode(raw)
        assert isinstance(event, sbe.BookEvent)
        assert kept.apply(sbe.book_frame(event), NOW)

    view = kept.view()
    assert view is not None
    assert [level.price for level in view.bids] == [Decimal("0.00000009")]
    assert view.asks[0].quantity == Decimal("0.00000007")


@pytest.mark.parametrize(
    ("block", "precise", "rate"),
    [(216, None, "0.00012345"), (240, 123_456_789, "0.000123456789"), (248, NULL, "0.00012345")],
)
def test_a_summary_takes_the_precise_rate_where_there_is_one(block: int, precise: int | None, rate: str) -> None:
    frame = Frame(4, block).put("q" * 10, 16, *(number * 10**8 for number in range(1, 11))).put("q", 56, 12_345)
    if precise is not None:
        frame.put("q", 232, precise)
    read = sbe.decode(frame.text(ETH).done())
    assert read == sbe.SummaryEvent(
        market=ETH, sequence=41, mark_price=Decimal(1), index_price=Decimal(2), last_price=Decimal(3),
        volume_24h=Decimal(4), open_interest=Decimal(5), funding_rate=Decimal(rate), bid=Decimal(7), ask=Decimal(8),
        total_volume=Decimal(9), price_change_24h=Decimal(10), time_us=NOW_US,
    )  # fmt: skip


@pytest.mark.parametrize(("block", "impact"), [(58, None), (66, Decimal("0.00000006"))])
def test_funding_has_an_impact_from_version_1_on(block: int, impact: Decimal | None) -> None:
    frame = Frame(5, block).put("qqqqqh", 16, -1, 2, NOW_US, NULL, 4, 8)
    if impact is not None:
        frame.put("q", 58, 6)
    unit = Decimal("0.00000001")
    assert sbe.decode(frame.text(ETH).done()) == sbe.FundingEvent(
        market=ETH, sequence=41, rate=-unit, index=2 * unit, premium=None, rate_8h=4 * unit, period_hours=8,
        impact=impact, created_us=NOW_US,
    )  # fmt: skip


@pytest.mark.parametrize("template", [0, 6, 20, 23, 40, 41, 65_535])
def test_heartbeats_and_templates_that_are_not_read_are_skipped(template: int) -> None:
    assert sbe.decode(Frame(template, 20).more(b"anything").done()) is None


def test_private_templates_are_told_apart() -> None:
    found = {number for number in range(60) if sbe.header(Frame(number, 16).done()).is_private}
    assert found == {20, 21, 22, 23}


FRAMES = [trade().done(), Frame(2, 48).text(ETH).done(), book().done(), Frame(4, 240).text(ETH).done()]
FRAMES += [Frame(5, 66).put("q", 32, 1).text(ETH).done()]


@pytest.mark.parametrize("whole", FRAMES)
def test_a_frame_cut_anywhere_is_a_violation(whole: bytes) -> None:
    assert sbe.decode(whole) is not None
    for length in range(len(whole)):
        with pytest.raises(ProtocolViolation):
            sbe.decode(whole[:length])


@pytest.mark.parametrize(
    "frame",
    [
        Frame(3, 89, schema=2).group().group().text(ETH).done(),
        Frame(3, 88).group().group().text(ETH).done(),
        Frame(3, 89).put("B", 16, 2).group().group().text(ETH).done(),
        Frame(3, 89).put("q", 0, NULL).group().group().text(ETH).done(),
        Frame(3, 89).put("q", 0, 2**62).group().group().text(ETH).done(),
        Frame(3, 89).put("q", 8, NULL).group().group().text(ETH).done(),
        Frame(3, 89).group((0, 1)).group().text(ETH).done(),
        Frame(3, 89).group((1, -1)).group().text(ETH).done(),
        Frame(3, 89).group((NULL, 1)).group().text(ETH).done(),
        Frame(3, 89).group((1, NULL)).group().text(ETH).done(),
        Frame(3, 89).more(struct.pack("<HH", 15, 1) + bytes(15)).group().text(ETH).done(),
        Frame(3, 89).more(struct.pack("<HH", 0, 60_000)).group().text(ETH).done(),
        Frame(3, 89).more(struct.pack("<HH", 16, 60_000) + bytes(100)).group().text(ETH).done(),
        Frame(3, 89).group().group().text("").done(),
        Frame(3, 89).group().group().text("M" * 201).done(),
        Frame(3, 89).group().group().more(b"\x02\xff\xfe").done(),
        trade().put("B", 24, 3).done(),
        trade().put("q", 25, NULL).done(),
        trade().put("q", 33, 0).done(),
    ],
)
def test_what_cannot_be_is_a_violation(frame: bytes) -> None:
    with pytest.raises(ProtocolViolation):
        sbe.decode(frame)


@given(st.binary(max_size=400), st.sampled_from([None, *FRAMES]), st.integers(0, 300))
def test_garbage_raises_violations_only(garbage: bytes, frame: bytes | None, at: int) -> None:
    raw = garbage if frame is None else frame[:at] + garbage + frame[at + len(garbage) :]
    try:
        event = sbe.decode(raw)
        if isinstance(event, sbe.BookEvent):
            said = sbe.book_frame(event)
            assert shaped(BookFrame, said.model_dump(), "what decode() let through") == said
            LiveBook("ETH/USD").apply(said, NOW)
        elif isinstance(event, sbe.SummaryEvent):
            sbe.summary_row(event)
    except ProtocolViolation:
        return


@given(UNITS)
def test_decimals_are_exact(units: int) -> None:
    frame = Frame(2, 48).put("qqqq", 16, units, 1, NULL, NULL).text(ETH).done()
    event = sbe.decode(frame)
    assert isinstance(event, sbe.BboEvent)
    assert event.top.bid is not None
    assert int(event.top.bid.scaleb(8)) == units


def _text(units: int) -> str:
    return format(Decimal(units).scaleb(-8), "f")


LEVELS = st.lists(
    st.builds(
        lambda side, price, size: {"side": side, "price": _text(price), "size": _text(size)},
        st.sampled_from(["BUY", "SELL"]), UNITS, UNITS,
    ), max_size=8,
)  # fmt: skip


@given(st.sampled_from(["s", "d"]), LEVELS, LEVELS, LEVELS, st.integers(0, twin.VERSION_MAX))
def test_a_book_row_says_the_same_in_binary_as_in_json(
    kind: str, inserts: list[Any], updates: list[Any], deletes: list[Any], version: int
) -> None:
    """Whatever the row, the book that follows the binary frame equals the one that follows the JSON."""
    row = {
        "market": ETH, "seq_no": 7, "last_updated_at": NOW_MS, "update_type": kind, "inserts": inserts,
        "updates": updates, "deletes": [], "best_bid_api": [], "best_ask_api": ["1", "2"],
        "best_bid_interactive": ["3", "4"], "best_ask_interactive": [],
    }  # fmt: skip
    taken = {(level["side"], Decimal(level["price"])) for level in [*inserts, *updates]}
    row["deletes"] = [level for level in deletes if (level["side"], Decimal(level["price"])) not in taken]
    raw = twin.frame_of(f"order_book.{ETH}.deltas", row, version)
    assert raw is not None
    event = sbe.decode(raw)
    assert isinstance(event, sbe.BookEvent)
    assert (event.api, event.interactive) == (
        sbe.Top(None, None, Decimal(1), Decimal(2)),
        sbe.Top(Decimal(3), Decimal(4), None, None),
    )

    by_json, by_binary = LiveBook("ETH/USD"), LiveBook("ETH/USD")
    start = {"market": ETH, "seq_no": 6, "last_updated_at": NOW_MS, "update_type": "s"}
    for kept in (by_json, by_binary):
        assert kept.apply(shaped(BookFrame, start, "start"), NOW)
    assert by_json.apply(shaped(BookFrame, row, "row"), NOW) == by_binary.apply(sbe.book_frame(event), NOW)
    assert by_json.view() == by_binary.view()


@pytest.mark.parametrize("version", range(twin.VERSION_MAX + 1))
def test_the_other_rows_say_the_same_in_binary_as_in_json(version: int) -> None:
    summary = {
        "symbol": ETH, "mark_price": "3000.12", "underlying_price": "3000.5", "last_traded_price": "", "bid": "1",
        "ask": "2", "volume_24h": "3", "total_volume": "4", "open_interest": "5", "funding_rate": "0.000123456789",
        "price_change_rate_24h": "", "created_at": NOW_MS,
    }  # fmt: skip
    event = sbe.decode(twin.frame_of(f"markets_summary.{ETH}", summary, version) or b"")
    assert isinstance(event, sbe.SummaryEvent)
    said, wanted = sbe.summary_row(event), shaped(SummaryRow, summary, "summary")
    rounded = wanted.model_copy(update={"funding_rate": Decimal("0.00012346")})
    assert said == (wanted if version else rounded)

    row: dict[str, Any] = {"market": ETH, "funding_index": "-1.5", "funding_premium": "2", "funding_rate": "0.0001"}
    row |= {"funding_rate_8h": "0.0008", "funding_period_hours": 1, "created_at": NOW_MS}
    funding = sbe.decode(twin.frame_of("funding_data.ALL", row, version) or b"")
    assert isinstance(funding, sbe.FundingEvent)
    assert replace(funding, sequence=0) == sbe.FundingEvent(
        ETH, 0, Decimal("0.0001"), Decimal("-1.5"), Decimal(2), Decimal("0.0008"), 1, None, NOW_US
    )

    number = "1795176000000000007"
    row = {"id": number, "market": ETH, "side": "SELL", "price": "3000.5", "size": "0.1", "trade_type": "FILL"}
    row |= {"created_at": NOW_MS}
    traded = sbe.decode(twin.frame_of("trades.ALL", row, version) or b"")
    assert isinstance(traded, sbe.TradeEvent)
    assert (traded.trade_id, traded.side, traded.price) == (number, Side.SELL, Decimal("3000.5"))

    row = {"market": ETH, "bid": "", "bid_size": "", "ask": "3000.5", "ask_size": "2"}
    row |= {"seq_no": 9, "last_updated_at": NOW_MS}
    best = sbe.decode(twin.frame_of(f"bbo.{ETH}", row, version) or b"")
    assert best == sbe.BboEvent(ETH, 9, sbe.Top(None, None, Decimal("3000.5"), Decimal(2)), NOW_US)


def test_private_rows_have_no_binary_form() -> None:
    assert twin.frame_of("orders.ALL", {}, 2) is None
    assert twin.frame_of("account", {}, 2) is None


def test_without_a_version_the_url_is_left_alone_and_a_refusal_changes_nothing() -> None:
    plain = Negotiation("wss://venue/v1", None)
    assert plain.url() == "wss://venue/v1"
    assert plain.refused(400) is None


def test_a_refused_version_steps_down_to_zero_and_never_to_json() -> None:
    asked = Negotiation("wss://venue/v1", 2)
    assert asked.url() == "wss://venue/v1?sbeSchemaId=1&sbeSchemaVersion=2"
    assert asked.refused(503) is None
    assert asked.refused(400) == "wss://venue/v1?sbeSchemaId=1&sbeSchemaVersion=1"
    assert asked.refused(400) == "wss://venue/v1?sbeSchemaId=1&sbeSchemaVersion=0"
    assert asked.refused(400) is None
