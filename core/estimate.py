"""What a session would cost, how long it would take and how naked it might stand, before it starts. Pure.

Sessions are played through by core.rehearsal with the planner that trades, from one seed; the answer is a spread of
outcomes, not a promise. Work is bounded: a longer session is played in part and carried on in proportion, and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from core.account import AccountRef, FeeTier
from core.cautions import Caution, cautions_before, cautions_of_costs, cautions_on_the_way
from core.errors import MarketDataUnavailable
from core.instrument import Market
from core.numbers import ONE, ZERO, nearest_to
from core.rehearsal import AccountFacts, Assumptions, Holding, LegDelay, Path, PathEnd, Rehearsal, prepare
from core.strategy import SessionGoal, Strategy, check_accounts, check_against_markets, validate, validate_goal

__all__ = [
    "AccountEstimate",
    "AccountFacts",
    "Assumptions",
    "Caution",
    "Effort",
    "Estimate",
    "LegDelay",
    "Quantiles",
    "estimate",
    "with_fees",
]

_MICRO = Decimal("0.000001")


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is played: sessions, and pairs planned in all of them together (about a millisecond each)."""

    paths: int = 24
    pairs_max: int = 2400

    def __post_init__(self) -> None:
        if not 1 <= self.paths <= self.pairs_max:
            raise ValueError(f"at least one session and one pair each must be played, not {self.paths}")


@dataclass(frozen=True, slots=True)
class Quantiles:
    """One in ten sessions ends below p10, half below p50, nine in ten below p90. Rounded to a millionth."""

    p10: Decimal
    p50: Decimal
    p90: Decimal


@dataclass(frozen=True, slots=True)
class AccountEstimate:
    """One account's share: volume and fees in quote units, funding positive when received, None when not known."""

    account: AccountRef
    volume: Quantiles
    fees: Quantiles
    slippage: Quantiles
    funding: Quantiles | None


@dataclass(frozen=True, slots=True)
class Estimate:
    """What to expect of a session.

    volume (a pair counts once), fees, slippage, funding, cost and naked_usd_max in quote units; fees and slippage are
    positive when paid, funding is positive when received and None while a rate is not known, as is cost then
    (fees + slippage - funding); cost_share is cost over volume, maker_share a fraction of both legs' notional (both
    None when no pair is made). naked_usd_seconds: quote units x seconds. extrapolated says how many of the paths were
    cut and carried on in proportion (the worst naked exposure is not enlarged); pairs_played counts all that were
    played.
    """

    volume: Quantiles
    pairs: Quantiles
    duration_s: Quantiles
    fees: Quantiles
    slippage: Quantiles
    funding: Quantiles | None
    cost: Quantiles | None
    cost_share: Quantiles | None
    maker_share: Quantiles | None
    naked_usd_max: Quantiles
    naked_usd_seconds: Quantiles
    accounts: tuple[AccountEstimate, ...]
    cautions: tuple[Caution, ...]
    paths: int
    pairs_played: int
    extrapolated: int
    seed: int
    assumptions: Assumptions

    @property
    def is_extrapolated(self) -> bool:
        """True when any session was too long to be played to its end."""
        return self.extrapolated > 0


def with_fees(market: Market, tier: FeeTier | None) -> Market:
    """Return the market with the fees an account really pays; unchanged while its tier is not known."""
    return market if tier is None else replace(market, maker_fee=tier.maker_fee, taker_fee=tier.taker_fee)


