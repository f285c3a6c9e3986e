"""The Pacifica connector's wider surface against the twin: subaccounts and agents, triggers, halts, forced trades."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import base58
import httpx
import pytest
from nacl.signing import SigningKey
from pydantic import SecretStr

from connectors.pacifica.auth import Signer
from connectors.pacifica.client import PacificaClient
from connectors.registry import sandbox_endpoints
from connectors.settings import Outside, PacificaKeys, Timeouts
from connectors.venue import Accepted, CancelRefused, CancelTaken, NotSent, Rejected, Unknown
from core.account import MarginMode, TransferKind
from core.errors import VenueRejected
from core.instrument import Venue
from core.numbers import floor_to
from core.order import (
    FillCause,
    OrderIntent,
    OrderType,
    Side,
    TimeInForce,
    TriggerIntent,
    TriggerKind,
    TriggerPrice,
)
from tests.contract.bench import until

pytestmark = pytest.mark.e2e

ETH = "ETH/USD"
QUANTITY = Decimal("0.1")
SECRETS = iter(range(1, 200))


def new_key() -> tuple[str, str]:
    """A fresh public key and its secret."""
    key = SigningKey(next(SECRETS).to_bytes(32, "little"))
    return base58.b58encode(bytes(key.verify_key)).decode(), base58.b58encode(bytes(key)).decode()


def keys_of(public: str, secret: str, agent: str | None = None) -> PacificaKeys:
    return PacificaKeys(account=public, secret_key=SecretStr(secret), agent_wallet=agent)


@asynccontextmanager
async def connected(twins, keys: PacificaKeys, outside: Outside) -> AsyncIterator[PacificaClient]:
    endpoints = sandbox_endpoints(Venue.PACIFICA, twins.port_base)
    client = PacificaClient("acc-1", keys, endpoints, outside, Timeouts(command_s=2.0))
    try:
        await client.connect()
        yield client
    finally:
        await client.aclose()


@pytest.fixture(autouse=True)
def generous(twins) -> None:
    twins.control("limits", venue="pacifica", per_minute=100_000)


@pytest.fixture
async def client(twins, real_outside) -> AsyncIterator[PacificaClient]:
    public, secret = new_key()
    twins.open_account(venue="pacifica", publicKey=public, balance="10000")
    async with connected(twins, keys_of(public, secret), real_outside) as ready:
        yield ready


async def taking(client: PacificaClient, outside: Outside, side: Side = Side.BUY, **changes: object) -> OrderIntent:
    book, market = await client.book(ETH), (await client.markets())[ETH]
    price = floor_to(book.mid * (1 + Decimal("0.01") * side.sign), market.tick)
    now = outside.clock()
    wanted = OrderIntent(
        str(uuid.uuid4()), "s", "p", "acc-1", Venue.PACIFICA, ETH, side, OrderType.LIMIT, TimeInForce.IOC, QUANTITY,
        price, book.mid, False, now, now + timedelta(seconds=10),
    )  # fmt: skip
    return replace(wanted, **changes)


async def bought(client: PacificaClient, outside: Outside) -> None:
    assert isinstance(await client.place(await taking(client, outside)), Accepted)
    await until(client.positions, lambda found: len(found) == 1)


# ---- who may act for whom


def post(twins, path: str, keys: PacificaKeys, operation: str, **payload: object) -> httpx.Response:
    """Send a signed operation that the connector itself never sends."""
    at = int(time.time() * 1000)
    body = Signer(keys).signed_body(operation, payload, timestamp_ms=at, expiry_window_ms=5000)
    url = f"{sandbox_endpoints(Venue.PACIFICA, twins.port_base).rest_url}/api/v1{path}"
    return httpx.post(url, json=body | payload, trust_env=False)


def join(twins, main: PacificaKeys, sub: PacificaKeys) -> None:
    at = int(time.time() * 1000)
    times = {"timestamp_ms": at, "expiry_window_ms": 5000}
    initiate = Signer(sub).signature("subaccount_initiate", {"account": main.account}, **times)
    confirm = Signer(main).signature("subaccount_confirm", {"signature": initiate}, **times)
    body = {
        "main_account": main.account, "subaccount": sub.account, "main_signature": confirm, "sub_signature": initiate,
        "timestamp": at, "expiry_window": 5000,
    }  # fmt: skip
    url = f"{sandbox_endpoints(Venue.PACIFICA, twins.port_base).rest_url}/api/v1/account/subaccount/create"
    assert httpx.post(url, json=body, trust_env=False).status_code == 200


@pytest.fixture
def family(twins) -> tuple[PacificaKeys, PacificaKeys]:
    """A main account with 10,000 and its subaccount with 1,000 of them."""
    main, sub = keys_of(*new_key()), keys_of(*new_key())
    twins.open_account(venue="pacifica", publicKey=main.account, balance="10000")
    join(twins, main, sub)
    moved = post(twins, "/account/subaccount/transfer", main, "transfer_funds", to_account=sub.account, amount="1000")
    assert moved.json()["data"]["success"] is True
    return main, sub


async def test_an_agent_of_the_subaccount_trades_for_it_alone(twins, real_outside, family) -> None:
    main, sub = family
    agent, secret = new_key()
    assert post(twins, "/agent/bind", sub, "bind_agent_wallet", agent_wallet=agent).status_code == 200

    async with connected(twins, keys_of(sub.account, secret, agent), real_outside) as client:
        await bought(client, real_outside)
    async with connected(twins, main, real_outside) as client:
        assert await client.positions() == []
    async with connected(twins, keys_of(main.account, secret, agent), real_outside) as client:
        outcome = await client.place(await taking(client, real_outside))
        assert isinstance(outcome, Rejected)
        assert outcome.code == "AUTH"


async def test_a_revoked_agent_is_rejected(twins, real_outside, family) -> None:
    _, sub = family
    agent, secret = new_key()
    post(twins, "/agent/bind", sub, "bind_agent_wallet", agent_wallet=agent)
    async with connected(twins, keys_of(sub.account, secret, agent), real_outside) as client:
        await bought(client, real_outside)
        post(twins, "/agent/revoke", sub, "revoke_agent_wallet", agent_wallet=agent)
        outcome = await client.place(await taking(client, real_outside, Side.SELL, reduce_only=True))
    assert isinstance(outcome, Rejected)
    assert outcome.code == "AUTH"


async def test_the_family_is_listed_by_its_main_account_only(twins, real_outside, family) -> None:
    main, sub = family
    agent, secret = new_key()
    post(twins, "/agent/bind", main, "bind_agent_wallet", agent_wallet=agent)
    for keys in (main, keys_of(main.account, secret, agent)):
        async with connected(twins, keys, real_outside) as client:
            listed = await client.records.subaccounts()
            assert [(entry.address, entry.is_main) for entry in listed] == [(main.account, True), (sub.account, False)]
    async with connected(twins, sub, real_outside) as client:
        with pytest.raises(VenueRejected, match="Not main account"):
            await client.records.subaccounts()


async def test_money_from_the_main_account_is_a_transfer(twins, real_outside, family) -> None:
    _, sub = family
    async with connected(twins, sub, real_outside) as client:
        (entry,) = await client.records.transfers(real_outside.clock() - timedelta(minutes=1))
    assert (entry.kind, entry.quantity, entry.asset) == (TransferKind.TRANSFER, Decimal(1000), "USDC")


# ---- triggers


@asynccontextmanager
async def price_times(twins, factor: str) -> AsyncIterator[None]:
    before = Decimal(httpx.get(f"{twins.control_url}/control/state", trust_env=False).json()["reference"][ETH])
    twins.control("price", instrument=ETH, price=str(before * Decimal(factor)))
    try:
        yield
    finally:
        twins.control("price", instrument=ETH, price=str(before))


async def stop(client: PacificaClient, outside: Outside, kind: TriggerKind, factor: str) -> TriggerIntent:
    market, mark = (await client.markets())[ETH], (await client.mark(ETH)).mark
    order = await taking(
        client, outside, Side.SELL, reduce_only=True, time_in_force=TimeInForce.GTC,
        price=floor_to(mark * Decimal("0.9"), market.tick),
    )  # fmt: skip
    return TriggerIntent(order, kind, floor_to(mark * Decimal(factor), market.tick), TriggerPrice.MARK)


async def test_a_take_profit_waits_and_closes_the_position_when_the_price_has_risen(
    twins, client, real_outside
) -> None:
    await bought(client, real_outside)
    wanted = await stop(client, real_outside, TriggerKind.TAKE_PROFIT, "1.02")

    assert isinstance(await client.desk.place_trigger(wanted), Accepted)

    (waiting,) = await client.desk.open_triggers(ETH)
    assert waiting.client_order_id == wanted.order.client_order_id
    async with price_times(twins, "1.03"):
        await until(client.positions, lambda found: len(found) == 0)
    assert await client.desk.open_triggers(ETH) == []


async def test_cancel_all_leaves_no_trigger_behind(client, real_outside) -> None:
    await bought(client, real_outside)
    wanted = await stop(client, real_outside, TriggerKind.STOP_LOSS, "0.95")
    assert isinstance(await client.desk.place_trigger(wanted), Accepted)
    assert len(await client.open_orders(ETH)) == 1

    assert isinstance(await client.cancel_all(ETH), CancelTaken)

    assert await client.desk.open_triggers(ETH) == []
    assert await client.open_orders(ETH) == []


async def test_a_trigger_that_protects_nothing_is_rejected(client, real_outside) -> None:
    outcome = await client.desk.place_trigger(await stop(client, real_outside, TriggerKind.TAKE_PROFIT, "1.02"))
    assert outcome == Rejected("Position not found", "NOT_FOUND")


# ---- halts, forced trades, settings


async def test_a_halt_rejects_orders_and_leaves_resting_ones_alone(twins, client, real_outside) -> None:
    market, book = (await client.markets())[ETH], await client.book(ETH)
    resting = await taking(
        client, real_outside, price=floor_to(book.mid * Decimal("0.95"), market.tick),
        time_in_force=TimeInForce.POST_ONLY,
    )  # fmt: skip
    placed = await client.place(resting)
    assert isinstance(placed, Accepted)
    another = await taking(client, real_outside)
    twins.control("status", venue="pacifica", mode="maintenance")
    try:
        outcome = await client.place(another)
        cancelled = await client.cancel(resting, placed.report.venue_order_id)
    finally:
        twins.control("status", venue="pacifica", mode="open")
    assert outcome == Rejected("Trading disabled", "TRADING_DISABLED")
    assert isinstance(cancelled, NotSent)
    assert len(await client.open_orders(ETH)) == 1
    assert isinstance(await client.cancel(resting, None), CancelTaken)


@pytest.mark.parametrize(("words", "cause"), [("own_word", FillCause.ADL), ("backstop", FillCause.BACKSTOP)])
async def test_a_deleveraging_is_never_taken_for_a_trade(twins, client, real_outside, words, cause) -> None:
    since = real_outside.clock() - timedelta(seconds=2)
    await bought(client, real_outside)
    account = (await client.records.subaccounts())[0].address
    twins.control("quirks", venue="pacifica", name="adl_cause", value=words)
    try:
        twins.arm("pacifica", "adl", account=account, instrument=ETH)
        fills = await until(lambda: client.fills(ETH, since), lambda found: any(f.side is Side.SELL for f in found))
    finally:
        twins.control("quirks", venue="pacifica", name="adl_cause", value=None)
    assert {fill.cause for fill in fills if fill.side is Side.SELL} == {cause}
    assert {fill.cause for fill in fills if fill.side is Side.BUY} == {FillCause.TRADE}


async def test_isolated_margin_is_refused_in_the_venues_own_words(client) -> None:
    held = await client.desk.set_margin_mode(ETH, MarginMode.CROSS)
    assert held.mode is MarginMode.CROSS
    with pytest.raises(VenueRejected, match="Unsupported operation"):
        await client.desk.set_margin_mode(ETH, MarginMode.ISOLATED)


async def test_leverage_cannot_fall_while_a_position_is_open(client, real_outside) -> None:
    await client.desk.set_leverage(ETH, Decimal(10))
    await bought(client, real_outside)
    with pytest.raises(VenueRejected, match="Cannot decrease leverage"):
        await client.desk.set_leverage(ETH, Decimal(5))
    assert (await client.records.leverage(ETH)).leverage == 10


# ---- where the documents leave the venue's form open


@contextmanager
def quirk(twins, name: str, value: object) -> Iterator[None]:
    """Let the twin read the documents the other way."""
    twins.control("quirks", venue="pacifica", name=name, value=value)
    try:
        yield
    finally:
        twins.control("quirks", venue="pacifica", name=name, value=None)


@pytest.mark.parametrize("order", ["newest_first", "oldest_first"])
async def test_the_order_history_is_newest_first_whichever_way_the_venue_sorts(
    twins, client, real_outside, order
) -> None:
    since = real_outside.clock() - timedelta(seconds=2)
    wanted = [await taking(client, real_outside, side) for side in (Side.BUY, Side.SELL, Side.BUY)]
    for intent in wanted:
        assert isinstance(await client.place(intent), Accepted)

    with quirk(twins, "orders_history_order", order):
        listed = await until(lambda: client.records.order_history(ETH, since), lambda found: len(found) == 3)

    assert [report.client_order_id for report in listed] == [i.client_order_id for i in reversed(wanted)]


async def test_the_account_is_read_as_a_list_too(twins, client) -> None:
    with quirk(twins, "account_shape", "list"):
        (cash,) = await client.records.balances()
        assert (await client.records.fee_tier()).tier == "0"
    assert cash.total == 10_000


@pytest.mark.parametrize("codes", ["engine", "old"])
async def test_words_decide_whichever_numbering_the_venue_uses(twins, client, real_outside, codes) -> None:
    never_sent = await taking(client, real_outside)
    with quirk(twins, "business_codes", codes):
        assert [type(o) for o in await client.desk.cancel_batch([(never_sent, None)])] == [CancelRefused]
        outcome = await client.place(await taking(client, real_outside, reduce_only=True))
    assert isinstance(outcome, Rejected)
    assert outcome.code == "REDUCE_ONLY"


@pytest.mark.parametrize("form", ["envelope", "plain_text"])
async def test_a_batch_with_a_wrong_signature_is_rejected_whole_in_either_form(
    twins, real_outside, family, form
) -> None:
    _, sub = family
    agent, secret = new_key()
    async with connected(twins, keys_of(sub.account, secret, agent), real_outside) as client:
        with quirk(twins, "signature_error_form", form):
            outcomes = await client.desk.place_batch([await taking(client, real_outside) for _ in range(2)])
    assert [(type(o), o.code) for o in outcomes] == [(Rejected, "AUTH")] * 2


@pytest.mark.parametrize("answer", ["accept_then_reject", "refuse"])
async def test_an_edit_that_would_cross_never_looks_as_if_the_former_order_were_safe(
    twins, client, real_outside, answer
) -> None:
    market, book = (await client.markets())[ETH], await client.book(ETH)
    resting = await taking(
        client, real_outside, price=floor_to(book.mid * Decimal("0.95"), market.tick),
        time_in_force=TimeInForce.POST_ONLY,
    )  # fmt: skip
    placed = await client.place(resting)
    assert isinstance(placed, Accepted)
    crossing = replace(resting, price=floor_to(book.mid * Decimal("1.01"), market.tick))
    with quirk(twins, "post_only_cross", answer):
        # Journalled at the price that crosses now, moved away from it before, and moved back.
        outcome = await client.desk.edit(crossing, placed.report.venue_order_id, crossing)
    assert isinstance(outcome, Accepted | Unknown)
    assert await client.open_orders(ETH) == []
    assert await client.positions() == []
