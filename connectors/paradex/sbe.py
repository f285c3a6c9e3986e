"""Paradex's binary frames, read into facts: trades, best prices, books, market summaries, funding. Pure.

Source: docs.paradex.trade, WebSocket API, "Binary Encoding (SBE)", schema 1. All little endian. A frame is a header
(block length, template, schema, version; four u16), a block of fixed fields, then groups, then texts (u8 length).
The block length of the frame is obeyed, so fields that a later version appends are passed over, and so is what
follows the last text that is read here. Decimals are int64 in steps of 1e-8, times int64 microseconds, and INT64_MIN
stands for "no value". A frame that does not hold what it claims is a ProtocolViolation, never half an event.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from decimal import Context, Decimal
from functools import lru_cache
from typing import Final

from connectors.paradex.wire import BookFrame, LevelChange, SummaryRow, shaped, violation
from core.order import Side

SCHEMA_ID: Final = 1
_HEADER: Final = struct.Struct("<4H")
_GROUP: Final = struct.Struct("<2H")
_LEVEL: Final = struct.Struct("<2q")
_INT64: Final = struct.Struct("<q")
_INT16: Final = struct.Struct("<h")
_NULL: Final = -(2**63)
_NULL_INT16: Final = -(2**15)
_TEXT_BYTES_MAX: Final = 200
_TIME_US_MAX: Final = 32_503_680_000_000_000  # the year 3000
_EXACT: Final = Context(prec=40)

_TRADE, _BBO, _BOOK, _SUMMARY, _FUNDING = 1, 2, 3, 4, 5
# The blocks of version 0: a later one is longer, never shorter.
_BLOCKS: Final = {_TRADE: 50, _BBO: 48, _BOOK: 89, _SUMMARY: 216, _FUNDING: 58}
_PRECISE_RATE_END: Final = 240
_IMPACT_END: Final = 66
_PRIVATE: Final = frozenset({20, 21, 22, 23})
_SIDES: Final = {1: Side.BUY, 2: Side.SELL}
_TRADE_TYPES: Final = {
    1: "FILL", 2: "LIQUIDATION", 3: "UNWIND_TRANSFER", 4: "SETTLE_MARKET", 5: "RPI", 6: "BLOCK_TRADE"
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Header:
    """What a frame says of itself; block_length is in bytes."""

    block_length: int
    template: int
    version: int

    @property
    def is_private(self) -> bool:
        """True for orders, fills, positions and accounts: the venue documents those as JSON only."""
        return self.template in _PRIVATE


@dataclass(frozen=True, slots=True)
class TradeEvent:
    """A public trade; side is the taker's. trade_id is whole from version 2 on, before only its low 64 bits."""

    market: str
    sequence: int
    trade_id: str
    side: Side
    price: Decimal
    size: Decimal
    trade_type: str
    created_us: int


@dataclass(frozen=True, slots=True)
class Top:
    """Best prices and sizes, None where a side is empty."""

    bid: Decimal | None
    bid_size: Decimal | None
    ask: Decimal | None
    ask_size: Decimal | None


@dataclass(frozen=True, slots=True)
class BboEvent:
    """The best prices of a market."""

    market: str
    sequence: int
    top: Top
    time_us: int


@dataclass(frozen=True, slots=True)
class BookEvent:
    """A whole book or a change of it, as (price, size); size 0 removes a level.

    `api` are the best prices for orders by API, `interactive` those that also count quotes for people only.
    """

    market: str
    sequence: int
    is_snapshot: bool
    bids: tuple[tuple[Decimal, Decimal], ...]
    asks: tuple[tuple[Decimal, Decimal], ...]
    api: Top
    interactive: Top
    time_us: int


@dataclass(frozen=True, slots=True)
class SummaryEvent:
    """A market's prices and statistics; funding_rate has twelve places from version 1 on, before eight."""

    market: str
    sequence: int
    mark_price: Decimal | None
    index_price: Decimal | None
    last_price: Decimal | None
    volume_24h: Decimal | None
    open_interest: Decimal | None
    funding_rate: Decimal | None
    bid: Decimal | None
    ask: Decimal | None
    total_volume: Decimal | None
    price_change_24h: Decimal | None
    time_us: int


