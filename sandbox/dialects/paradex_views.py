"""The engine's state as Paradex rows: what REST answers and WebSocket frames share.

Duty: read the exchange and render. Must not change anything or decide who may see a row.
"""

from __future__ import annotations

from collections import deque
from decimal import Decimal
from typing import Final

from sandbox.announcer import never
from sandbox.dialects import paradex_market_rows as market_rows
from sandbox.dialects import paradex_rows as rows
from sandbox.dialects.paradex_errors import ApiError
from sandbox.dialects.paradex_rows import VENUE, Row, Serials
from sandbox.events import BalanceChanged, Event, FillBusted, FillHappened, MarkChanged
from sandbox.exchange import Exchange
from sandbox.model import BookLevel, Fill, FundingPayment, Liquidity, MarketSpec, Order, Position, Refusal
from sandbox.world import World

FUNDING_ROWS_MAX: Final = 7_200
SECOND_US: Final = 1_000_000

Best = tuple[BookLevel | None, BookLevel | None]


class Views:
    """Renders one venue."""

    def __init__(self, world: World, exchange: Exchange, ids: Serials) -> None:
        self.world = world
        self.exchange = exchange
        self.ids = ids
        self.spots: dict[int, Decimal] = {}  # index price at each fill, by fill id; the log writes it

    def market(self, symbol: str) -> MarketSpec:
        """Find a market by its venue name; MARKET_NOT_FOUND with status 404."""
        try:
            return self.exchange.market_by_symbol(symbol)
        except Refusal:
            raise ApiError("MARKET_NOT_FOUND", f"unknown market {symbol[:31]!r}", status=404) from None

    def summary(self, spec: MarketSpec) -> Row:
        """Render a market's prices of now."""
        exchange, instrument = self.exchange, spec.instrument
        return market_rows.summary_row(
            spec,
            mark=exchange.mark(instrument),
            index=exchange.index(instrument),
            last_price=exchange.last_price(instrument),
            best=exchange.best(instrument),
            volume_24h=exchange.volume_24h(instrument),
            open_interest=exchange.open_interest(instrument),
            funding_rate=exchange.funding_rate(instrument),
            change_24h=exchange.day(instrument).change_share,
            now_us=self.world.now_us(),
        )

    def bbo(self, spec: MarketSpec) -> Row:
        """Render the best prices of now."""
        seq = self.exchange.book(spec.instrument, 1).seq
        return market_rows.bbo_row(spec, self.exchange.best(spec.instrument), seq=seq, time_us=self.world.now_us())

    def funding(self, spec: MarketSpec) -> Row:
        """Render the funding index of now."""
        return market_rows.funding_row(
            spec,
            index=self.exchange.funding_index(spec.instrument),
            rate=self.exchange.funding_rate(spec.instrument),
            spot=self.exchange.index(spec.instrument),
            period_hours=self.exchange.rules.funding_period_hours,
            time_us=self.world.now_us(),
        )

    def order(self, order: Order, *, seq_no: int | None = None) -> Row:
        """Render an order; REST numbers it by its last change, a stream by its own counter."""
        return rows.order_row(
            self._spec(order.instrument),
            order,
            ids=self.ids,
            seq_no=order.updated_us * 1000 + order.seq % 1000 if seq_no is None else seq_no,
            published_us=self.world.now_us(),
        )

    def fill(self, fill: Fill) -> Row:
        """Render a fill of a client account."""
        spot = self.spots.get(fill.id, self.exchange.index(fill.instrument))
        row = rows.fill_row(self._spec(fill.instrument), fill, ids=self.ids, underlying_price=spot)
        if fill.liquidity is Liquidity.MAKER and self.world.quirks.text(VENUE, "fill_side") == "taker":
            row["side"] = fill.side.opposite.value
        return row

    def position(self, account: str, position: Position, *, seq_no: int | None = None) -> Row:
        """Render a position at the mark price of now."""
        instrument = position.instrument
        return rows.position_row(
            account,
            self._spec(instrument),
            position,
            mark=self.exchange.mark(instrument),
            unrealised_funding=self.exchange.unrealised_funding(account, instrument),
            leverage=self.exchange.leverage(account, instrument),
            liquidation_price=self.exchange.liquidation_price(account, instrument),
            seq_no=position.updated_us * 1000 + position.seq % 1000 if seq_no is None else seq_no,
            ids=self.ids,
        )

    def account(self, account: str, *, seq_no: int | None = None) -> Row:
        """Render an account's margin of now."""
        now_us = self.world.now_us()
        return rows.account_row(
            self.exchange.account(account),
            self.exchange.margin(account),
            seq_no=now_us * 1000 if seq_no is None else seq_no,
            now_us=now_us,
        )

    def payment(self, payment: FundingPayment) -> Row:
        """Render a booking of funding."""
        return rows.funding_payment_row(self._spec(payment.instrument), payment, ids=self.ids)

    def _spec(self, instrument: str) -> MarketSpec:
        return self.exchange.markets[instrument]


class VenueLog:
    """What the engine does not keep for us: funding index by the second, spot at each fill, busts, deposits.

    Subscribes to the exchange for its whole life. `funding` holds rows oldest first, at most one for each
    second of venue time; `busts` and `transfers` hold (account, time, row).
    """

    def __init__(self, views: Views) -> None:
        self._views = views
        self._latest_us: dict[str, int] = {}
        self.funding: dict[str, deque[tuple[int, Row]]] = {}
        self.busts: list[tuple[str, int, Row]] = []
        self.transfers: list[tuple[str, int, Row]] = []
        self._paid_in: dict[str, Decimal] = {}
        for spec in views.exchange.markets.values():
            self.funding[spec.instrument] = deque(maxlen=FUNDING_ROWS_MAX)
            self._record(spec, views.world.now_us())
        views.exchange.subscribe(self._on_event, never)

    def _on_event(self, event: Event) -> None:
        if isinstance(event, MarkChanged):
            if event.time_us - self._latest_us[event.instrument] >= SECOND_US:
                self._record(self._views.exchange.markets[event.instrument], event.time_us)
        elif isinstance(event, FillHappened):
            self._views.spots[event.fill.id] = self._views.exchange.index(event.fill.instrument)
        elif isinstance(event, FillBusted):
            row = rows.tradebust_row(event.fill, ids=self._views.ids, time_us=event.undo.time_us)
            self.busts.append((event.fill.account, event.undo.time_us, row))
        elif isinstance(event, BalanceChanged):
            self._note_deposit(event.account, event.time_us)

    def _note_deposit(self, account: str, time_us: int) -> None:
        """Keep a row for what was paid in since the last one."""
        total = self._views.exchange.account(account).deposits
        paid_in, self._paid_in[account] = total - self._paid_in.get(account, Decimal(0)), total
        if paid_in:
            number = len(self.transfers) + 1
            row = rows.transfer_row(self._views.ids.event(number), account, paid_in, time_us=time_us)
            self.transfers.append((account, time_us, row))

    def _record(self, spec: MarketSpec, time_us: int) -> None:
        self._latest_us[spec.instrument] = time_us
        self.funding[spec.instrument].append((time_us, self._views.funding(spec)))
