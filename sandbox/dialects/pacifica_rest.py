"""Pacifica's REST surface.

Duty: routes, query parameters, paging, credits. GETs are public: anybody may read any account.
Must not verify signatures itself (the desk does) or render rows.
Source: docs.pacifica.fi, REST API; Rate Limits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.announcer import never
from sandbox.candles import CandlePrice, span
from sandbox.dialects.pacifica_candles import candle_row, check_span, interval_us
from sandbox.dialects.pacifica_desk import Desk, Outcome
from sandbox.dialects.pacifica_errors import ApiError, rate_limited, success
from sandbox.dialects.pacifica_frames import event_word
from sandbox.dialects.pacifica_limits import (
    CreditDesk,
    Credits,
    cost_of_get,
    cost_of_operation,
)
from sandbox.dialects.pacifica_pages import PAGE_MAX, integer, page_of, paged
from sandbox.dialects.pacifica_payloads import load_object, parse_batch, parse_command
from sandbox.dialects.pacifica_rows import AGG_LEVELS, Rows
from sandbox.events import Event, OrderChanged
from sandbox.exchange import Exchange
from sandbox.model import MarketSpec, Refusal
from sandbox.world import World

VENUE = "pacifica"
PREFIX = "/api/v1"
ORDERS_REMEMBERED = 20_000  # orders whose event list is kept for history_by_id

POST_PATHS: dict[str, str] = {
    "/orders/create": "create_order",
    "/orders/create_market": "create_market_order",
    "/orders/stop/create": "create_stop_order",
    "/orders/stop/cancel": "cancel_stop_order",
    "/orders/cancel": "cancel_order",
    "/orders/cancel_all": "cancel_all_orders",
    "/orders/edit": "edit_order",
    "/positions/tpsl": "set_position_tpsl",
    "/account/leverage": "update_leverage",
    "/account/margin": "update_margin_mode",
    "/account/withdraw": "withdraw",
    "/account/subaccount/list": "list_subaccounts",
    "/account/subaccount/transfer": "transfer_funds",
    "/agent/bind": "bind_agent_wallet",
    "/agent/revoke": "revoke_agent_wallet",
    "/agent/revoke_all": "revoke_all_agent_wallets",
    "/agent/list": "list_agent_wallets",
    "/account/api_keys": "list_api_keys",
    "/account/api_keys/create": "create_api_key",
    "/account/api_keys/revoke": "revoke_api_key",
}
BATCH_PATH = "/orders/batch"
SUBACCOUNT_PATH = "/account/subaccount/create"
PLACING = frozenset({"create_order", "create_market_order", "edit_order", "create_stop_order", "set_position_tpsl"})

Handler = Callable[[Request], Awaitable[Response]]


def classify(method: str, path: str) -> str | None:
    """Name a request for the fault desk."""
    path = path.removeprefix(PREFIX)
    if method == "GET":
        return "read"
    if path == BATCH_PATH or POST_PATHS.get(path) in PLACING:
        return "place"
    return "cancel" if POST_PATHS.get(path, "").startswith("cancel") else None


class OrderEvents:
    """Keeps each client order's events, newest first, for /orders/history_by_id."""

    def __init__(self, exchange: Exchange, rows: Rows) -> None:
        self._rows = rows
        self._events: dict[int, deque[dict[str, object]]] = {}
        exchange.subscribe(self._on_event, never, (OrderChanged,))

    def of(self, order_id: int) -> list[dict[str, object]] | None:
        """Events of one order; None if it never had one."""
        events = self._events.get(order_id)
        return None if events is None else list(events)

    def _on_event(self, event: Event) -> None:
        if not isinstance(event, OrderChanged):
            return
        word = event_word(event.order, event.change, event.reason)
        if word is None:
            return
        events = self._events.setdefault(event.order.id, deque(maxlen=PAGE_MAX))
        events.appendleft(self._rows.order_event(event.order, word))
        if len(self._events) > ORDERS_REMEMBERED:
            del self._events[next(iter(self._events))]


