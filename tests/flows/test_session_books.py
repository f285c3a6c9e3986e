"""A session completes only when every cent of its accounts' change of equity is explained."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from core.errors import SessionHalted
from core.ledger import Name, balances, total
from core.market import FundingPayment
from core.market_data import PastFunding
from core.order import FillCause
from flows.steps import PLAIN
from flows.story import run_session
from store.records import BreachAction, CommandKind, SessionStatus
from tests.fakes.venue import HALF, Script
from tests.fakes.world import SESSION, QuietBoard, World, request_document

D = Decimal
Make = Callable[..., World]


async def run(world: World) -> dict[str, Any]:
    """One run of the session, from its desk on, with Prefect taken away."""
    return await run_session(world.desk(), world.session, PLAIN, QuietBoard())  # type: ignore[arg-type]


def payment(world: World, name: str, quote: str, number: int = 1) -> FundingPayment:
    """A funding payment as a venue books it now."""
    venue, now = world.venues[name], world.clock()
    return FundingPayment(venue.venue, name, "ETH/USD", f"{name}-f{number}", D(quote), venue.rate, now, now)


async def test_every_cent_of_a_session_is_explained_with_repairs_and_funding(make: Make) -> None:
    world = make()
    world.venues["b"].script(HALF)
    world.clock.later(8, lambda: world.venues["a"].payments.append(payment(world, "a", "-0.30")))
    summary = await run(world)
    world.check_completed_and_flat()
    books = world.store.reads.ledger.books(SESSION)
    stated = [b.statement for b in books.values() if b.statement is not None]
    assert len(stated) == 2
    assert [s.residual for s in stated] == [0, 0]
    whole = total(stated)
    assert summary["residual"] == "0"
    assert whole.explained == world.session.totals.pnl == whole.closing - whole.opening
    assert whole.funding == D("-0.30")
    assert whole.legging < 0
    sums = balances(world.store.reads.ledger.entries(SESSION))
    assert -sum(q for (_, name, _), q in sums.items() if name is Name.FEES) == whole.fees
    with world.store.results() as connection:
        rows = connection.execute("select sum(quantity) from ledger where name = 'fees'").fetchone()
        assert rows == (world.session.totals.fees,)


def charged_in_secret(world: World) -> None:
    """The venue takes a fee that none of its fills tells."""
    world.venues["a"].deposit -= D("0.05")


def traded_by_hand(world: World) -> None:
    """Somebody buys and sells on the account beside the session."""
    world.venues["a"].meddle(D("0.1"), price=D(2500))
    world.venues["a"].meddle(D("-0.1"), price=D(2490))


def funding_told_wrong(world: World) -> None:
    """The venue books another payment than the one that it told."""
    told = payment(world, "a", "0.30")
    world.store.journal.record_funding.now(SESSION, [told])
    world.venues["a"].payments.append(payment(world, "a", "0.20"))


@pytest.mark.parametrize(
    ("plant", "residual"), [(charged_in_secret, "-0.05"), (traded_by_hand, "-1"), (funding_told_wrong, "-0.1")]
)
async def test_money_that_nothing_explains_pauses_the_session_with_the_figures(
    make: Make, plant: Callable[[World], None], residual: str
) -> None:
    world = make()
    world.clock.later(8, lambda: plant(world))
    with pytest.raises(SessionHalted, match="the books do not balance"):
        await run(world)
    assert world.session.status is not SessionStatus.COMPLETED
    assert set(world.positions.values()) == {0}
    (breach,) = world.store.reads.breaches(SESSION, open_only=True)
    assert breach.category == "ledger_residual"
    assert {name: D(f["residual"]) for name, f in breach.details.items()} == {"a": D(residual)}  # type: ignore[index]


async def test_residual_that_an_operator_accepted_figure_for_figure_lets_the_session_complete(make: Make) -> None:
    world = make()
    world.clock.later(8, lambda: charged_in_secret(world))
    with pytest.raises(SessionHalted):
        await run(world)
    world.die()

    def accept() -> None:
        (breach,) = world.store.reads.breaches(SESSION, open_only=True)
        world.store.journal.acknowledge_breach.now(SESSION, breach.breach_id, BreachAction.IGNORE, at=world.clock())
        world.store.journal.add_command.now(SESSION, CommandKind.RESUME, created_by="ops", created_at=world.clock())

    world.clock.later(30, accept)
    await run(world)
    world.check_completed_and_flat()


async def test_residual_that_grew_after_it_was_accepted_stops_the_session_again(make: Make) -> None:
    world = make()
    world.clock.later(8, lambda: charged_in_secret(world))
    with pytest.raises(SessionHalted):
        await run(world)
    world.die()
    (breach,) = world.store.reads.breaches(SESSION, open_only=True)
    world.store.journal.acknowledge_breach.now(SESSION, breach.breach_id, BreachAction.IGNORE, at=world.clock())
    charged_in_secret(world)
    with pytest.raises(SessionHalted, match=r"account a: -0\.1 "):
        await run(world)


async def test_figures_that_a_venue_shows_late_are_waited_for(make: Make) -> None:
    world = make(volumeTarget="500")
    venue = world.venues["a"]
    venue.deposit += D(7)

    def settle_late() -> None:
        if world.store.reads.pairs(SESSION) and not any(world.positions.values()):
            world.clock.later(0.9, lambda: setattr(venue, "deposit", venue.deposit + D("0.5")))
        else:
            world.clock.later(0.1, settle_late)

    world.clock.later(3, lambda: setattr(venue, "deposit", venue.deposit - D("0.5")))
    world.clock.later(4, settle_late)
    await run(world)
    world.check_completed_and_flat()


async def test_restart_reckons_from_the_equity_of_the_first_start(make: Make) -> None:
    world = make(volumeTarget="1500")
    desk = world.desk()
    await PLAIN.check_funds()
    assert desk.capital == D(200_000)
    world.die()
    world.venues["a"].deposit -= D(1000)
    desk = world.desk()
    await PLAIN.check_funds()
    assert desk.capital == D(200_000)


@pytest.mark.parametrize(("quote", "is_agreed"), [(None, True), ("1.5", False)])
async def test_funding_is_recomputed_from_published_rates_and_differences_are_told(
    make: Make, quote: str | None, is_agreed: bool
) -> None:
    """Every account is paid at the full hour; one of the payments is another one than rate, price and size make."""
    world = make(volumeTarget=None, duration=90_000, interval=(20, 25))
    hour = (world.clock() + timedelta(hours=1)).replace(minute=0, second=0, microsecond=0)
    world.clock.advance((hour - world.clock()).total_seconds() - 12)
    for venue in world.venues.values():
        await venue.measure_clock()
    dues: list[Decimal] = []

    def pay() -> None:
        for name, venue in world.venues.items():
            venue.market_data.points.append(
                PastFunding(venue.venue, "ETH/USD", D("0.01"), 3600, None, None, hour, world.clock())
            )
            due = -venue.position * venue.mid * D("0.01")
            dues.append(due)
            venue.payments.append(payment(world, name, quote if quote and name == "a" else str(due)))

    world.clock.later(12, pay)
    await run(world)
    world.check_completed_and_flat()
    assert all(dues)
    with world.store.results() as connection:
        rows = connection.execute("select account_id, is_agreed, difference from funding_checks order by 1").fetchall()
    assert [(name, agreed) for name, agreed, _ in rows] == [("a", is_agreed), ("b", True)]
    assert (rows[0][2] == 0) is is_agreed
    told = [str(e.payload.get("text")) for e in world.store.reads.events_since(SESSION, 0)]
    assert any("at stake" in text for text in told) is not is_agreed


async def test_spent_naked_budget_closes_the_gate_and_the_days_total_is_told(make: Make) -> None:
    """A leg that stands alone for a while spends the budget; nothing opens any more and the session winds down."""
    document = request_document(("a", "b"))["strategy"]
    document["riskLimits"]["maxNakedUsdSeconds"] = "1"  # type: ignore[index]
    world = make(strategy=document)
    world.venues["b"].script(Script(fill_after_s=1.0))
    summary = await run(world)
    world.check_completed_and_flat()
    assert world.session.totals.naked_usd_seconds > 1
    assert world.session.totals.volume_generated < 3000
    assert "naked_budget" in {breach.category for breach in world.store.reads.breaches(SESSION)}
    assert D(summary["nakedUsdSecondsToday"]) == world.session.totals.naked_usd_seconds.quantize(D("0.01"))
    with world.store.results() as connection:
        rows = connection.execute("select pairs, naked_usd_seconds from naked_by_day").fetchall()
    assert rows == [(len(world.pairs), world.session.totals.naked_usd_seconds)]


def turn_round(world: World) -> None:
    """A hand turns account a round beside the mid, as soon as it holds something; the price moves on, then stop."""
    a = world.venues["a"]
    if a.position == 0 or any(v.resting for v in world.venues.values()):
        world.clock.later(1, lambda: turn_round(world))
        return
    a.meddle(-a.position, price=a.mid - 3)
    a.meddle(a.executions[-1][0].quantity * a.executions[-1][0].side.sign, price=a.mid - 4)
    world.clock.later(20, lambda: setattr(a, "mid", a.mid + 1))
    world.clock.later(30, lambda: stop(world))


async def test_what_was_judged_to_be_somebody_elses_explains_its_money_however_the_price_moves(make: Make) -> None:
    world = make(volumeTarget="100000")
    world.clock.later(1, lambda: turn_round(world))
    summary = await run(world)
    assert world.session.status is SessionStatus.COMPLETED
    assert summary["residual"] == "0"
    assert world.positions["a"] != 0
    stated = world.store.reads.ledger.books(SESSION)["a"].statement
    assert stated is not None
    assert stated.before == world.positions["a"] * 5


async def test_equity_that_moves_with_somebody_elses_position_is_a_warning_and_no_halt(make: Make) -> None:
    """Equity and mark are read one after the other: with a position that stays, they never quite agree."""
    world = make(volumeTarget="100000")
    world.clock.later(1, lambda: turn_round(world))
    world.clock.later(25, lambda: charged_in_secret(world))
    await run(world)
    assert world.session.status is SessionStatus.COMPLETED
    told = [b for b in world.store.reads.breaches(SESSION) if b.category == "ledger_residual_elsewhere"]
    assert [(b.severity.value, b.details["a"]["elsewhere"]) for b in told] == [("warning", "ETH/USD")]  # type: ignore[index]


async def test_a_liquidation_of_what_a_hand_left_on_the_account_explains_its_money_too(make: Make) -> None:
    """It is booked as the session's own, though all of it was somebody else's; the price moves on afterwards."""
    world = make(volumeTarget="100000")
    a = world.venues["a"]

    def take_more() -> None:
        if a.position == 0 or any(v.resting for v in world.venues.values()):
            world.clock.later(1, take_more)
            return
        a.meddle(-a.position - D("0.02").copy_sign(a.position), price=a.mid - 3)
        world.clock.later(20, lambda: a.meddle(-a.position, cause=FillCause.LIQUIDATION))
        world.clock.later(25, lambda: setattr(a, "mid", a.mid + 1))

    world.clock.later(1, take_more)
    summary = await run(world)
    assert world.session.status is SessionStatus.COMPLETED
    assert (summary["residual"], world.positions["a"]) == ("0", 0)


def stop(world: World) -> None:
    world.store.journal.add_command.now(SESSION, CommandKind.STOP, created_by="ops", created_at=world.clock())


async def test_report_shows_where_the_money_went(make: Make) -> None:
    world = make(volumeTarget="500")
    summary = await run(world)
    page = Path(summary["report"]).read_text(encoding="utf-8")
    assert "Where the money went" in page
    assert re.findall(r'class="residual" value="([^"]*)"', page) == ["0", "0"]
    assert re.findall(r'id="residual" value="([^"]*)"', page) == ["0"], "the session's own, below the accounts'"
