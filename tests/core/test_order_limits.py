"""What a venue takes in one order binds the largest pair."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from core.errors import RiskLimitExceeded
from core.instrument import Venue
from core.order_limits import check_order_limits
from store.requests import parse_request
from tests.fakes.world import market, request_document

D = Decimal
STRATEGY = parse_request(request_document()).to_strategy()  # at most 500 USD a pair
ETH = market(Venue.PACIFICA)
MARKS = {"a": D(2500), "b": D(2500)}


def test_markets_that_name_no_limit_bind_nothing() -> None:
    check_order_limits(STRATEGY, {"a": ETH, "b": ETH}, MARKS)


@pytest.mark.parametrize("limit", [{"max_notional": D(499)}, {"max_quantity": D("0.199")}])
def test_the_account_whose_market_takes_less_is_named_with_limit_and_request(limit: dict[str, Decimal]) -> None:
    with pytest.raises(RiskLimitExceeded) as refused:
        check_order_limits(STRATEGY, {"a": ETH, "b": replace(ETH, **limit)}, MARKS)
    assert refused.value.details["accountId"] == "b"
    assert refused.value.details["requested"] == "500"
    assert D(str(refused.value.details["limit"])) < 500


@pytest.mark.parametrize("limit", [{"max_notional": D(500)}, {"max_quantity": D("0.2")}])
def test_an_order_of_just_the_limit_passes(limit: dict[str, Decimal]) -> None:
    check_order_limits(STRATEGY, {"a": ETH, "b": replace(ETH, **limit)}, MARKS)
