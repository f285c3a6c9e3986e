"""Decimal numbers with named rounding. The one module that quantizes; it never sees a float."""

from __future__ import annotations

import math
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal, InvalidOperation

ZERO = Decimal(0)
ONE = Decimal(1)
BPS = Decimal("0.0001")

# Wide enough that no product of two venue numbers is ever rounded by accident.
_EXACT = Context(prec=60)


class NotANumber(ValueError):
    """A text that should hold a finite decimal number does not."""


def decimal(value: str | int | Decimal) -> Decimal:
    """Read a finite decimal from text or an integer; raise NotANumber for NaN, infinities and floats."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise NotANumber(f"expected decimal text, got {type(value).__name__}")
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise NotANumber(f"not a decimal number: {str(value)[:40]!r}") from None
    if not number.is_finite():
        raise NotANumber(f"not a finite number: {number}")
    return number


def plain(value: Decimal) -> str:
    """Write a decimal without exponent, keeping its digits: Decimal('1E-7') -> '0.0000001'."""
    return format(value, "f")


def canonical(value: Decimal) -> str:
    """Write a decimal without exponent and without trailing zeros: the one text for one value."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def is_multiple(value: Decimal, step: Decimal) -> bool:
    """Tell whether `value` lies on the grid of `step` (> 0)."""
    return _EXACT.remainder(value, step) == 0


def steps(value: Decimal, step: Decimal) -> int:
    """Count whole steps in a value that lies on the grid; raise ValueError when it does not."""
    count = _EXACT.divide(value, step)
    if count != count.to_integral_value():
        raise ValueError(f"{plain(value)} is not a multiple of {plain(step)}")
    return int(count)


def floor_to(value: Decimal, step: Decimal) -> Decimal:
    """Round toward minus infinity onto the grid of `step`."""
    return _onto_grid(value, step, ROUND_FLOOR)


def ceil_to(value: Decimal, step: Decimal) -> Decimal:
    """Round toward plus infinity onto the grid of `step`."""
    return _onto_grid(value, step, ROUND_CEILING)


def nearest_to(value: Decimal, step: Decimal) -> Decimal:
    """Round to the nearest grid point, halves to even."""
    return _onto_grid(value, step, ROUND_HALF_EVEN)


def common_step(*grids: Decimal) -> Decimal:
    """Return the smallest step that lies on every grid (the least common multiple), e.g. 0.002 and 0.003 -> 0.006."""
    if not grids or any(grid <= 0 for grid in grids):
        raise ValueError("every grid must be a positive step")
    exponent = min(_exponent(grid) for grid in grids)
    scale = Decimal(1).scaleb(exponent)
    return Decimal(math.lcm(*(int(_EXACT.divide(grid, scale)) for grid in grids))) * scale


def _exponent(value: Decimal) -> int:
    exponent = value.normalize(_EXACT).as_tuple().exponent
    if not isinstance(exponent, int):
        raise NotANumber(f"not a finite number: {value}")
    return exponent


def _onto_grid(value: Decimal, step: Decimal, rounding: str) -> Decimal:
    if step <= 0:
        raise ValueError(f"step must be positive, got {step}")
    count = _EXACT.divide(value, step).to_integral_value(rounding=rounding)
    return _EXACT.multiply(count, step)
