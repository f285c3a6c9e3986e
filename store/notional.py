"""The notional of executions, price times quantity, added to the rows of a segment on their way into results.

DuckDB cannot multiply two DECIMAL(38,18); Arrow multiplies in 256 bits. Whatever has at most nine decimals in price and
quantity, as everything venues quote so far, is multiplied exactly; the rest row by row, rounded to 18 decimals. A
product that DECIMAL(38,18) cannot hold is null: unknown, never zero.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal, localcontext
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from store.columns import DIGITS, SCALE, OutOfRange, derived

_BATCH_ROWS = 100_000
_EXACT = pa.decimal128(DIGITS, SCALE)
_FACTOR = pa.decimal256(37, 9)


def fills_with_notional(path: Path) -> pa.RecordBatchReader:
    """Read a segment of fills with the column `notional` added, quote units and never negative, batch by batch."""
    file = pq.ParquetFile(path)
    schema = file.schema_arrow.append(pa.field("notional", _EXACT))

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in file.iter_batches(batch_size=_BATCH_ROWS):
            column = notional(batch.column("price"), batch.column("quantity"))
            yield pa.RecordBatch.from_arrays([*batch.columns, column], schema=schema)

    return pa.RecordBatchReader.from_batches(schema, batches())


def notional(price: pa.Array, quantity: pa.Array) -> pa.Array:
    """Multiply two arrays of DECIMAL(38,18) into a third, halves of the 18th decimal to even."""
    try:
        product = pc.multiply(pc.cast(price, _FACTOR), pc.cast(quantity, _FACTOR))
        return pc.cast(product, _EXACT)
    except pa.ArrowInvalid:
        pairs = zip(price.to_pylist(), quantity.to_pylist(), strict=True)
        return pa.array([_product(p, q) for p, q in pairs], type=_EXACT)


def _product(price: Decimal, quantity: Decimal) -> Decimal | None:
    with localcontext(prec=2 * DIGITS):
        try:
            return derived(price * quantity)
        except OutOfRange:
            return None
