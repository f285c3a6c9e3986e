"""What threatens a session is found before it starts and at every beat, all of it at once."""

from __future__ import annotations

from dataclasses import replace

import pytest
from planning_world import NOW, D, account, market, strategy

from core.account import Margin
from core.exposure import Exposure
from core.instrument import Venue
from core.limits import RiskLimits, Severity
from core.session_risk import (
    AccountRiskFacts,
    FundFacts,
    OverallRisk,
    SessionRiskFacts,
    assess_session,
    fund_check,
)
from core.strategy import SessionGoal

A, B = Venue.PACIFICA, Venue.PARADEX
LIMITS = RiskLimits.of(strategy())


def margin(venue: Venue, available: str = "1000", **changes: object) -> Margin:
    base = Margin(venue, "x", D(1000), D(available), D(0), D(100), True, NOW)
    return replace(base, **changes)  # type: ignore[arg-type]


def fund_facts(account_id: str, venue: Venue, available: str) -> FundFacts:
    return FundFacts(account(account_id, venue), market(venue), D(2500), margin(venue, available))


def at_beat(position: str = "0.1", **changes: object) -> AccountRiskFacts:
    held = Exposure(account("a", A), "ETH/USD", D(position))
    return replace(AccountRiskFacts(held, D(2500), margin(A)), **changes)  # type: ignore[arg-type]


OTHER = AccountRiskFacts(Exposure(account("b", B), "ETH/USD", D("-0.1")), D(2500), margin(B))


def session(*accounts: AccountRiskFacts, **changes: object) -> SessionRiskFacts:
    base = SessionRiskFacts(accounts or (at_beat(), OTHER), D(0), D(2000), D(0), between_pairs=True)
    return replace(base, **changes)  # type: ignore[arg-type]


def found(facts: SessionRiskFacts) -> set[tuple[str, Severity]]:
    return {(b.category, b.severity) for b in assess_session(facts, LIMITS).breaches}


def test_required_margin_with_worked_numbers() -> None:
    """0.4 x 2500 = 1000: margin 1000 x 0.05 x 1.1 = 55, fees 0.0004 x (2000 + 2 x 10 000 / 2) = 4.8; together 59.8."""
    goal = SessionGoal(D(10_000), None)

    short = fund_check(strategy(), goal, [fund_facts("a", A, "59.79"), fund_facts("b", B, "59.8")])

    assert [(s.account_id, s.required, s.available) for s in short] == [("a", D("59.8"), D("59.79"))]


def test_a_session_without_a_target_needs_margin_for_its_largest_position() -> None:
    goal = SessionGoal(None, 300.0)

    assert fund_check(strategy(), goal, [fund_facts("a", A, "55.8"), fund_facts("b", B, "55.8")]) == ()


def test_a_quiet_session_is_low_risk() -> None:
    risk = assess_session(session(), LIMITS)

    assert risk.overall is OverallRisk.LOW
    assert risk.breaches == ()


WARNING, CRITICAL = Severity.WARNING, Severity.CRITICAL


@pytest.mark.parametrize(
    ("facts", "category", "severity"),
    [
        (session(session_pnl=D(-50)), "drawdown", WARNING),
        (session(session_pnl=D(-100)), "stop_loss", CRITICAL),
        (session(at_beat()), "net_exposure", CRITICAL),
        (session(naked_usd_seconds=D(400_000)), "naked_budget", WARNING),
        (session(naked_usd_seconds=D(500_000)), "naked_budget", CRITICAL),
        (session(naked_today=D(4_000_000)), "naked_day_budget", WARNING),
        (session(naked_today=D(5_000_000)), "naked_day_budget", CRITICAL),
        (session(own_matches=1), "self_trade", CRITICAL),
        (session(venue_notices=("position reduced by the venue",)), "venue_notice", CRITICAL),
        (session(at_beat(margin=None), OTHER), "margin_unknown", WARNING),
        (session(at_beat(margin=margin(A, active=False)), OTHER), "account_inactive", CRITICAL),
        (session(at_beat(margin=margin(A, maintenance=D(500))), OTHER), "margin_ratio", WARNING),
        (session(at_beat(margin=margin(A, maintenance=D(800))), OTHER), "margin_ratio", CRITICAL),
        (session(at_beat(margin=margin(A, equity=D(0))), OTHER), "margin_ratio", CRITICAL),
        (session(at_beat(mark=None), OTHER), "mark_unknown", WARNING),
        (session(at_beat(liquidation_price=D(2250)), OTHER), "liquidation_distance", WARNING),
        (session(at_beat(liquidation_price=D(2425)), OTHER), "liquidation_distance", CRITICAL),
    ],
)
def test_each_threat_is_found_with_its_gravity(facts: SessionRiskFacts, category: str, severity: Severity) -> None:
    assert found(facts) == {(category, severity)}
    expected = OverallRisk.HIGH if severity is CRITICAL else OverallRisk.MEDIUM
    assert assess_session(facts, LIMITS).overall is expected


def test_a_position_beyond_its_limit_is_critical() -> None:
    other = replace(OTHER, exposure=Exposure(account("b", B), "ETH/USD", D("-0.5")))

    facts = session(at_beat("0.5"), other)

    assert [b.details["accountId"] for b in assess_session(facts, LIMITS).breaches] == ["a", "b"]
    assert found(facts) == {("position_limit", CRITICAL)}


def test_a_short_is_liquidated_above_mark() -> None:
    """A liquidation price of 2575 is 3 % above mark for the short, and below nothing for a long at 2500."""
    short = replace(OTHER, liquidation_price=D(2575))

    assert found(session(at_beat(), short)) == {("liquidation_distance", CRITICAL)}


def test_a_distant_liquidation_price_is_no_breach() -> None:
    assert found(session(at_beat(liquidation_price=D(2000)), OTHER)) == set()


def test_while_a_pair_is_in_flight_a_net_exposure_is_expected() -> None:
    assert found(session(at_beat(), between_pairs=False)) == set()


def test_every_breach_is_reported_not_only_the_first() -> None:
    facts = session(at_beat(margin=None), session_pnl=D(-100))

    assert {category for category, _ in found(facts)} == {"stop_loss", "net_exposure", "margin_unknown"}


@pytest.mark.parametrize(
    ("available", "severity"), [("31", None), ("30", Severity.WARNING), ("0.01", Severity.WARNING), ("0", CRITICAL)]
)
def test_margin_that_runs_out_warns_before_it_is_gone(available: str, severity: Severity | None) -> None:
    facts = session(at_beat(margin=margin(A, available, initial=D(900))), OTHER)

    assert found(facts) == ({("margin_floor", severity)} if severity is not None else set())


def test_an_account_that_uses_no_margin_has_no_margin_floor() -> None:
    assert found(session(at_beat(margin=margin(A, "0")), OTHER)) == set()


@pytest.mark.parametrize(
    ("bad_minute", "pnl", "severity"),
    [
        (None, "0", None),
        ("49", "0", None),
        ("50", "0", Severity.WARNING),
        ("100", "0", CRITICAL),
        ("40", "-40", Severity.WARNING),
    ],
)
def test_a_bad_minute_that_would_reach_the_stop_loss_is_told_before_it_comes(
    bad_minute: str | None, pnl: str, severity: Severity | None
) -> None:
    """The stop loss of these sessions is 5 % of 2000."""
    risk = None if bad_minute is None else D(bad_minute)
    facts = session(value_at_risk=risk, session_pnl=D(pnl))

    assert {s for c, s in found(facts) if c == "value_at_risk"} == ({severity} if severity is not None else set())
