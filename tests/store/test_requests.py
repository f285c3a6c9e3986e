"""The session request: both older forms are read, and whatever is wrong is named by its field."""

from __future__ import annotations

import copy
from decimal import Decimal
from typing import Any

import pytest

from core.errors import InvalidStrategy, RequestRefused
from core.limits import RiskLimits
from core.order import OrderType
from core.strategy import Distribution, validate, validate_goal
from store.requests import SessionRequest, parse_request

D = Decimal
Document = dict[str, Any]

STRATEGY: Document = {
    "symbol": "ETH/USD",
    "volumeDistribution": "weighted",
    "priceRange": {"min": 0.001, "max": "0.01"},
    "timing": {"minInterval": 30, "maxInterval": 120.5, "orderSize": {"min": 100, "max": "500.50"}},
    "riskLimits": {"maxPositionSize": 1000, "stopLossThreshold": 0.05, "maxSlippage": "0.02"},
    "orderTypes": {"primary": "limit", "fallback": "market"},
}
NAMED: Document = {
    "name": "ETH hedging", "strategy": STRATEGY, "accountIds": ["a", "b"], "volumeTarget": 50_000,
    "duration": 3_600_000,
}  # fmt: skip
UNNAMED: Document = {"accounts": ["a", "b"], "strategy": STRATEGY, "volumeTarget": "10000"}


def changed(path: str, value: object, base: Document = NAMED) -> Document:
    """The document with one field set; the path is written with dots."""
    document = copy.deepcopy(base)
    *parents, last = path.split(".")
    place = document
    for name in parents:
        place = place[name]
    place[last] = value
    return document


def without(path: str, base: Document = NAMED) -> Document:
    """The document without one field."""
    document = changed(path, None, base)
    *parents, last = path.split(".")
    place = document
    for name in parents:
        place = place[name]
    del place[last]
    return document


def read(document: object) -> SessionRequest:
    """Read a request as everything that creates a session does: shapes first, then the strategy's own rules."""
    request = parse_request(document)
    validate(request.to_strategy())
    validate_goal(request.to_goal())
    return request


@pytest.mark.parametrize("document", [NAMED, UNNAMED], ids=["name and accountIds", "accounts without a name"])
def test_both_older_forms_say_the_same(document: Document) -> None:
    request = read(document)
    assert request.accounts == ["a", "b"]
    strategy = request.to_strategy()
    assert strategy.distribution is Distribution.WEIGHTED
    assert (strategy.primary, strategy.fallback) == (OrderType.LIMIT, OrderType.MARKET)
    assert (strategy.price_range_min, strategy.price_range_max) == (D("0.001"), D("0.01"))
    assert (strategy.order_size_min, strategy.order_size_max) == (D(100), D("500.50"))
    assert (strategy.interval_min_s, strategy.interval_max_s) == (30, 120.5)


def test_duration_is_milliseconds_and_a_goal_alone_is_enough() -> None:
    assert read(NAMED).to_goal().duration_s == 3600
    assert read(without("volumeTarget")).to_goal().volume_target is None
    assert read(without("duration")).to_goal().duration_s is None


def test_a_number_of_json_is_taken_by_its_digits() -> None:
    """0.1 written as a number is one tenth, not the float next to it."""
    request = read(changed("strategy.riskLimits.maxSlippage", 0.1))
    assert request.strategy.risk_limits.max_slippage == D("0.1")


def test_request_reads_itself_again_after_being_stored() -> None:
    request = read(NAMED)
    stored = {"strategy": request.strategy.model_dump(mode="json", by_alias=True), "accounts": ["a", "b"]}
    assert parse_request({**stored, "volumeTarget": "50000"}).to_strategy() == request.to_strategy()


NUMBERS = [
    "volumeTarget",
    "strategy.priceRange.min",
    "strategy.priceRange.max",
    "strategy.timing.minInterval",
    "strategy.timing.maxInterval",
    "strategy.timing.orderSize.min",
    "strategy.timing.orderSize.max",
    "strategy.riskLimits.maxPositionSize",
    "strategy.riskLimits.stopLossThreshold",
    "strategy.riskLimits.maxSlippage",
    "duration",
]


@pytest.mark.parametrize("value", ["NaN", float("nan"), "Infinity", float("inf"), "-Infinity", -1, "-0.5", "much", {}])
@pytest.mark.parametrize("field", NUMBERS)
def test_number_that_is_none_names_its_field(field: str, value: object) -> None:
    with pytest.raises(RequestRefused) as refused:
        read(changed(field, value))
    assert refused.value.details["field"] == field
    assert field in str(refused.value)


@pytest.mark.parametrize("field", [n for n in NUMBERS if n not in ("volumeTarget", "duration")])
def test_missing_or_null_number_names_its_field(field: str) -> None:
    for document in (without(field), changed(field, None)):
        with pytest.raises(InvalidStrategy) as refused:
            read(document)
        assert refused.value.details["field"] == field