@dataclass(frozen=True, slots=True)
class FundingEvent:
    """One observation of the funding index; the rate is for period_hours, impact exists from version 1 on."""

    market: str
    sequence: int
    rate: Decimal | None
    index: Decimal | None
    premium: Decimal | None
    rate_8h: Decimal | None
    period_hours: int | None
    impact: Decimal | None
    created_us: int


Event = TradeEvent | BboEvent | BookEvent | SummaryEvent | FundingEvent


def header(frame: bytes) -> Header:
    """Read a frame's header; raise ProtocolViolation for another schema or a block that is not all there."""
    if len(frame) < _HEADER.size:
        raise violation("a binary frame shorter than its header")
    block_length, template, schema, version = _HEADER.unpack_from(frame)
    if schema != SCHEMA_ID:
        raise violation(f"a binary frame of schema {schema}, not {SCHEMA_ID}")
    if len(frame) < _HEADER.size + block_length:
        raise violation(f"a binary frame of template {template} that ends within its block")
    return Header(block_length, template, version)


def decode(frame: bytes) -> Event | None:
    """Read a frame; None for heartbeats and for templates that are not read here.

    Raises ProtocolViolation for a frame that is cut, that claims more than it holds, or whose fields cannot be.
    """
    head = header(frame)
    least = _BLOCKS.get(head.template)
    if least is None:
        return None
    if head.block_length < least:
        raise violation(f"a block of {head.block_length} bytes in template {head.template}, which has {least}")
    block = _Block(frame[_HEADER.size : _HEADER.size + head.block_length])
    tail = _Tail(frame, _HEADER.size + head.block_length)
    match head.template:
        case 1:
            return _trade(block, tail, head.version)
        case 2:
            return BboEvent(tail.market(), block.sequence(), block.top(16), block.time(0))
        case 3:
            return _book(block, tail)
        case 4:
            return _summary(block, tail)
        case _:
            return _funding(block, tail)


def book_frame(event: BookEvent) -> BookFrame:
    """Say a book event in the words of the JSON channel, so that one proof of continuity serves both.

    The shapes are filled without being checked once more: decode() has let nothing through that they would refuse.
    """
    sides = (("BUY", event.bids), ("SELL", event.asks))
    levels = [
        LevelChange.model_construct(side=side, price=price, size=size) for side, part in sides for price, size in part
    ]
    return BookFrame.model_construct(
        market=event.market,
        seq_no=event.sequence,
        last_updated_at=event.time_us // 1000,
        update_type="s" if event.is_snapshot else "d",
        inserts=levels if event.is_snapshot else [],
        updates=[] if event.is_snapshot else levels,
        deletes=[],
    )


def summary_row(event: SummaryEvent) -> SummaryRow:
    """Say a summary in the words of the JSON channel, where the index is called underlying price."""
    said = {
        "symbol": event.market,
        "mark_price": event.mark_price,
        "underlying_price": event.index_price,
        "funding_rate": event.funding_rate,
        "volume_24h": event.volume_24h,
        "open_interest": event.open_interest,
        "price_change_rate_24h": event.price_change_24h,
        "created_at": event.time_us // 1000,
    }
    return shaped(SummaryRow, said, "binary market summary")