def estimate(
    facts: Sequence[AccountFacts],
    strategy: Strategy,
    goal: SessionGoal,
    *,
    now: datetime,
    seed: int,
    assumptions: Assumptions | None = None,
    effort: Effort | None = None,
) -> Estimate:
    """Return what to expect of a session on these facts; the same arguments give the same answer.

    Raises what creating and starting the session would: InvalidStrategy, InsufficientAccounts, SelfTradeRisk; and
    MarketDataUnavailable when fewer than two venues show a proven book and a mark. What a start or the gate would
    refuse for now (margin, spread, depth) is a caution, and the figures are reckoned as if it had passed.
    """
    _admit(facts, strategy, goal)
    effort, assumed = effort or Effort(), assumptions or Assumptions()
    scene = prepare(facts, strategy, goal, assumed, now=now)
    each = max(1, effort.pairs_max // effort.paths)
    paths = [scene.play(f"{seed}/{number}", pairs_max=each) for number in range(effort.paths)]
    return _summary(scene, paths, seed)


def _admit(facts: Sequence[AccountFacts], strategy: Strategy, goal: SessionGoal) -> None:
    validate(strategy)
    validate_goal(goal)
    check_accounts([f.account for f in facts])
    seen = [f for f in facts if f.book is not None and f.book.mid is not None and f.mark is not None]
    if len({f.account.venue for f in seen}) < 2:
        absent = ", ".join(f"{f.account.account_id} on {f.account.venue}" for f in facts if f not in seen)
        raise MarketDataUnavailable(f"no proven two-sided book or no mark for {absent}; try again in a moment")
    markets = {f.account.account_id: f.market for f in seen}
    check_against_markets(strategy, markets, {f.account.account_id: f.mark.mark for f in seen if f.mark is not None})


def _summary(scene: Rehearsal, paths: Sequence[Path], seed: int) -> Estimate:
    played = [(path, _scale(path, scene.goal)) for path in paths]
    cost = _spread([_scaled(_cost(path), scale) for path, scale in played])
    naked = _sums(played, lambda path: path.naked_usd_seconds)
    return Estimate(
        volume=_sums(played, lambda path: path.volume),
        pairs=_sums(played, lambda path: Decimal(path.pairs)),
        duration_s=_sums(played, lambda path: Decimal(f"{path.elapsed_s:.6f}")),
        fees=_sums(played, lambda path: _total(path, lambda held: held.fees)),
        slippage=_sums(played, lambda path: _total(path, lambda held: held.slippage)),
        funding=_spread([_scaled(_funding(path), scale) for path, scale in played]),
        cost=cost,
        cost_share=_spread([_share(_cost(path), path.volume) for path in paths]),
        maker_share=_spread([_share(_total(path, lambda held: held.maker_volume), _traded(path)) for path in paths]),
        naked_usd_max=quantiles([path.naked_usd_max for path in paths]),
        naked_usd_seconds=naked,
        accounts=tuple(_account(facts.account, played) for facts in scene.facts.values()),
        cautions=_once(
            *cautions_before(scene),
            *cautions_on_the_way(paths),
            *cautions_of_costs(scene, cost=None if cost is None else cost.p90, naked_usd_seconds=naked.p90),
        ),
        paths=len(paths),
        pairs_played=sum(path.pairs for path in paths),
        extrapolated=sum(path.end is PathEnd.CUT for path in paths),
        seed=seed,
        assumptions=scene.assumptions,
    )


def _once(*cautions: Caution) -> tuple[Caution, ...]:
    """The first word on each matter and account: what a start would refuse, the gate refuses too."""
    found: dict[tuple[str, str | None], Caution] = {}
    for caution in cautions:
        found.setdefault((caution.code, caution.account_id), caution)
    return tuple(found.values())


def quantiles(values: Sequence[Decimal]) -> Quantiles:
    """Return p10, p50 and p90 of at least one value, linear between neighbours."""
    ranked = sorted(values)
    # Adding zero turns a rounded minus nothing into nothing.
    return Quantiles(*(nearest_to(_at(ranked, Decimal(share)), _MICRO) + ZERO for share in ("0.1", "0.5", "0.9")))


def _at(ranked: Sequence[Decimal], share: Decimal) -> Decimal:
    place = share * (len(ranked) - 1)
    low = int(place)
    high = min(low + 1, len(ranked) - 1)
    return ranked[low] + (ranked[high] - ranked[low]) * (place - low)


def _spread(values: Sequence[Decimal | None]) -> Quantiles | None:
    """Quantiles of values that are all known; None when one is not."""
    known = [value for value in values if value is not None]
    return quantiles(known) if len(known) == len(values) else None


def _scale(path: Path, goal: SessionGoal) -> Decimal:
    """By how much a path that was cut must be carried on to reach the first of its goals."""
    if path.end is not PathEnd.CUT:
        return ONE
    left = []
    if goal.volume_target is not None and path.volume > 0:
        left.append(goal.volume_target / path.volume)
    if goal.duration_s is not None and path.elapsed_s > 0:
        left.append(Decimal(f"{goal.duration_s / path.elapsed_s:.6f}"))
    return max(ONE, min(left, default=ONE))


def _scaled(value: Decimal | None, scale: Decimal) -> Decimal | None:
    return None if value is None else value * scale


def _sums(played: Sequence[tuple[Path, Decimal]], of: Callable[[Path], Decimal]) -> Quantiles:
    return quantiles([of(path) * scale for path, scale in played])


def _total(path: Path, of: Callable[[Holding], Decimal]) -> Decimal:
    return sum((of(held) for held in path.holdings.values()), ZERO)


def _traded(path: Path) -> Decimal:
    return _total(path, lambda held: held.volume)


def _funding(path: Path) -> Decimal | None:
    known = [held.funding for held in path.holdings.values() if held.funding is not None]
    return sum(known, ZERO) if len(known) == len(path.holdings) else None


def _cost(path: Path) -> Decimal | None:
    funding = _funding(path)
    return None if funding is None else _total(path, lambda held: held.fees + held.slippage) - funding


def _share(part: Decimal | None, whole: Decimal) -> Decimal | None:
    return None if part is None or whole == 0 else part / whole


def _account(account: AccountRef, played: Sequence[tuple[Path, Decimal]]) -> AccountEstimate:
    own = [(path.holdings[account.account_id], scale) for path, scale in played]
    return AccountEstimate(
        account,
        volume=quantiles([held.volume * scale for held, scale in own]),
        fees=quantiles([held.fees * scale for held, scale in own]),
        slippage=quantiles([held.slippage * scale for held, scale in own]),
        funding=_spread([_scaled(held.funding, scale) for held, scale in own]),
    )