@pytest.mark.parametrize("field", NUMBERS)
def test_truth_value_is_not_a_number(field: str) -> None:
    with pytest.raises(RequestRefused) as refused:
        read(changed(field, True))
    assert refused.value.details["field"] == field


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("volumeTarget", 0),
        ("volumeTarget", "1e13"),
        ("duration", 0),
        ("duration", 1.5),
        ("duration", 31 * 86_400_000),
        ("name", "ab"),
        ("name", "x" * 51),
        ("name", "a\u202eb\x00c"),
        ("name", 7),
        ("seed", -1),
        ("seed", 2**53),
        ("accountIds", "a"),
        ("accountIds", [str(n) for n in range(17)]),
        ("strategy.symbol", "ETH"),
        ("strategy.symbol", "ETH/USD'; drop table"),
        ("strategy.symbol", 5),
        ("strategy.volumeDistribution", "random"),
        ("strategy.orderTypes.primary", "stop"),
        ("strategy.orderTypes.fallback", None),
        ("strategy.priceRange.max", 1),
        ("strategy.timing.minInterval", 0),
        ("strategy.timing.maxInterval", 86_401),
        ("strategy.timing.orderSize.max", "1e13"),
        ("strategy.riskLimits.maxPositionSize", 0),
        ("strategy.riskLimits.maxPositionSize", "1e30"),
        ("strategy.riskLimits.stopLossThreshold", 1),
        ("strategy.riskLimits.maxSlippage", 0),
        ("strategy.timing", []),
        ("strategy", "fast"),
        ("strategy", None),
    ],
)
def test_value_out_of_bounds_or_of_the_wrong_kind_names_its_field(field: str, value: object) -> None:
    with pytest.raises(RequestRefused) as refused:
        read(changed(field, value))
    assert refused.value.details["field"] == field


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("strategy.priceRange.min", "0.02"),
        ("strategy.timing.minInterval", 200),
        ("strategy.timing.orderSize.min", 501),
    ],
)
def test_range_upside_down_names_its_lower_end(field: str, value: object) -> None:
    with pytest.raises(InvalidStrategy) as refused:
        read(changed(field, value))
    assert refused.value.details["field"] == field


@pytest.mark.parametrize("field", ["speed", "strategy.leverage", "strategy.timing.jitter", "strategy.orderTypes.stop"])
def test_unknown_field_is_refused_by_name(field: str) -> None:
    """A field that is quietly ignored is a limit that somebody believes to be set."""
    with pytest.raises(RequestRefused) as refused:
        read(changed(field, 3))
    assert refused.value.details["field"] == field


def test_request_without_a_goal_names_what_to_give() -> None:
    document = without("duration", without("volumeTarget"))
    with pytest.raises(RequestRefused, match="volumeTarget") as refused:
        read(document)
    assert refused.value.details["field"] == "volumeTarget"


@pytest.mark.parametrize("field", ["strategy", "strategy.symbol", "strategy.priceRange", "strategy.riskLimits"])
def test_missing_part_names_itself(field: str) -> None:
    with pytest.raises(RequestRefused) as refused:
        read(without(field))
    assert refused.value.details["field"] == field


def test_missing_accounts_are_named() -> None:
    with pytest.raises(RequestRefused) as refused:
        read(without("accountIds"))
    assert refused.value.details["field"] in ("accounts", "accountIds")


@pytest.mark.parametrize("document", [None, [], "request", 7, {}], ids=repr)
def test_what_is_no_request_at_all_is_refused(document: object) -> None:
    with pytest.raises(RequestRefused):
        read(document)


def test_every_wrong_field_is_named_at_once() -> None:
    document = changed("strategy.priceRange.min", "x", changed("name", "a", changed("volumeTarget", "NaN")))
    with pytest.raises(RequestRefused) as refused:
        read(document)
    for field in ("name", "volumeTarget", "strategy.priceRange.min"):
        assert field in str(refused.value)


def test_refusal_does_not_echo_long_inputs() -> None:
    with pytest.raises(RequestRefused) as refused:
        read(changed("strategy.symbol", "s3cret-" * 1000))
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize("field", ["name", "duration", "seed"])
def test_null_means_that_a_field_is_not_given(field: str) -> None:
    assert read(changed(field, None)) == read(without(field))


def test_naked_budget_is_the_operators_where_given_and_reckoned_where_not() -> None:
    limits = {"maxPositionSize": "0.4", "stopLossThreshold": "0.05", "maxSlippage": "0.005"}
    asked = parse_request(_with_limits({**limits, "maxNakedUsdSeconds": "1234.5"}))
    silent = parse_request(_with_limits(limits))
    assert RiskLimits.of(asked.to_strategy()).naked_usd_seconds_max == Decimal("1234.5")
    assert RiskLimits.of(silent.to_strategy()).naked_usd_seconds_max == 500 * 10 * 100
    shown = silent.strategy.model_dump(mode="json", by_alias=True)["riskLimits"]
    assert shown == limits
    assert asked.strategy.model_dump(mode="json", by_alias=True)["riskLimits"]["maxNakedUsdSeconds"] == "1234.5"


def _with_limits(limits: dict[str, str]) -> dict[str, object]:
    return {
        "accounts": ["a", "b"], "volumeTarget": 1000,
        "strategy": {
            "symbol": "ETH/USD", "priceRange": {"min": 0, "max": "0.01"}, "riskLimits": limits,
            "timing": {"minInterval": 1, "maxInterval": 2, "orderSize": {"min": 100, "max": 500}},
        },
    }  # fmt: skip


def test_naked_budget_of_nothing_is_refused() -> None:
    limits = {"maxPositionSize": "0.4", "stopLossThreshold": "0.05", "maxSlippage": "0.005", "maxNakedUsdSeconds": 0}
    with pytest.raises(InvalidStrategy, match=r"strategy\.riskLimits\.maxNakedUsdSeconds"):
        parse_request(_with_limits(limits))
