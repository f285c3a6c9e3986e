"""What an operator asks for: strategy and goal, with the rules they must obey. Reads no market on its own."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import NoReturn

from core.account import AccountRef
from core.errors import InsufficientAccounts, InvalidStrategy, SelfTradeRisk
from core.instrument import Market
from core.numbers import ZERO, canonical, common_step, floor_to
from core.order import OrderType
from core.sizing import close_cushion, smallest_quantity

_SYMBOL = re.compile(r"[A-Z0-9]{1,20}/[A-Z]{2,10}")
_QUOTE_MAX = Decimal("1e12")
_BASE_MAX = Decimal("1e15")
_SECONDS_MAX = 31 * 86_400.0


class Distribution(StrEnum):
    """How traded volume is spread over the accounts: the same for all, or in proportion to free margin."""

    EQUAL = "equal"
    WEIGHTED = "weighted"


@dataclass(frozen=True, slots=True)
class Strategy:
    """How a session trades.

    price_range_min/max: fractions from the reference mid between which resting legs are placed. interval_min_s/max_s:
    seconds between pairs. order_size_min/max: quote units per pair. max_position: base units per account, both
    directions. stop_loss: largest loss as a fraction of the session's capital. max_slippage: what both legs together
    may pay against their arrival mids, as a fraction. max_leg_delay_s: longest time one leg may stand alone.
    max_participation: largest share of a venue's 24 h volume that the session may trade there. max_naked_usd_seconds:
    how much notional (quote units) times seconds legs may stand alone in all; None: as RiskLimits reckons.
    """

    symbol: str
    distribution: Distribution
    price_range_min: Decimal
    price_range_max: Decimal
    interval_min_s: float
    interval_max_s: float
    order_size_min: Decimal
    order_size_max: Decimal
    max_position: Decimal
    stop_loss: Decimal
    max_slippage: Decimal
    primary: OrderType
    fallback: OrderType
    max_leg_delay_s: float = 10.0
    max_participation: Decimal = Decimal("0.02")
    max_naked_usd_seconds: Decimal | None = None


@dataclass(frozen=True, slots=True)
class SessionGoal:
    """When a session is done: volume_target in quote units, duration_s in seconds; at least one is given."""

    volume_target: Decimal | None
    duration_s: float | None


def validate(strategy: Strategy) -> Strategy:
    """Return the strategy, or raise InvalidStrategy naming the field (by its public name) and the remedy."""
    if not _SYMBOL.fullmatch(strategy.symbol):
        _refuse("strategy.symbol", f"{strategy.symbol[:40]!r} is not a symbol", "write it as BASE/QUOTE, e.g. ETH/USD")
    _check_range("strategy.priceRange", "min", "max", strategy.price_range_min, strategy.price_range_max)
    if strategy.price_range_min < 0 or strategy.price_range_max >= 1:
        _refuse("strategy.priceRange", "fractions must lie in [0, 1)", "0.01 means 1 % from the reference price")
    _check_seconds("strategy.timing.minInterval", strategy.interval_min_s)
    _check_seconds("strategy.timing.maxInterval", strategy.interval_max_s)
    if strategy.interval_min_s > strategy.interval_max_s:
        _refuse("strategy.timing.minInterval", "is above maxInterval", "lower it or raise maxInterval")
    _check_positive("strategy.timing.orderSize.min", strategy.order_size_min, _QUOTE_MAX)
    _check_positive("strategy.timing.orderSize.max", strategy.order_size_max, _QUOTE_MAX)
    _check_range("strategy.timing.orderSize", "min", "max", strategy.order_size_min, strategy.order_size_max)
    _check_positive("strategy.riskLimits.maxPositionSize", strategy.max_position, _BASE_MAX)
    _check_fraction("strategy.riskLimits.stopLossThreshold", strategy.stop_loss)
    _check_fraction("strategy.riskLimits.maxSlippage", strategy.max_slippage)
    _check_seconds("strategy.maxLegDelay", strategy.max_leg_delay_s)
    _check_fraction("strategy.maxParticipation", strategy.max_participation)
    if strategy.max_naked_usd_seconds is not None:
        _check_positive("strategy.riskLimits.maxNakedUsdSeconds", strategy.max_naked_usd_seconds, _QUOTE_MAX)
    return strategy


def validate_goal(goal: SessionGoal) -> SessionGoal:
    """Return the goal, or raise InvalidStrategy when neither end is given or one is not a sensible positive number."""
    if goal.volume_target is None and goal.duration_s is None:
        _refuse("volumeTarget", "neither volumeTarget nor duration is given", "give at least one of them")
    if goal.volume_target is not None:
        _check_positive("volumeTarget", goal.volume_target, _QUOTE_MAX)
    if goal.duration_s is not None:
        _check_seconds("duration", goal.duration_s)
    return goal


def check_accounts(accounts: Sequence[AccountRef]) -> None:
    """Raise InsufficientAccounts below two different accounts, SelfTradeRisk when all are on one venue."""
    distinct = {account.account_id for account in accounts}
    if len(distinct) < 2:
        raise InsufficientAccounts(
            f"accountIds: {len(distinct)} usable account(s) given; a hedge needs two different accounts on two venues",
            field="accountIds",
            given=len(distinct),
            required=2,
        )
    venues = {account.venue for account in accounts}
    if len(venues) < 2:
        raise SelfTradeRisk(
            f"accountIds: all {len(distinct)} accounts are on {next(iter(venues))}; the two legs of a pair must be on "
            "different venues, add an account on another venue",
            field="accountIds",
            venue=str(next(iter(venues))),
        )


def check_against_markets(
    strategy: Strategy, markets: Mapping[str, Market | None], marks: Mapping[str, Decimal]
) -> None:
    """Raise InvalidStrategy when the strategy's sizes cannot be traded and closed on every account's venue.

    markets and marks (quote units per base unit) are keyed by account id; None means that the venue does not list
    the symbol. Checked with the same rounding the planner uses, so that a session that starts can also end flat.
    """
    listed: dict[str, Market] = {}
    for account_id, market in markets.items():
        if market is None:
            _refuse(
                "strategy.symbol",
                f"{strategy.symbol} is not listed on the venue of account {account_id}",
                "choose a symbol that every account's venue lists",
            )
        listed[account_id] = market
    lot = common_step(*(market.lot for market in listed.values()))
    cushion = close_cushion(strategy.max_slippage)
    smallest = max(
        smallest_quantity(market, marks[account_id], lot=lot, cushion=cushion) for account_id, market in listed.items()
    )
    highest = max(marks[account_id] for account_id in listed)
    order_quantity = floor_to(strategy.order_size_min / highest, lot)
    if order_quantity < smallest:
        _refuse(
            "strategy.timing.orderSize.min",
            f"{canonical(strategy.order_size_min)} buys {canonical(order_quantity)} at {canonical(highest)}, below the "
            f"smallest quantity {canonical(smallest)} that opens and closes on every venue "
            f"(common lot {canonical(lot)})",
            f"raise it to at least {canonical(_quote_for(smallest, highest))}",
        )
    # A partly filled pair may leave a remainder below the minimum at each account; room is needed to complete it.
    needed = max(smallest * len(listed), order_quantity)
    if strategy.max_position < needed:
        _refuse(
            "strategy.riskLimits.maxPositionSize",
            f"{canonical(strategy.max_position)} is below {canonical(needed)}, the smallest position limit under which "
            f"{len(listed)} accounts can open and always close again",
            f"raise it to at least {canonical(needed)} or lower orderSize.min",
        )


def _quote_for(quantity: Decimal, price: Decimal) -> Decimal:
    cents = Decimal("0.01")
    return floor_to(quantity * price, cents) + cents


def _check_positive(field: str, value: Decimal, upper: Decimal) -> None:
    if not value.is_finite() or value <= ZERO:
        _refuse(field, f"{value} is not a positive number", "give a number above zero")
    if value > upper:
        _refuse(field, f"{value} is beyond any sensible size", f"stay below {canonical(upper)}")


def _check_fraction(field: str, value: Decimal) -> None:
    if not value.is_finite() or not ZERO < value < 1:
        _refuse(field, f"{value} is not a fraction between 0 and 1", "0.01 means 1 %")


def _check_range(field: str, low: str, high: str, lower: Decimal, upper: Decimal) -> None:
    if not lower.is_finite() or not upper.is_finite():
        _refuse(field, "is not a range of finite numbers", "give two numbers")
    if lower > upper:
        _refuse(f"{field}.{low}", f"{lower} is above {high} {upper}", f"lower it or raise {high}")


def _check_seconds(field: str, value: float) -> None:
    # The comparison is false for NaN as well.
    if not 0 < value <= _SECONDS_MAX:
        _refuse(field, f"{value} s is not a positive time of at most 31 days", "give a positive number")


def _refuse(field: str, problem: str, remedy: str) -> NoReturn:
    raise InvalidStrategy(f"{field}: {problem}; {remedy}", field=field, remedy=remedy)
