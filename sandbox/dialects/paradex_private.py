"""Paradex's private REST paths: orders, account, positions, fills, funding payments, subkeys.

Written from docs.paradex.trade (REST API: Orders, Account, Subkeys). Must not check signatures or match.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from starlette.responses import Response
from starlette.routing import Route

from sandbox.dialects import paradex_bodies as bodies
from sandbox.dialects import paradex_rows as rows
from sandbox.dialects.paradex_auth import Signature, parse_signature
from sandbox.dialects.paradex_door import Call, Door, Entry, Handler, page
from sandbox.dialects.paradex_errors import ApiError, json_response
from sandbox.dialects.paradex_keys import PUBLIC_KEY_ATTRIBUTE, KeyRing
from sandbox.dialects.paradex_orders import BatchOutcome, CancelOutcome, OrderDesk
from sandbox.dialects.paradex_rows import Row
from sandbox.dialects.paradex_views import VenueLog, Views
from sandbox.model import FillCause, Order

NO_CONTENT = 204
CREATED = 201


class OrderPaths:
    """Handlers under /v1/orders."""

    def __init__(self, views: Views, desk: OrderDesk) -> None:
        self._views = views
        self._desk = desk

    def routes(self, door: Door) -> list[Route]:
        """Return the routes, most specific first."""
        commands: list[tuple[str, str, Handler]] = [
            ("POST", "/v1/orders/batch", self.place_batch),
            ("DELETE", "/v1/orders/batch", self.cancel_batch),
            ("DELETE", "/v1/orders/by_client_id/{client_id:path}", self.cancel_by_client_id),
            ("POST", "/v1/orders", self.place),
            ("DELETE", "/v1/orders", self.cancel_all),
            ("PUT", "/v1/orders/{order_id}", self.modify),
            ("DELETE", "/v1/orders/{order_id}", self.cancel),
        ]
        reads: list[tuple[str, Handler]] = [
            ("/v1/orders-history", self.history),
            ("/v1/orders/by_client_id/{client_id:path}", self.by_client_id),
            ("/v1/orders", self.open_orders),
            ("/v1/orders/{order_id}", self.by_id),
        ]
        found = [Route(path, door.orders(handler), methods=[method]) for method, path, handler in commands]
        return found + [Route(path, door.reads(handler), methods=["GET"]) for path, handler in reads]

    def place(self, call: Call) -> Response:
        """Queue one order: 201 and status NEW."""
        body = bodies.read(bodies.OrderBody, bodies.decode(call.body))
        return json_response(self._views.order(self._desk.place(call.account, body)), CREATED)

    def place_batch(self, call: Call) -> Response:
        """Queue a bare JSON list of orders."""
        payload = bodies.decode(call.body)
        if not isinstance(payload, list):
            raise ApiError("BINDING_ERROR", "the body must be a list of orders")
        self._desk.check_batch_size(len(payload))
        parsed = [bodies.read(bodies.OrderBody, entry) for entry in payload]
        outcome = self._desk.place_batch(call.account, parsed)
        return json_response(self._batch_row(outcome), CREATED)

    def _batch_row(self, outcome: BatchOutcome) -> Row:
        """Render a batch as two lists, each without the other's entries, or both with nulls in their place."""
        if self._views.world.quirks.text(rows.VENUE, "batch_lists") == "apart":
            accepted: list[Row | None] = [self._views.order(order) for order in outcome.orders]
            refused: list[Row | None] = [error.row() for error in outcome.errors]
        else:
            accepted = [self._views.order(e) if isinstance(e, Order) else None for e in outcome.entries]
            refused = [e.row() if isinstance(e, ApiError) else None for e in outcome.entries]
        return {"orders": accepted, "errors": refused}

    def modify(self, call: Call) -> Response:
        """Change a resting order."""
        body = bodies.read(bodies.ModifyBody, bodies.decode(call.body))
        wire_id = call.path["order_id"]
        order = self._desk.modify(call.account, wire_id, body)
        row = self._views.order(order)
        info = {"id": wire_id, "request_type": "MODIFY_ORDER", "status": "SUCCESS", "message": ""}
        return json_response({**row, "request_info": info})

    def cancel(self, call: Call) -> Response:
        """Queue a cancel: 204 without a body."""
        self._desk.cancel(call.account, call.path["order_id"])
        return Response(status_code=NO_CONTENT)

    def cancel_by_client_id(self, call: Call) -> Response:
        """Queue a cancel by client id: 204 without a body."""
        symbol = call.query.get("market") or None
        self._desk.cancel_by_client_id(call.account, call.path["client_id"], symbol)
        return Response(status_code=NO_CONTENT)

    def cancel_all(self, call: Call) -> Response:
        """Queue the cancel of everything open (in one market): 200 without a body."""
        self._desk.cancel_all(call.account, call.query.get("market") or None)
        return Response(status_code=200)

    def cancel_batch(self, call: Call) -> Response:
        """Queue several cancels."""
        body = bodies.read(bodies.CancelBatchBody, bodies.decode(call.body))
        outcomes = self._desk.cancel_batch(call.account, body)
        return json_response({"results": [cancel_row(self._views, outcome) for outcome in outcomes]})

    def open_orders(self, call: Call) -> Response:
        """Answer all live orders (of one market), newest first."""
        symbol = call.query.get("market")
        instrument = self._views.market(symbol).instrument if symbol else None
        orders = self._desk.live(call.account, instrument)
        return json_response({"results": [self._views.order(order) for order in reversed(orders)]})

    def by_id(self, call: Call) -> Response:
        """Answer a live order; a closed one is not found here."""
        order = self._desk.by_id(call.account, call.path["order_id"])
        if not order.is_live:
            raise ApiError("ORDER_ID_NOT_FOUND", "order id not found")
        return json_response(self._views.order(order))

    def by_client_id(self, call: Call) -> Response:
        """Answer a live order by its client id."""
        order = self._desk.by_client_id(call.account, call.path["client_id"])
        if not order.is_live:
            raise ApiError("CLIENT_ORDER_ID_NOT_FOUND", "client order id not found")
        return json_response(self._views.order(order))

    def history(self, call: Call) -> Response:
        """Answer all orders, live and closed, newest first."""
        symbol = call.query.get("market")
        instrument = self._views.market(symbol).instrument if symbol else None
        orders = self._views.exchange.order_history(call.account, instrument)
        entries = (
            Entry(order.created_us, order.id, partial(self._views.order, order))
            for order in orders
            if _is_wanted(order, call)
        )
        return json_response(page(entries, call))


