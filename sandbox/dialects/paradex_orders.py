"""Paradex's order desk: checks, queues, cancels and changes orders.

Written from docs.paradex.trade (REST API: Orders; Trading: Order types, Price bands, Self-trade prevention).
The answer 201 with status NEW means only "queued": margin, bands, post-only and reduce-only are judged a
moment later by the engine and told by order events. Must not know HTTP or WebSocket framing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from core.numbers import is_multiple
from sandbox.dialects.paradex_bodies import (
    CancelBatchBody,
    ModifyBody,
    OrderBody,
    SignedBody,
    order_price,
    order_signature,
    quantity,
    signed_terms,
)
from sandbox.dialects.paradex_errors import ApiError, of_refusal
from sandbox.dialects.paradex_keys import KeyRing
from sandbox.dialects.paradex_market_rows import DEFAULT_SIZE_CAPS, MARKET_MAX_SLIPPAGE, SIZE_CAPS
from sandbox.dialects.paradex_rows import VENUE, Serials, order_type, text
from sandbox.dialects.paradex_triggers import CONDITIONS, moved_trigger, trigger_of
from sandbox.exchange import Exchange
from sandbox.model import (
    MarketSpec,
    Order,
    OrderKind,
    OrderRequest,
    OrderStatus,
    Refusal,
    SelfTradePrevention,
    Side,
    TimeInForce,
    Trigger,
    VenueMode,
)
from sandbox.world import World

RISK_QUEUE_US: Final = 2_000
RECV_WINDOW_MS: Final = 300_000
FUTURE_TOLERANCE_MS: Final = 60_000
SLIPPAGE_ATTRIBUTE: Final = "market_max_slippage"

_TIFS: Final[Mapping[str, TimeInForce]] = {
    "": TimeInForce.GTC,
    "GTC": TimeInForce.GTC,
    "IOC": TimeInForce.IOC,
    "POST_ONLY": TimeInForce.POST_ONLY,
}
_STPS: Final[Mapping[str, SelfTradePrevention]] = {
    "EXPIRE_MAKER": SelfTradePrevention.CANCEL_MAKER,
    "EXPIRE_TAKER": SelfTradePrevention.CANCEL_TAKER,
    "EXPIRE_BOTH": SelfTradePrevention.CANCEL_BOTH,
}


@dataclass(frozen=True, slots=True)
class BatchOutcome:
    """What became of each entry of a batch, in the order in which they came."""

    entries: list[Order | ApiError]

    @property
    def orders(self) -> list[Order]:
        """The accepted ones."""
        return [entry for entry in self.entries if isinstance(entry, Order)]

    @property
    def errors(self) -> list[ApiError]:
        """The refusals of the others."""
        return [entry for entry in self.entries if isinstance(entry, ApiError)]


@dataclass(frozen=True, slots=True)
class CancelOutcome:
    """What became of one entry of a batch cancel; `order` is None if there is no such order."""

    asked_id: str | None
    asked_client_id: str | None
    order: Order | None
    status: str


class OrderDesk:
    """All order commands of one venue."""

    def __init__(self, world: World, exchange: Exchange, keys: KeyRing, ids: Serials) -> None:
        self._world = world
        self._exchange = exchange
        self._keys = keys
        self._ids = ids

    # --- placing ----------------------------------------------------------------------------------
    def place(self, account: str, body: OrderBody) -> Order:
        """Check an order, give it an id with status NEW and queue it for the risk check."""
        self._require_mode(body)
        request, trigger = self._vet(account, body), self._trigger(body)
        self._require_signature(account, body)
        return self._accept(request, trigger)

    def place_batch(self, account: str, bodies: Sequence[OrderBody]) -> BatchOutcome:
        """Place several orders. One bad signature refuses all; afterwards each stands alone."""
        self.check_batch_size(len(bodies))
        for body in bodies:
            self._require_signature(account, body)
        outcome = BatchOutcome([])
        for body in bodies:
            try:
                self._require_mode(body)
                outcome.entries.append(self._accept(self._vet(account, body), self._trigger(body)))
            except ApiError as error:
                outcome.entries.append(error)
        return outcome

    def check_batch_size(self, entries: int) -> None:
        """Refuse an empty batch and one larger than the venue takes."""
        most = self._world.quirks.number(VENUE, "batch_max")
        if not 1 <= entries <= most:
            raise ApiError("BATCH_SIZE_OUT_OF_RANGE", f"a batch holds 1 to {most} entries")

    def _vet(self, account: str, body: OrderBody) -> OrderRequest:
        spec = self._market(body.market)
        _check_offered(body)
        self._check_timestamp(body.signature_timestamp, body.recv_window or RECV_WINDOW_MS)
        size, price = quantity("size", body.size), order_price(body)
        is_reduce_only = "REDUCE_ONLY" in (body.flags or ())
        self._check_form(account, spec, size, price, is_reduce_only=is_reduce_only)
        self._check_slots(account, spec, body.client_id)
        is_market, side = body.type.endswith("MARKET"), Side(body.side)
        return OrderRequest(
            account=account,
            instrument=spec.instrument,
            side=side,
            kind=OrderKind.MARKET if is_market else OrderKind.LIMIT,
            quantity=size,
            price=None if is_market else price,
            tif=TimeInForce.IOC if is_market else _TIFS[body.instruction],
            reduce_only=is_reduce_only,
            client_id=body.client_id or None,
            stp=_STPS[body.stp or "EXPIRE_TAKER"],
            bound_price=self._terminal_price(account, spec, side) if body.type == "MARKET" else None,
            tags=_tags(body),
        )

    def _trigger(self, body: OrderBody) -> Trigger | None:
        spec = self._market(body.market)
        return trigger_of(body, mark=self._exchange.mark(spec.instrument))

    def _require_mode(self, body: OrderBody) -> None:
        """Refuse what the venue does not take in its maintenance window (docs: Maintenance)."""
        mode = self._exchange.mode(self._market(body.market).instrument)
        if mode is VenueMode.MAINTENANCE:
            raise ApiError("SERVICE_UNAVAILABLE", "the venue is in maintenance", status=503)
        if mode is VenueMode.CANCEL_ONLY:
            raise ApiError("SYSTEM_STATUS_CANCEL_ONLY", "only cancels are taken now")
        if mode is VenueMode.POST_ONLY and body.instruction != "POST_ONLY":
            raise ApiError("SYSTEM_STATUS_POST_ONLY", "only post-only orders are taken now")

    def _accept(self, request: OrderRequest, trigger: Trigger | None) -> Order:
        try:
            if trigger is not None:
                return self._exchange.place_trigger(request, trigger)
            order = self._exchange.accept(request)
        except Refusal as refusal:
            raise of_refusal(refusal) from None
        number = order.id
        self._world.call_later(RISK_QUEUE_US, lambda: self._execute(number))
        return order

    def _execute(self, number: int) -> None:
        self._exchange.execute(number)

    def _market(self, symbol: str) -> MarketSpec:
        try:
            return self._exchange.market_by_symbol(symbol)
        except Refusal:
            raise ApiError("INVALID_SYMBOL", f"unknown market {symbol[:31]!r}") from None

    def _check_timestamp(self, timestamp_ms: int, window_ms: int) -> None:
        now_ms = self._world.wall_us(VENUE) // 1000
        if now_ms > timestamp_ms + window_ms:
            raise ApiError("INVALID_TIMESTAMP", "the order was received after its recv_window")
        if timestamp_ms > now_ms + FUTURE_TOLERANCE_MS:
            raise ApiError("INVALID_TIMESTAMP", "signature_timestamp lies in the future")

    def _check_form(
        self, account: str, spec: MarketSpec, size: Decimal, price: Decimal, *, is_reduce_only: bool
    ) -> None:
        if price and not is_multiple(price, spec.tick):
            code = self._world.quirks.text(VENUE, "tick_error_code")
            raise ApiError(code, f"price must be a multiple of {text(spec.tick)}")
        if not size or not is_multiple(size, spec.lot):
            raise ApiError("INVALID_ORDER_SIZE", f"size must be a positive multiple of {text(spec.lot)}")
        largest = SIZE_CAPS.get(spec.base, DEFAULT_SIZE_CAPS)[0]
        if size > largest:
            raise ApiError("INVALID_ORDER_SIZE", f"size must be at most {text(largest)}")
        notional = size * (price or self._exchange.mark(spec.instrument))
        closes_all = is_reduce_only and size == abs(self._held(account, spec.instrument))
        if notional < spec.min_notional and not closes_all:
            raise ApiError("INVALID_ORDER_SIZE", f"notional must be at least {text(spec.min_notional)}")

    def _held(self, account: str, instrument: str) -> Decimal:
        positions = self._exchange.positions(account)
        return next((p.quantity for p in positions if p.instrument == instrument), Decimal(0))

    def _check_slots(self, account: str, spec: MarketSpec, client_id: str | None) -> None:
        if client_id:
            known = self._exchange.order(account, client_id=client_id)
            if known is not None and known.is_live:
                raise ApiError("DUPLICATED_CLIENT_ID", "an open order has this client_id")
        most = self._exchange.rules.open_orders_max
        if len(self._exchange.open_orders(account, spec.instrument)) >= most:
            raise ApiError("VALIDATION_ERROR", f"at most {most} open orders per market")

    def _require_signature(self, account: str, body: SignedBody, *, modified_id: str | None = None) -> None:
        terms, signature = signed_terms(body), order_signature(body)
        if not self._keys.signed_order(account, terms, signature, modified_id=modified_id):
            code = self._world.quirks.text(VENUE, "order_signature_error_code")
            raise ApiError(code, "the signature does not match the order")

    def _terminal_price(self, account: str, spec: MarketSpec, side: Side) -> Decimal:
        """Return the worst price of a MARKET order: the band round mark, tightened by the slippage cap."""
        band = self._exchange.mark(spec.instrument) * (1 + side.sign * spec.band_aggressive)
        bid, ask = self._exchange.best(spec.instrument)
        opposite = ask if side is Side.BUY else bid
        if opposite is None:
            return band
        cap = self.slippage_caps(account).get(spec.symbol, MARKET_MAX_SLIPPAGE)
        reach = opposite.price * (1 + side.sign * cap)
        return min(band, reach) if side is Side.BUY else max(band, reach)

    def slippage_caps(self, account: str) -> dict[str, Decimal]:
        """Return the account's own slippage caps by market (fractions)."""
        caps = json.loads(self._exchange.account(account).attributes.get(SLIPPAGE_ATTRIBUTE, "{}"))
        return {symbol: Decimal(cap) for symbol, cap in caps.items()}

    def set_slippage_cap(self, account: str, symbol: str, cap: Decimal) -> None:
        """Choose the account's slippage cap of one market (fraction, at most the band)."""
        spec = self._market(symbol)
        if not 0 < cap <= spec.band_aggressive:
            raise ApiError("VALIDATION_ERROR", "max_slippage must be above 0 and within the price band")
        caps = {**self.slippage_caps(account), symbol: cap}
        spelled = json.dumps({name: text(value) for name, value in caps.items()})
        self._exchange.account(account).attributes[SLIPPAGE_ATTRIBUTE] = spelled

    # --- changing ---------------------------------------------------------------------------------
    def modify(self, account: str, wire_id: str, body: ModifyBody) -> Order:
        """Give a resting limit order a new total size and price; it loses its place in the queue."""
        if body.id != wire_id:
            raise ApiError("VALIDATION_ERROR", "id must be the same in path and body")
        order = self.by_id(account, wire_id)
        self._check_timestamp(body.signature_timestamp, RECV_WINDOW_MS)
        spec = self._exchange.markets[order.instrument]
        if (body.market, body.side, body.type) != (spec.symbol, order.side.value, order_type(order)):
            raise ApiError("VALIDATION_ERROR", "market, side and type cannot be changed")
        size, price = quantity("size", body.size), order_price(body)
        self._check_form(account, spec, size, price, is_reduce_only=order.reduce_only)
        self._require_signature(account, body, modified_id=wire_id)
        _require_not_closed(order)
        if order.status is OrderStatus.NEW:
            raise ApiError("ORDER_IS_NOT_OPEN", "the order is still in the risk queue")
        trigger = moved_trigger(order.trigger, body.trigger_price)
        try:
            return self._exchange.amend(account, order.id, price=price, quantity=size, trigger=trigger)
        except Refusal as refusal:
            raise of_refusal(refusal) from None

    # --- cancelling -------------------------------------------------------------------------------
    def cancel(self, account: str, wire_id: str) -> Order:
        """Queue the cancel of a live order; a fill may still come before it."""
        order = self.by_id(account, wire_id)
        _require_not_closed(order)
        self._queue_cancel(order)
        return order

    def cancel_by_client_id(self, account: str, client_id: str, symbol: str | None) -> Order:
        """Queue the cancel of the live order with this client id."""
        order = self.by_client_id(account, client_id)
        if symbol is not None and self._exchange.markets[order.instrument].symbol != symbol:
            raise ApiError("CLIENT_ORDER_ID_NOT_FOUND", "no order with this client_id in this market")
        _require_not_closed(order)
        self._queue_cancel(order)
        return order

    def cancel_all(self, account: str, symbol: str | None) -> list[Order]:
        """Queue the cancel of every order that is live now (of one market)."""
        instrument = None if symbol is None else self._market(symbol).instrument
        orders = self.live(account, instrument)
        for order in orders:
            self._queue_cancel(order)
        return orders

    def live(self, account: str, instrument: str | None = None) -> list[Order]:
        """Return the account's orders that are not closed, those that wait for their trigger too, oldest first."""
        resting = self._exchange.open_orders(account, instrument)
        return sorted([*resting, *self._exchange.waiting_orders(account, instrument)], key=lambda order: order.id)

    def cancel_batch(self, account: str, body: CancelBatchBody) -> list[CancelOutcome]:
        """Queue several cancels; each entry is answered on its own."""
        self.check_batch_size(len(body.order_ids) + len(body.client_order_ids))
        outcomes = [self._cancel_entry(account, wire_id, None) for wire_id in body.order_ids]
        return outcomes + [self._cancel_entry(account, None, cid) for cid in body.client_order_ids]

    def _cancel_entry(self, account: str, wire_id: str | None, client_id: str | None) -> CancelOutcome:
        order = self._find(account, wire_id, client_id)
        if order is None:
            return CancelOutcome(wire_id, client_id, None, "NOT_FOUND")
        if not order.is_live:
            return CancelOutcome(wire_id, client_id, order, "ALREADY_CLOSED")
        self._queue_cancel(order)
        return CancelOutcome(wire_id, client_id, order, "QUEUED_FOR_CANCELLATION")

    def _queue_cancel(self, order: Order) -> None:
        if self._exchange.mode(order.instrument) is VenueMode.MAINTENANCE:
            raise ApiError("SERVICE_UNAVAILABLE", "the venue is in maintenance", status=503)
        account, number = order.account, order.id

        def run() -> None:
            with suppress(Refusal):  # a fill or another cancel came first; the order's last event tells
                self._exchange.cancel(account, order_id=number)

        self._world.call_later(RISK_QUEUE_US, run)

    # --- finding ----------------------------------------------------------------------------------
    def by_id(self, account: str, wire_id: str) -> Order:
        """Return the account's order, live or closed; refuse with ORDER_ID_NOT_FOUND."""
        order = self._find(account, wire_id, None)
        if order is None:
            raise ApiError("ORDER_ID_NOT_FOUND", "order id not found")
        return order

    def by_client_id(self, account: str, client_id: str) -> Order:
        """Return the account's newest order with this client id; refuse with CLIENT_ORDER_ID_NOT_FOUND."""
        order = self._find(account, None, client_id)
        if order is None:
            raise ApiError("CLIENT_ORDER_ID_NOT_FOUND", "client order id not found")
        return order

    def _find(self, account: str, wire_id: str | None, client_id: str | None) -> Order | None:
        if wire_id is None:
            return self._exchange.order(account, client_id=client_id)
        number = self._ids.order_number(wire_id)
        return None if number is None else self._exchange.order(account, order_id=number)


