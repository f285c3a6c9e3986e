"""The Paradex twin's wider surface: triggers, candles, states, and funding booked execution by execution."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import httpx
import pytest
from paradex_client import ETH, Desk, Signer, open_client, open_world

from sandbox.model import Side, VenueMode


@pytest.fixture
def desk() -> Iterator[Desk]:
    """A funded account, signed in, and an ETH book at 2499 / 2501 whose mark stands at 2500."""
    world = open_world()
    signer = Signer()
    world.exchanges["paradex"].open_account(signer.address, Decimal(10_000), attributes={"public_key": signer.public})
    with open_client(world) as client:
        opened = Desk(client, world, signer)
        opened.sign_in()
        mark(opened, "2500")
        opened.quote_around()
        yield opened


def mark(desk: Desk, price: str) -> None:
    """Publish a mark and index price."""
    desk.exchange.set_prices("ETH/USD", Decimal(price), Decimal(price), Decimal(0))
    desk.run()


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json().get("error", "")


def long(desk: Desk) -> None:
    """Hold 0.1 ETH."""
    desk.place("BUY", "0.1", "2501")


def stop(desk: Desk, kind: str, side: str, trigger: str, **rest: Any) -> dict[str, Any]:
    price = rest.pop("price", "2400")
    return desk.place(side, "0.1", price, kind=kind, trigger_price=trigger, flags=["REDUCE_ONLY"], **rest)


# --- triggers -----------------------------------------------------------------------------------------


def test_a_stop_loss_waits_and_sells_when_the_mark_falls_to_its_price(desk: Desk) -> None:
    long(desk)
    waiting = stop(desk, "STOP_LOSS_LIMIT", "SELL", "2450")
    assert (waiting["status"], waiting["trigger_price"]) == ("UNTRIGGERED", "2450")
    mark(desk, "2450.01")
    assert desk.get(f"/v1/orders/{waiting['id']}")["status"] == "UNTRIGGERED"

    mark(desk, "2450")

    final = desk.final(waiting)
    assert (final["status"], final["remaining_size"], final["cancel_reason"]) == ("CLOSED", "0", "")
    assert desk.get("/v1/positions")["results"] == []


@pytest.mark.parametrize(
    ("kind", "side", "trigger", "away", "there"),
    [
        ("STOP_LOSS_MARKET", "SELL", "2450", "2460", "2440"),
        ("STOP_LOSS_MARKET", "BUY", "2550", "2540", "2560"),
        ("TAKE_PROFIT_MARKET", "SELL", "2550", "2540", "2560"),
        ("TAKE_PROFIT_MARKET", "BUY", "2450", "2460", "2440"),
        ("STOP_MARKET", "SELL", "2450", "2460", "2440"),
        ("STOP_MARKET", "BUY", "2550", "2540", "2560"),
    ],
)
def test_each_kind_goes_off_on_its_own_side(
    desk: Desk, kind: str, side: str, trigger: str, away: str, there: str
) -> None:
    desk.place("SELL" if side == "BUY" else "BUY", "0.1", "2499" if side == "BUY" else "2501")
    waiting = stop(desk, kind, side, trigger, price="0")

    mark(desk, away)
    assert desk.final(waiting)["status"] == "UNTRIGGERED"
    mark(desk, there)

    assert desk.final(waiting)["remaining_size"] == "0"


def test_a_stops_flag_says_on_which_side_it_waits(desk: Desk) -> None:
    flags = ["REDUCE_ONLY", "STOP_CONDITION_ABOVE_TRIGGER"]
    long(desk)
    waiting = desk.place("SELL", "0.1", "2450", kind="STOP_LIMIT", trigger_price="2550", flags=flags)
    mark(desk, "2440")
    assert desk.final(waiting)["status"] == "UNTRIGGERED"

    mark(desk, "2550")

    assert desk.final(waiting)["remaining_size"] == "0"


def test_a_waiting_order_is_listed_changed_and_cancelled_like_any_other(desk: Desk) -> None:
    long(desk)
    waiting = stop(desk, "STOP_LOSS_LIMIT", "SELL", "2450")
    body = desk.body("SELL", "0.1", "2410", kind="STOP_LOSS_LIMIT", modified_id=waiting["id"], trigger_price="2460")
    changed = desk.client.put(f"/v1/orders/{waiting['id']}", json=body)
    assert changed.status_code == 200, changed.text
    (listed,) = desk.get("/v1/orders")["results"]
    assert (listed["status"], listed["price"], listed["trigger_price"]) == ("UNTRIGGERED", "2410", "2460")

    assert desk.client.delete("/v1/orders").status_code == 200
    desk.run()
    mark(desk, "2400")

    assert desk.final(waiting)["cancel_reason"] == "USER_CANCELED"
    assert [row["size"] for row in desk.get("/v1/positions")["results"]] == ["0.1"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"trigger_price": None},
        {"trigger_price": "0"},
        {"trigger_price": "-1"},
        {"trigger_price": "2450", "instruction": "IOC"},
        {"trigger_price": "2450", "instruction": "POST_ONLY"},
    ],
)
def test_a_trigger_that_cannot_be_is_refused(desk: Desk, wrong: dict[str, Any]) -> None:
    body = desk.body("SELL", "0.1", "2400", kind="STOP_LOSS_LIMIT", flags=["REDUCE_ONLY"], **wrong)

    assert code(desk.client.post("/v1/orders", json=body)) == (400, "VALIDATION_ERROR")


# --- states -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "word", "taking", "adding"),
    [
        (VenueMode.OPEN, "ok", (201, ""), (201, "")),
        (VenueMode.POST_ONLY, "post_only", (400, "SYSTEM_STATUS_POST_ONLY"), (201, "")),
        (VenueMode.CANCEL_ONLY, "cancel_only", (400, "SYSTEM_STATUS_CANCEL_ONLY"), (400, "SYSTEM_STATUS_CANCEL_ONLY")),
        (VenueMode.MAINTENANCE, "maintenance", (503, "SERVICE_UNAVAILABLE"), (503, "SERVICE_UNAVAILABLE")),
    ],
)
def test_a_state_is_published_and_kept(
    desk: Desk, mode: VenueMode, word: str, taking: tuple[int, str], adding: tuple[int, str]
) -> None:
    resting = desk.place("BUY", "0.1", "2400")
    desk.exchange.set_mode(mode)

    assert desk.get("/v1/system/state") == {"status": word}
    assert code(desk.client.post("/v1/orders", json=desk.body("BUY", "0.1", "2501"))) == taking
    post_only = desk.body("BUY", "0.1", "2401", instruction="POST_ONLY")
    assert code(desk.client.post("/v1/orders", json=post_only)) == adding
    cancelled = desk.client.delete(f"/v1/orders/{resting['id']}")
    assert cancelled.status_code == (503 if mode is VenueMode.MAINTENANCE else 204)


def test_triggers_pause_until_the_venue_is_open_again(desk: Desk) -> None:
    long(desk)
    waiting = stop(desk, "STOP_LOSS_LIMIT", "SELL", "2450")
    desk.exchange.set_mode(VenueMode.CANCEL_ONLY)
    mark(desk, "2440")
    assert desk.final(waiting)["status"] == "UNTRIGGERED"

    desk.exchange.set_mode(VenueMode.OPEN)
    desk.run()

    assert desk.final(waiting)["remaining_size"] == "0"


# --- candles and tiers --------------------------------------------------------------------------------


def test_candles_are_numbers_by_minute_with_the_traded_volume(desk: Desk) -> None:
    begin = desk.now_ms
    desk.place("BUY", "0.1", "2501")
    desk.place("SELL", "0.2", "2499")

    span = {"symbol": ETH, "resolution": "1", "start_at": str(begin - 60_000), "end_at": str(begin + 60_000)}
    (candle,) = desk.get("/v1/markets/klines", **span)["results"]

    assert candle[0] % 60_000 == 0
    assert candle[1:] == [2501.0, 2501.0, 2499.0, 2499.0, 0.3]


@pytest.mark.parametrize("change", [{"resolution": "2"}, {"price_kind": "index"}, {"start_at": ""}, {"symbol": ""}])
def test_a_candle_request_that_cannot_be_is_refused(desk: Desk, change: dict[str, str]) -> None:
    query = {"symbol": ETH, "resolution": "1", "start_at": "0", "end_at": "1"} | change

    assert code(desk.client.get("/v1/markets/klines", params=query)) == (400, "VALIDATION_ERROR")


def test_the_account_names_its_tier_among_those_published(desk: Desk) -> None:
    (own,) = desk.get("/v1/account/info")["results"]
    published = {(row["kind"], row["tier_name"]) for row in desk.get("/v1/system/volume-tiers")["results"]}

    assert set(own["volume_tiers"].items()) <= published


# --- funding ------------------------------------------------------------------------------------------


def test_the_second_execution_of_one_moment_books_a_payment_of_zero(desk: Desk) -> None:
    """Why a card about funding must allow zeros: every execution is a booking, and the index had no time to move."""
    desk.quote(Side.SELL, "0.1", "2500.5")
    desk.place("BUY", "0.2", "2501")
    desk.exchange.set_funding_rate("ETH/USD", Decimal("0.0008"))
    desk.run(3600)
    desk.sign_in()
    desk.place("SELL", "0.2", "2499")

    payments = desk.get("/v1/funding/payments", market=ETH)["results"]
    fills = desk.get("/v1/fills", market=ETH)["results"]

    closing, opening = (Decimal(row["payment"]) for row in payments)
    assert closing < 0
    assert opening == 0
    assert {row["fill_id"] for row in payments} < {row["id"] for row in fills}
    assert len(fills) == 3
