"""After a restart a client remembers no id: the journal and the wire form of the ids still tell whose an order is."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from nacl.signing import SigningKey
from pydantic import SecretStr

from connectors.backpack.client import BackpackClient
from connectors.registry import sandbox_endpoints
from connectors.settings import BackpackKeys, Outside, Timeouts
from connectors.venue import Accepted, Unknown
from core.instrument import Venue
from core.order import OrderIntent, OrderReport, OrderStatus, OrderType, Side, TimeInForce
from store import JournalEntry, NewSession, Store, open_store
from tests.contract.bench import Bench, Twin, until

A_MOMENT = timedelta(seconds=2)
SYMBOL = "ETH/USD"
Restart = Callable[[], BackpackClient]


@pytest.fixture
def restart(twins, real_outside: Outside) -> Restart:
    """Makes a client of one funded account that has just been started."""
    key = SigningKey.generate()
    public = base64.b64encode(bytes(key.verify_key)).decode()
    keys = BackpackKeys(api_key=public, api_secret=SecretStr(base64.b64encode(bytes(key)).decode()))
    twins.open_account(venue="backpack", publicKey=public, balance="10000")
    endpoints = sandbox_endpoints(Venue.BACKPACK, twins.port_base)
    return lambda: BackpackClient("a1", keys, endpoints, real_outside, Timeouts(command_s=2.0))


@pytest.fixture
def store(tmp_path: Path, real_outside: Outside) -> Iterator[Store]:
    """The journal, which outlives every client."""
    with open_store(tmp_path / "home") as opened:
        session = NewSession(
            session_id="s", name="s", symbol=SYMBOL, strategy={}, accounts=("a1", "a2"), environment="sandbox",
            volume_target=None, duration_s=60.0, seed=1, created_at=real_outside.clock(),
        )  # fmt: skip
        opened.journal.create_session.now(session)
        yield opened


@pytest.fixture
async def bench(twins, restart: Restart, real_outside: Outside) -> AsyncIterator[Bench]:
    """The client before the restart."""
    client = restart()
    await client.connect()
    yield Bench(client, client.capabilities, real_outside, restart, Twin(Venue.BACKPACK, twins))
    await client.aclose()


async def lost_answer(bench: Bench, store: Store, intent: OrderIntent) -> None:
    """Journal an intent and send it; the venue acts and its answer is lost, so nobody here learns the venue's id."""
    wire_id = bench.client.wire_client_id(intent.client_order_id)
    store.journal.record_intents.now([JournalEntry(intent, intent.side.value, 1, wire_id)])
    bench.wire.door.arm("backpack", "lost_answer", action="place", count=1)
    assert isinstance(await bench.client.place(intent), Unknown)


async def test_a_fill_from_before_a_restart_is_given_to_the_order_that_explains_it(bench: Bench, store: Store) -> None:
    intent = await bench.taking(time_in_force=TimeInForce.IOC, type=OrderType.LIMIT)
    await lost_answer(bench, store, intent)
    async with bench.second() as restarted:
        fills = await until(
            lambda: restarted.fills(SYMBOL, intent.created_at - A_MOMENT),
            lambda found: sum(fill.quantity for fill in found) == intent.quantity,
        )
    assert {fill.client_order_id for fill in fills} == {restarted.wire_client_id(intent.client_order_id)}
    recorded = store.journal.record_fills.now(fills)
    assert {fill.client_order_id for fill in recorded} == {intent.client_order_id}
    assert sum(fill.quantity for fill in store.reads.fills_of_session("s")) == intent.quantity
    assert store.reads.unexplained_fills("a1", intent.created_at - A_MOMENT) == []


async def test_a_resting_order_from_before_a_restart_is_named_once_it_was_asked_about(
    bench: Bench, store: Store
) -> None:
    intent = await bench.resting()
    await lost_answer(bench, store, intent)
    async with bench.second() as restarted:
        await restarted.feed.start([SYMBOL])
        (report,) = await restarted.open_orders(SYMBOL)
        assert report.client_order_id is None, "a report without a name is told by the venue's id"
        found = await restarted.order(intent, None)
        assert isinstance(found, OrderReport)
        assert (found.client_order_id, found.venue_order_id) == (intent.client_order_id, report.venue_order_id)
        (again,) = await restarted.open_orders(SYMBOL)
        assert (again.client_order_id, again.status) == (intent.client_order_id, OrderStatus.ACCEPTED)


async def test_looking_up_the_wire_form_is_enough_to_know_an_order_again(bench: Bench) -> None:
    intent = await bench.resting()
    assert isinstance(await bench.client.place(intent), Accepted)
    async with bench.second() as restarted:
        restarted.wire_client_id(intent.client_order_id)
        (report,) = await restarted.open_orders(SYMBOL)
    assert report.client_order_id == intent.client_order_id


async def test_a_fill_of_another_client_of_the_account_is_explained_by_no_order(bench: Bench, store: Store) -> None:
    ours, theirs = await bench.resting(), await bench.taking()
    store.journal.record_intents.now(
        [JournalEntry(ours, ours.side.value, 1, bench.client.wire_client_id(ours.client_order_id))]
    )
    async with bench.second() as other:
        await replace(bench, client=other).filled(theirs)
    async with bench.second() as restarted:
        fills = await restarted.fills(SYMBOL, theirs.created_at - A_MOMENT)
    store.journal.record_fills.now(fills)
    assert store.reads.fills_of_session("s") == []
    assert {fill.side for fill in store.reads.unexplained_fills("a1", theirs.created_at - A_MOMENT)} == {Side.BUY}