class _Block:
    """The fixed fields. The caller has checked that the block reaches as far as it reads."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def __len__(self) -> int:
        return len(self._content)

    def integer(self, offset: int) -> int | None:
        value: int = _INT64.unpack_from(self._content, offset)[0]
        return None if value == _NULL else value

    def sequence(self) -> int:
        number = self.integer(8)
        if number is None:
            raise violation("a binary frame without a sequence number")
        return number

    def time(self, offset: int) -> int:
        stamp = self.integer(offset)
        if stamp is None or not 0 <= stamp <= _TIME_US_MAX:
            raise violation("a binary frame whose time is missing or impossible")
        return stamp

    def decimal(self, offset: int, places: int = 8) -> Decimal | None:
        mantissa = self.integer(offset)
        return None if mantissa is None else _scaled(mantissa, places)

    def top(self, offset: int) -> Top:
        bid, bid_size, ask, ask_size = (self.decimal(offset + 8 * step) for step in range(4))
        return Top(bid, bid_size, ask, ask_size)

    def short(self, offset: int) -> int | None:
        value: int = _INT16.unpack_from(self._content, offset)[0]
        return None if value == _NULL_INT16 else value

    def byte(self, offset: int) -> int:
        return self._content[offset]


class _Tail:
    """What follows the block, read from front to back; every length is checked before it is believed."""

    def __init__(self, frame: bytes, position: int) -> None:
        self._frame = frame
        self._position = position

    def levels(self) -> tuple[tuple[Decimal, Decimal], ...]:
        """Read a group of (price, size)."""
        entry_length, count = _GROUP.unpack(self._take(_GROUP.size))
        if count and entry_length < _LEVEL.size:
            raise violation(f"book entries of {entry_length} bytes")
        content = self._take(entry_length * count)
        pairs = (_LEVEL.unpack_from(content, entry_length * number) for number in range(count))
        return tuple(_level(price, size) for price, size in pairs)

    def market(self) -> str:
        """Read the market's name, which every event has."""
        name = self.text()
        if not name:
            raise violation("a binary frame without a market")
        return name

    def text(self) -> str:
        """Read a text."""
        content = self._take(self._take(1)[0])
        if len(content) > _TEXT_BYTES_MAX:
            raise violation("a binary frame with an overlong text")
        try:
            return content.decode()
        except UnicodeDecodeError:
            raise violation("a binary frame with a text that is not UTF-8") from None

    def _take(self, length: int) -> bytes:
        end = self._position + length
        if end > len(self._frame):
            raise violation("a binary frame that claims more than it holds")
        content = self._frame[self._position : end]
        self._position = end
        return content


def _trade(block: _Block, tail: _Tail, version: int) -> TradeEvent:
    market = tail.market()
    low_bits = block.integer(16)
    trade_id = tail.text() if version >= 2 else "" if low_bits is None else str(low_bits)
    price, size, side = block.decimal(25), block.decimal(33), _SIDES.get(block.byte(24))
    if not trade_id or side is None or price is None or size is None or price <= 0 or size <= 0:
        raise violation("a trade without an id, a side, a positive price or a positive size")
    kind = block.byte(49)
    return TradeEvent(
        market, block.sequence(), trade_id, side, price, size, _TRADE_TYPES.get(kind, str(kind)), block.time(41)
    )


def _book(block: _Block, tail: _Tail) -> BookEvent:
    kind = block.byte(16)
    if kind not in (0, 1):
        raise violation(f"a book of kind {kind}: neither whole nor a change")
    bids, asks = tail.levels(), tail.levels()
    return BookEvent(
        market=tail.market(),
        sequence=block.sequence(),
        is_snapshot=kind == 0,
        bids=bids,
        asks=asks,
        api=block.top(57),
        interactive=block.top(17),
        time_us=block.time(0),
    )


def _summary(block: _Block, tail: _Tail) -> SummaryEvent:
    precise = block.decimal(232, places=12) if len(block) >= _PRECISE_RATE_END else None
    return SummaryEvent(
        market=tail.market(),
        sequence=block.sequence(),
        mark_price=block.decimal(16),
        index_price=block.decimal(24),
        last_price=block.decimal(32),
        volume_24h=block.decimal(40),
        open_interest=block.decimal(48),
        funding_rate=block.decimal(56) if precise is None else precise,
        bid=block.decimal(64),
        ask=block.decimal(72),
        total_volume=block.decimal(80),
        price_change_24h=block.decimal(88),
        time_us=block.time(0),
    )


def _funding(block: _Block, tail: _Tail) -> FundingEvent:
    return FundingEvent(
        market=tail.market(),
        sequence=block.sequence(),
        rate=block.decimal(16),
        index=block.decimal(24),
        premium=block.decimal(40),
        rate_8h=block.decimal(48),
        period_hours=block.short(56),
        impact=block.decimal(58) if len(block) >= _IMPACT_END else None,
        created_us=block.time(32),
    )


def _level(price: int, size: int) -> tuple[Decimal, Decimal]:
    if price <= 0 or size < 0:  # "no value" is below zero too
        raise violation("a book level without a positive price and a size")
    return _scaled(price), _scaled(size)


@lru_cache(maxsize=1 << 14)
def _scaled(mantissa: int, places: int = 8) -> Decimal:
    """Place the point exactly, without trailing zeros behind it: the digits that JSON has.

    Prices and sizes of a book come again and again, so the last ones are kept.
    """
    while places and mantissa % 10 == 0:
        mantissa //= 10
        places -= 1
    return _EXACT.scaleb(Decimal(mantissa), -places)
