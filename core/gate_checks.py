"""The checks of the risk gate, in the order in which they are made. Pure; each says what it saw, passed or not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal

from core.errors import PrecisionRefused
from core.gate_facts import GateFacts, LegFacts, OwnOrder, RefusalCode, Refused, Verdict
from core.instrument import Venue
from core.limits import NAKED_DAY_REMEDY, RiskLimits, Severity
from core.numbers import ZERO, canonical
from core.order import Side
from core.plan import LegPlan, PairPlan, Purpose
from core.pricing import marketable_price, per_leg, taking_cost

# What does not pass by itself. An unsafe clock is measured again, a closed venue opens again, and a breach that waits
# for a person has been reported as what it is.
_CRITICAL = frozenset(
    {
        RefusalCode.LEASE_LOST,
        RefusalCode.ACCOUNT_INACTIVE,
        RefusalCode.STOP_LOSS,
        RefusalCode.NAKED_BUDGET,
        RefusalCode.NAKED_DAY_BUDGET,
    }
)


def judge(plan: PairPlan, facts: GateFacts, limits: RiskLimits) -> tuple[Verdict, ...]:
    """Return the verdict of each check up to the first that refuses, which is the last one then."""
    found: list[Verdict] = []
    for check in _CHECKS:
        for verdict in check(plan, facts, limits):
            found.append(verdict)
            if verdict.refusal is not None:
                return tuple(found)
    return tuple(found)


def crossing(
    venue: Venue, symbol: str, side: Side, price: Decimal, own_orders: tuple[OwnOrder, ...]
) -> OwnOrder | None:
    """Return an own order that an order at `price` could match, or None. The self-cross firewall.

    Orders of every account and session count; equal prices match. A market order is judged at its bound price.
    """
    for own in own_orders:
        meets = own.venue == venue and own.symbol == symbol and own.side is side.opposite and own.remaining > 0
        if meets and not side.is_worse(own.price, than=price):
            return own
    return None


def legs_of(plan: PairPlan, facts: GateFacts) -> tuple[tuple[LegPlan, LegFacts], tuple[LegPlan, LegFacts]]:
    """Return both legs with their facts, the buy first."""
    return (plan.buy, facts.buy), (plan.sell, facts.sell)


Verdicts = Iterator[Verdict]


def _passed(check: str, leg: LegPlan | None, value: Decimal | float | str, bound: Decimal | float | str) -> Verdict:
    return Verdict(check, None if leg is None else leg.account.account_id, _text(value), _text(bound))


def _refused(
    check: str, code: RefusalCode, text: str, leg: LegPlan | None = None, **details: Decimal | float | str
) -> Verdict:  # fmt: skip
    """A verdict that refuses; `requested` and `limit` among the details are its value and its bound."""
    shown = {key: _text(value) for key, value in details.items()}
    value, bound = shown.get("requested", text), shown.get("limit", "")
    if leg is not None:
        shown |= {"accountId": leg.account.account_id, "venue": str(leg.account.venue), "side": str(leg.side)}
        text = f"{leg.account.account_id} on {leg.account.venue}: {text}"
    refusal = Refused(code, text, shown, Severity.CRITICAL if code in _CRITICAL else Severity.WARNING)
    return Verdict(check, None if leg is None else leg.account.account_id, value, bound, refusal)


def _text(value: Decimal | float | str) -> str:
    return canonical(value) if isinstance(value, Decimal) else str(value)


def _check_run(plan: PairPlan, facts: GateFacts, _limits: RiskLimits) -> Verdicts:
    if not facts.lease_held:
        text = "another run drives this session; this one must stop ordering"
        yield _refused("lease", RefusalCode.LEASE_LOST, text)
    yield _passed("lease", None, "held", "held")
    if plan.purpose is Purpose.OPEN:
        if facts.halted:
            yield _refused("breaches", RefusalCode.HALTED, "a critical breach is not acknowledged")
        yield _passed("breaches", None, "none is critical and open", "none is critical and open")
    if not facts.clock_safe:
        text = "our clock and a venue's differ too much to judge ages and validity"
        yield _refused("clock", RefusalCode.CLOCK_UNSAFE, text)
    yield _passed("clock", None, "safe", "safe")


def _check_self_cross(plan: PairPlan, facts: GateFacts, _limits: RiskLimits) -> Verdicts:
    for leg, seen in legs_of(plan, facts):
        own = crossing(leg.account.venue, leg.market.symbol, leg.side, seen.price, facts.own_orders)
        if own is not None:
            whose = f"a {own.side} that is not ours" if own.is_foreign else f"our own {own.side}"
            text = (
                f"{leg.side} at {canonical(seen.price)} could match {whose} at {canonical(own.price)} "
                f"({own.client_order_id} of account {own.account_id})"
            )
            others = {"ownOrder": own.client_order_id, "ownAccount": own.account_id}
            yield _refused("self_cross", RefusalCode.SELF_CROSS, text, leg, **others)
        yield _passed("self_cross", leg, f"{leg.side} at {canonical(seen.price)}", "meets no own order")


def _check_status(plan: PairPlan, facts: GateFacts, _limits: RiskLimits) -> Verdicts:
    for leg, seen in legs_of(plan, facts):
        if seen.status is not None and not seen.status.takes_new_risk:
            text = f"the venue is not open for orders ({seen.status.state}: {seen.status.text})"
            yield _refused("venue", RefusalCode.VENUE_CLOSED, text, leg, state=str(seen.status.state))
        yield _passed("venue", leg, "says nothing" if seen.status is None else str(seen.status.state), "not closed")


def _check_books(plan: PairPlan, facts: GateFacts, limits: RiskLimits) -> Verdicts:
    for leg, seen in legs_of(plan, facts):
        if seen.book is None or seen.book.mid is None:
            yield _refused("book", RefusalCode.BOOK_MISSING, "no proven two-sided book", leg)
            return
        age, limit = seen.book.age_s(facts.now), limits.book_age_s_max
        if age > limit:
            text = f"book is {age:.1f} s old, at most {limit} s are allowed"
            yield _refused("book_age_s", RefusalCode.BOOK_STALE, text, leg, limit=limit, requested=round(age, 3))
        yield _passed("book_age_s", leg, round(age, 3), limit)
        spread = seen.book.spread
        if spread is not None and not ZERO < spread <= limits.spread_max:
            text = f"spread {_percent(spread)} is not within 0 and {_percent(limits.spread_max)}"
            limits_ = {"limit": limits.spread_max, "requested": spread}
            yield _refused("spread", RefusalCode.SPREAD_WIDE, text, leg, **limits_)
        yield _passed("spread", leg, spread or ZERO, limits.spread_max)


def _check_marks(plan: PairPlan, facts: GateFacts, limits: RiskLimits) -> Verdicts:
    for leg, seen in legs_of(plan, facts):
        if seen.mark is None:
            yield _refused("mark", RefusalCode.MARK_MISSING, "no mark price", leg)
            return
        age, limit = (facts.now - seen.mark.received_time).total_seconds(), limits.mark_age_s_max
        if age > limit:
            text = f"mark is {age:.1f} s old, at most {limit} s are allowed"
            yield _refused("mark_age_s", RefusalCode.MARK_STALE, text, leg, limit=limit, requested=round(age, 3))
        yield _passed("mark_age_s", leg, round(age, 3), limit)


def _check_grid(plan: PairPlan, facts: GateFacts, _limits: RiskLimits) -> Verdicts:
    for leg, seen in legs_of(plan, facts):
        try:
            leg.market.check_quantity(leg.quantity)
            leg.market.check_price(seen.price)
        except PrecisionRefused as refusal:
            yield _refused("grid", RefusalCode.OFF_GRID, refusal.message, leg)
        bound = f"lot {canonical(leg.market.lot)}, tick {canonical(leg.market.tick)}"
        yield _passed("grid", leg, f"{canonical(leg.quantity)} at {canonical(seen.price)}", bound)


def _check_price_band(plan: PairPlan, facts: GateFacts, _limits: RiskLimits) -> Verdicts:
    for leg, seen in legs_of(plan, facts):
        band = leg.market.price_band
        if band is None or seen.mark is None:
            continue
        edge = seen.mark.mark * (1 + band * leg.side.sign)
        if leg.side.is_worse(seen.price, than=edge):
            text = f"price {canonical(seen.price)} lies beyond {canonical(edge)}, {_percent(band)} from mark"
            yield _refused("price_band", RefusalCode.PRICE_BAND, text, leg, limit=edge, requested=seen.price)
        yield _passed("price_band", leg, seen.price, edge)


def _check_depth(plan: PairPlan, facts: GateFacts, limits: RiskLimits) -> Verdicts:
    for leg, seen in legs_of(plan, facts):
        if seen.book is None or seen.book.mid is None or seen.mark is None:
            yield _refused("depth", RefusalCode.BOOK_MISSING, "no proven two-sided book or no mark", leg)
            return
        slippage = per_leg(limits.max_slippage)
        bound = marketable_price(leg.market, seen.book.mid, leg.side, slippage, mark=seen.mark.mark)
        filled = seen.book.walk(leg.side, leg.quantity, bound).filled
        if filled < leg.quantity:
            text = (
                f"{canonical(filled)} in the book within {_percent(slippage)} of mid, {canonical(leg.quantity)} needed"
            )
            yield _refused("depth", RefusalCode.DEPTH_THIN, text, leg, limit=filled, requested=leg.quantity)
        yield _passed("depth", leg, filled, leg.quantity)


def _check_cost(plan: PairPlan, facts: GateFacts, limits: RiskLimits) -> Verdicts:
    """Slippage of both legs together against their mids, as a share of the pair's volume; fees are not slippage."""
    costs = []
    for leg, seen in legs_of(plan, facts):
        cost = None if seen.book is None else taking_cost(leg.market, seen.book, leg.side, leg.quantity)
        if cost is None:
            text = f"the book does not hold {canonical(leg.quantity)}"
            yield _refused("cost", RefusalCode.DEPTH_THIN, text, leg)
            return
        costs.append(cost)
    volume = plan.quantity * min(cost.average for cost in costs)
    share = sum((cost.slippage for cost in costs), ZERO) / volume
    if share > limits.max_slippage:
        fees = sum((cost.fee for cost in costs), ZERO)
        text = f"both legs would pay {_percent(share)} against mid, at most {_percent(limits.max_slippage)} is allowed"
        figures = {"limit": limits.max_slippage, "requested": share, "fees": fees}
        yield _refused("cost", RefusalCode.COST_HIGH, text, None, **figures)
    yield _passed("cost", None, share, limits.max_slippage)


