"""Records to write and processes to write them in: small builders whose defaults are valid, and children that die."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import random
import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from multiprocessing.connection import Connection
from pathlib import Path

from connectors.budgets import Budgets
from connectors.settings import Outside
from core.credits import LoanRequest, Terms
from core.errors import RateLimited
from core.instrument import Venue
from core.order import Fill, Liquidity, OrderIntent, OrderReport, OrderStatus, OrderType, Side, TimeInForce
from core.pair import PairStatus
from store import JournalEntry, NewPair, NewSession, PairOutcome, open_store
from store.budgets import StoreLender
from store.engine import reading_engine, sqlite_url
from store.segments import seal
from store.warehouse import load

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
CHILDREN = multiprocessing.get_context("forkserver")
CHILDREN.set_forkserver_preload(["store_world", "store.warehouse"])
CHILD_TIMEOUT_S = 60


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def new_session(
    session_id: str = "s1", *, created_at: datetime = NOW, accounts: tuple[str, ...] = ("a1", "a2")
) -> NewSession:
    return NewSession(
        session_id=session_id,
        name=f"session {session_id}",
        symbol="ETH/USD",
        strategy={"symbol": "ETH/USD", "max_slippage": Decimal("0.02")},
        accounts=accounts,
        environment="sandbox",
        volume_target=Decimal("10000"),
        duration_s=300.0,
        seed=7,
        created_at=created_at,
    )


def new_pair(sequence: int = 1, *, session_id: str = "s1", sell_venue: Venue = Venue.PARADEX) -> NewPair:
    return NewPair(
        pair_id=f"{session_id}-p{sequence}",
        session_id=session_id,
        sequence=sequence,
        buy_venue=Venue.PACIFICA,
        buy_account="a1",
        sell_venue=sell_venue,
        sell_account="a2",
        quantity=Decimal("0.10"),
        buy_arrival_mid=Decimal("2500.05"),
        sell_arrival_mid=Decimal("2500.15"),
        decision={"verdict": "approved", "cost": Decimal("0.0004")},
        created_at=NOW,
    )


def entry(
    order_id: str = "c1",
    *,
    wire_id: str | None = None,
    session_id: str = "s1",
    account_id: str = "a1",
    venue: Venue = Venue.PACIFICA,
    side: Side = Side.BUY,
    price: str = "2500",
    quantity: str = "0.10",
    symbol: str = "ETH/USD",
) -> JournalEntry:
    intent = OrderIntent(
        client_order_id=order_id,
        session_id=session_id,
        pair_id=f"{session_id}-p1",
        account_id=account_id,
        venue=venue,
        symbol=symbol,
        side=side,
        type=OrderType.LIMIT,
        time_in_force=TimeInForce.IOC,
        quantity=Decimal(quantity),
        price=Decimal(price),
        reference_price=Decimal("2500.05"),
        reduce_only=False,
        created_at=NOW,
        valid_until=later(5),
    )
    return JournalEntry(intent, leg=side.value, attempt=1, wire_client_id=wire_id or f"wire-{order_id}")


def fill(
    trade_id: str = "t1",
    *,
    client_order_id: str | None = "c1",
    venue_order_id: str = "v1",
    quantity: str = "0.04",
    price: str = "2499.5",
    fee: str = "0.015",
    account_id: str = "a1",
) -> Fill:
    return Fill(
        venue=Venue.PACIFICA,
        account_id=account_id,
        symbol="ETH/USD",
        trade_id=trade_id,
        client_order_id=client_order_id,
        venue_order_id=venue_order_id,
        side=Side.BUY,
        quantity=Decimal(quantity),
        price=Decimal(price),
        fee=Decimal(fee),
        liquidity=Liquidity.TAKER,
        venue_time=later(1),
        received_time=later(2),
    )


def report(
    status: OrderStatus,
    *,
    filled: str = "0",
    average: str | None = None,
    at: datetime = NOW,
    venue_order_id: str = "v1",
) -> OrderReport:
    return OrderReport(
        venue=Venue.PACIFICA,
        account_id="a1",
        symbol="ETH/USD",
        client_order_id="c1",
        venue_order_id=venue_order_id,
        status=status,
        filled_quantity=Decimal(filled),
        average_price=None if average is None else Decimal(average),
        reason=None,
        venue_time=at,
        received_time=at,
    )


def run_child(target: Callable[..., None], *args: object) -> int | None:
    """Run a function of this module in a process of its own to its end; return its exit code (-9: killed)."""
    child = CHILDREN.Process(target=target, args=args)
    child.start()
    child.join(CHILD_TIMEOUT_S)
    return child.exitcode


def run_children(target: Callable[..., None], *args: object, count: int) -> list[object]:
    """Run a function in several processes at once, each with the end of a pipe; return what each sent."""
    pipes = [CHILDREN.Pipe() for _ in range(count)]
    children = [CHILDREN.Process(target=target, args=(end, number, *args)) for number, (_, end) in enumerate(pipes)]
    for child in children:
        child.start()
    answers: list[object] = []
    for ours, _ in pipes:
        assert ours.poll(CHILD_TIMEOUT_S)
        answers.append(ours.recv())
    for child in children:
        child.join(CHILD_TIMEOUT_S)
    return answers


def journal_then_wait(answers: Connection, home: Path) -> None:
    """Journal an intent, tell the parent at the very moment of the acknowledgement, and wait to be killed."""

    async def run() -> None:
        store = open_store(home)
        await store.journal.create_session(new_session())
        await store.journal.record_intents([entry()])
        answers.send("acknowledged")
        await asyncio.sleep(CHILD_TIMEOUT_S)

    asyncio.run(run())


def race_for_leases(answers: Connection, number: int, home: Path, url: str, rounds: int) -> None:
    """Try to take one scope after the other, at the same instants as the other children; send what was won."""
    with open_store(home, url) as store:
        won = [
            store.journal.acquire_lease.now(f"session:{scope}", f"run-{number}", attempt=1, ttl_s=30, now=NOW)
            for scope in range(rounds)
        ]
    answers.send(won)


def open_and_close(answers: Connection, _number: int, home: Path) -> None:
    """Open a store that perhaps does not exist yet."""
    with open_store(home) as store:
        answers.send(len(store.reads.sessions()))


def append_events(answers: Connection, number: int, home: Path, url: str, count: int) -> None:
    """Append events to one session together with other processes."""
    with open_store(home, url) as store:
        for index in range(count):
            payload = {"by": number, "index": index}
            store.journal.append_event.now("s1", at=NOW, channel="status", type="tick", payload=payload)
    answers.send(count)


def seal_and_die(home: Path, step: str) -> None:
    """Seal session s1 and kill this process right after a step."""
    store = open_store(home)
    seal(home / "segments", "s1", reading_engine(sqlite_url(home)), store.journal, at=_die_at(step))


def load_and_die(home: Path, step: str) -> None:
    """Load results and kill this process right after a step."""
    store = open_store(home)
    load(home, store.segments.sealed, at=_die_at(step))


def _die_at(fatal: str) -> Callable[[str], None]:
    def at(step: str) -> None:
        if step == fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    return at


BUDGET = Terms(capacity=40, per_s=4, reserve=4)


def spend_for(answers: Connection, _number: int, home: Path, url: str, seconds: float) -> None:
    """Spend a shared budget as fast as it allows, on the real clock; send when each credit was spent."""

    async def run() -> list[float]:
        spent = []
        with open_store(home, url) as store:
            outside = Outside(lambda: datetime.now(UTC), asyncio.sleep, random.Random(1))
            lender = StoreLender(store.journal, outside.clock)
            bucket = Budgets(outside, lender).bucket(Venue.PACIFICA, "http://venue.test", "key", "k1", BUDGET)
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                try:
                    await bucket.take(1, wait_s_max=0.4)
                    spent.append(time.time())
                except RateLimited:
                    await asyncio.sleep(0.05)
        return spent

    answers.send(asyncio.run(run()))


def borrow_and_die(home: Path) -> None:
    """Borrow a portion of the shared budget and die with it."""
    store = open_store(home)
    store.journal.borrow_credits.now("k", LoanRequest("dead", BUDGET, 1, 4), NOW)
    os.kill(os.getpid(), signal.SIGKILL)


def end_pairs_and_die(home: Path) -> None:
    """End three pairs for certain and perhaps more, and die by SIGKILL with writes on their way."""
    ended = PairOutcome(PairStatus.FILLED, Decimal("0.1"), Decimal("249.95"), completed_at=NOW)
    store = open_store(home)
    for number in range(1, 6):
        store.journal.record_pair.now(new_pair(number))
    for number in range(1, 4):
        store.journal.complete_pair.now(f"s1-p{number}", ended)
    for number in (4, 5):
        store.journal.complete_pair.soon(f"s1-p{number}", ended)
    os.kill(os.getpid(), signal.SIGKILL)
