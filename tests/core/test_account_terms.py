"""A venue that tightens its terms while a position is held is told once; what is not known is not compared."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from core.account_terms import AccountTerms, tightened
from core.limits import Severity

D = Decimal
BASE = AccountTerms("a", D("0.05"), D("0.025"), D(20), D(800), D(1000))


@pytest.mark.parametrize(
    ("change", "category"),
    [
        ({"initial_margin": D("0.1")}, "initial_margin_raised"),
        ({"maintenance_margin": D("0.03")}, "maintenance_margin_raised"),
        ({"leverage": D(10)}, "leverage_lowered"),
        ({"withdrawable": D(499)}, "withdrawal_limited"),
        ({"withdrawable": D(0)}, "withdrawal_limited"),
    ],
)
def test_each_term_that_is_worse_is_one_warning_and_not_again(change: dict[str, Decimal], category: str) -> None:
    now = replace(BASE, **change)  # type: ignore[arg-type]
    (found,) = tightened(BASE, now)
    assert (found.category, found.severity) == (category, Severity.WARNING)
    assert found.details["accountId"] == "a"
    assert list(tightened(now, now)) == []
    assert list(tightened(now, BASE)) == []


def test_what_is_not_known_is_no_change() -> None:
    unknown = AccountTerms("a", None, None, None, None, None)
    assert list(tightened(BASE, unknown)) == list(tightened(unknown, BASE)) == []
    assert list(tightened(BASE, replace(BASE, withdrawable=D(0), free=D(0)))) == []
