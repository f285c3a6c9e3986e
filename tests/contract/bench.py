"""What a contract card works with: one venue's client, an account of its own, and the twin's control door."""

from __future__ import annotations

import asyncio
import base64
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol, cast

import base58
from nacl.signing import SigningKey
from pydantic import SecretStr

from connectors.capabilities import Capabilities
from connectors.clock import ClockOffset
from connectors.paradex import stark
from connectors.paradex.auth import best_curve, derived_address
from connectors.settings import BackpackKeys, Keys, Outside, PacificaKeys, ParadexKeys
from connectors.surface import VenueDesk, VenueMarketData, VenueRecords, VenueTape
from connectors.venue import Accepted, FeedEvent, VenueClient
from core.instrument import Market, Venue
from core.numbers import ceil_to, floor_to
from core.order import OrderIntent, OrderReport, OrderType, Side, TimeInForce
from sandbox.dialects.paradex_auth import ACCOUNT_HASH, ACCOUNT_PROXY_HASH

SYMBOL = "ETH/USD"
BOUND_S = 10.0
UNKNOWN_ORDER = "999999999"
NOTIONAL_AIM = Decimal(150)
THROUGH = Decimal("0.005")
AWAY = Decimal("0.02")


class Control(Protocol):
    """The control door of running twins."""

    def arm(self, venue: str, kind: str, **request: object) -> None:
        """Arm a fault of one venue."""

    def control(self, door: str, **request: object) -> dict[str, object]:
        """POST to one of the control doors."""

    def state(self) -> dict[str, Any]:
        """Every venue's own truth."""


class Surface(Protocol):
    """What a client offers beyond trading a pair. A venue that lacks a part fails the cards that need it."""

    market_data: VenueMarketData
    records: VenueRecords
    desk: VenueDesk
    tape: VenueTape

    @property
    def clock_offset(self) -> ClockOffset | None:
        """The offset measured last."""

    async def measure_clock(self) -> ClockOffset:
        """Measure the venue's clock now."""


@dataclass(frozen=True)
class Twin:
    """The control door as seen from one venue."""

    venue: Venue
    door: Control
    account: str = ""

    def arm(self, kind: str, **request: object) -> None:
        """Arm a fault, once unless told otherwise."""
        bounds = {} if "duration_s" in request else {"count": 1}
        self.door.arm(str(self.venue), kind, **(bounds | request))

    def calm(self) -> None:
        """Take back all faults, and let the venue's clock be right again."""
        self.door.control("faults", venue=str(self.venue), kind="clear")
        self.skew(timedelta())

    def skew(self, by: timedelta) -> None:
        """Let the venue's clock differ from the world's."""
        self.door.control("clock", venue=str(self.venue), skew_ms=int(by.total_seconds() * 1000))

    def pass_time(self, by: timedelta) -> None:
        """Let time pass in the world of the twins; a client that is connected does not notice."""
        self.door.control("clock", advance_s=by.total_seconds())

    def deleverage(self, symbol: str) -> None:
        """Let the venue close the account's position in a market by auto-deleveraging."""
        self.door.control("faults", venue=str(self.venue), kind="adl", account=self.account, instrument=symbol)

    def bust_last_fill(self) -> None:
        """Let the venue undo the account's last execution."""
        fills = self.door.state()["venues"][str(self.venue)]["accounts"][self.account]["fills"]
        self.door.control("faults", venue=str(self.venue), kind="tradebust", fill_id=fills[-1]["id"])

    def self_trades(self) -> int:
        """How many fills had the same account on both sides."""
        return int(self.door.state()["venues"][str(self.venue)]["self_trades"])


