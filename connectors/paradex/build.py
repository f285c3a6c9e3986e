"""From our words to Paradex requests: paths, bodies, windows. Pure; it signs and sends nothing.

Source: docs.paradex.trade, API reference (orders, account, markets) and "Self trade prevention".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import quote

from connectors.paradex.auth import OrderFields, StarkKey
from core.errors import VenueRejected
from core.instrument import Market, Venue
from core.numbers import canonical
from core.order import OrderIntent, OrderType, Side, TimeInForce

RECV_WINDOW_MS_MIN = 10
RECV_WINDOW_MS_MAX = 300_000
AUTH_SIGNATURE_LIFE_S = 300
BOOK_DEPTH = 50
PAGE_SIZE = 500

# Of EXPIRE_MAKER, EXPIRE_TAKER and EXPIRE_BOTH the last leaves neither of two own orders that would meet.
SELF_TRADE_PREVENTION = "EXPIRE_BOTH"

_SIDES = {Side.BUY: "BUY", Side.SELL: "SELL"}
_INSTRUCTIONS = {TimeInForce.GTC: "GTC", TimeInForce.IOC: "IOC", TimeInForce.POST_ONLY: "POST_ONLY"}
_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


@dataclass(frozen=True, slots=True)
class Listing:
    """The open perpetual markets, found by our symbol and by the venue's."""

    by_symbol: Mapping[str, Market]
    names: Mapping[str, str] = field(repr=False)

    @classmethod
    def of(cls, markets: Mapping[str, Market]) -> Listing:
        """Index markets both ways."""
        return cls(markets, {market.venue_symbol: symbol for symbol, market in markets.items()})

    def market(self, symbol: str) -> Market:
        """Return a market; raise VenueRejected when the venue has no such open perpetual."""
        market = self.by_symbol.get(symbol)
        if market is None:
            raise VenueRejected(
                f"paradex: there is no open perpetual market {symbol}; ask markets() for those there are",
                venue=str(Venue.PARADEX), symbol=symbol,
            )  # fmt: skip
        return market

    def symbol_of(self, venue_symbol: str) -> str:
        """Return our symbol; a market outside the listing (an option, a closed one) keeps the venue's name."""
        return self.names.get(venue_symbol, venue_symbol)


def millis(moment: datetime) -> int:
    """Whole milliseconds since the epoch, rounded down."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def recv_window_ms(valid_until: datetime, now: datetime) -> int | None:
    """How long after its timestamp the venue may still take an order, in ms.

    None when less than the venue's minimum is left: such an order must not be sent any more. Longer than the
    venue's own default is never asked for.
    """
    left = (valid_until - now) // timedelta(milliseconds=1)
    return None if left < RECV_WINDOW_MS_MIN else min(left, RECV_WINDOW_MS_MAX)


def order_fields(intent: OrderIntent, market: Market, timestamp_ms: int) -> OrderFields:
    """Return what gets signed. Every order is a LIMIT at intent.price: a market order is one that is IOC.

    The venue's own MARKET type carries no price, only an account-wide slippage setting, so it bounds nothing here.
    """
    return OrderFields(
        timestamp_ms=timestamp_ms,
        venue_symbol=market.venue_symbol,
        side=intent.side,
        type="LIMIT",
        size=intent.quantity,
        price=intent.price,
    )


def order_body(intent: OrderIntent, fields: OrderFields, signature: str, window_ms: int) -> bytes:
    """Return the body of POST /orders around the signed fields."""
    instruction = "IOC" if intent.type is OrderType.MARKET else _INSTRUCTIONS[intent.time_in_force]
    body: dict[str, object] = {
        "market": fields.venue_symbol,
        "side": _SIDES[fields.side],
        "type": fields.type,
        "size": canonical(fields.size),
        "price": canonical(fields.price),
        "instruction": instruction,
        "stp": SELF_TRADE_PREVENTION,
        "client_id": intent.client_order_id,
        "recv_window": window_ms,
        "signature_timestamp": fields.timestamp_ms,
        "signature": signature,
    }
    if intent.reduce_only:
        body["flags"] = ["REDUCE_ONLY"]
    return json.dumps(body, separators=(",", ":")).encode()


def auth_path(key: StarkKey) -> str:
    """The token request's path: with the public key, so that a subkey may sign."""
    return f"/v1/auth/{key.public_key_text}"


def auth_headers(key: StarkKey, signature: str, timestamp_s: int) -> dict[str, str]:
    """The token request's headers. The expiration is that of the signature; the token's life is the venue's own."""
    return {
        "paradex-starknet-account": key.account_text,
        "paradex-starknet-signature": signature,
        "paradex-timestamp": str(timestamp_s),
        "paradex-signature-expiration": str(timestamp_s + AUTH_SIGNATURE_LIFE_S),
        "content-type": "application/json",
    }


def order_path(venue_order_id: str) -> str:
    """One order by the venue's id."""
    return f"/v1/orders/{quote(venue_order_id, safe='')}"


def client_order_path(client_order_id: str) -> str:
    """One open order by our id."""
    return f"/v1/orders/by_client_id/{quote(client_order_id, safe='')}"


def in_market(path: str, market: Market) -> str:
    """A path with its market as query."""
    return f"{path}?market={quote(market.venue_symbol, safe='')}"


def book_channel(market: Market) -> str:
    """Every change of a book; the bare name, as the venue takes no parameters for it."""
    return f"order_book.{market.venue_symbol}.deltas"


def mark_channel(market: Market) -> str:
    """Mark, underlying price and funding of one market."""
    return f"markets_summary.{market.venue_symbol}"


ORDERS_CHANNEL = "orders.ALL"
FILLS_CHANNEL = "fills.ALL"
