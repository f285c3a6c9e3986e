"""What holding a hedge earns or pays in funding, on one clock for every venue. Forecasts nothing."""

from __future__ import annotations

from decimal import Decimal

from core.market import FundingRate


def carry_per_hour(long_leg: FundingRate, short_leg: FundingRate) -> Decimal:
    """Return the expected funding of a hedge as a fraction of one leg's notional per hour; positive is received.

    A positive rate is paid by longs to shorts, so the hedge earns the short leg's rate and pays the long leg's. Venues
    fund over one, eight or other hours, so both rates are normalised to one hour before they are compared.
    """
    return short_leg.hourly - long_leg.hourly


def known_carry(long_leg: FundingRate | None, short_leg: FundingRate | None) -> Decimal | None:
    """Return carry_per_hour, or None while one of the rates is not known: unknown is no preference, not zero."""
    if long_leg is None or short_leg is None:
        return None
    return carry_per_hour(long_leg, short_leg)
