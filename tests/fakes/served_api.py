"""The API on a free loopback port, in this process; and a session's record, written as its run writes it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import uvicorn
from fastapi import FastAPI

from api.sockets import SOCKET_OPTIONS, LiveProtocol
from core.instrument import Venue
from core.order import Fill, Liquidity, OrderIntent, OrderReport, OrderStatus, OrderType, Reported, Side, TimeInForce
from core.order import apply as applied
from core.pair import PairStatus
from core.risk import Severity
from store import JournalEntry, NewBreach, NewPair, PairOutcome, SessionStatus, SessionTotals, Store
from store.api_records import Scope
from tests.api.api_world import Api, ApiWorld

D = Decimal
START_S = 20


@dataclass
class ServedApi:
    """A running service: its app, an administrator's key, and where it is."""

    api: Api
    port: int

    @property
    def root(self) -> str:
        """The service's root."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def bearer(self) -> dict[str, str]:
        """The header that lets the administrator in."""
        return {"Authorization": f"Bearer {self.api.key}"}

    def socket(self, session_id: str) -> str:
        """The address of a session's live stream."""
        return f"ws://127.0.0.1:{self.port}/ws/sessions/{session_id}"


@asynccontextmanager
async def served(world: ApiWorld, port: int = 0) -> AsyncIterator[ServedApi]:
    """Serve an API on this world until the end of the block."""
    app: FastAPI = world.app()
    config = uvicorn.Config(
        app, port=port, lifespan="on", log_config=None, log_level=logging.WARNING, ws=LiveProtocol,
        timeout_graceful_shutdown=5, **SOCKET_OPTIONS,
    )  # fmt: skip
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server._serve())
    try:
        async with asyncio.timeout(START_S):
            while not server.started and not serving.done():
                await asyncio.sleep(0)
        api = Api(world, app)
        api.key = api.new_key(Scope.ADMIN, name="served")
        yield ServedApi(api, server.servers[0].sockets[0].getsockname()[1])
    finally:
        server.should_exit = True
        async with asyncio.timeout(START_S):
            await serving


class ToldSession:
    """Writes what one session with one pair leaves in the record, in the order in which a run writes it."""

    EVENTS = 8

    def __init__(self, store: Store, session_id: str, now: datetime) -> None:
        self.session_id = session_id
        self._journal = store.journal
        self._reads = store.reads
        self._now = now

    async def tell(self) -> None:
        """Begin, trade one pair, refuse the next, breach a limit, and end."""
        await self.begin()
        await self.pair(1)
        await self._say("decision", "refused", code="SPREAD", text="the spread is too wide")
        await self._breach()
        await self._say("log", "notice", text="the venue is slow")
        await self.end()

    async def begin(self) -> None:
        """The run has the session."""
        await self._status((SessionStatus.PENDING, SessionStatus.ACTIVE), SessionStatus.ACTIVE)
        await self._say("status", "session_update", status="active", attempt=1)

    async def pair(self, sequence: int) -> None:
        """One pair of 0.1 ETH at 2500 is filled, and the totals are told: two events."""
        pair_id = f"{self.session_id}-p{sequence}"
        plan = NewPair(
            pair_id, self.session_id, sequence, Venue.PACIFICA, "account1", Venue.PARADEX, "account2", D("0.1"),
            D(2500), D(2500), {}, self._now,
        )  # fmt: skip
        await self._journal.record_pair(plan)
        for side, account, venue in (
            (Side.BUY, "account1", Venue.PACIFICA), (Side.SELL, "account2", Venue.PARADEX)
        ):  # fmt: skip
            await self._leg(pair_id, side, account, venue)
        self._now += timedelta(seconds=1)
        outcome = PairOutcome(
            PairStatus.FILLED, D("0.1"), D(250), D(2500), D("0.0004"), D("0.13"),
            executed_at=self._now, completed_at=self._now,
        )  # fmt: skip
        await self._journal.complete_pair(pair_id, outcome)
        await self._say("orders", "order_update", pairId=pair_id, sequence=sequence, status="filled", volume="250",
                        text=f"pair {sequence} filled")  # fmt: skip
        totals = SessionTotals(250 * D(sequence), D("-0.13"), D("0.13") * sequence, pairs_filled=sequence)
        await self._journal.update_session_totals(self.session_id, totals)
        await self._say(
            "metrics", "metrics_update", totalVolume=str(totals.volume_generated), netPosition="0", pnl="-0.13",
            fees=str(totals.fees), fundingPnl="0", slippage="0", pairsFilled=sequence, pairsUnwound=0,
            positions={"account1": "0.1", "account2": "-0.1"}, lastDecision=f"pair {sequence} filled", netPeakUsd="0",
        )  # fmt: skip

    async def end(self) -> None:
        """The session is completed and on record."""
        await self._status((SessionStatus.ACTIVE,), SessionStatus.COMPLETED)
        await self._say("status", "session_update", status="completed")
        await self._say("status", "settled", report="report.html")

    async def _leg(self, pair_id: str, side: Side, account: str, venue: Venue) -> None:
        order_id = f"{pair_id}-{side}"
        intent = OrderIntent(
            client_order_id=order_id, session_id=self.session_id, pair_id=pair_id, account_id=account, venue=venue,
            symbol="ETH/USD", side=side, type=OrderType.LIMIT, time_in_force=TimeInForce.IOC, quantity=D("0.1"),
            price=D(2500), reference_price=D(2500), reduce_only=False, created_at=self._now,
            valid_until=self._now + timedelta(seconds=5),
        )  # fmt: skip
        (recorded,) = await self._journal.record_intents([JournalEntry(intent, side.value, 1, f"wire-{order_id}")])
        await self._journal.record_fills([Fill(
            venue=venue, account_id=account, symbol="ETH/USD", trade_id=f"t-{order_id}", client_order_id=order_id,
            venue_order_id=f"v-{order_id}", side=side, quantity=D("0.1"), price=D(2500), fee=D("0.065"),
            liquidity=Liquidity.TAKER, venue_time=self._now, received_time=self._now,
        )])  # fmt: skip
        report = OrderReport(
            venue=venue, account_id=account, symbol="ETH/USD", client_order_id=order_id,
            venue_order_id=f"v-{order_id}", status=OrderStatus.FILLED, filled_quantity=D("0.1"),
            average_price=D(2500), reason=None, venue_time=self._now, received_time=self._now,
        )  # fmt: skip
        await self._journal.record_order(applied(recorded.order, Reported(report)))

    async def _breach(self) -> None:
        details = {"limit": "0.05"}
        breach = NewBreach(
            f"{self.session_id}-b1", self.session_id, None, "drawdown", Severity.CRITICAL, details, self._now
        )
        await self._journal.record_breach(breach)
        told = {"id": breach.breach_id, "category": "drawdown", "severity": "critical", "details": details}
        await self._say("risk", "risk_update", riskLevel="high", breach=told)

    async def _status(self, before: tuple[SessionStatus, ...], status: SessionStatus) -> None:
        self._now += timedelta(seconds=1)
        await self._journal.set_session_status(self.session_id, before, status, at=self._now)

    async def _say(self, channel: str, type_: str, **payload: object) -> None:
        await self._journal.append_event(
            self.session_id, at=self._now, channel=channel, type=type_, payload=payload
        )  # fmt: skip
        self._now += timedelta(milliseconds=1)


async def told_session(api: Api) -> ToldSession:
    """A new session of an API, whose record is about to be written."""
    return ToldSession(api.store, await api.created(), api.world.clock())