def _check_positions(plan: PairPlan, facts: GateFacts, limits: RiskLimits) -> Verdicts:
    for leg, seen in legs_of(plan, facts):
        held = seen.exposure
        reach = held.worst_long + leg.quantity if leg.side is Side.BUY else leg.quantity - held.worst_short
        # The farthest the account may get in the leg's direction if everything in flight fills against us.
        limit = ZERO if leg.reduce_only else limits.max_position
        if reach > limit:
            text = f"position would reach {canonical(reach * leg.side.sign)}, at most {canonical(limit)} is allowed"
            yield _refused("position", RefusalCode.POSITION_LIMIT, text, leg, limit=limit, requested=reach)
        yield _passed("position", leg, reach, limit)


def _check_margin(plan: PairPlan, facts: GateFacts, limits: RiskLimits) -> Verdicts:
    for leg, seen in legs_of(plan, facts):
        if seen.margin is not None and not seen.margin.active:
            text = "the venue reports the account as not active"
            yield _refused("account", RefusalCode.ACCOUNT_INACTIVE, text, leg)
        if leg.reduce_only:
            continue
        if seen.margin is None or seen.mark is None:
            yield _refused("margin", RefusalCode.MARGIN_UNKNOWN, "margin could not be read", leg)
            return
        notional = leg.quantity * max(seen.price, seen.mark.mark)
        fees = 2 * max(ZERO, leg.market.taker_fee) * notional  # the open and a possible unwind
        required = notional * leg.market.initial_margin * limits.margin_cushion + fees
        if seen.margin.available < required:
            text = f"needs {required:.2f} of margin with cushion and fees, {seen.margin.available:.2f} is available"
            figures = {"limit": seen.margin.available, "requested": required}
            yield _refused("margin", RefusalCode.MARGIN_SHORT, text, leg, **figures)
        yield _passed("margin", leg, required, seen.margin.available)


