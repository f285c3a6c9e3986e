"""The picture of a session: what events teach it, and what a terminal shows of that."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from cli_world import NOW, Machine, totals
from rich.console import Console

from cli.picture import Picture, bar, line, render
from store import Event, Session, SessionStatus


def running(machine: Machine, **changes: Any) -> Session:
    session = machine.session(name="watch\x1bme")
    known = {"status": SessionStatus.ACTIVE, "started_at": NOW, "totals": totals("2500")}
    return replace(session, **known, **changes)


def event(sequence: int, kind: str, **payload: object) -> Event:
    return Event("s1", sequence, NOW + timedelta(seconds=sequence), "any", kind, payload)


def metrics(sequence: int, net: str, peak: str, **positions: str) -> Event:
    return event(sequence, "metrics_update", netPosition=net, netPeakUsd=peak, positions=positions)


def shown(picture: Picture, width: int = 100) -> str:
    console = Console(width=width, color_system=None, force_terminal=False)
    with console.capture() as captured:
        console.print(render(picture, NOW + timedelta(seconds=60)))
    return captured.get()


def test_progress_net_delta_positions_and_the_last_decisions_are_shown(machine: Machine) -> None:
    picture = Picture(running(machine))
    for number, peak in enumerate(("0", "400", "100"), 1):
        picture.take(metrics(number, "0", peak, account1="-0.25", account2="0.25"))
    picture.take(event(4, "order_update", text="pair 3: opened"))

    text = shown(picture)

    assert "25%" in text
    assert "2,500.00 of 10,000.00 USD" in text
    assert "about 3:00 left" in text, "a quarter took a minute"
    assert "▁█▂" in text
    assert "██████│" in text, "half of the position limit, short, to the left"
    assert "│██████" in text
    assert "12:00:04  pair 3: opened" in text
    assert "\x1b" not in text


def test_only_the_newest_decisions_are_kept_newest_first(machine: Machine) -> None:
    picture = Picture(running(machine))
    for number in range(1, 20):
        picture.take(event(number, "order_update", text=f"decision {number}"))

    text = shown(picture)

    assert picture.last_sequence == 19
    assert text.index("decision 19") < text.index("decision 14")
    assert "decision 13" not in text


def test_a_session_by_time_shows_time(machine: Machine) -> None:
    picture = Picture(running(machine, volume_target=None, duration_s=120.0))
    assert "50%  1:00 of 2:00" in shown(picture)


def test_breaches_are_counted_and_named(machine: Machine) -> None:
    picture = Picture(running(machine))
    picture.take(event(1, "risk_update", riskLevel="high", breach={"category": "naked_leg", "severity": "critical"}))
    assert "breach naked_leg (critical)" in shown(picture)
    assert picture.breaches == 1


def test_what_a_venue_or_operator_wrote_cannot_steer_the_terminal(machine: Machine) -> None:
    picture = Picture(running(machine))
    picture.take(event(1, "refused", text="[bold]\x1b]0;title\x07evil"))
    assert "[bold]·]0;title·evil" in shown(picture)


def test_a_narrow_terminal_still_gets_a_picture(machine: Machine) -> None:
    picture = Picture(running(machine))
    picture.take(metrics(1, "0", "1", account1="0.1"))
    assert max(len(row) for row in shown(picture, width=50).splitlines()) <= 50


def test_one_line_says_the_same(machine: Machine) -> None:
    picture = Picture(running(machine))
    picture.take(metrics(1, "0.01", "25", account1="0.01"))
    text = line(picture)
    assert "volume 2,500 of 10,000 USD" in text
    assert "net delta +0.0100" in text
    assert picture.net == Decimal("0.01")


def test_a_bar_grows_in_eighths_of_a_cell() -> None:
    assert bar(0, 4) == "░░░░"
    assert bar(1, 4) == bar(7, 4) == "████"
    assert bar(0.5, 4) == "██░░"
    assert bar(9 / 32, 4) == "█▏░░"


def test_how_long_legs_stood_alone_is_set_against_both_budgets(machine: Machine) -> None:
    session = running(machine)
    spent = replace(session, totals=replace(session.totals, naked_usd_seconds=Decimal("1250.4")))
    told = shown(
        Picture(spent, naked_limit=Decimal(500_000), naked_today=Decimal("7300.6"), naked_day_max=Decimal(5_000_000))
    )
    assert "legs alone" in told
    assert "1,250 USD·s of 500,000  all sessions today 7,301 of 5,000,000" in told
    assert "1,250 USD·s  all" in shown(Picture(spent, naked_today=Decimal(0), naked_day_max=Decimal(1)))
