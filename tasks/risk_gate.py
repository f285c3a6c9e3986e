"""The risk gate: gathers fresh facts for a plan and lets core.risk decide. The only source of an Approved plan."""

from __future__ import annotations

from decimal import Decimal

from prefect import task

from core.errors import MarketDataUnavailable
from core.exposure import Exposure
from core.instrument import Venue
from core.plan import LegPlan, PairPlan
from core.pricing import marketable_price, per_leg
from core.risk import GateFacts, LegFacts, OwnOrder, RefusalCode, Refused, RiskDecision, Severity, gate
from core.views import AccountView, SessionView
from tasks.desk import Desk, current
from tasks.foreign_orders import known_in
from tasks.money import tally
from tasks.options import STEP
from tasks.venue_facts import clocks_are_safe


@task(name="risk-gate", **STEP)
async def check_risk(plan: PairPlan, naked_usd_seconds: Decimal, naked_today: Decimal) -> RiskDecision:
    """Approve a plan on fresh facts, or refuse it with a code.

    naked_usd_seconds: what the session spent so far; naked_today: what all sessions did since midnight UTC.
    """
    desk = current()
    try:
        facts = gather_facts(desk, plan, naked_usd_seconds, naked_today)
    except MarketDataUnavailable as error:
        # A third account's open position cannot be valued, so the session's loss is not known now.
        return Refused(RefusalCode.MARK_MISSING, str(error), {}, Severity.WARNING)
    return gate(plan, facts, desk.limits)


def gather_facts(desk: Desk, plan: PairPlan, naked_usd_seconds: Decimal, naked_today: Decimal) -> GateFacts:
    """Collect what the gate looks at: books, marks, margins, exposure, orders on the whole installation's accounts,
    own and foreign, clocks, venues' states, breaches that wait."""
    own: list[OwnOrder] = []
    venues: set[Venue] = {leg.account.venue for leg in plan.legs}
    for venue in venues:
        own.extend(desk.store.reads.own_live_orders(venue, desk.symbol))
        own.extend(known_in(desk, venue))
    breaches = desk.store.reads.breaches(desk.session_id, open_only=True)
    return GateFacts(
        now=desk.now(),
        buy=_leg_facts(desk, plan.buy, plan.buy_mid),
        sell=_leg_facts(desk, plan.sell, plan.sell_mid),
        session_pnl=tally(desk).net,
        capital=desk.capital,
        naked_usd_seconds=naked_usd_seconds,
        naked_today=naked_today,
        own_orders=tuple(own),
        lease_held=not desk.lease.is_lost and desk.now() < desk.lease.expires_at,
        clock_safe=clocks_are_safe(desk, tuple(leg.account.account_id for leg in plan.legs)),
        halted=any(b.severity is Severity.CRITICAL for b in breaches),
    )


def session_view(desk: Desk, *, sequence: int, volume: Decimal, closing: bool, unwinding: bool) -> SessionView:
    """Show the planner the session as it is now; accounts without a proven book or a mark take no leg."""
    books, marks = desk.books(), desk.marks()
    accounts = tuple(
        AccountView(
            account=ref,
            market=desk.markets[name],
            exposure=exposure(desk, name),
            volume=desk.volumes[name],
            free_margin=desk.margins[name].available if name in desk.margins else Decimal(0),
            # An account whose margin could not be read is shown without a book, so that it takes no leg.
            book=books.get(name) if name in desk.margins else None,
            mark=marks.get(name),
            funding=desk.funding.get(name),
            low_price=desk.low_marks.get(name),
            venue_volume_24h=desk.day_volumes.get(name),
        )
        for name, ref in desk.accounts.items()
    )
    return SessionView(
        session_id=desk.session_id,
        next_sequence=sequence,
        accounts=accounts,
        volume_generated=volume,
        volume_target=desk.goal.volume_target,
        closing=closing,
        unwinding=unwinding,
    )


def exposure(desk: Desk, name: str) -> Exposure:
    """One account's position with everything of the session that may still fill."""
    return Exposure.of(desk.accounts[name], desk.symbol, desk.positions[name], desk.working.values())


def _leg_facts(desk: Desk, leg: LegPlan, mid: Decimal) -> LegFacts:
    name = leg.account.account_id
    book, mark = desk.books().get(name), desk.marks().get(name)
    price = marketable_price(
        leg.market, mid, leg.side, per_leg(desk.strategy.max_slippage), mark=mark.mark if mark else None
    )
    return LegFacts(
        book, mark, desk.margins.get(name), exposure(desk, name), price, desk.statuses.get(name), desk.funding.get(name)
    )  # fmt: skip
