"""The Paradex twin over WebSocket: control plane, channels, sequence numbers, order commands, faults."""

import json
import struct
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import httpx
import pytest
from paradex_client import ADDRESS, ETH, PUBLIC, Denied, Signer, Socket, open_world
from starlette.applications import Starlette

from sandbox.dialects.paradex import create_app
from sandbox.dialects.paradex_limits import Allowance, RateLimits
from sandbox.dialects.paradex_ws import UNREAD_MAX
from sandbox.faults import FaultKind
from sandbox.model import OrderKind, OrderRequest, Side
from sandbox.world import World

DELTAS = f"order_book.{ETH}.deltas"
SNAPSHOT = f"order_book.{ETH}.snapshot@15@100ms"


class Bench:
    """The app on a virtual clock, a funded account, and an ETH book at 2499 / 2501."""

    def __init__(self, world: World, app: Starlette) -> None:
        self.world, self.app, self.signer = world, app, Signer()
        self.exchange = world.exchanges["paradex"]
        self.exchange.open_account(ADDRESS, Decimal(10_000), attributes={"public_key": PUBLIC})
        self.quote(Side.BUY, "10", "2499")
        self.quote(Side.SELL, "10", "2501")

    def quote(self, side: Side, quantity: str, price: str, account: str = "mm") -> int:
        request = OrderRequest(account, "ETH/USD", side, OrderKind.LIMIT, Decimal(quantity), Decimal(price))
        return self.exchange.submit(request).id

    def body(self, side: str, size: str, price: str = "0", **rest: Any) -> dict[str, Any]:
        at_ms = self.world.wall_us("paradex") // 1000
        return self.signer.order(side, size, price, at_ms=at_ms, **rest)

    def run(self, seconds: float = 0.01) -> None:
        self.world.advance(round(seconds * 1_000_000))

    async def token(self) -> str:
        headers = self.signer.auth(self.world.wall_us("paradex") // 1_000_000)
        transport = httpx.ASGITransport(app=self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://twin") as http:
            return (await http.post("/v1/auth", headers=headers)).json()["jwt_token"]

    def socket(self, **rest: Any) -> Socket:
        return Socket(self.app, **rest)


@pytest.fixture
def bench() -> Bench:
    world = open_world()
    return Bench(world, create_app(world, world.exchanges["paradex"]))


@pytest.fixture
async def private(bench: Bench) -> AsyncIterator[Socket]:
    """An authenticated connection."""
    async with bench.socket() as socket:
        await socket.result("auth", {"bearer": await bench.token()})
        yield socket


# --- handshake ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("query", ["", "sbeSchemaVersion=0", "sbeSchemaId=0&sbeSchemaVersion=0"])
async def test_json_frames_need_no_parameters(bench: Bench, query: str):
    async with bench.socket(query=query) as socket:
        await socket.subscribe(f"bbo.{ETH}")


@pytest.mark.parametrize(
    "query",
    [
        "sbeSchemaId=1&sbeSchemaVersion=3",
        "sbeSchemaId=2&sbeSchemaVersion=0",
        "sbeSchemaId=1",
        "sbeSchemaId=1&sbeSchemaVersion=-1",
        "sbeSchemaId=1&sbeSchemaVersion=two",
        "sbeSchemaId=one&sbeSchemaVersion=2",
    ],
)
async def test_a_schema_or_version_that_is_not_served_gets_400(bench: Bench, query: str):
    with pytest.raises(Denied) as denied:
        async with bench.socket(query=query):
            pass
    assert denied.value.status == 400
    assert json.loads(denied.value.body)["error"] == "INVALID_REQUEST_PARAMETER"


def header(frame: bytes) -> tuple[int, ...]:
    """Block length, template, schema and version of a binary frame."""
    return struct.unpack_from("<4H", frame)


@pytest.mark.parametrize(("version", "summary_block", "funding_block"), [(0, 216, 58), (1, 240, 66), (2, 240, 66)])
async def test_public_channels_come_in_binary_when_the_handshake_asked(
    bench: Bench, version: int, summary_block: int, funding_block: int
):
    async with bench.socket(query=f"sbeSchemaId=1&sbeSchemaVersion={version}") as socket:
        await socket.subscribe(DELTAS, f"bbo.{ETH}", f"trades.{ETH}", f"markets_summary.{ETH}", "funding_data.ALL")
        bench.quote(Side.BUY, "1", "2501", "mm2")
        bench.exchange.set_prices("ETH/USD", Decimal(2600), Decimal(2600), Decimal(0))
        await socket.settle()
        blocks = {header(frame)[1]: header(frame)[0] for frame in socket.binary}
        assert blocks == {1: 50, 2: 48, 3: 89, 4: summary_block, 5: funding_block}
        assert {header(frame)[2:] for frame in socket.binary} == {(1, version)}
        assert socket.notices == []


async def test_a_binary_book_starts_whole_and_removes_levels_with_size_zero(bench: Bench):
    async with bench.socket(query="sbeSchemaId=1&sbeSchemaVersion=2") as socket:
        await socket.subscribe(DELTAS)
        bench.quote(Side.BUY, "10", "2501", "mm2")
        await socket.settle()
    whole, change = socket.binary
    first, second = (struct.unpack_from("<qqB", frame, 8) for frame in (whole, change))
    assert (first[2], second[2]) == (0, 1)
    assert second[1] == first[1] + 1
    assert (
        whole[97:]
        == struct.pack("<HHqqHHqq", 16, 1, 2499 * 10**8, 10**9, 16, 1, 2501 * 10**8, 10**9)
        + bytes([len(ETH)])
        + ETH.encode()
    )
    assert change[97:] == struct.pack("<HHHHqq", 16, 0, 16, 1, 2501 * 10**8, 0) + bytes([len(ETH)]) + ETH.encode()


async def test_a_binary_connection_has_one_book_for_each_market(bench: Bench):
    async with bench.socket(query="sbeSchemaId=1&sbeSchemaVersion=2") as socket:
        await socket.subscribe(DELTAS, "order_book.BTC-USD-PERP.deltas")
        code, problem = await socket.error("subscribe", {"channel": SNAPSHOT})
        assert (code, problem) == (-32600, "a binary connection has one order_book channel for each market")
        await socket.result("unsubscribe", {"channel": DELTAS})
        await socket.subscribe(SNAPSHOT)
    async with bench.socket() as plain:
        await plain.subscribe(DELTAS, SNAPSHOT)


async def test_private_channels_stay_json_on_a_binary_connection(bench: Bench):
    async with bench.socket(query="sbeSchemaId=1&sbeSchemaVersion=2") as socket:
        await socket.result("auth", {"bearer": await bench.token()})
        await socket.subscribe("orders.ALL", "fills.ALL", "account")
        await socket.result("order.create", bench.body("BUY", "0.1", "2501", instruction="IOC"))
        bench.run(1)
        await socket.settle()
        assert socket.rows("orders.ALL")
        assert socket.rows("fills.ALL")
        assert socket.rows("account")
        assert socket.binary == []


async def test_connects_are_limited_by_address():
    world = open_world()
    limits = RateLimits(ip_connects=(Allowance(2, 1),))
    bench = Bench(world, create_app(world, world.exchanges["paradex"], limits=limits))
    for _ in range(2):
        async with bench.socket():
            pass
    with pytest.raises(Denied) as denied:
        async with bench.socket():
            pass
    assert denied.value.status == 429
    async with bench.socket(host="127.0.0.2"):
        pass


# --- control plane ------------------------------------------------------------------------------------


async def test_answers_carry_the_times_in_microseconds(bench: Bench):
    async with bench.socket() as socket:
        answer = await socket.call("subscribe", {"channel": f"bbo.{ETH}"})
        assert answer["usIn"] == bench.world.wall_us("paradex")
        assert answer["usOut"] - answer["usIn"] == answer["usDiff"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", -32700),
        ("[]", -32600),
        ("5", -32600),
        ('{"method":"auth","id":1}', -32600),
        ('{"jsonrpc":"2.0","id":1}', -32600),
        ('{"jsonrpc":"2.0","method":"dance","id":1}', -32601),
        ('{"jsonrpc":"2.0","method":"subscribe","params":[],"id":1}', -32602),
        ('{"jsonrpc":"2.0","method":"subscribe","params":{"channel":5},"id":1}', -32602),
        ('{"jsonrpc":"2.0","method":"auth","params":{},"id":1}', 40110),
        ('{"jsonrpc":"2.0","method":"auth","params":{"bearer":"abc"},"id":1}', 40110),
        ('{"jsonrpc":"2.0","method":"auth","params":{"bearer":"a.b.c"},"id":1}', 40111),
    ],
)
async def test_bad_frames_get_the_published_codes(bench: Bench, text: str, code: int):
    async with bench.socket() as socket:
        answer = await socket.raw(text)
        assert answer["error"]["code"] == code
        assert answer["error"]["message"]
        assert await socket.result("subscribe", {"channel": "trades.ALL"})


async def test_a_session_outlives_its_token_but_an_expired_token_opens_none(bench: Bench, private: Socket):
    token = await bench.token()
    bench.run(301)
    await private.subscribe("account")
    async with bench.socket() as late:
        assert await late.error("auth", {"bearer": token}) == (40111, "")


async def test_the_bearer_may_come_with_the_handshake(bench: Bench):
    async with bench.socket(bearer=await bench.token()) as socket:
        await socket.subscribe("positions")
    async with bench.socket(bearer="a.b.c") as socket:
        assert (await socket.error("subscribe", {"channel": "positions"}))[0] == 40300


@pytest.mark.parametrize(
    ("channel", "expected"),
    [
        ("orders.ALL", (40300, "authenticate first")),
        ("account", (40300, "authenticate first")),
        ("nothing", (-32600, "invalid channel")),
        ("bbo", (-32600, "invalid channel")),
        ("bbo.XXX", (-32600, "invalid channel")),
        ("orders", (-32600, "invalid channel")),
        ("account.ALL", (-32600, "invalid channel")),
        (f"{DELTAS}@15@100ms", (-32600, "no parameters expected for deltas topic.")),
        (f"order_book.{ETH}.snapshot@15@70ms", (-32600, "invalid channel")),
        (f"order_book.{ETH}.snapshot@15@100ms@0_1", (-32600, "invalid channel")),
        ("order_book.XXX.deltas", (-32600, "invalid channel")),
    ],
)
async def test_channels_that_cannot_be_had(bench: Bench, channel: str, expected: tuple[int, str]):
    async with bench.socket() as socket:
        assert await socket.error("subscribe", {"channel": channel}) == expected


async def test_subscribing_twice_and_leaving_twice_are_errors(bench: Bench):
    async with bench.socket() as socket:
        await socket.subscribe("trades.ALL")
        assert await socket.error("subscribe", {"channel": "trades.ALL"}) == (-32600, "already subscribed")
        assert await socket.result("unsubscribe", {"channel": "trades.ALL"}) == {"channel": "trades.ALL"}
        assert await socket.error("unsubscribe", {"channel": "trades.ALL"}) == (-32600, "not subscribed")


async def test_a_left_channel_is_silent(bench: Bench):
    async with bench.socket() as socket:
        await socket.subscribe(f"bbo.{ETH}", DELTAS)
        await socket.result("unsubscribe", {"channel": DELTAS})
        count = len(socket.rows(DELTAS))
        bench.quote(Side.BUY, "1", "2499.5")
        await socket.settle()
        assert len(socket.rows(DELTAS)) == count
        assert socket.rows(f"bbo.{ETH}")[-1]["bid"] == "2499.5"


# --- public channels ----------------------------------------------------------------------------------


def apply(book: dict[tuple[str, str], str], row: dict[str, Any]) -> None:
    if row["update_type"] == "s":
        book.clear()
    for level in row["inserts"] + row["updates"]:
        book[level["side"], level["price"]] = level["size"]
    for level in row["deletes"]:
        del book[level["side"], level["price"]]


async def test_deltas_start_with_the_whole_book_and_count_by_one(bench: Bench):
    async with bench.socket() as socket:
        await socket.subscribe(DELTAS)
        resting = bench.quote(Side.BUY, "2", "2499.5")
        bench.quote(Side.BUY, "3", "2499.5")
        bench.exchange.cancel("mm", order_id=resting)
        bench.quote(Side.SELL, "4", "2499.5")
        await socket.settle()
        first, *rest = rows = socket.rows(DELTAS)
        assert (first["update_type"], {row["update_type"] for row in rest}) == ("s", {"d"})
        assert first["inserts"] == [
            {"side": "BUY", "price": "2499", "size": "10"},
            {"side": "SELL", "price": "2501", "size": "10"},
        ]
        numbers = [row["seq_no"] for row in rows]
        assert numbers == list(range(numbers[0], numbers[0] + len(rows)))
        kinds = [next(kind for kind in ("inserts", "updates", "deletes") if row[kind]) for row in rest]
        assert kinds[:3] == ["inserts", "updates", "updates"]
        book: dict[tuple[str, str], str] = {}
        for row in rows:
            apply(book, row)
        truth = bench.exchange.book("ETH/USD")
        assert {key: Decimal(size) for key, size in book.items()} == {
            (side, f"{level.price.normalize():f}"): level.quantity
            for side, levels in (("BUY", truth.bids), ("SELL", truth.asks))
            for level in levels
        }


async def test_snapshots_are_whole_and_throttled(bench: Bench):
    async with bench.socket() as socket:
        await socket.subscribe(SNAPSHOT)
        for step in range(20):
            bench.quote(Side.BUY, "1", f"{2480 + step // 2}.{step}")
        await socket.settle()
        assert len(socket.rows(SNAPSHOT)) == 1
        bench.run(0.1)
        await socket.settle()
        assert len(socket.rows(SNAPSHOT)) == 2
        last = socket.rows(SNAPSHOT)[-1]
        assert (last["update_type"], len(last["inserts"])) == ("s", 16)
        assert last["seq_no"] == bench.exchange.book("ETH/USD").seq
        assert last["best_bid_api"] == ["2499", "10"]


async def test_bbo_tells_changes_of_the_best_only(bench: Bench):
    async with bench.socket() as socket:
        await socket.subscribe(f"bbo.{ETH}", "bbo.ALL")
        bench.quote(Side.BUY, "1", "2499.5")
        bench.quote(Side.BUY, "1", "2400")
        await socket.settle()
        for channel in (f"bbo.{ETH}", "bbo.ALL"):
            (row,) = socket.rows(channel)
            assert (row["market"], row["bid"], row["bid_size"], row["ask"]) == (ETH, "2499.5", "1", "2501")


async def test_marks_move_summary_and_funding(bench: Bench):
    async with bench.socket() as socket:
        await socket.subscribe("markets_summary", f"markets_summary.{ETH}", "funding_data.ALL")
        bench.world.set_reference("ETH/USD", Decimal(2600))
        await socket.settle()
        assert socket.rows("markets_summary")[-1]["underlying_price"] == "2600"
        assert socket.rows(f"markets_summary.{ETH}")[-1]["symbol"] == ETH
        assert socket.rows("funding_data.ALL")[-1]["funding_period_hours"] == 8


# --- private channels ---------------------------------------------------------------------------------


async def test_one_filled_order_is_told_on_every_private_channel(bench: Bench, private: Socket):
    channels = ["orders.ALL", f"orders.{ETH}", "fills.ALL", "positions", "account", "balance_events"]
    await private.subscribe(*channels, "trades.ALL")
    placed = await private.result("order.create", bench.body("BUY", "0.1", "2501", client_id="w-1"))
    assert placed["order"]["status"] == "NEW"
    bench.run()
    await private.settle()
    orders = private.rows("orders.ALL")
    assert [(row["status"], row["remaining_size"]) for row in orders] == [("NEW", "0.1"), ("CLOSED", "0")]
    assert {row["id"] for row in orders} == {placed["order"]["id"]}
    assert private.rows(f"orders.{ETH}") == orders
    assert orders[0]["seq_no"] < orders[1]["seq_no"]
    (fill,) = private.rows("fills.ALL")
    assert (fill["client_id"], fill["size"], fill["price"]) == ("w-1", "0.1", "2501")
    (position,) = private.rows("positions")
    assert (position["size"], position["last_fill_id"]) == ("0.1", fill["id"])
    (event,) = private.rows("balance_events")
    assert (event["fill_id"], event["fees"]) == (fill["id"], fill["fee"])
    change = Decimal(event["settlement_asset_balance_after"]) - Decimal(event["settlement_asset_balance_before"])
    assert change == -Decimal(fill["fee"])
    assert private.rows("account")[-1]["total_collateral"] == event["settlement_asset_balance_after"]
    assert private.rows("trades.ALL")[0]["side"] == "BUY"


async def test_balance_events_chain_over_several_fills_of_one_order(bench: Bench, private: Socket):
    bench.quote(Side.SELL, "0.05", "2500.5")
    await private.subscribe("balance_events")
    await private.result("order.create", bench.body("BUY", "0.1", "2501"))
    bench.run()
    await private.settle()
    first, second = private.rows("balance_events")
    assert first["settlement_asset_balance_before"] == "10000"
    assert second["settlement_asset_balance_before"] == first["settlement_asset_balance_after"]
    balance = bench.exchange.account(ADDRESS).balance
    assert Decimal(second["settlement_asset_balance_after"]) == balance


async def test_a_closed_position_is_told_as_closed(bench: Bench, private: Socket):
    await private.subscribe("positions", "funding_payments.ALL")
    bench.exchange.set_funding_rate("ETH/USD", Decimal("0.01"))
    await private.result("order.create", bench.body("BUY", "0.1", "2501"))
    bench.run(60)
    await private.result("order.create", bench.body("SELL", "0.1", kind="MARKET"))
    bench.run()
    await private.settle()
    last = private.rows("positions")[-1]
    assert (last["status"], last["size"]) == ("CLOSED", "0")
    assert last["closed_at"] > 0
    (payment,) = private.rows("funding_payments.ALL")
    assert Decimal(payment["payment"]) < 0
    assert payment["fill_id"] == last["last_fill_id"]


async def test_late_refusals_come_as_closed_orders(bench: Bench, private: Socket):
    await private.subscribe("orders.ALL")
    await private.result("order.create", bench.body("BUY", "0.1", "2501", instruction="POST_ONLY"))
    bench.run()
    await private.settle()
    rows = private.rows("orders.ALL")
    assert [row["status"] for row in rows] == ["NEW", "CLOSED"]
    assert rows[-1]["cancel_reason"] == "POST_ONLY_WOULD_CROSS"


async def test_private_rows_reach_their_owner_only(bench: Bench, private: Socket):
    stranger = Signer(0xBEEF, "0x77")
    bench.exchange.open_account("0x77", Decimal(100), attributes={"public_key": stranger.public})
    bench.signer = stranger
    async with bench.socket(bearer=await bench.token()) as other:
        await other.subscribe("orders.ALL", "account")
        await private.subscribe("orders.ALL")
        bench.signer = Signer()
        await private.result("order.create", bench.body("BUY", "0.1", "2400"))
        bench.run()
        await private.settle()
        await other.settle()
        assert other.notices == []
        assert len(private.rows("orders.ALL")) == 2


async def test_a_tradebust_is_told(bench: Bench, private: Socket):
    await private.subscribe("tradebusts", "fills.ALL", "positions")
    await private.result("order.create", bench.body("BUY", "0.1", "2501"))
    bench.run()
    (number,) = [fill.id for fill in bench.exchange.fills(ADDRESS)]
    bench.exchange.bust(number)
    await private.settle()
    (bust,) = private.rows("tradebusts")
    (fill,) = private.rows("fills.ALL")
    assert bust["busted_fill_id"] == fill["id"]
    assert private.rows("positions")[-1]["status"] == "CLOSED"


# --- order commands -----------------------------------------------------------------------------------


async def test_orders_live_and_end_over_the_socket(bench: Bench, private: Socket):
    placed = await private.result("order.create", bench.body("BUY", "0.1", "2400", client_id="s-1"))
    order_id = placed["order"]["id"]
    bench.run()
    changed = await private.result("order.modify", bench.body("BUY", "0.2", "2410", modified_id=order_id))
    assert (changed["order"]["size"], changed["order"]["price"]) == ("0.2", "2410")
    cancelled = await private.result("order.cancel", {"id": order_id})
    assert cancelled == {"order_id": order_id, "status": "QUEUED_FOR_CANCELLATION"}
    bench.run()
    assert await private.error("order.cancel", {"id": order_id}) == (100, "ORDER_IS_CLOSED")
    assert await private.error("order.cancel", {"client_id": "zzz"}) == (100, "CLIENT_ORDER_ID_NOT_FOUND")
    assert (await private.error("order.cancel", {}))[0] == -32602


@pytest.mark.parametrize("shape", ["object", "list"])
async def test_batches_are_taken_in_both_published_shapes(bench: Bench, private: Socket, shape: str):
    bodies = [bench.body("BUY", "0.1", "2400"), bench.body("BUY", "0.1", "2400.001")]
    params = {"orders": bodies} if shape == "object" else bodies
    results = (await private.result("order.create_batch", params))["results"]
    assert results[0]["order"]["status"] == "NEW"
    assert results[1]["error"]["error"] == "VALIDATION_ERROR"
    ids = [results[0]["order"]["id"], "5"]
    cancelled = await private.result("order.cancel_batch", {"order_ids": ids})
    assert [row["status"] for row in cancelled["results"]] == ["QUEUED_FOR_CANCELLATION", "NOT_FOUND"]
    assert (await private.error("order.create_batch", {"orders": 5}))[0] == -32602


async def test_bad_orders_name_the_code_in_data(bench: Bench, private: Socket):
    bad = bench.body("BUY", "0.1", "2400") | {"price": "2401"}
    assert await private.error("order.create", bad) == (100, "INVALID_ORDER_SIGNATURE")
    assert await private.error("order.create", {}) == (100, "VALIDATION_ERROR")


async def test_orders_need_an_account(bench: Bench):
    async with bench.socket() as socket:
        code, _ = await socket.error("order.create", bench.body("BUY", "0.1", "2400"))
        assert code == 40300


async def test_cancel_all_draws_from_the_same_bucket_as_other_order_commands():
    world = open_world()
    limits = RateLimits(account_orders=(Allowance(3, 1),))
    bench = Bench(world, create_app(world, world.exchanges["paradex"], limits=limits))
    async with bench.socket(bearer=await bench.token()) as socket:
        await socket.result("order.create", bench.body("BUY", "0.1", "2400"))
        for params in ({"market": ETH}, {}):
            assert await socket.result("order.cancel_all", params) == {"status": "ok"}
        assert (await socket.error("order.cancel_all", {}))[0] == 42901
        bench.run()
        assert bench.exchange.open_orders(ADDRESS) == []


async def test_cancel_on_disconnect_covers_this_connections_orders(bench: Bench):
    token = await bench.token()
    async with bench.socket(bearer=token) as kept:
        await kept.result("order.create", bench.body("BUY", "0.1", "2400", client_id="kept"))
        async with bench.socket(bearer=token) as leaving:
            assert (await leaving.error("order.cancel_on_disconnect", {"enabled": 1}))[0] == -32602
            answer = await leaving.result("order.cancel_on_disconnect", {"enabled": True})
            assert answer == {"enabled": True}
            await leaving.result("order.create", bench.body("BUY", "0.1", "2401", client_id="gone"))
            bench.run()
        bench.run()
        assert [order.client_id for order in bench.exchange.open_orders(ADDRESS)] == ["kept"]


# --- faults and slow readers --------------------------------------------------------------------------


async def test_a_gap_fault_leaves_a_hole_in_the_sequence(bench: Bench):
    async with bench.socket() as socket:
        await socket.subscribe(DELTAS)
        await socket.settle()
        bench.world.faults.arm("paradex", FaultKind.WS_GAP)
        for price in ("2499.1", "2499.2"):
            bench.quote(Side.BUY, "1", price)
        await socket.settle()
        first, second = socket.rows(DELTAS)
        assert second["seq_no"] == first["seq_no"] + 2


async def test_a_duplicate_fault_sends_one_fill_twice(bench: Bench, private: Socket):
    await private.subscribe("fills.ALL")
    bench.world.faults.arm("paradex", FaultKind.DUPLICATE_FILL_FRAME)
    await private.result("order.create", bench.body("BUY", "0.1", "2501"))
    bench.run()
    await private.settle()
    first, second = private.rows("fills.ALL")
    assert first == second


async def test_a_disconnect_fault_closes_the_connection(bench: Bench):
    async with bench.socket() as socket:
        await socket.subscribe(f"bbo.{ETH}")
        bench.world.faults.arm("paradex", FaultKind.WS_DISCONNECT)
        bench.quote(Side.BUY, "1", "2499.1")
        with pytest.raises(ConnectionError):
            await socket.frame()
        assert socket.closed_with == 1001


async def test_a_half_open_connection_hears_and_acts_and_says_nothing(bench: Bench, private: Socket):
    await private.subscribe(DELTAS, "orders.ALL")
    await private.settle()
    told = len(private.notices)
    bench.world.faults.arm("paradex", FaultKind.HALF_OPEN)
    private.say("order.create", bench.body("BUY", "0.1", "2400", client_id="heard"))
    await private.settle()
    bench.run()
    await private.settle()
    assert [order.client_id for order in bench.exchange.open_orders(ADDRESS)] == ["heard"]
    assert len(private.notices) == told
    bench.world.faults.disarm("paradex")
    # The answer that was swallowed never comes: the next one read belongs to the next call.
    assert await private.result("order.cancel_all", {}) == {"status": "ok"}


async def test_a_client_that_does_not_read_is_dropped(bench: Bench):
    async with bench.socket() as socket:
        await socket.subscribe(DELTAS)
        await socket.settle()
        for step in range(UNREAD_MAX + 1):  # no await in between: the writer has no chance
            bench.quote(Side.BUY, "1", f"{2000 + step // 100}.{step % 100:02d}")
        with pytest.raises(ConnectionError):
            await socket.frame()
        assert socket.closed_with == 1008
