"""Public engine facts as Paradex's JSON rows: markets, prices, books, trades, funding observations.

Written from docs.paradex.trade (REST API schemas Market, MarketSummary, Orderbook, Trade, FundingData).
Pure rendering, the same for REST and WebSocket. Must not decide or read a clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final

from sandbox.candles import Candle
from sandbox.dialects.paradex_rows import COLLATERAL, Row, Serials, fine_text, millis, text
from sandbox.events import BookChanged, LevelChange, Trade
from sandbox.model import BookLevel, BookSnapshot, MarketSpec, Side, VenueRules

QUOTE: Final = "USD"
OPENED_AT_MS: Final = 1_700_000_000_000

# Per market: largest order and largest position in base units. No public page fixes them: plausible values.
SIZE_CAPS: Final[Mapping[str, tuple[Decimal, Decimal]]] = {
    "BTC": (Decimal(50), Decimal(500)),
    "ETH": (Decimal(1_000), Decimal(10_000)),
    "SOL": (Decimal(20_000), Decimal(200_000)),
}
DEFAULT_SIZE_CAPS: Final = (Decimal(10_000), Decimal(100_000))
# Farthest a MARKET order may go from the best price, for a market of 50x (docs.paradex.trade, Price bands).
MARKET_MAX_SLIPPAGE: Final = Decimal("0.001")


def market_row(spec: MarketSpec, rules: VenueRules) -> Row:
    """Render a market's rules."""
    order_cap, position_cap = SIZE_CAPS.get(spec.base, DEFAULT_SIZE_CAPS)
    return {
        "symbol": spec.symbol,
        "base_currency": spec.base,
        "quote_currency": QUOTE,
        "settlement_currency": COLLATERAL,
        "order_size_increment": text(spec.lot),
        "price_tick_size": text(spec.tick),
        "min_notional": text(spec.min_notional),
        "max_order_size": text(order_cap),
        "position_limit": text(position_cap),
        "max_open_orders": rules.open_orders_max,
        "price_bands_width": text(spec.band_aggressive),
        "max_slippage": text(MARKET_MAX_SLIPPAGE),
        "asset_kind": "PERP",
        "market_kind": "cross",
        "trading_mode": "STANDARD",
        "open_at": OPENED_AT_MS,
        "expiry_at": 0,
        "funding_period_hours": rules.funding_period_hours,
        "funding_multiplier": 1,
        "interest_rate": "0.0001",
        "clamp_rate": "0.0005",
        "max_funding_rate": text(rules.funding_rate_cap),
        "oracle_ewma_factor": "0.20000046249626113",
        "delta1_cross_margin_params": {
            "imf_base": text(spec.imf_base),
            "imf_factor": text(spec.imf_factor),
            "imf_shift": "0",
            "mmf_factor": text(spec.mmf_base / spec.imf_base),
        },
        "fee_config": {
            "api_fee": _fees(spec.maker_fee, spec.taker_fee),
            "interactive_fee": _fees(Decimal(0), Decimal(0)),
            "rpi_fee": _fees(spec.maker_fee, spec.taker_fee),
        },
        "tags": [],
    }


def _fees(maker: Decimal, taker: Decimal) -> Row:
    return {"maker_fee": _fee(maker), "taker_fee": _fee(taker)}


def _fee(rate: Decimal) -> Row:
    return {"fee": text(rate), "fee_cap": text(rate), "fee_floor": text(min(rate, Decimal(0)))}


def summary_row(
    spec: MarketSpec,
    *,
    mark: Decimal,
    index: Decimal,
    last_price: Decimal | None,
    best: tuple[BookLevel | None, BookLevel | None],
    volume_24h: Decimal,
    open_interest: Decimal,
    funding_rate: Decimal,
    change_24h: Decimal,
    now_us: int,
) -> Row:
    """Render a market's prices of now; change_24h is a fraction."""
    bid, ask = best
    return {
        "symbol": spec.symbol,
        "mark_price": text(mark),
        "underlying_price": text(index),
        "external_fair_price": text(index),
        "last_traded_price": text(last_price),
        "bid": text(bid.price if bid else None),
        "bid_size": text(bid.quantity if bid else None),
        "ask": text(ask.price if ask else None),
        "ask_size": text(ask.quantity if ask else None),
        "volume_24h": text(volume_24h),
        "total_volume": text(volume_24h),
        "open_interest": text(open_interest),
        "funding_rate": fine_text(funding_rate),
        "price_change_rate_24h": text(change_24h),
        "created_at": millis(now_us),
    }


