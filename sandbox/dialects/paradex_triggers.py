"""Paradex's orders that wait for a price: which way each kind looks, read from the request.

Written from docs.paradex.trade (REST API: Create order; Order types: Stop orders, TP/SL). Which price sets them off
is not said there; the mark price is taken. Must not place or watch anything: the engine does.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Final

from sandbox.dialects.paradex_bodies import OrderBody, quantity
from sandbox.dialects.paradex_errors import ApiError
from sandbox.model import Trigger, TriggerWhen

BELOW: Final = "STOP_CONDITION_BELOW_TRIGGER"
ABOVE: Final = "STOP_CONDITION_ABOVE_TRIGGER"
CONDITIONS: Final = frozenset({BELOW, ABOVE})


def trigger_of(body: OrderBody, *, mark: Decimal) -> Trigger | None:
    """Return the condition of an order that waits, None for one that does not; refuse a missing trigger price."""
    if body.type in ("LIMIT", "MARKET"):
        return None
    price = quantity("trigger_price", body.trigger_price or "0")
    if not price:
        raise ApiError("VALIDATION_ERROR", f"trigger_price is required for {body.type}")
    return Trigger(price, _when(body, price, mark))


def moved_trigger(trigger: Trigger | None, text: str | None) -> Trigger | None:
    """Return the condition with the new price of a change request; None where nothing waits or nothing is asked."""
    if trigger is None or not text:
        return trigger
    return replace(trigger, price=quantity("trigger_price", text))


def _when(body: OrderBody, price: Decimal, mark: Decimal) -> TriggerWhen:
    """A stop loss sells below and buys above its price, a take profit the reverse; a plain stop by its flag or side
    of the mark price."""
    if body.type.startswith("STOP_LOSS"):
        return TriggerWhen.AT_OR_BELOW if body.side == "SELL" else TriggerWhen.AT_OR_ABOVE
    if body.type.startswith("TAKE_PROFIT"):
        return TriggerWhen.AT_OR_ABOVE if body.side == "SELL" else TriggerWhen.AT_OR_BELOW
    flags = set(body.flags or ())
    if flags >= CONDITIONS:
        raise ApiError("VALIDATION_ERROR", "a stop has one condition")
    if flags & CONDITIONS:
        return TriggerWhen.AT_OR_BELOW if BELOW in flags else TriggerWhen.AT_OR_ABOVE
    return TriggerWhen.AT_OR_ABOVE if price > mark else TriggerWhen.AT_OR_BELOW
