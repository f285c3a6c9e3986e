"""The private socket's part of the feed: what Paradex tells about the account becomes events. It decides nothing.

docs.paradex.trade, WebSocket API: orders.*, fills.*, positions, account, balance_events, funding_payments.*,
tradebusts. Private channels send changes only, without a first picture: whoever connects reads that by REST.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from connectors.paradex import build, parse, parse_account, sbe
from connectors.paradex.calls import Calls
from connectors.paradex.feed_needs import FeedNeeds
from connectors.paradex.wire import AccountRow, FillRow, FundingPaymentRow, OrderRow, rpc_frame, shaped, violation
from connectors.paradex.wire_account import BalanceEventRow, BustRow
from connectors.settings import Outside
from connectors.stream import EventQueue, Send
from connectors.venue import (
    BalanceUpdate,
    FillUpdate,
    FundingUpdate,
    MarginUpdate,
    OrderUpdate,
    PositionUpdate,
    TradeBusted,
)
from core.errors import AuthenticationFailed
from core.instrument import Venue

log = logging.getLogger(__name__)

BUSTS_KEPT = 1000
OVERLAP = timedelta(seconds=60)  # how far before a loss the undone trades are read again


class PrivateStream:
    """Orders, fills, positions, money and undone trades of one account (see StreamHandler)."""

    def __init__(self, outside: Outside, needs: FeedNeeds, events: EventQueue) -> None:
        self._account_id = needs.account_id
        self._listing = needs.listing
        self._tokens = needs.tokens
        self._sides = needs.sides
        self._executions = needs.executions
        self._read_busts = needs.read_busts
        self._lost_at: datetime | None = None
        self._busted: deque[str] = deque(maxlen=BUSTS_KEPT)
        self._outside = outside
        self._events = events
        self._calls: Calls | None = None
        self.heard: dict[str, datetime] = {}
        self._readers: dict[str, Callable[[dict[str, Any]], None]] = {
            "orders": self._order,
            "fills": self._fill,
            "positions": self._position,
            "account": self._margin,
            "balance_events": self._balance,
            "funding_payments": self._funding,
            "tradebusts": self._bust,
        }

    async def opened(self, send: Send) -> None:
        """Authenticate (once more with a new token when the first is refused), then subscribe.

        After a loss the trades undone meanwhile are read, for nobody tells of them a second time; a connection on
        which that fails does not count as open.
        """
        self._calls = Calls(send)
        token = await self._tokens.current()
        try:
            await self._calls.call("auth", {"bearer": token})
        except AuthenticationFailed:
            token = await self._tokens.renewed(token)
            await self._calls.call("auth", {"bearer": token})
        await self._calls.subscribe(*build.PRIVATE_CHANNELS)
        if self._lost_at is not None:
            for row in await self._read_busts(self._lost_at - OVERLAP):
                self._tell_bust(row)
            self._lost_at = None

    def received(self, frame: str | bytes) -> None:
        """Turn a notification into an event.

        Own orders and fills are documented as JSON on every socket. Passing over a binary one would lose a fill in
        silence, so it ends the connection.
        """
        if isinstance(frame, bytes):
            if sbe.header(frame).is_private:
                raise violation("own orders and fills came as binary frames, which are documented as JSON")
            return
        message = rpc_frame(frame)
        if message.params is None:
            if self._calls is not None:
                self._calls.answer(message)
            return
        topic = message.params.channel.split(".", 1)[0]
        reader = self._readers.get(topic)
        if reader is not None:
            self.heard[topic] = self._outside.clock()
            reader(message.params.data)

    def lost(self) -> None:
        """End calls that nobody will answer, and note since when nothing was told."""
        if self._lost_at is None:
            self._lost_at = self._outside.clock()
        if self._calls is not None:
            self._calls.give_up()
            self._calls = None

    def heartbeat(self) -> None:
        """Beat with a WebSocket ping."""
        return

    def _order(self, content: dict[str, Any]) -> None:
        row = shaped(OrderRow, content, "order event")
        report = parse.order_report(row, self._account_id, self._listing(), self._outside.clock())
        self._sides.remember(parse.side_of(row.side), row.id, row.client_id)
        self._events.put(OrderUpdate(report))

    def _fill(self, content: dict[str, Any]) -> None:
        row = shaped(FillRow, content, "fill event")
        side = self._sides.of(row.client_id, row.order_id)
        fill = parse.fill(row, self._account_id, self._listing(), side, self._outside.clock())
        self._executions.remember([(row.id, fill)])
        self._events.put(FillUpdate(fill))

    def _position(self, content: dict[str, Any]) -> None:
        position = parse_account.position_event(content, self._account_id, self._listing(), self._outside.clock())
        self._events.put(PositionUpdate(position))

    def _margin(self, content: dict[str, Any]) -> None:
        row = shaped(AccountRow, content, "account event")
        self._events.put(MarginUpdate(parse.margin(row, self._account_id, self._outside.clock())))

    def _balance(self, content: dict[str, Any]) -> None:
        row = shaped(BalanceEventRow, content, "balance event")
        self._events.put(BalanceUpdate(parse_account.balance_event(row, self._account_id, self._outside.clock())))

    def _funding(self, content: dict[str, Any]) -> None:
        row = shaped(FundingPaymentRow, content, "funding event")
        symbol = self._listing().symbol_of(row.market)
        self._events.put(FundingUpdate(parse.funding_payment(row, self._account_id, symbol, self._outside.clock())))

    def _bust(self, content: dict[str, Any]) -> None:
        self._tell_bust(shaped(BustRow, content, "tradebust event"))

    def _tell_bust(self, row: BustRow) -> None:
        """Say once which fill was undone. The notice has no market: a fill never seen here leaves the symbol empty."""
        if row.busted_fill_id in self._busted:
            return
        self._busted.append(row.busted_fill_id)
        known = self._executions.of(row.busted_fill_id)
        if known is None:
            log.error("venue=paradex fill=%s was undone and is not known here: read positions", row.busted_fill_id)
        symbol, trade_id = (known.symbol, known.trade_id) if known is not None else ("", row.busted_fill_id)
        self._events.put(TradeBusted(Venue.PARADEX, self._account_id, symbol, trade_id, parse.moment(row.created_at)))
