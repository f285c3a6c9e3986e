"""From our words to Paradex requests: paths, bodies, windows. Pure; it signs and sends nothing.

Source: docs.paradex.trade, API reference (orders, account, markets) and "Self trade prevention".
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import quote

from connectors.paradex.auth import OrderFields, StarkKey
from core.errors import VenueRejected
from core.instrument import Market, Venue
from core.numbers import canonical
from core.order import OrderIntent, OrderType, Side, TimeInForce, TriggerIntent, TriggerKind

RECV_WINDOW_MS_MIN = 10
RECV_WINDOW_MS_MAX = 300_000
AUTH_SIGNATURE_LIFE_S = 300
BATCH_MAX = 10  # the reference says 10, a release note 50: the smaller one is good under both
BOOK_DEPTH = 50
PAGE_SIZE = 500

# Of EXPIRE_MAKER, EXPIRE_TAKER and EXPIRE_BOTH the last leaves neither of two own orders that would meet.
SELF_TRADE_PREVENTION = "EXPIRE_BOTH"

LIMIT = "LIMIT"
TRIGGER_TYPES = {TriggerKind.STOP_LOSS: "STOP_LOSS_LIMIT", TriggerKind.TAKE_PROFIT: "TAKE_PROFIT_LIMIT"}

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


def order_fields(intent: OrderIntent, market: Market, timestamp_ms: int, kind: str = LIMIT) -> OrderFields:
    """Return what gets signed. Every order is a LIMIT at intent.price: a market order is one that is IOC.

    The venue's own MARKET type carries no price, only an account-wide slippage setting, so it bounds nothing here.
    """
    return OrderFields(
        timestamp_ms=timestamp_ms,
        venue_symbol=market.venue_symbol,
        side=intent.side,
        type=kind,
        size=intent.quantity,
        price=intent.price,
    )


def cannot_say(intent: OrderIntent) -> str | None:
    """Return why the venue has no words for an order, None where it has: its instructions know no fill-or-kill."""
    if intent.time_in_force is TimeInForce.FOK:
        return f"paradex has no fill-or-kill; nothing else was sent in its place ({intent.client_order_id})"
    return None


def order_body(intent: OrderIntent, fields: OrderFields, signature: str, window_ms: int) -> dict[str, object]:
    """Return the body of POST /orders around the signed fields."""
    instruction = "IOC" if intent.type is OrderType.MARKET else _INSTRUCTIONS[intent.time_in_force]
    body: dict[str, object] = {
        **_signed(fields, signature),
        "instruction": instruction,
        "stp": SELF_TRADE_PREVENTION,
        "client_id": intent.client_order_id,
        "recv_window": window_ms,
    }
    if intent.reduce_only:
        body["flags"] = ["REDUCE_ONLY"]
    return body


def trigger_body(trigger: TriggerIntent, fields: OrderFields, signature: str, window_ms: int) -> dict[str, object]:
    """Return the body of POST /orders for an order that waits for a price."""
    body = order_body(trigger.order, fields, signature, window_ms)
    return {**body, "trigger_price": canonical(trigger.trigger_price)}


def modification_body(venue_order_id: str, fields: OrderFields, signature: str) -> dict[str, object]:
    """Return the body of PUT /orders/{id}; size is the new total. What is not in it stays as it was."""
    return {"id": venue_order_id, **_signed(fields, signature)}


def cancel_batch_body(venue_order_ids: Sequence[str], client_order_ids: Sequence[str]) -> dict[str, object]:
    """Return the body of DELETE /orders/batch."""
    return {"order_ids": list(venue_order_ids), "client_order_ids": list(client_order_ids)}


def _signed(fields: OrderFields, signature: str) -> dict[str, object]:
    return {
        "market": fields.venue_symbol,
        "side": _SIDES[fields.side],
        "type": fields.type,
        "size": canonical(fields.size),
        "price": canonical(fields.price),
        "signature_timestamp": fields.timestamp_ms,
        "signature": signature,
    }


def encoded(body: object) -> bytes:
    """Write a body as compact JSON."""
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


def onboarding_params(key: StarkKey) -> dict[str, str]:
    """The question whether the venue has this key's account."""
    return {"account_signer_type": "starknet", "public_key": key.public_key_text}


def onboarding_headers(key: StarkKey, signature: str, ethereum_account: str) -> dict[str, str]:
    """The headers that open an account; the wallet's address is told, not proven."""
    return {
        "paradex-ethereum-account": ethereum_account,
        "paradex-starknet-account": key.account_text,
        "paradex-starknet-signature": signature,
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


def book_channels(market: Market) -> tuple[str, str]:
    """Every change of a book, under the two names the venue may take: bare first, then with parameters.

    The reference lists the channel with depth and interval, the venue has been seen to refuse exactly that
    (docs.paradex.trade, WebSocket API, order_book; answer -32600, October 2026).
    """
    bare = f"order_book.{market.venue_symbol}.deltas"
    return bare, f"{bare}@15@100ms"


def mark_channel(market: Market) -> str:
    """Mark, underlying price and funding of one market."""
    return f"markets_summary.{market.venue_symbol}"


PRIVATE_CHANNELS = (
    "orders.ALL", "fills.ALL", "positions", "account", "balance_events", "funding_payments.ALL", "tradebusts",
)  # fmt: skip
