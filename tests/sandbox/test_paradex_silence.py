"""Paradex's socket while the twin keeps silent about accounts: calls are answered, the market is shown, no more."""

from __future__ import annotations

from paradex_client import ADDRESS, open_world
from test_paradex_dialect_ws import DELTAS, Bench

from sandbox.dialects.paradex import create_app
from sandbox.faults import FaultKind
from sandbox.model import Side


async def test_a_silent_account_stream_answers_calls_and_shows_the_book_only() -> None:
    world = open_world()
    bench = Bench(world, create_app(world, world.exchanges["paradex"]))
    channels = ("orders.ALL", "fills.ALL", "positions", "account")
    async with bench.socket() as private:
        await private.result("auth", {"bearer": await bench.token()})
        await private.subscribe(DELTAS, *channels)
        await private.settle()
        told = {name: len(private.rows(name)) for name in (DELTAS, *channels)}
        world.faults.arm("paradex", FaultKind.ACCOUNT_SILENCE)
        await private.result("order.create", bench.body("BUY", "0.1", "2400", client_id="heard"))
        bench.run()
        bench.quote(Side.SELL, "1", "2399")
        await private.settle()
        assert bench.exchange.fills(ADDRESS)
        assert {name: len(private.rows(name)) for name in channels} == {name: told[name] for name in channels}
        assert len(private.rows(DELTAS)) > told[DELTAS]