def _is_wanted(order: Order, call: Call) -> bool:
    asked = {name: call.query[name] for name in ("client_id", "side", "type", "status") if call.query.get(name)}
    has = {
        "client_id": order.client_id or "",
        "side": order.side.value,
        "type": rows.order_type(order),
        "status": rows.order_status(order),
    }
    return all(has[name] == value for name, value in asked.items())


def cancel_row(views: Views, outcome: CancelOutcome) -> Row:
    """Render one entry of a batch cancel."""
    row: Row = {"status": outcome.status}
    if outcome.asked_id is not None:
        row["id"] = outcome.asked_id
    if outcome.asked_client_id is not None:
        row["client_id"] = outcome.asked_client_id
    if outcome.order is not None:
        row |= {
            "id": views.ids.order(outcome.order.id),
            "account": outcome.order.account,
            "market": views.exchange.markets[outcome.order.instrument].symbol,
        }
    return row


class AccountPaths:
    """Handlers for what an account holds and has done."""

    def __init__(self, views: Views, log: VenueLog, desk: OrderDesk, keys: KeyRing) -> None:
        self._views = views
        self._log = log
        self._desk = desk
        self._keys = keys

    def routes(self, door: Door) -> list[Route]:
        """Return the routes."""
        paths: list[tuple[str, str, Handler]] = [
            ("GET", "/v1/account", self.account),
            ("GET", "/v1/account/info", self.info),
            ("GET", "/v1/account/profile", self.profile),
            ("POST", "/v1/account/profile/market_max_slippage/{market}", self.set_slippage),
            ("GET", "/v1/account/margin", self.margin),
            ("POST", "/v1/account/margin/{market}", self.set_margin),
            ("GET", "/v1/account/subaccounts", self.nothing),
            ("GET", "/v1/account/keys/subkeys", self.subkeys),
            ("POST", "/v1/account/keys/subkeys", self.register_subkey),
            ("DELETE", "/v1/account/keys/subkeys/{public_key}", self.revoke_subkey),
            ("GET", "/v1/balance", self.balance),
            ("GET", "/v1/positions", self.positions),
            ("GET", "/v1/fills", self.fills),
            ("GET", "/v1/funding/payments", self.payments),
            ("GET", "/v1/tradebusts", self.tradebusts),
            ("GET", "/v1/transfers", self.transfers),
            ("GET", "/v1/transactions", self.nothing_paged),
            ("GET", "/v1/liquidations", self.nothing),
        ]
        return [Route(path, door.reads(handler), methods=[method]) for method, path, handler in paths]

    def account(self, call: Call) -> Response:
        """Answer the margin summary."""
        return json_response(self._views.account(call.account))

    def info(self, call: Call) -> Response:
        """Answer who the account is and what it pays."""
        account = self._views.exchange.account(call.account)
        spec = next(iter(self._views.exchange.markets.values()))
        fees = {
            "maker_rate": rows.text(spec.maker_fee),
            "taker_rate": rows.text(spec.taker_fee),
            "spot_maker_rate": "0",
            "spot_taker_rate": "0",
        }
        row = {
            "account": account.id,
            "kind": "main",
            "parent_account": "",
            "public_key": account.attributes.get(PUBLIC_KEY_ATTRIBUTE, ""),
            "isolated_market": "",
            "fees": fees,
            "volume_tiers": {"pro": rows.FIRST_TIER, "retail": rows.FIRST_TIER},
            "created_at": rows.millis(account.created_us),
        }
        return json_response({"results": [row]})

    def profile(self, call: Call) -> Response:
        """Answer the account's settings."""
        caps = {name: rows.text(cap) for name, cap in self._desk.slippage_caps(call.account).items()}
        return json_response({"username": "", "market_max_slippage": caps})

    def set_slippage(self, call: Call) -> Response:
        """Choose how far MARKET orders of one market may go from the best price."""
        body = bodies.read(bodies.SlippageBody, bodies.decode(call.body))
        spec = self._views.market(call.path["market"])
        cap = bodies.quantity("max_slippage", body.max_slippage)
        self._desk.set_slippage_cap(call.account, spec.symbol, cap)
        return self.profile(call)

    def margin(self, call: Call) -> Response:
        """Answer the leverage in force for one market."""
        spec = self._views.market(call.required("market"))
        leverage = self._views.exchange.leverage(call.account, spec.instrument)
        config = {
            "market": spec.symbol,
            "margin_type": "CROSS",
            "leverage": leverage,
            "isolated_margin_leverage": leverage,
        }
        return json_response({"account": call.account, "margin_methodology": "cross_margin", "configs": [config]})

    def set_margin(self, call: Call) -> Response:
        """Choose the leverage of one market."""
        body = bodies.read(bodies.MarginBody, bodies.decode(call.body))
        spec = self._views.market(call.path["market"])
        if body.margin_type != "CROSS":
            raise ApiError("VALIDATION_ERROR", "isolated margin is not offered by this twin")
        self._views.exchange.set_leverage(call.account, spec.instrument, body.leverage)
        return json_response(
            {
                "account": call.account,
                "market": spec.symbol,
                "leverage": body.leverage,
                "margin_type": body.margin_type,
            }
        )

    def balance(self, call: Call) -> Response:
        """Answer the cash balance."""
        account = self._views.exchange.account(call.account)
        return json_response({"results": [rows.balance_row(account, now_us=self._views.world.now_us())]})

    def positions(self, call: Call) -> Response:
        """Answer the open positions."""
        held = self._views.exchange.positions(call.account)
        return json_response({"results": [self._views.position(call.account, p) for p in held]})

    def fills(self, call: Call) -> Response:
        """Answer fills, newest first; the undoing of a bust is not a fill."""
        symbol = call.query.get("market")
        instrument = self._views.market(symbol).instrument if symbol else None
        entries = (
            Entry(fill.time_us, fill.id, partial(self._views.fill, fill))
            for fill in self._views.exchange.fills(call.account, instrument=instrument)
            if fill.cause is not FillCause.BUST
        )
        return json_response(page(entries, call))

    def payments(self, call: Call) -> Response:
        """Answer funding payments of one market, newest first."""
        spec = self._views.market(call.required("market"))
        entries = (
            Entry(payment.time_us, payment.id, partial(self._views.payment, payment))
            for payment in self._views.exchange.funding_payments(call.account, instrument=spec.instrument)
        )
        return json_response(page(entries, call))

    def tradebusts(self, call: Call) -> Response:
        """Answer the fills that were undone, newest first."""
        entries = (
            Entry(time_us, number, partial(dict, row))
            for number, (account, time_us, row) in enumerate(self._log.busts)
            if account == call.account
        )
        return json_response(page(entries, call))

    def transfers(self, call: Call) -> Response:
        """Answer what was paid in, newest first (of one status)."""
        status = call.query.get("status")
        entries = (
            Entry(time_us, number, partial(dict, row))
            for number, (account, time_us, row) in enumerate(self._log.transfers)
            if account == call.account and status in (None, "", row["status"])
        )
        return json_response(page(entries, call))

    def nothing(self, _call: Call) -> Response:
        """Answer an empty list: the engine has none of these."""
        return json_response({"results": []})

    def nothing_paged(self, call: Call) -> Response:
        """Answer an empty page: the engine has none of these."""
        none: Iterable[Entry] = ()
        return json_response(page(none, call))

    def subkeys(self, call: Call) -> Response:
        """Answer the account's subkeys."""
        return json_response({"results": [k.row(call.account) for k in self._keys.subkeys(call.account)]})

    def register_subkey(self, call: Call) -> Response:
        """Register a trade-only key."""
        body = bodies.read(bodies.SubkeyBody, bodies.decode(call.body))
        self._keys.register_subkey(
            call.account,
            name=body.name,
            public_key=body.public_key,
            signature=_pair(body.signature),
            timestamp=body.timestamp,
            expiry=body.expiry,
            now_us=self._views.world.wall_us(rows.VENUE),
        )
        return Response(status_code=CREATED)

    def revoke_subkey(self, call: Call) -> Response:
        """Revoke a subkey: 204 without a body."""
        now_us = self._views.world.wall_us(rows.VENUE)
        self._keys.revoke_subkey(call.account, call.path["public_key"], now_us=now_us)
        return Response(status_code=NO_CONTENT)


def _pair(parts: list[str]) -> Signature:
    try:
        return parse_signature("[" + ",".join(f'"{part}"' for part in parts) + "]")
    except ValueError as problem:
        raise ApiError("INVALID_STARKNET_SIGNATURE", str(problem)) from None
