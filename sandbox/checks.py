"""Form checks of an order request against a market's rules.

Duty: refuse what is wrong by itself, without looking at books, positions or money.
"""

from __future__ import annotations

from decimal import Decimal

from sandbox.model import MarketSpec, Order, OrderKind, OrderRequest, Refusal, RefusalReason, TimeInForce, VenueRules


def check_form(spec: MarketSpec, rules: VenueRules, request: OrderRequest | Order, mark: Decimal) -> None:
    """Check price, tick, quantity, lot and notional bounds; raise Refusal.

    The notional is taken at the limit price, for market orders at mark. Reduce-only orders may be below the
    minimum notional where the venue's rules say so.
    """
    _check_price(spec, request)
    _check_quantity(spec, request.quantity)
    if request.tif is TimeInForce.POST_ONLY and request.kind is OrderKind.MARKET:
        raise Refusal(RefusalReason.PRICE, "a post-only order needs a limit price")
    notional = request.quantity * (request.price if request.price is not None else mark)
    exempt = request.reduce_only and rules.reduce_only_below_min_notional
    if notional < spec.min_notional and not exempt:
        raise Refusal(
            RefusalReason.MIN_NOTIONAL,
            f"{notional:f} < {spec.min_notional:f}",
            notional=f"{notional:f}",
            minimum=f"{spec.min_notional:f}",
        )
    if notional > spec.max_notional:
        raise Refusal(
            RefusalReason.MAX_NOTIONAL,
            f"{notional:f} > {spec.max_notional:f}",
            notional=f"{notional:f}",
            maximum=f"{spec.max_notional:f}",
        )


def _check_price(spec: MarketSpec, request: OrderRequest | Order) -> None:
    price = request.price
    if request.kind is OrderKind.MARKET:
        if price is not None:
            raise Refusal(RefusalReason.PRICE, "a market order has no limit price")
        return
    if price is None or not price.is_finite() or price <= 0 or price > spec.max_price:
        raise Refusal(RefusalReason.PRICE, f"price must be above 0 and at most {spec.max_price:f}")
    if price % spec.tick:
        raise Refusal(
            RefusalReason.TICK,
            f"{price:f} is not a multiple of tick size {spec.tick:f}",
            price=f"{price:f}",
            tick=f"{spec.tick:f}",
        )


def _check_quantity(spec: MarketSpec, quantity: Decimal) -> None:
    if not quantity.is_finite() or quantity <= 0:
        raise Refusal(RefusalReason.QUANTITY, "quantity must be above 0")
    if quantity % spec.lot:
        raise Refusal(
            RefusalReason.LOT,
            f"{quantity:f} is not a multiple of lot size {spec.lot:f}",
            quantity=f"{quantity:f}",
            lot=f"{spec.lot:f}",
        )
    if quantity < spec.min_quantity:
        raise Refusal(RefusalReason.QUANTITY, f"{quantity:f} < {spec.min_quantity:f}")
