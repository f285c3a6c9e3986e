"""Column types that keep numbers and text exact on every database. Decides precision at the door, nowhere else.

Limits, the same from the operational store to Parquet and DuckDB (DECIMAL(38,18)): at most 20 digits before the point
and 18 after it. What a venue said (`Exact`) is refused when it does not fit; what we computed (`Derived`, averages and
ratios) is rounded to 18 decimals, halves to even.
"""

from __future__ import annotations

from decimal import Decimal

from sqlalchemy import BigInteger, Integer, Numeric, String
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

from core.numbers import canonical, is_multiple, nearest_to, plain

DIGITS = 38
SCALE = 18
_LIMIT = Decimal(10) ** (DIGITS - SCALE)
_STEP = Decimal(1).scaleb(-SCALE)


class OutOfRange(ValueError):
    """A number that the records cannot hold exactly."""


def exact(value: Decimal) -> Decimal:
    """Return the number unchanged; raise OutOfRange unless DECIMAL(38,18) holds it exactly."""
    if not value.is_finite() or abs(value) >= _LIMIT or not is_multiple(value, _STEP):
        raise OutOfRange(
            f"{value} does not fit DECIMAL({DIGITS},{SCALE}): at most {DIGITS - SCALE} digits before the point "
            f"and {SCALE} after it can be recorded"
        )
    return value


def derived(value: Decimal) -> Decimal:
    """Round a computed number to 18 decimals, halves to even; raise OutOfRange when it is too large."""
    if not value.is_finite() or abs(value) >= _LIMIT:
        raise OutOfRange(f"{value} does not fit DECIMAL({DIGITS},{SCALE})")
    return exact(nearest_to(value, _STEP))


class _DecimalText(TypeDecorator[Decimal]):
    """Decimal as TEXT on SQLite (whose NUMERIC is a float), as NUMERIC elsewhere."""

    impl = String
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[str] | TypeEngine[Decimal]:
        # Without precision and scale, because NUMERIC(38,18) would turn 0.10 into 0.100000000000000000.
        if dialect.name == "sqlite":
            return dialect.type_descriptor(String())
        return dialect.type_descriptor(Numeric())

    def process_result_value(self, value: str | Decimal | None, dialect: Dialect) -> Decimal | None:
        return None if value is None else Decimal(value)


class Exact(_DecimalText):
    """A number somebody else stated: kept to the digit or refused."""

    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> str | Decimal | None:
        if value is None:
            return None
        return plain(exact(value)) if dialect.name == "sqlite" else exact(value)


class Derived(_DecimalText):
    """A number we computed: rounded to 18 decimals."""

    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> str | Decimal | None:
        if value is None:
            return None
        return canonical(derived(value)) if dialect.name == "sqlite" else derived(value)


# SQLite numbers rows by itself only for a column declared INTEGER (64 bits there); elsewhere it has to be BIGINT.
RowNumber = BigInteger().with_variant(Integer, "sqlite")