def _check_losses(plan: PairPlan, facts: GateFacts, limits: RiskLimits) -> Verdicts:
    if plan.purpose is not Purpose.OPEN:
        return
    loss, limit = -facts.session_pnl, limits.stop_loss * facts.capital
    if loss >= limit:
        text = f"the session has lost {loss:.2f}, its stop loss is {limit:.2f}"
        yield _refused("stop_loss", RefusalCode.STOP_LOSS, text, limit=limit, requested=loss)
    yield _passed("stop_loss", None, loss, limit)
    spent, limit = facts.naked_usd_seconds, limits.naked_usd_seconds_max
    if spent >= limit:
        text = f"legs stood alone for {spent:.0f} quote units x seconds, the budget is {limit:.0f}"
        yield _refused("naked_budget", RefusalCode.NAKED_BUDGET, text, limit=limit, requested=spent)
    yield _passed("naked_budget", None, spent, limit)
    spent, limit, remedy = facts.naked_today, limits.naked_day_max, NAKED_DAY_REMEDY
    if spent >= limit:
        text = (
            f"today legs of all sessions stood alone for {spent:.0f} quote units x seconds, the day allows {limit:.0f}"
        )
        yield _refused(
            "naked_day_budget",
            RefusalCode.NAKED_DAY_BUDGET,
            f"{text}; {remedy}",
            limit=limit,
            requested=spent,
            remedy=remedy,
        )
    yield _passed("naked_day_budget", None, spent, limit)


def _percent(fraction: Decimal) -> str:
    return f"{fraction * 100:.3f} %"


_CHECKS: tuple[Callable[[PairPlan, GateFacts, RiskLimits], Verdicts], ...] = (
    _check_run,
    _check_self_cross,
    _check_status,
    _check_books,
    _check_marks,
    _check_grid,
    _check_price_band,
    _check_depth,
    _check_cost,
    _check_positions,
    _check_margin,
    _check_losses,
)
