"""Public REST routes of the Backpack twin: system, markets, book, prices, funding rates, trades.

Duty: answer unsigned reads. It must not touch accounts.

Source: docs.backpack.exchange, API reference, "System", "Markets", "Trades".
"""

from __future__ import annotations

from collections import deque
from decimal import Decimal

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from sandbox.dialects import backpack_errors as errors
from sandbox.dialects.backpack_context import ORDER_BOOK_STATES, VENUE, Twin
from sandbox.dialects.backpack_door import json_answer, query_members, read_limit
from sandbox.dialects.backpack_numbers import computed, milliseconds, naive_iso, trimmed
from sandbox.dialects.backpack_payload import MARKET_TYPES, Members
from sandbox.dialects.backpack_wire import Json, market_json
from sandbox.events import BookChanged, Event, Trade
from sandbox.model import BookSnapshot, MarketSpec, Side, VenueMode

DEPTH_LIMITS = ("5", "10", "20", "50", "100", "500", "1000")
FUNDING_ROWS_MAX = 10_000
_RATE_PLACES = Decimal("0.000000001")
_CENT = Decimal("0.01")
_LAGGED_BOOKS_KEPT = 512


class PublicRoutes:
    """Endpoints that need no signature."""

    def __init__(self, twin: Twin) -> None:
        self._twin = twin
        self._lagged: dict[str, deque[BookSnapshot]] = {}
        twin.exchange.subscribe(self._keep_book, lambda _: bool(self._depth_lag_us()), (BookChanged,))

    def routes(self) -> list[Route]:
        """Return the routing table."""
        return [
            Route("/api/v1/status", self.status),
            Route("/api/v1/ping", self.ping),
            Route("/api/v1/time", self.time),
            Route("/api/v1/assets", self.assets),
            Route("/api/v1/securities", self.securities),
            Route("/api/v1/markets", self.markets),
            Route("/api/v1/market", self.market),
            Route("/api/v1/ticker", self.ticker),
            Route("/api/v1/tickers", self.tickers),
            Route("/api/v1/depth", self.depth),
            Route("/api/v1/markPrices", self.mark_prices),
            Route("/api/v1/openInterest", self.open_interest),
            Route("/api/v1/fundingRates", self.funding_rates),
            Route("/api/v1/trades", self.trades),
            Route("/api/v1/trades/history", self.trades_history),
        ]

    async def assets(self, _request: Request) -> Response:
        """The collateral asset and each base asset; nothing can be deposited or withdrawn at a twin."""
        bases = (market.instrument.partition("/")[0] for market in self._twin.exchange.markets.values())
        return json_answer([_asset(symbol) for symbol in ("USDC", *bases)])

    async def securities(self, _request: Request) -> Response:
        """Tokenised securities: there are none."""
        return json_answer([])

    async def status(self, _request: Request) -> Response:
        """Answer the system status; restrictions of single markets stand in their order book state."""
        is_down = self._twin.exchange.mode() is VenueMode.MAINTENANCE
        message = "Scheduled maintenance" if is_down else None
        return json_answer({"message": message, "status": "Maintenance" if is_down else "Ok"})

    async def ping(self, _request: Request) -> Response:
        """Answer ``pong`` as text."""
        return PlainTextResponse("pong")

    async def time(self, _request: Request) -> Response:
        """Answer the server time: bare milliseconds as text."""
        return PlainTextResponse(str(milliseconds(self._twin.wall_us())))

    async def markets(self, request: Request) -> Response:
        """Answer every market, or those of one type."""
        wanted = query_members(self._twin, request).choice("marketType", MARKET_TYPES)
        rows = [self._market(spec) for spec in self._specs() if wanted in (None, "PERP")]
        return json_answer(rows)

    async def market(self, request: Request) -> Response:
        """Answer one market."""
        return json_answer(self._market(self._required_spec(query_members(self._twin, request))))

    async def ticker(self, request: Request) -> Response:
        """Answer the day's figures of one market."""
        members = query_members(self._twin, request)
        members.choice("interval", ("1d", "1w"))
        return json_answer(self._ticker(self._required_spec(members)))

    async def tickers(self, request: Request) -> Response:
        """Answer the day's figures of every market."""
        query_members(self._twin, request).choice("interval", ("1d", "1w"))
        return json_answer([self._ticker(spec) for spec in self._specs()])

    async def depth(self, request: Request) -> Response:
        """Answer the book: both sides ascending, so that the best bid is the last one; time in microseconds."""
        members = query_members(self._twin, request)
        limit = int(members.choice("limit", DEPTH_LIMITS) or DEPTH_LIMITS[-1])
        book = self._book(self._required_spec(members))
        return json_answer(
            {
                "asks": [[trimmed(level.price), trimmed(level.quantity)] for level in book.asks[:limit]],
                "bids": [[trimmed(level.price), trimmed(level.quantity)] for level in reversed(book.bids[:limit])],
                "lastUpdateId": str(book.seq),
                "timestamp": book.time_us,
            }
        )

    async def mark_prices(self, request: Request) -> Response:
        """Answer mark, index and funding estimate of one or all markets, always as an array."""
        members = query_members(self._twin, request)
        members.choice("marketType", MARKET_TYPES)
        specs = self._specs()
        symbol = members.text("symbol")
        if symbol is not None:
            if symbol not in self._twin.by_symbol:
                raise errors.bad_request("Symbol not found")
            specs = [self._twin.spec(symbol)]
        return json_answer([self._mark_price(spec) for spec in specs])

    async def open_interest(self, request: Request) -> Response:
        """Answer open interest in base units; time in milliseconds."""
        spec = self._optional_spec(query_members(self._twin, request))
        now_ms = milliseconds(self._twin.world.now_us())
        rows = [
            {
                "openInterest": trimmed(self._twin.exchange.open_interest(one.instrument)),
                "symbol": one.symbol,
                "timestamp": now_ms,
            }
            for one in ([spec] if spec is not None else self._specs())
        ]
        return json_answer(rows)

    async def funding_rates(self, request: Request) -> Response:
        """Answer funding rates, newest first; the first row is the interval in progress."""
        members = query_members(self._twin, request)
        limit, offset = read_limit(members, FUNDING_ROWS_MAX), members.unsigned("offset") or 0
        spec = self._required_spec(members)
        exchange = self._twin.exchange
        points = [
            (exchange.funding_rate(spec.instrument), exchange.next_funding_us(spec.instrument)),
            *((point.rate, point.time_us) for point in reversed(exchange.funding_points(spec.instrument))),
        ]
        rows = [
            {
                "fundingRate": trimmed(rate.quantize(_RATE_PLACES)),
                "intervalEndTimestamp": naive_iso(end_us),
                "symbol": spec.symbol,
            }
            for rate, end_us in points[offset : offset + limit]
        ]
        return json_answer(rows)

    async def trades(self, request: Request) -> Response:
        """Answer the latest public trades, newest first."""
        members = query_members(self._twin, request)
        return self._trades(members, read_limit(members), 0)

    async def trades_history(self, request: Request) -> Response:
        """Answer public trades with an offset."""
        self._twin.spend_historical()
        members = query_members(self._twin, request)
        return self._trades(members, read_limit(members), members.unsigned("offset") or 0)

    def _trades(self, members: Members, limit: int, offset: int) -> Response:
        spec = self._required_spec(members)
        newest = self._twin.exchange.trades(spec.instrument, limit + offset)[::-1]
        return json_answer([_trade_row(trade) for trade in newest[offset : offset + limit]])

    def _market(self, spec: MarketSpec) -> Json:
        state = ORDER_BOOK_STATES[self._twin.exchange.mode(spec.instrument)]
        return market_json(spec, self._twin.exchange.rules, state)

    def _ticker(self, spec: MarketSpec) -> Json:
        exchange = self._twin.exchange
        day = exchange.day(spec.instrument)
        return {
            "firstPrice": trimmed(day.open),
            "high": trimmed(day.high),
            "lastPrice": trimmed(day.close),
            "low": trimmed(day.low),
            "priceChange": trimmed(day.change),
            "priceChangePercent": trimmed(day.change_share.quantize(Decimal("0.000001"))),
            "quoteVolume": trimmed(day.notional.quantize(_CENT)),
            "symbol": spec.symbol,
            "trades": str(day.trades),
            "volume": trimmed(day.quantity.quantize(spec.lot)),
        }

    def _mark_price(self, spec: MarketSpec) -> Json:
        exchange = self._twin.exchange
        return {
            "fundingRate": computed(exchange.funding_rate(spec.instrument)),
            "indexPrice": trimmed(exchange.index(spec.instrument)),
            "markPrice": trimmed(exchange.mark(spec.instrument)),
            "nextFundingTimestamp": milliseconds(exchange.next_funding_us(spec.instrument)),
            "symbol": spec.symbol,
        }

    def _book(self, spec: MarketSpec) -> BookSnapshot:
        current = self._twin.exchange.book(spec.instrument)
        until_us = self._twin.world.now_us() - self._depth_lag_us()
        kept = self._lagged.get(spec.instrument, deque())
        return next((book for book in reversed(kept) if book.time_us <= until_us), current)

    def _keep_book(self, event: Event) -> None:
        if not self._depth_lag_us():
            self._lagged.clear()
        elif isinstance(event, BookChanged):
            kept = self._lagged.setdefault(event.instrument, deque(maxlen=_LAGGED_BOOKS_KEPT))
            kept.append(self._twin.exchange.book(event.instrument))

    def _depth_lag_us(self) -> int:
        return self._twin.world.quirks.number(VENUE, "depth_lag_us")

    def _specs(self) -> list[MarketSpec]:
        return list(self._twin.by_symbol.values())

    def _required_spec(self, members: Members) -> MarketSpec:
        spec = self._optional_spec(members)
        if spec is None:
            raise members.missing("symbol")
        return spec

    def _optional_spec(self, members: Members) -> MarketSpec | None:
        symbol = members.text("symbol")
        if symbol is None:
            return None
        if symbol not in self._twin.by_symbol:
            raise errors.bad_request("Invalid market symbol")
        return self._twin.spec(symbol)


def _trade_row(trade: Trade) -> Json:
    return {
        "id": trade.id,
        "isBuyerMaker": trade.side is Side.SELL,
        "price": trimmed(trade.price),
        "quantity": trimmed(trade.quantity),
        "quoteQuantity": trimmed(trade.price * trade.quantity),
        "timestamp": milliseconds(trade.time_us),
    }


def _asset(symbol: str) -> Json:
    token: Json = {
        "blockchain": "Solana",
        "contractAddress": None,
        "depositEnabled": False,
        "displayName": symbol,
        "maximumWithdrawal": None,
        "minimumDeposit": "0",
        "minimumWithdrawal": "0",
        "nativeDecimals": None,
        "withdrawEnabled": False,
        "withdrawalFee": "0",
    }
    return {"coingeckoId": None, "displayName": symbol, "symbol": symbol, "tokens": [token]}
