"""Funding rates: the venues' common formula and the continuous index.

Duty: pure arithmetic. Rates are fractions: hourly venues per hour, the continuous venue per its period.
Sources: docs.pacifica.fi (Funding Rates), docs.paradex.trade (Funding mechanism), support.backpack.exchange
(Funding rate): interest 0.01 % per 8 h, pull of at most 0.05 %, then a cap.
"""

from __future__ import annotations

from decimal import Decimal

INTEREST_8H = Decimal("0.0001")
PULL_MAX = Decimal("0.0005")
HOUR_US = 3_600_000_000
RATE_STEP = Decimal("0.0000000001")
INDEX_STEP = Decimal("0.000000000001")


def rate_for(premium: Decimal, period_hours: int, cap: Decimal) -> Decimal:
    """Funding rate of one period from the premium (fraction of the index), capped symmetrically.

    (premium + clamp(0.01 % - premium, +-0.05 %)) is the rate of 8 hours; a period takes its share.
    """
    pull = min(max(INTEREST_8H - premium, -PULL_MAX), PULL_MAX)
    rate = (premium + pull) * period_hours / 8
    return min(max(rate, -cap), cap).quantize(RATE_STEP)


def index_step(rate: Decimal, index_price: Decimal, elapsed_us: int, period_hours: int) -> Decimal:
    """Growth of a continuous funding index: rate * price * elapsed / period, quote per base unit."""
    return (rate * index_price * elapsed_us / (period_hours * HOUR_US)).quantize(INDEX_STEP)


def hourly_payment(quantity: Decimal, price: Decimal, rate: Decimal) -> Decimal:
    """-quantity * price * rate, quote, + = received; rounded to six decimals."""
    return (-quantity * price * rate).quantize(Decimal("0.000001"))


def next_hour_us(now_us: int) -> int:
    """First full hour after `now_us`."""
    return (now_us // HOUR_US + 1) * HOUR_US
