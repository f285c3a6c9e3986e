"""How executions and funding change a position.

Duty: the arithmetic of one net position. Must not know orders, books or events.
Cost is carried instead of the entry price so that partial closes lose nothing: what one part releases, the
rest no longer holds.
"""

from __future__ import annotations

from decimal import Decimal

from sandbox.model import ZERO, Position, Side

COST_STEP = Decimal("0.0000000001")
FUNDING_STEP = Decimal("0.00000001")


def apply_execution(position: Position, side: Side, quantity: Decimal, price: Decimal) -> Decimal:
    """Change the position by one execution; return the realised PnL in quote, signed, before fees.

    Closing c base units of a position with sign s realises s * c * price - released cost.
    """
    delta = side.sign * quantity
    held = position.quantity
    if held * delta >= 0:
        position.quantity += delta
        position.cost += delta * price
        return ZERO
    sign = 1 if held > 0 else -1
    closing = min(abs(held), quantity)
    released = position.cost
    if closing < abs(held):
        released = (position.cost * closing / abs(held)).quantize(COST_STEP)
    realised = sign * closing * price - released
    position.quantity -= sign * closing
    position.cost -= released
    position.realised_pnl += realised
    rest = quantity - closing
    if rest:
        position.quantity = side.sign * rest
        position.cost = position.quantity * price
        position.realised_pnl = ZERO
        position.funding = ZERO
    return realised


def flips(position: Position, side: Side, quantity: Decimal) -> bool:
    """Whether an execution would turn a long into a short or the reverse."""
    return position.quantity * side.sign < 0 and quantity > abs(position.quantity)


def accrued_funding(position: Position, index: Decimal) -> Decimal:
    """Unbooked funding of a CONTINUOUS venue: -quantity * (index now - index at the last booking)."""
    return (-position.quantity * (index - position.funding_index)).quantize(FUNDING_STEP)


def unrealised_pnl(position: Position, mark: Decimal) -> Decimal:
    """quantity * mark - cost, signed."""
    return position.quantity * mark - position.cost
