"""Every call that a connector offers and that reads an answer of its venue, by name, on one client."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from connectors.surface import Channel, WholeClient
from core.instrument import Venue
from core.market_data import CandleInterval
from core.numbers import ceil_to, floor_to
from core.order import OrderIntent, OrderType, Side, TimeInForce, TriggerIntent, TriggerKind, TriggerPrice

SYMBOL = "ETH/USD"
CHANNELS = {
    Venue.PACIFICA: frozenset(Channel),
    Venue.PARADEX: frozenset(Channel) - {Channel.CANDLES},
    Venue.BACKPACK: frozenset(Channel),
}
IDS = tuple(str(uuid.UUID(int=0xABCDEF << 64 | n, version=4)) for n in range(40))


@dataclass
class Scene:
    """What the calls share: one price, one grid, a time, and the ids of orders as they came to be known."""

    client: WholeClient
    now: datetime
    price: Decimal
    tick: Decimal
    lot: Decimal
    resting_id: str | None = None
    number: int = 0

    @property
    def since(self) -> datetime:
        """A little before now."""
        return self.now - timedelta(minutes=30)

    def intent(self, *, rests: bool = False, number: int | None = None, **changes: Any) -> OrderIntent:
        """Buy for some 400 USD: half a percent through the book, or resting two percent below it."""
        if number is None:
            number, self.number = self.number, (self.number + 1) % len(IDS)
        share, how = ("0.98", TimeInForce.GTC) if rests else ("1.005", TimeInForce.IOC)
        plain = OrderIntent(
            client_order_id=IDS[number], session_id="s", pair_id="p", account_id=self.client.account_id,
            venue=self.client.venue, symbol=SYMBOL, side=Side.BUY, type=OrderType.LIMIT, time_in_force=how,
            quantity=ceil_to(Decimal(400) / self.price, self.lot),
            price=floor_to(self.price * Decimal(share), self.tick), reference_price=self.price, reduce_only=False,
            created_at=self.now, valid_until=self.now + timedelta(seconds=20),
        )  # fmt: skip
        return replace(plain, **changes)

    def stop(self) -> TriggerIntent:
        """A stop-loss one percent below."""
        order = self.intent(
            side=Side.SELL, reduce_only=True, time_in_force=TimeInForce.GTC,
            price=floor_to(self.price * Decimal("0.97"), self.tick),
        )  # fmt: skip
        below = floor_to(self.price * Decimal("0.99"), self.tick)
        return TriggerIntent(order, TriggerKind.STOP_LOSS, below, TriggerPrice.MARK)


Call = Callable[[Scene], Awaitable[Any]]

READS: dict[str, Call] = {
    "markets": lambda s: s.client.markets(),
    "book": lambda s: s.client.book(SYMBOL),
    "mark": lambda s: s.client.mark(SYMBOL),
    "funding_rate": lambda s: s.client.funding_rate(SYMBOL),
    "server_time": lambda s: s.client.server_time(),
    "measure_clock": lambda s: s.client.measure_clock(),
    "margin": lambda s: s.client.margin(),
    "positions": lambda s: s.client.positions(),
    "open_orders": lambda s: s.client.open_orders(SYMBOL),
    "order": lambda s: s.client.order(s.intent(number=0), None),
    "order by id": lambda s: s.client.order(s.intent(number=1, rests=True), s.resting_id or "7"),
    "fills": lambda s: s.client.fills(SYMBOL, s.since),
    "funding_payments": lambda s: s.client.funding_payments(SYMBOL, s.since),
    "statistics": lambda s: s.client.market_data.statistics(SYMBOL),
    "trades": lambda s: s.client.market_data.trades(SYMBOL),
    "candles": lambda s: s.client.market_data.candles(SYMBOL, CandleInterval.MINUTE, s.since, s.now),  # type: ignore[attr-defined]
    "past_funding": lambda s: s.client.market_data.past_funding(SYMBOL, s.now - timedelta(hours=9)),
    "system_status": lambda s: s.client.market_data.system_status(),
    "balances": lambda s: s.client.records.balances(),
    "order_history": lambda s: s.client.records.order_history(SYMBOL, s.since),
    "transfers": lambda s: s.client.records.transfers(s.since),
    "subaccounts": lambda s: s.client.records.subaccounts(),
    "fee_tier": lambda s: s.client.records.fee_tier(),
    "request_quota": lambda s: s.client.records.request_quota(),
    "leverage": lambda s: s.client.records.leverage(SYMBOL),
    "open_triggers": lambda s: s.client.desk.open_triggers(SYMBOL),
}
COMMANDS: dict[str, Call] = {
    "place": lambda s: s.client.place(s.intent(number=0)),
    "place resting": lambda s: s.client.place(s.intent(number=1, rests=True)),
    "place_batch": lambda s: s.client.desk.place_batch([s.intent(number=n, rests=True) for n in (2, 3)]),
    "edit": lambda s: s.client.desk.edit(
        s.intent(number=1, rests=True), s.resting_id or "7", s.intent(number=4, rests=True)
    ),
    "place_trigger": lambda s: s.client.desk.place_trigger(s.stop()),
    "set_leverage": lambda s: s.client.desk.set_leverage(SYMBOL, Decimal(5)),
    "cancel_trigger": lambda s: s.client.desk.cancel_trigger(s.stop(), s.resting_id or "7"),
    "cancel": lambda s: s.client.cancel(s.intent(number=1, rests=True), s.resting_id or "7"),
    "cancel_batch": lambda s: s.client.desk.cancel_batch([(s.intent(number=n, rests=True), None) for n in (2, 3)]),
    "cancel_all": lambda s: s.client.cancel_all(SYMBOL),
}