def _check_offered(body: OrderBody) -> None:
    """Refuse what the venue refuses this account, and say plainly what this twin does not offer."""
    if body.instruction == "RPI":
        raise ApiError("RPI_ACCOUNT_NOT_WHITELISTED", "RPI orders are for whitelisted accounts")
    if body.instruction == "POST_ONLY" and body.type not in ("LIMIT", "STOP_LIMIT"):
        raise ApiError("VALIDATION_ERROR", "POST_ONLY goes with LIMIT and STOP_LIMIT only")
    if body.instruction == "IOC" and body.type not in ("LIMIT", "MARKET"):
        raise ApiError("VALIDATION_ERROR", "IOC goes with LIMIT only")
    unknown = set(body.flags or ()) - {"REDUCE_ONLY", *CONDITIONS}
    if unknown:
        raise ApiError("VALIDATION_ERROR", f"flags not offered by this twin: {', '.join(sorted(unknown))[:80]}")
    if body.on_behalf_of_account:
        raise ApiError("VALIDATION_ERROR", "isolated-margin accounts are not offered by this twin")


def _require_not_closed(order: Order) -> None:
    if not order.is_live:
        raise ApiError("ORDER_IS_CLOSED", "the order is closed")


def _tags(body: OrderBody) -> dict[str, str]:
    return {
        "type": body.type,
        "instruction": body.instruction or "GTC",
        "flags": json.dumps(body.flags or []),
        "stp": body.stp or "EXPIRE_TAKER",
        "timestamp": str(body.signature_timestamp),
    }
