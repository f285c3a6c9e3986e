"""Markets: what a venue lets one trade and on which grid. Holds rules, never prices."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from core.errors import PrecisionRefused
from core.numbers import canonical, floor_to, is_multiple


class Venue(StrEnum):
    """The venues this system can trade on. A name, never a branch: what differs lives in the connectors."""

    PACIFICA = "pacifica"
    PARADEX = "paradex"
    BACKPACK = "backpack"


@dataclass(frozen=True, slots=True)
class Market:
    """One perpetual market of one venue.

    tick, min_price and prices are in quote units per base unit; lot and quantities in base units; notionals
    in quote units. funding_interval_s is the venue's own funding period in seconds; continuous_funding says
    that it accrues by index instead of being paid at interval ends. Margin fractions are fractions of notional
    (0.02 = 50x). Fees are fractions of notional, a negative one is a rebate. price_band is the largest
    distance from mark, as a fraction, that the venue takes for an aggressive order.
    """

    venue: Venue
    symbol: str
    venue_symbol: str
    base: str
    quote: str
    tick: Decimal
    lot: Decimal
    min_quantity: Decimal
    min_notional: Decimal
    max_quantity: Decimal | None
    max_notional: Decimal | None
    initial_margin: Decimal
    maintenance_margin: Decimal
    maker_fee: Decimal
    taker_fee: Decimal
    funding_interval_s: int
    continuous_funding: bool = False
    price_band: Decimal | None = None
    reduce_only_ignores_min_notional: bool = False

    def check_price(self, price: Decimal) -> None:
        """Raise PrecisionRefused unless the price is positive and on the tick grid."""
        if price <= 0 or not is_multiple(price, self.tick):
            raise PrecisionRefused(
                f"{self.venue} {self.venue_symbol}: price {canonical(price)} is not a positive multiple of the "
                f"tick size {canonical(self.tick)}; round it to the tick first",
                venue=str(self.venue), symbol=self.symbol, field="price", step=canonical(self.tick),
            )  # fmt: skip

    def check_quantity(self, quantity: Decimal) -> None:
        """Raise PrecisionRefused unless the quantity is on the lot grid and not below the minimum."""
        if quantity <= 0 or not is_multiple(quantity, self.lot):
            raise PrecisionRefused(
                f"{self.venue} {self.venue_symbol}: quantity {canonical(quantity)} is not a positive multiple of "
                f"the lot size {canonical(self.lot)}; round it down to the lot first",
                venue=str(self.venue), symbol=self.symbol, field="quantity", step=canonical(self.lot),
            )  # fmt: skip
        if quantity < self.min_quantity:
            raise PrecisionRefused(
                f"{self.venue} {self.venue_symbol}: quantity {canonical(quantity)} is below the minimum "
                f"{canonical(self.min_quantity)}",
                venue=str(self.venue), symbol=self.symbol, field="quantity", step=canonical(self.lot),
            )  # fmt: skip

    def floor_quantity(self, quantity: Decimal) -> Decimal:
        """Round a quantity down to the lot grid (never up: a leg is never larger than asked)."""
        return floor_to(quantity, self.lot)
