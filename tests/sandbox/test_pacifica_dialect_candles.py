"""The Pacifica twin's candles by REST."""

from __future__ import annotations

import pytest
from engine_world import START_US
from pacifica_client import Twin

from sandbox.candles import MINUTE_US
from sandbox.model import Side

START_MS = START_US // MINUTE_US * 60_000


async def test_a_minute_with_trades_is_one_row_and_quiet_minutes_are_left_out() -> None:
    twin = Twin()
    twin.take(Side.BUY, "1", "2500.5")
    twin.world.advance(3 * MINUTE_US)
    twin.take(Side.SELL, "2", "2499.5")

    rows = (await twin.get("/kline", symbol="ETH", interval="1m", start_time=START_MS)).json()["data"]

    assert [(row["t"] - START_MS) // 60_000 for row in rows] == [0, 3]
    first = rows[0]
    assert (first["o"], first["h"], first["l"], first["c"], first["v"], first["n"]) == (
        "2500.5", "2500.5", "2500.5", "2500.5", "1", 1,
    )  # fmt: skip
    assert (first["T"] - first["t"], first["s"], first["i"]) == (60_000, "ETH", "1m")
    (hour,) = (await twin.get("/kline", symbol="ETH", interval="1h", start_time=START_MS)).json()["data"]
    assert (hour["o"], hour["c"], hour["v"]) == ("2500.5", "2499.5", "3")


async def test_mark_candles_have_no_volume() -> None:
    twin = Twin()
    twin.exchange.set_prices("ETH/USD", *(twin.exchange.mark("ETH/USD") + 1,) * 2, 0)

    rows = (await twin.get("/kline/mark", symbol="ETH", interval="1m", start_time=START_MS)).json()["data"]

    assert rows
    assert all((row["v"], row["n"]) == ("0", 0) for row in rows)


@pytest.mark.parametrize(
    ("params", "status"),
    [
        ({"symbol": "ETH", "interval": "1m"}, 400),
        ({"symbol": "ETH", "interval": "7m", "start_time": START_MS}, 400),
        ({"symbol": "ETH", "interval": "1m", "start_time": 0}, 400),
        ({"symbol": "eth", "interval": "1m", "start_time": START_MS}, 200),
    ],
)
async def test_wrong_questions(params: dict[str, object], status: int) -> None:
    answer = await Twin().get("/kline", **params)

    assert answer.status_code == status
    assert answer.json()["data"] == (None if status == 400 else [])
