"""How long legs stood alone, and what the books do not explain: the same figures in every place that shows them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from api_world import Api, ApiWorld, new_home

from api.settings import ApiSettings
from core.errors import ConfigurationError
from core.instrument import Venue
from core.ledger import Reading, Statement
from core.pair import PairStatus
from store import NewPair, PairOutcome, SessionTotals
from store.ledger_records import Opening

D = Decimal
DAY_MAX = D(1000)


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    """An installation that allows a thousand naked USD-seconds a day."""
    async with ApiWorld(new_home(tmp_path / "home"), changes={"naked_day_max": DAY_MAX}).opened() as opened:
        yield opened


async def with_naked_pair(api: Api, session_id: str, usd_seconds: str, *, sequence: int = 1, ended: bool = True) -> str:
    """A pair whose leg stood alone; without an end it still does."""
    now, pair_id = api.world.clock(), f"{session_id[:8]}-n{sequence}"
    await api.store.journal.record_pair(
        NewPair(
            pair_id, session_id, sequence, Venue.PACIFICA, "account1", Venue.PARADEX, "account2", D("0.04"),
            D(2500), D(2500), {}, now,
        )
    )  # fmt: skip
    outcome = PairOutcome(PairStatus.FILLED, naked_usd_seconds=D(usd_seconds), completed_at=now)
    if not ended:
        outcome = replace(outcome, status=PairStatus.PARTIAL, completed_at=None)
    await api.store.journal.complete_pair(pair_id, outcome)
    return pair_id


async def with_books(api: Api, session_id: str, residuals: dict[str, str]) -> None:
    """Books that were opened with 1000 and closed with 1 less, of which all but the residual is fees."""
    now, journal = api.world.clock(), api.store.journal
    venues = {"account1": Venue.PACIFICA, "account2": Venue.PARADEX}
    for name, residual in residuals.items():
        await journal.record_openings([Opening(session_id, name, venues[name], D(1000), None, D(0), (), now)])
        said = Statement(
            name, D(1000), D(999), basis=D(0), slippage=D(0), legging=D(0), forced=D(0), fees=D(-1) - D(residual),
            funding=D(0), transfers=D(0), before=D(0), bookings=2,
        )  # fmt: skip
        await journal.record_closing(session_id, said, Reading(D(999), None, now))


async def gauges(api: Api) -> dict[str, float]:
    text = (await api.get("/metrics", key="", base="")).text
    return {
        name: float(value) for name, value in re.findall(r"^(hedge_(?:naked|ledger)\w+) (\S+)$", text, re.MULTILINE)
    }


async def test_pair_and_session_tell_their_naked_dollar_seconds(api: Api) -> None:
    session_id = await api.started()
    await with_naked_pair(api, session_id, "12.5")
    await api.store.journal.update_session_totals(session_id, SessionTotals(naked_usd_seconds=D("12.5")))
    session = (await api.get(f"/sessions/{session_id}")).json()["session"]
    assert session["metrics"]["nakedUsdSeconds"] == 12.5
    assert session["orders"][0]["nakedUsdSeconds"] == 12.5
    (listed,) = (await api.get("/sessions")).json()["sessions"]
    assert listed["metrics"]["nakedUsdSeconds"] == 12.5
    (pair,) = (await api.get(f"/sessions/{session_id}/orders")).json()["orders"]
    assert pair["nakedUsdSeconds"] == 12.5


async def test_risk_status_sets_session_and_day_against_their_limits(api: Api) -> None:
    """The session's includes its pair without an end; the day's is that of all sessions, yesterday's is not in it."""
    earlier = await api.created()
    await with_naked_pair(api, earlier, "7777")
    api.world.clock.advance(86_400)
    await with_naked_pair(api, earlier, "100", sequence=2)
    session_id = await api.started()
    await with_naked_pair(api, session_id, "12.5")
    await with_naked_pair(api, session_id, "30", sequence=2, ended=False)
    await api.store.journal.update_session_totals(session_id, SessionTotals(naked_usd_seconds=D("12.5")))
    naked = (await api.get(f"/sessions/{session_id}/risk-status")).json()["riskStatus"]["naked"]
    assert naked == {
        "usdSeconds": 42.5, "limit": 500 * 10 * 100, "day": api.world.clock().date().isoformat(),
        "dayUsdSeconds": 142.5, "dayLimit": 1000,
    }  # fmt: skip
    assert (await gauges(api))["hedge_naked_usd_seconds_today"] == 142.5
    assert (await gauges(api))["hedge_naked_usd_seconds_day_limit"] == 1000


async def test_live_figures_say_it_as_the_run_last_did(api: Api) -> None:
    from api.updates import metrics_at

    session_id = await api.started()
    event = {"totalVolume": "1", "nakedUsdSeconds": "3.25"}
    await api.store.journal.append_event(
        session_id, at=api.world.clock(), channel="metrics", type="metrics_update", payload=event
    )
    last = api.store.reads.last_event(session_id, "metrics")
    assert last is not None
    assert metrics_at(api.store.reads.session(session_id), last)["nakedUsdSeconds"] == 3.25


async def test_ledger_is_unknown_until_every_account_was_closed(api: Api) -> None:
    session_id = await api.started()
    assert (await api.get(f"/sessions/{session_id}")).json()["session"]["ledger"] is None
    await with_books(api, session_id, {"account1": "0"})
    opening = Opening(session_id, "account2", Venue.PARADEX, D(1000), None, D(0), (), api.world.clock())
    await api.store.journal.record_openings([opening])
    assert (await api.get(f"/sessions/{session_id}")).json()["session"]["ledger"] is None


async def test_ledger_shows_what_no_booking_explains(api: Api) -> None:
    session_id = await api.started()
    await with_books(api, session_id, {"account1": "0", "account2": "-0.25"})
    ledger = (await api.get(f"/sessions/{session_id}")).json()["session"]["ledger"]
    sums = {"equityChange": -2, "explained": -1.75, "residual": -0.25, "isBalanced": False}
    assert ledger.items() >= sums.items()
    assert [(a["accountId"], a["residual"], a["isBalanced"]) for a in ledger["accounts"]] == [
        ("account1", 0, True), ("account2", -0.25, False),
    ]  # fmt: skip
    told = await gauges(api)
    assert (told["hedge_ledger_residual_usd_today"], told["hedge_ledger_unbalanced_accounts_today"]) == (0.25, 1)
    api.world.clock.advance(timedelta(days=1).total_seconds())
    told = await gauges(api)
    assert (told["hedge_ledger_residual_usd_today"], told["hedge_ledger_unbalanced_accounts_today"]) == (0, 0)


def test_api_does_not_start_with_a_limit_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="HEDGE_NAKED_DAY_MAX"):
        ApiSettings.from_env({"HEDGE_HOME": str(tmp_path), "HEDGE_NAKED_DAY_MAX": "lots"})