@dataclass
class Bench:
    """One venue under test. `another` makes a further, unconnected client of the same account."""

    client: VenueClient
    capabilities: Capabilities
    outside: Outside
    another: Callable[[], VenueClient]
    twin: Twin | None = None
    symbol: str = SYMBOL
    newcomer: Callable[[], VenueClient] | None = None  # a client of an account that nobody has opened yet

    @property
    def wire(self) -> Twin:
        """The twin's control door; cards that need it are marked `wire`."""
        assert self.twin is not None, "this card needs a twin"
        return self.twin

    @property
    def surface(self) -> Surface:
        """The client's wider surface."""
        return cast(Surface, self.client)

    def now(self) -> datetime:
        """The time."""
        return self.outside.clock()

    @asynccontextmanager
    async def second(self) -> AsyncIterator[VenueClient]:
        """A second client of the same account, connected now and closed afterwards."""
        client = self.another()
        try:
            await client.connect()
            yield client
        finally:
            await client.aclose()

    async def market(self) -> Market:
        """The market the cards trade."""
        return (await self.client.markets())[self.symbol]

    async def taking(self, side: Side = Side.BUY, **changes: Any) -> OrderIntent:
        """An IOC limit order that takes from the book, bounded half a percent through it; changes replace fields."""
        return await self._intent(side, TimeInForce.IOC, THROUGH * side.sign, changes)

    async def resting(self, **changes: Any) -> OrderIntent:
        """A post-only buy two percent below the mid, where nobody meets it; changes replace fields."""
        return await self._intent(Side.BUY, TimeInForce.POST_ONLY, -AWAY, changes)

    async def _intent(self, side: Side, how_long: TimeInForce, shift: Decimal, changes: dict[str, Any]) -> OrderIntent:
        market, book = await self.market(), await self.client.book(self.symbol)
        assert book.mid is not None
        least = max(market.min_quantity, max(market.min_notional * 3, NOTIONAL_AIM) / book.mid)
        now = self.now()
        fields: dict[str, Any] = {
            "client_order_id": str(uuid.uuid4()), "session_id": "s", "pair_id": "p",
            "account_id": self.client.account_id, "venue": self.client.venue, "symbol": self.symbol, "side": side,
            "type": OrderType.LIMIT, "time_in_force": how_long, "quantity": ceil_to(least, market.lot),
            "price": floor_to(book.mid * (1 + shift), market.tick), "reference_price": book.mid,
            "reduce_only": False, "created_at": now, "valid_until": now + timedelta(seconds=10),
        }  # fmt: skip
        return OrderIntent(**(fields | changes))

    async def placed(self, intent: OrderIntent) -> str:
        """Place an order that has to be accepted; return the venue's id."""
        outcome = await self.client.place(intent)
        assert isinstance(outcome, Accepted), outcome
        assert outcome.report.venue_order_id is not None
        return outcome.report.venue_order_id

    async def ended(self, intent: OrderIntent, venue_order_id: str | None = None) -> OrderReport:
        """Ask about an order until it is final."""
        return await self.reported(intent, lambda report: report.status.is_final, venue_order_id)

    async def reported(
        self, intent: OrderIntent, claim: Callable[[OrderReport], bool], venue_order_id: str | None = None
    ) -> OrderReport:
        """Ask about an order until a claim holds."""
        found = await until(
            lambda: self.client.order(intent, venue_order_id),
            lambda said: isinstance(said, OrderReport) and claim(said),
        )
        assert isinstance(found, OrderReport)
        return found

    async def filled(self, intent: OrderIntent) -> OrderReport:
        """Place an order that has to be filled whole; return its end."""
        report = await self.ended(intent, await self.placed(intent))
        assert report.filled_quantity == intent.quantity, report
        return report

    async def events(self, enough: Callable[[list[FeedEvent]], bool], *, bound_s: float = BOUND_S) -> list[FeedEvent]:
        """Drain the feed until enough has come."""
        seen: list[FeedEvent] = []
        async with asyncio.timeout(bound_s):
            while not enough(seen):
                await self.client.feed.wait(0.5)
                seen += self.client.feed.drain()
        return seen


async def until(ask: Callable[[], Awaitable[Any]], claim: Callable[[Any], bool]) -> Any:
    """Ask again until the claim holds: a venue's history may lag behind its engine."""
    async with asyncio.timeout(BOUND_S):
        while not claim(answer := await ask()):
            await asyncio.sleep(0.02)
    return answer


async def until_true(claim: Callable[[], bool], *, bound_s: float = BOUND_S, every_s: float = 0.02) -> None:
    """Look again until the claim holds; every_s 0 looks at every turn of the loop."""
    async with asyncio.timeout(bound_s):
        while not claim():
            await asyncio.sleep(every_s)


def new_keys(venue: Venue, number: int) -> tuple[Keys, dict[str, str]]:
    """Keys of a fresh account and what the twin has to know of it."""
    seed = SigningKey((number + 1).to_bytes(32, "big"))
    public = bytes(seed.verify_key)
    match venue:
        case Venue.PACIFICA:
            account = base58.b58encode(public).decode()
            secret = SecretStr(base58.b58encode(bytes(seed) + public).decode())
            return PacificaKeys(account=account, secret_key=secret), {"publicKey": account}
        case Venue.PARADEX:
            account = hex(0x5AFE000 + number)
            known = {"account": account, "publicKey": hex(stark.public_key(number + 1))}
            return ParadexKeys(account=account, private_key=SecretStr(hex(number + 1))), known
        case Venue.BACKPACK:
            api_key = base64.b64encode(public).decode()
            secret = SecretStr(base64.b64encode(bytes(seed)).decode())
            return BackpackKeys(api_key=api_key, api_secret=secret), {"publicKey": api_key}


def unopened_keys(venue: Venue, number: int) -> Keys:
    """Main keys of an account that nobody has opened; where the address follows from the key, it does."""
    keys, _ = new_keys(venue, number)
    if isinstance(keys, ParadexKeys):
        public = stark.public_key(number + 1)
        account = derived_address(best_curve(), public, proxy_class=ACCOUNT_PROXY_HASH, account_class=ACCOUNT_HASH)
        return keys.model_copy(update={"account": hex(account)})
    return keys
