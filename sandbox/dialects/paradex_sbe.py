"""Public channel rows as the venue's binary frames.

Written from docs.paradex.trade (WebSocket API: Binary Encoding (SBE)), schema 1, versions 0 to 2. A row goes in as
the JSON channel would send it, bytes come out; private rows have no binary form and stay JSON. Fields that this
venue's engine does not have are "no value". Must not know sockets.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, Final

VERSION_MAX: Final = 2
SCHEMA: Final = 1
NO_VALUE: Final = -0x8000_0000_0000_0000
SUMMARY_FIELDS: Final = (
    "mark_price", "underlying_price", "last_traded_price", "volume_24h", "open_interest", "funding_rate",
    "bid", "ask", "total_volume", "price_change_rate_24h",
)  # fmt: skip
SUMMARY_GAP: Final = 15  # statistics between priceChangeRate24h and the end of version 0
TRADE_TYPES: Final[Mapping[str, int]] = {"FILL": 1, "LIQUIDATION": 2, "UNWIND_TRANSFER": 3, "SETTLE_MARKET": 4}

Row = Mapping[str, Any]


class NoSuchSchema(ValueError):
    """A schema or version that this server does not serve."""


def asked_version(query: Mapping[str, str]) -> int | None:
    """Read a handshake's wish: None for JSON frames; raise NoSuchSchema for a wish that cannot be met."""
    schema, version = query.get("sbeSchemaId", "0") or "0", query.get("sbeSchemaVersion", "0") or "0"
    if schema == "0":
        return None
    served = [str(number) for number in range(VERSION_MAX + 1)]
    if schema != str(SCHEMA) or "sbeSchemaVersion" not in query or version not in served:
        raise NoSuchSchema(f"schema {SCHEMA} is served in versions {', '.join(served)}")
    return int(version)


def frame_of(channel: str, row: Row, version: int) -> bytes | None:
    """Encode a notification of a channel; None where the channel stays JSON."""
    encoder = _ENCODERS.get(channel.partition(".")[0])
    return None if encoder is None else encoder(row, version)


def _trade(row: Row, version: int) -> bytes:
    micros = row["created_at"] * 1000
    low_bits = int(row["id"]) & 0xFFFF_FFFF_FFFF_FFFF
    signed = low_bits - (1 << 64) if low_bits >> 63 else low_bits
    side = {"BUY": 1, "SELL": 2}[row["side"]]
    block = struct.pack("<3qB", micros, micros, signed, side)
    block += struct.pack("<3qB", _units(row["price"]), _units(row["size"]), micros, TRADE_TYPES[row["trade_type"]])
    texts = [row["market"]] if version < 2 else [row["market"], row["id"]]
    return _frame(1, version, block, texts=texts)


def _best(row: Row, version: int) -> bytes:
    prices = [_units(row[name]) for name in ("bid", "bid_size", "ask", "ask_size")]
    block = struct.pack("<6q", row["last_updated_at"] * 1000, row["seq_no"], *prices)
    return _frame(2, version, block, texts=[row["market"]])


def _book(row: Row, version: int) -> bytes:
    block = struct.pack("<2qB", row["last_updated_at"] * 1000, row["seq_no"], 0 if row["update_type"] == "s" else 1)
    block += _pairs(row["best_bid_interactive"], row["best_ask_interactive"]) + struct.pack("<q", NO_VALUE)
    block += _pairs(row["best_bid_api"], row["best_ask_api"])
    kept = [*row["inserts"], *row["updates"]]
    removed = [{**level, "size": "0"} for level in row["deletes"]]
    groups = b"".join(
        _levels(level for level in [*kept, *removed] if level["side"] == side) for side in ("BUY", "SELL")
    )
    return _frame(3, version, block, groups, [row["market"]])


def _pairs(*best: list[str]) -> bytes:
    numbers = [_units(number) for pair in best for number in (pair or ("", ""))]
    return struct.pack("<4q", *numbers)


def _levels(levels: Iterable[Row]) -> bytes:
    entries = [struct.pack("<2q", _units(level["price"]), _units(level["size"])) for level in levels]
    return struct.pack("<2H", 16, len(entries)) + b"".join(entries)


def _summary(row: Row, version: int) -> bytes:
    micros = row["created_at"] * 1000
    numbers = [_units(row[name]) for name in SUMMARY_FIELDS] + [NO_VALUE] * SUMMARY_GAP
    if version >= 1:
        numbers += [NO_VALUE, NO_VALUE, _steps(row["funding_rate"], 12)]
    block = struct.pack(f"<{2 + len(numbers)}q", micros, micros, *numbers)
    return _frame(4, version, block, texts=[row["symbol"]])


def _funding(row: Row, version: int) -> bytes:
    micros = row["created_at"] * 1000
    rate, index, premium, rate_8h = (
        _units(row[name]) for name in ("funding_rate", "funding_index", "funding_premium", "funding_rate_8h")
    )
    block = struct.pack("<7qh", micros, micros, rate, index, micros, premium, rate_8h, row["funding_period_hours"])
    if version >= 1:
        block += struct.pack("<q", NO_VALUE)
    return _frame(5, version, block, texts=[row["market"]])


_ENCODERS: Final[Mapping[str, Callable[[Row, int], bytes]]] = {
    "trades": _trade,
    "bbo": _best,
    "order_book": _book,
    "markets_summary": _summary,
    "funding_data": _funding,
}


def _frame(template: int, version: int, block: bytes, groups: bytes = b"", texts: Iterable[str] = ()) -> bytes:
    spelled = [text.encode() for text in texts]
    tail = b"".join(bytes([len(text)]) + text for text in spelled)
    return struct.pack("<4H", len(block), template, SCHEMA, version) + block + groups + tail


def _units(number: str) -> int:
    """Count units of 1e-8."""
    return _steps(number, 8)


def _steps(number: str, places: int) -> int:
    if number == "":
        return NO_VALUE
    return int(Decimal(number).scaleb(places).to_integral_value(rounding=ROUND_HALF_EVEN))