class Rest:
    """Request handlers over one exchange."""

    def __init__(self, world: World, exchange: Exchange, desk: Desk, credit_desk: CreditDesk) -> None:
        self._world = world
        self._exchange = exchange
        self._desk = desk
        self._credits = credit_desk
        self._rows = Rows(exchange, names_adl=lambda: world.quirks.text(VENUE, "adl_cause") == "own_word")
        self._events = OrderEvents(exchange, self._rows)
        self._listed_us = world.now_us()

    def routes(self) -> list[Route]:
        """All routes."""
        reads: dict[str, Callable[[Request], object]] = {
            "/info": self._info,
            "/info/prices": self._prices,
            "/info/fees": self._fees,
            "/book": self._book,
            "/trades": self._trades,
            "/funding_rate/history": self._funding_rates,
            "/kline": self._candles,
            "/kline/mark": self._mark_candles,
            "/account": self._account,
            "/account/settings": self._settings,
            "/account/balance/history": self._balance_history,
            "/positions": self._positions,
            "/trades/history": self._fills,
            "/funding/history": self._funding_payments,
            "/orders": self._open_orders,
            "/orders/history": self._past_orders,
            "/orders/history_by_id": self._order_events,
        }
        routes = [Route(PREFIX + p, self._get(p, read), methods=["GET"]) for p, read in reads.items()]
        routes += [Route(PREFIX + p, self._post(op), methods=["POST"]) for p, op in POST_PATHS.items()]
        routes.append(Route(PREFIX + BATCH_PATH, self._batch, methods=["POST"]))
        routes.append(Route(PREFIX + SUBACCOUNT_PATH, self._create_subaccount, methods=["POST"]))
        return routes

    # --- doors ----------------------------------------------------------------------------------
    def _get(self, path: str, read: Callable[[Request], object]) -> Handler:
        async def handle(request: Request) -> Response:
            self._world.sync()
            credits_ = self._charge(request, cost_of_get(path, has_key=self._has_key(request)))
            if credits_.is_exceeded:
                return rate_limited().response(credits_.headers())
            try:
                return JSONResponse(read(request), headers=credits_.headers())
            except ApiError as error:
                return error.response(credits_.headers())

        return handle

    def _post(self, operation: str) -> Handler:
        async def handle(request: Request) -> Response:
            raw = await request.body()
            self._world.sync()
            credits_ = self._charge(request, cost_of_operation(operation))
            if credits_.is_exceeded:
                return rate_limited().response(credits_.headers())
            try:
                outcome = await self._desk.run(parse_command(operation, load_object(raw), raw))
            except ApiError as error:
                return error.response(credits_.headers())
            return JSONResponse(success(outcome.payload), headers=credits_.headers())

        return handle

    async def _batch(self, request: Request) -> Response:
        raw = await request.body()
        self._world.sync()
        credits_ = self._charge(request, cost_of_operation("batch_orders"))
        if credits_.is_exceeded:
            return rate_limited().response(credits_.headers())
        try:
            outcomes = await self._desk.run_batch(parse_batch(load_object(raw), raw))
        except ApiError as error:
            return error.response(credits_.headers())
        results = [batch_row(outcome) for outcome in outcomes]
        return JSONResponse(success({"results": results}), headers=credits_.headers())

    async def _create_subaccount(self, request: Request) -> Response:
        raw = await request.body()
        self._world.sync()
        credits_ = self._charge(request, cost_of_operation("subaccount_create"))
        if credits_.is_exceeded:
            return rate_limited().response(credits_.headers())
        try:
            self._desk.create_subaccount(load_object(raw), raw)
        except ApiError as error:
            return error.response(credits_.headers())
        return JSONResponse(success(None), headers=credits_.headers())

    def _has_key(self, request: Request) -> bool:
        return self._desk.keys.is_api_key(request.headers.get("pf-api-key"))

    def _charge(self, request: Request, cost_tenths: int) -> Credits:
        key = request.headers.get("pf-api-key")
        if key is not None and self._desk.keys.is_api_key(key):
            return self._credits.charge(f"key:{key}", cost_tenths, has_key=True)
        address = request.client.host if request.client else "local"
        return self._credits.charge(f"ip:{address}", cost_tenths, has_key=False)

    # --- markets --------------------------------------------------------------------------------
    def _info(self, _request: Request) -> object:
        return success([self._rows.market(s, self._listed_us) for s in self._exchange.markets.values()])

    def _prices(self, _request: Request) -> object:
        now = self._world.now_us()
        return success([self._rows.price(s, now) for s in self._exchange.markets.values()])

    def _fees(self, _request: Request) -> object:
        spec = next(iter(self._exchange.markets.values()))
        row = {"level": 0, "maker_fee_rate": f"{spec.maker_fee:f}", "taker_fee_rate": f"{spec.taker_fee:f}"}
        return success([row])

    def _book(self, request: Request) -> object:
        level = integer(request, "agg_level", 1)
        if level is None or level not in AGG_LEVELS:
            raise ApiError(400, f"Invalid agg_level: {level}")
        return success(self._rows.book(self._spec(request), level))

    def _trades(self, request: Request) -> object:
        trades = self._exchange.trades(self._spec(request).instrument)
        rows = [self._rows.public_trade(t) for t in reversed(trades)]
        return success(rows, last_order_id=self._exchange.last_seq)

    def _funding_rates(self, request: Request) -> object:
        points = self._exchange.funding_points(self._spec(request).instrument)
        page = page_of(request, points, lambda point: point.time_us)
        return paged(page, [self._rows.funding_point(p) for p in page.items])

    def _candles(self, request: Request) -> object:
        return self._candle_rows(request, CandlePrice.LAST)

    def _mark_candles(self, request: Request) -> object:
        return self._candle_rows(request, CandlePrice.MARK)

    def _candle_rows(self, request: Request, by: CandlePrice) -> object:
        """Candles that overlap the span; an unknown symbol has none."""
        word, start = request.query_params.get("interval"), integer(request, "start_time", None)
        if start is None:
            raise ApiError(400, "Query deserialize error: missing field `start_time`")
        length = interval_us(word)
        end = integer(request, "end_time", None)
        until = self._world.now_us() // 1000 if end is None else end
        check_span(start, until, length)
        symbol = request.query_params.get("symbol")
        spec = next((s for s in self._exchange.markets.values() if s.symbol == symbol), None)
        if spec is None or word is None:
            return success([])
        since_us = span(start * 1000, length)[0]
        found = self._exchange.candles(spec.instrument, length, by=by, since_us=since_us, until_us=until * 1000)
        return success([candle_row(spec.symbol, word, c, is_mark=by is CandlePrice.MARK) for c in found])

    # --- accounts -------------------------------------------------------------------------------
    def _account(self, request: Request) -> object:
        row = self._rows.account(self._account_id(request), self._world.now_us())
        return success([row] if self._world.quirks.text(VENUE, "account_shape") == "list" else row)

    def _settings(self, request: Request) -> object:
        account = self._exchange.account(self._account_id(request))
        rows = [
            {
                "symbol": self._rows.symbol(instrument),
                "isolated": False,
                "leverage": leverage,
                "created_at": account.created_us // 1000,
                "updated_at": account.created_us // 1000,
            }
            for instrument, leverage in account.leverage.items()
        ]
        return success({"auto_lend_disabled": None, "margin_settings": rows, "spot_settings": []})

    def _balance_history(self, request: Request) -> object:
        with_trades = request.query_params.get("include_trades") == "true"
        rows = self._desk.owners.history(self._account_id(request), with_trades=with_trades)
        page = page_of(request, rows, lambda row: row.number)
        return paged(page, [row.render() for row in page.items])

    def _positions(self, request: Request) -> object:
        account_id = self._account_id(request)
        rows = [self._rows.position(account_id, p) for p in self._exchange.positions(account_id)]
        return success(rows, last_order_id=self._exchange.last_seq)

    def _fills(self, request: Request) -> object:
        account_id, instrument = self._account_id(request), self._optional_instrument(request)
        start, end = integer(request, "start_time", 0), integer(request, "end_time", None)
        fills = self._exchange.fills(account_id, since_us=(start or 0) * 1000, instrument=instrument)
        if end is not None:
            fills = [f for f in fills if f.time_us // 1000 <= end]
        page = page_of(request, fills, lambda fill: fill.id)
        return paged(page, [row for fill in page.items for row in reversed(self._rows.fills(fill))])

    def _funding_payments(self, request: Request) -> object:
        payments = self._exchange.funding_payments(
            self._account_id(request), instrument=self._optional_instrument(request)
        )
        page = page_of(request, payments, lambda payment: payment.id)
        return paged(page, [self._rows.funding_payment(p) for p in page.items])

    # --- orders ---------------------------------------------------------------------------------
    def _open_orders(self, request: Request) -> object:
        account_id = self._account_id(request)
        orders = [*self._exchange.open_orders(account_id), *self._exchange.waiting_orders(account_id)]
        return success([self._rows.open_order(o) for o in orders], last_order_id=self._exchange.last_seq)

    def _past_orders(self, request: Request) -> object:
        orders = self._exchange.order_history(self._account_id(request))
        is_oldest_first = self._world.quirks.text(VENUE, "orders_history_order") == "oldest_first"
        page = page_of(request, orders, lambda o: o.id, is_oldest_first=is_oldest_first)
        return paged(page, [self._rows.past_order(o) for o in page.items])

    def _order_events(self, request: Request) -> object:
        order_id = integer(request, "order_id", None)
        if order_id is None:
            raise ApiError(400, "Query deserialize error: missing field `order_id`")
        events = self._events.of(order_id)
        if events is None:
            raise ApiError(404, f"Order history not found for order ID: {order_id}")
        return success(events)

    # --- parameters -----------------------------------------------------------------------------
    def _spec(self, request: Request) -> MarketSpec:
        symbol = request.query_params.get("symbol")
        if symbol is None:
            raise ApiError(400, "Query deserialize error: missing field `symbol`")
        try:
            return self._exchange.market_by_symbol(symbol)
        except Refusal:
            raise ApiError(404, f"Book not found: {symbol}") from None

    def _optional_instrument(self, request: Request) -> str | None:
        return self._spec(request).instrument if "symbol" in request.query_params else None

    def _account_id(self, request: Request) -> str:
        account_id = request.query_params.get("account")
        if account_id is None:
            raise ApiError(400, "Query deserialize error: missing field `account`")
        account = self._exchange.accounts.get(account_id)
        if account is None or account.is_internal:
            raise ApiError(404, "Account not found")
        return account_id


def batch_row(outcome: Outcome | ApiError) -> dict[str, object]:
    """One result of a batch on REST."""
    if isinstance(outcome, ApiError):
        return {"success": False, "order_id": None, "error": outcome.text}
    return {"success": True, "order_id": outcome.order_id, "error": None}
