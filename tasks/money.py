"""What the session has made so far: price result, fees and funding, from fills and booked payments alone."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from core.numbers import ZERO
from tasks.desk import Desk


@dataclass(frozen=True, slots=True)
class Tally:
    """Sums in quote units: price is realised and unrealised together, fees are positive when paid."""

    price: Decimal
    fees: Decimal
    funding: Decimal

    @property
    def pnl(self) -> Decimal:
        """What is left after fees and funding."""
        return self.price - self.fees + self.funding


def tally(desk: Desk) -> Tally:
    """Value the session at current marks; raises MarketDataUnavailable when an open position has no mark."""
    cash = sum((-f.side.sign * f.quantity * f.price for f in desk.fills), ZERO)
    value = ZERO
    if not desk.is_flat:
        marks = desk.mark_prices()
        value = sum((quantity * marks[name] for name, quantity in desk.positions.items()), ZERO)
    return Tally(
        price=cash + value,
        fees=sum((f.fee for f in desk.fills), ZERO),
        funding=sum((p.payment for p in desk.payments), ZERO),
    )


def session_pnl(desk: Desk) -> Decimal:
    """The session's PnL in quote units after fees and funding."""
    return tally(desk).pnl
