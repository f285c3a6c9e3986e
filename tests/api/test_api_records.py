"""What a session did and how it stands, as documents: nothing is guessed, what could not be read is null."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from api_world import Api, code_of

from api.views.risk import CHANGES_MIN, portfolio
from core.instrument import Venue
from core.order import (
    Fill,
    Liquidity,
    Order,
    OrderIntent,
    OrderReport,
    OrderStatus,
    OrderType,
    Reported,
    Side,
    TimeInForce,
    WasSent,
    apply,
)
from core.pair import PairStatus
from core.risk import Severity
from store import BreachAction, JournalEntry, NewBreach, NewPair, PairOutcome, SessionTotals

D = Decimal
VENUES = {"account1": Venue.PACIFICA, "account2": Venue.PARADEX}


async def with_pair(
    api: Api, session_id: str, sequence: int = 1, *, buy: str = "account1", status: PairStatus = PairStatus.FILLED
) -> str:
    """Journal a pair of 0.04 ETH, bought at 2499.5 and sold at 2500.5, and return its id."""
    sell = "account2" if buy == "account1" else "account1"
    now, pair_id = api.world.clock(), f"{session_id[:8]}-p{sequence}"
    await api.store.journal.record_pair(
        NewPair(
            pair_id, session_id, sequence, VENUES[buy], buy, VENUES[sell], sell, D("0.04"), D(2500), D(2500), {}, now
        )
    )
    for side, account_id, price in ((Side.BUY, buy, D("2499.5")), (Side.SELL, sell, D("2500.5"))):
        await _with_leg(api, session_id, pair_id, side, account_id=account_id, price=price)
    outcome = PairOutcome(
        status=status, quantity=D("0.04"), volume=D("99.98"), price=D(2500), slippage=D("-0.0004"), fees=D("0.03"),
        executed_at=now, completed_at=now,
    )  # fmt: skip
    await api.store.journal.complete_pair(pair_id, outcome)
    return pair_id


async def _with_leg(api: Api, session_id: str, pair_id: str, side: Side, *, account_id: str, price: Decimal) -> None:
    now, key = api.world.clock(), f"{pair_id}-{side}"
    intent = OrderIntent(
        key, session_id, pair_id, account_id, VENUES[account_id], "ETH/USD", side, OrderType.LIMIT,
        TimeInForce.IOC, D("0.04"), D(2500), D(2500), False, now, now,
    )  # fmt: skip
    (recorded,) = await api.store.journal.record_intents([JournalEntry(intent, side.value, 1, key)])
    report = OrderReport(
        VENUES[account_id], account_id, "ETH/USD", key, f"v-{key}", OrderStatus.FILLED, D("0.04"), price, None, now, now
    )  # fmt: skip
    sent: Order = apply(recorded.order, WasSent(now))
    await api.store.journal.record_order(apply(sent, Reported(report)))
    fill = Fill(
        VENUES[account_id], account_id, "ETH/USD", f"t-{key}", key, f"v-{key}", side, D("0.04"), price, D("0.015"),
        Liquidity.TAKER, now, now,
    )  # fmt: skip
    await api.store.journal.record_fills([fill])


async def test_pair_has_the_shape_of_the_contract(api: Api) -> None:
    session_id = await api.started()
    pair_id = await with_pair(api, session_id)
    page = (await api.get(f"/sessions/{session_id}/orders")).json()
    (pair,) = page["orders"]
    assert (page["total"], page["limit"], page["offset"]) == (1, 100, 0)
    at = pair["createdAt"]
    buy = {
        "accountId": "account1", "venue": "pacifica", "side": "buy", "type": "limit", "size": 99.98, "quantity": 0.04,
        "price": 2500, "status": "filled", "fillPrice": 2499.5, "fillSize": 99.98, "filledQuantity": 0.04,
        "fees": 0.015, "clientOrderId": f"{pair_id}-buy", "createdAt": at,
    }  # fmt: skip
    assert pair["orderPair"]["buyOrder"].items() >= buy.items()
    assert pair["orderPair"]["sellOrder"]["side"] == "sell"
    assert set(pair["orderPair"]["sellOrder"]) == set(pair["orderPair"]["buyOrder"])
    told = {
        "id": pair_id, "status": "filled", "volume": 99.98, "price": 2500, "slippage": -0.0004, "fees": 0.03,
        "executedAt": at, "completedAt": at,
    }  # fmt: skip
    assert pair.items() >= told.items()


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", [1, 2, 3]), ("?status=filled", [1, 3]), ("?status=unwound", [2]), ("?status=failed", []),
        ("?accountId=account1&side=buy", [1, 3]), ("?accountId=account1&side=sell", [2]),
        ("?accountId=account1", [1, 2, 3]), ("?accountId=account3", []), ("?limit=1&offset=1", [2]),
    ],
)  # fmt: skip
async def test_pairs_are_filtered_by_status_account_and_side(api: Api, query: str, found: Sequence[int]) -> None:
    session_id = await api.started()
    await with_pair(api, session_id, 1)
    await with_pair(api, session_id, 2, buy="account2", status=PairStatus.UNWOUND)
    await with_pair(api, session_id, 3)
    page = (await api.get(f"/sessions/{session_id}/orders{query}")).json()
    assert [pair["sequence"] for pair in page["orders"]] == found
    assert page["total"] == (3 if "limit" in query else len(found))


async def test_leg_that_was_never_sent_shows_no_invented_figures(api: Api) -> None:
    session_id = await api.started()
    now = api.world.clock()
    plan = NewPair(
        "p", session_id, 1, Venue.PACIFICA, "account1", Venue.PARADEX, "account2", D("0.04"), None, None, {}, now
    )
    await api.store.journal.record_pair(plan)
    (pair,) = (await api.get(f"/sessions/{session_id}")).json()["session"]["orders"]
    leg = pair["orderPair"]["buyOrder"]
    assert (leg["size"], leg["price"], leg["fillPrice"], leg["clientOrderId"]) == (None, None, None, None)
    assert (leg["status"], leg["filledQuantity"], leg["attempts"]) == ("pending", 0, 0)


async def test_fills_are_paged_and_can_be_newest_first(api: Api) -> None:
    session_id = await api.started()
    await with_pair(api, session_id, 1)
    api.world.clock.advance(5)
    await with_pair(api, session_id, 2)
    page = (await api.get(f"/sessions/{session_id}/fills?limit=1")).json()
    newest = (await api.get(f"/sessions/{session_id}/fills?limit=1&newestFirst=true")).json()
    assert page["total"] == newest["total"] == 4
    assert page["fills"][0]["venueTime"] < newest["fills"][0]["venueTime"]
    wanted = {"venue": "pacifica", "accountId": "account1", "side": "buy", "quantity": 0.04, "price": 2499.5,
              "fee": 0.015, "liquidity": "taker", "notional": 99.98}  # fmt: skip
    assert page["fills"][0].items() >= wanted.items()


async def test_events_follow_a_sequence_without_gaps(api: Api) -> None:
    session_id = await api.created()
    for number in range(5):
        await api.store.journal.append_event(
            session_id, at=api.world.clock(), channel="log", type="notice", payload={"text": str(number)}
        )
    answer = (await api.get(f"/sessions/{session_id}/events?since=2&limit=2")).json()
    assert [event["sequence"] for event in answer["events"]] == [3, 4]
    assert answer["lastSequence"] == 5
    assert answer["events"][0]["data"] == {"text": "2"}


async def test_figures_come_from_totals_and_the_last_metrics_event(api: Api) -> None:
    session_id = await api.started()
    totals = SessionTotals(
        volume_generated=D(1000), pnl=D("-2"), fees=D("1.5"), funding=D("0.5"), slippage=D("0.0003"), pairs_filled=4,
        pairs_unwound=1, max_net_exposure_usd=D(250),
    )  # fmt: skip
    await api.store.journal.update_session_totals(session_id, totals)
    payload = {"netPosition": "0.001", "unrealizedPnl": "-0.25", "pnl": "-2"}
    at = api.world.clock()
    await api.store.journal.append_event(session_id, at=at, channel="metrics", type="metrics_update", payload=payload)
    metrics = (await api.get(f"/sessions/{session_id}")).json()["session"]["metrics"]
    assert metrics.items() >= {
        "totalVolume": 1000, "netPosition": 0.001, "pnl": -2, "fees": 1.5, "fundingPnl": 0.5, "slippage": 0.0003,
        "unrealizedPnl": -0.25, "pairsFilled": 4, "pairsUnwound": 1, "maxNetExposure": 250,
    }.items()  # fmt: skip
    parts = metrics["realizedPnl"] + metrics["unrealizedPnl"] - metrics["fees"] + metrics["fundingPnl"]
    assert parts == metrics["pnl"]


async def test_risk_is_read_from_the_venues_now(api: Api) -> None:
    session_id = await api.started()
    api.world.venues["account1"].meddle(D("0.08"))
    status = (await api.get(f"/sessions/{session_id}/risk-status")).json()["riskStatus"]
    shown = {"sessionId", "overallRisk", "accountRisks", "portfolioRisk", "naked", "activeBreaches"}
    assert set(status) == shown | {"riskState", "riskReason"}
    assert (status["riskState"], status["riskReason"]) == ("ACTIVE", None)
    one, other = status["accountRisks"]
    assert (one["positionSize"], other["positionSize"]) == (0.08, 0)
    assert (one["riskLevel"], status["overallRisk"]) == ("low", "low")
    assert set(status["portfolioRisk"]) == {"totalPnl", "maxDrawdown", "var95"}
    assert status["portfolioRisk"]["maxDrawdown"] == 0


@pytest.mark.parametrize("what", ["margin", "positions"])
async def test_account_that_could_not_be_read_is_null_with_a_reason_and_never_low_risk(api: Api, what: str) -> None:
    session_id = await api.started()
    api.world.venues["account1"].fail(what, times=5)
    status = (await api.get(f"/sessions/{session_id}/risk-status")).json()["riskStatus"]
    account = status["accountRisks"][0]
    assert account["riskLevel"] is None
    assert account["reason"].startswith(what)
    assert account["marginRatio" if what == "margin" else "positionSize"] is None
    assert status["overallRisk"] == "medium"
    assert status["accountRisks"][1]["riskLevel"] == "low"
    if what == "margin":
        assert status["portfolioRisk"]["maxDrawdown"] is None


async def test_a_critical_breach_halts_until_acknowledged_and_session_and_risk_say_the_same(api: Api) -> None:
    session_id = await api.started()
    breach = NewBreach("b1", session_id, None, "trade_bust", Severity.CRITICAL, {}, api.world.clock())
    await api.store.journal.record_breach(breach)
    for expected in ("HALTED", "ACTIVE"):
        session = (await api.get(f"/sessions/{session_id}")).json()["session"]
        status = (await api.get(f"/sessions/{session_id}/risk-status")).json()["riskStatus"]
        assert session["riskState"] == status["riskState"] == expected
        assert session["riskReason"] == status["riskReason"]
        assert (status["riskReason"] is None) == (expected == "ACTIVE")
        await api.store.journal.acknowledge_breach(session_id, "b1", BreachAction.RESOLVE, at=api.world.clock())


@pytest.mark.parametrize(("severity", "level"), [(Severity.WARNING, "medium"), (Severity.CRITICAL, "high")])
async def test_open_breach_raises_the_risk_until_acknowledged(api: Api, severity: Severity, level: str) -> None:
    session_id = await api.started()
    details = {"loss": "5"}
    breach = NewBreach("b1", session_id, None, "drawdown", severity, details, api.world.clock())
    await api.store.journal.record_breach(breach)
    before = (await api.get(f"/sessions/{session_id}/risk-status")).json()["riskStatus"]
    assert before["overallRisk"] == level
    (shown,) = before["activeBreaches"]
    assert shown.items() >= {
        "id": "b1", "breachType": "drawdown", "severity": severity.value, "details": details, "resolved": False,
    }.items()  # fmt: skip
    path = f"/sessions/{session_id}/risk-breaches/b1/acknowledge"
    first = (await api.post(path, {"action": "ignore"})).json()["breach"]
    second = (await api.post(path, {"action": "resolve"})).json()["breach"]
    assert first == second  # the first decision holds
    assert first.items() >= {"id": "b1", "resolved": True, "action": "ignore"}.items()
    after = (await api.get(f"/sessions/{session_id}/risk-status")).json()["riskStatus"]
    assert (after["overallRisk"], after["activeBreaches"]) == ("low", [])


@pytest.mark.parametrize("body", [{}, {"action": "forget"}, {"action": "resolve", "comment": "x" * 1001}, [1]])
async def test_acknowledgement_that_is_none_is_refused(api: Api, body: object) -> None:
    session_id = await api.created()
    answer = await api.post(f"/sessions/{session_id}/risk-breaches/b/acknowledge", body)
    assert code_of(answer) == "VALIDATION_ERROR"


def test_drawdown_is_the_deepest_fall_from_a_peak_and_var_the_loss_exceeded_once_in_twenty() -> None:
    steps = [D(1)] * 19 + [D(-5)] * 2 + [D(1)] * 19  # 40 changes, the 3rd worst is a gain
    path, total = [], D(0)
    for step in steps:
        total += step
        path.append(total)
    told = portfolio(total, path, D(100))
    assert told.max_drawdown == pytest.approx(0.10)
    assert told.var95 == 0.0
    worse = portfolio(total, [D(-n) for n in range(1, CHANGES_MIN + 1)], D(100))
    assert worse.var95 == pytest.approx(0.01)
    assert portfolio(total, path[: CHANGES_MIN - 1], D(100)).var95 is None
    assert portfolio(total, path, None).max_drawdown is None


async def test_report_is_served_with_the_key_and_once_with_a_ticket(api: Api) -> None:
    session_id = await api.started()
    assert (await api.get(f"/sessions/{session_id}/report")).status_code == 404
    reports: Path = api.world.home.reports
    reports.mkdir(exist_ok=True)
    (reports / f"{session_id}.html").write_text("<h1>a report</h1>")
    answer = await api.get(f"/sessions/{session_id}/report")
    assert (answer.status_code, answer.text) == (200, "<h1>a report</h1>")
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    ticket = (await api.post("/tickets")).json()["ticket"]
    path = f"/report/{session_id}?ticket={ticket}"
    assert [(await api.get(path, key="", base="")).status_code for _ in range(2)] == [200, 401]


async def test_account_health_is_null_with_a_reason_where_the_venue_did_not_answer(api: Api) -> None:
    await api.created()
    good = (await api.get("/accounts/account1")).json()["account"]
    assert (good["status"], good["equity"], good["positions"], good["reason"]) == ("active", 100_000, [], None)
    api.world.venues["account1"].fail("margin")
    api.world.venues["account1"].fail("positions")
    bad: dict[str, Any] = (await api.get("/accounts/account1")).json()["account"]
    assert bad["status"] == "unknown"
    assert [bad[name] for name in ("equity", "availableMargin", "marginRatio", "positions")] == [None] * 4
    assert "margin" in bad["reason"]
    assert "positions" in bad["reason"]


async def test_accounts_say_which_session_holds_them(api: Api) -> None:
    session_id = await api.started()
    now = api.world.clock()
    await api.store.journal.acquire_lease("account:account1", f"{session_id}/run", attempt=1, ttl_s=20, now=now)
    held = {a["id"]: a["heldBy"] for a in (await api.get("/accounts")).json()["accounts"]}
    assert held == {"account1": session_id, "account2": None, "account3": None}
    api.world.clock.advance(21)
    assert (await api.get("/accounts/account1")).json()["account"]["heldBy"] is None


async def test_venue_that_cannot_be_read_is_named_and_the_others_are_listed(api: Api) -> None:
    await api.created()
    api.world.venues["account1"].fail("markets")
    answer = (await api.get("/markets?symbol=ETH/USD")).json()
    assert [market["venue"] for market in answer["markets"]] == ["backpack", "paradex"]
    assert [venue["venue"] for venue in answer["unread"]] == ["pacifica"]


async def test_venues_tell_their_capabilities_and_never_an_invented_state(api: Api) -> None:
    venues = (await api.get("/venues")).json()["venues"]
    assert [venue["venue"] for venue in venues] == ["pacifica", "paradex", "backpack"]
    for venue in venues:
        assert (venue["systemStatus"], venue["asOf"]) == (None, None)  # the fakes publish none
        assert venue["reason"]
        assert {row["support"] for row in venue["capabilities"]} <= {"works", "not yet", "never"}


async def test_market_of_an_account_is_told_with_its_grid(api: Api) -> None:
    await api.created()
    venue = api.world.venues["account1"]
    venue.market = replace(venue.market, tick=D("0.5"))
    answer = (await api.get("/markets?symbol=ETH/USD")).json()
    told = next(market for market in answer["markets"] if market["venue"] == "pacifica")
    assert (told["tickSize"], told["lotSize"], told["takerFee"]) == (0.5, 0.0001, 0.0004)


async def test_accounts_are_read_anew_when_their_files_change_and_only_then(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEDGE_KEY_TESTNET_P1", "key")
    before = await api.services.roster.directory()
    assert await api.services.roster.directory() is before
    row = "accounts:\n  - {id: p1, venue: pacifica, environment: testnet, owner: desk, account: address}\n"
    (api.world.home.path / "accounts.yaml").write_text(row)
    assert [a["id"] for a in (await api.get("/accounts")).json()["accounts"]][-1] == "p1"
    (api.world.home.path / "accounts.yaml").unlink()
    assert code_of(await api.get("/accounts/p1")) == "NOT_FOUND"


async def test_session_whose_accounts_are_gone_is_told_so(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("P1", "P2"):
        monkeypatch.setenv(f"HEDGE_KEY_TESTNET_{name}", "0x1")
    rows = "".join(
        f"  - {{id: {name}, venue: {venue}, environment: testnet, owner: desk, account: '0x{n}'}}\n"
        for n, (name, venue) in enumerate((("p1", "pacifica"), ("p2", "paradex")))
    )
    listed = api.world.home.path / "accounts.yaml"
    listed.write_text("accounts:\n" + rows)
    session_id = await api.created(accounts=["p1", "p2"])
    listed.unlink()
    for answer in (
        await api.post(f"/sessions/{session_id}/start"),
        await api.get(f"/sessions/{session_id}/risk-status"),
    ):
        assert code_of(answer) == "ACCOUNT_NOT_ACTIVE"
        assert answer.json()["error"]["details"] == {"accountId": "p1"}