def bbo_row(spec: MarketSpec, best: tuple[BookLevel | None, BookLevel | None], *, seq: int, time_us: int) -> Row:
    """Render the best prices; an empty side has empty texts."""
    bid, ask = best
    return {
        "market": spec.symbol,
        "bid": text(bid.price if bid else None),
        "bid_size": text(bid.quantity if bid else None),
        "ask": text(ask.price if ask else None),
        "ask_size": text(ask.quantity if ask else None),
        "seq_no": seq,
        "last_updated_at": millis(time_us),
    }


def book_row(spec: MarketSpec, book: BookSnapshot, depth: int) -> Row:
    """Render the REST book: [price, size] pairs, best first."""
    return {
        "market": spec.symbol,
        "seq_no": book.seq,
        "last_updated_at": millis(book.time_us),
        "bids": [_pair(level) for level in book.bids[:depth]],
        "asks": [_pair(level) for level in book.asks[:depth]],
        **_bests(_first(book.bids), _first(book.asks)),
    }


def book_snapshot_row(spec: MarketSpec, book: BookSnapshot) -> Row:
    """Render a whole book as the first frame of a book channel."""
    inserts = [_level(Side.BUY, level.price, level.quantity) for level in book.bids]
    inserts += [_level(Side.SELL, level.price, level.quantity) for level in book.asks]
    return _book_update(
        spec, "s", book.seq, book.time_us, inserts=inserts, bid=_first(book.bids), ask=_first(book.asks)
    )


def book_delta_row(spec: MarketSpec, change: BookChanged, best: tuple[BookLevel | None, BookLevel | None]) -> Row:
    """Render the levels that one command changed."""
    rows: dict[str, list[Row]] = {"inserts": [], "updates": [], "deletes": []}
    for level in change.levels:
        rows[_kind(level)].append(_level(level.side, level.price, level.quantity))
    return _book_update(spec, "d", change.seq, change.time_us, bid=best[0], ask=best[1], **rows)


def _kind(level: LevelChange) -> str:
    if level.quantity == 0:
        return "deletes"
    return "inserts" if level.before == 0 else "updates"


def _book_update(
    spec: MarketSpec,
    update_type: str,
    seq: int,
    time_us: int,
    *,
    bid: BookLevel | None,
    ask: BookLevel | None,
    inserts: list[Row],
    updates: Iterable[Row] = (),
    deletes: Iterable[Row] = (),
) -> Row:
    return {
        "market": spec.symbol,
        "seq_no": seq,
        "last_updated_at": millis(time_us),
        "update_type": update_type,
        "inserts": inserts,
        "updates": list(updates),
        "deletes": list(deletes),
        **_bests(bid, ask),
    }


def _bests(bid: BookLevel | None, ask: BookLevel | None) -> Row:
    bid_pair, ask_pair = (_pair(level) if level else [] for level in (bid, ask))
    return {
        "best_bid_api": bid_pair,
        "best_ask_api": ask_pair,
        "best_bid_interactive": bid_pair,
        "best_ask_interactive": ask_pair,
    }


def _first(levels: tuple[BookLevel, ...]) -> BookLevel | None:
    return levels[0] if levels else None


def _pair(level: BookLevel) -> list[str]:
    return [text(level.price), text(level.quantity)]


def _level(side: Side, price: Decimal, quantity: Decimal) -> Row:
    return {"side": side.value, "price": text(price), "size": text(quantity)}


def candle_row(candle: Candle) -> list[float]:
    """Render a candle: its start in ms and five JSON numbers, as the venue writes them."""
    prices = (candle.open, candle.high, candle.low, candle.close, candle.quantity)
    return [millis(candle.begin_us), *(float(text(number)) for number in prices)]


def trade_row(spec: MarketSpec, trade: Trade, *, ids: Serials) -> Row:
    """Render a public trade; `side` is the taker's."""
    return {
        "id": ids.event(trade.id),
        "market": spec.symbol,
        "side": trade.side.value,
        "price": text(trade.price),
        "size": text(trade.quantity),
        "created_at": millis(trade.time_us),
        "trade_type": "FILL",
    }


def funding_row(
    spec: MarketSpec, *, index: Decimal, rate: Decimal, spot: Decimal, period_hours: int, time_us: int
) -> Row:
    """Render one observation of the funding index. premium = rate * spot, per period (docs, Funding)."""
    return {
        "market": spec.symbol,
        "funding_index": fine_text(index),
        "funding_premium": fine_text(rate * spot),
        "funding_rate": fine_text(rate),
        "funding_rate_8h": fine_text(rate * 8 / period_hours),
        "funding_period_hours": period_hours,
        "created_at": millis(time_us),
    }
