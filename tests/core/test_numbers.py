"""Numbers survive every road through text, and rounding lands on the grid on the side it names."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.numbers import (
    NotANumber,
    canonical,
    ceil_to,
    common_step,
    decimal,
    floor_to,
    is_multiple,
    nearest_to,
    plain,
    steps,
)

VALUES = st.decimals(min_value=-(10**12), max_value=10**12, allow_nan=False, places=12)
GRIDS = st.sampled_from([Decimal(text) for text in ("0.00001", "0.001", "0.0025", "0.01", "0.25", "0.3", "1", "10")])


@given(VALUES)
def test_numbers_survive_a_round_trip_through_text(value: Decimal) -> None:
    assert decimal(plain(value)) == value
    assert decimal(canonical(value)) == value
    assert canonical(decimal(canonical(value))) == canonical(value)
    assert "e" not in (plain(value) + canonical(value)).lower()


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_any_finite_number_survives_including_extreme_exponents(value: Decimal) -> None:
    if abs(value.adjusted()) > 200:
        return
    assert decimal(canonical(value)) == value


@given(VALUES)
def test_equal_values_have_one_canonical_text(value: Decimal) -> None:
    longer = Decimal(plain(value) + ("000" if "." in plain(value) else ".000"))

    assert canonical(longer) == canonical(value)


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-inf", "1,5", "", "0x10", 1.5, True, None])
def test_what_is_no_exact_finite_number_is_refused(value: object) -> None:
    with pytest.raises(NotANumber):
        decimal(value)  # type: ignore[arg-type]


@given(VALUES, GRIDS)
def test_rounding_lands_on_the_grid_on_its_side(value: Decimal, grid: Decimal) -> None:
    low, high, near = floor_to(value, grid), ceil_to(value, grid), nearest_to(value, grid)

    assert all(is_multiple(rounded, grid) for rounded in (low, high, near))
    assert low <= value <= high
    assert high - low in (0, grid)
    assert abs(near - value) * 2 <= grid
    assert steps(low, grid) * grid == low


@given(st.lists(GRIDS, min_size=1, max_size=4))
def test_the_common_step_is_the_smallest_on_every_grid(grids: list[Decimal]) -> None:
    step = common_step(*grids)

    assert all(is_multiple(step, grid) for grid in grids)
    finest = Decimal("0.00001")
    for divisor in (2, 3, 5):
        smaller = step / divisor
        assert not (is_multiple(smaller, finest) and all(is_multiple(smaller, grid) for grid in grids))


def test_common_steps_with_worked_numbers() -> None:
    assert common_step(Decimal("0.002"), Decimal("0.003")) == Decimal("0.006")
    assert common_step(Decimal("0.001"), Decimal("0.1"), Decimal("0.01")) == Decimal("0.1")
    with pytest.raises(ValueError, match="positive"):
        common_step(Decimal(0))
