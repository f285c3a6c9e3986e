"""Signed REST routes about an account: settings, balances, collateral, positions, order size limit.

Duty: show one account as Backpack does. Equity, margin and positions are the engine's; the split of equity
into balance and unrealised PnL is the ledger's.

Source: docs.backpack.exchange, API reference, "Account", "Capital", "Futures"; support.backpack.exchange,
"Margin" (netEquity, netEquityAvailable, account imf and mmf).
"""

from __future__ import annotations

from decimal import Decimal

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.dialects import backpack_errors as errors
from sandbox.dialects.backpack_context import Twin, translate
from sandbox.dialects.backpack_door import authorise, json_answer, query_members
from sandbox.dialects.backpack_numbers import computed, trimmed
from sandbox.dialects.backpack_payload import MARKET_TYPES, SIDES, Members, decode_json, json_object
from sandbox.dialects.backpack_wire import (
    BPS,
    SETTLEMENT_ASSET,
    SIDE_FROM_WIRE,
    Json,
    PositionFigures,
    position_json,
)
from sandbox.model import (
    ZERO,
    MarketSpec,
    OrderKind,
    OrderRequest,
    Position,
    Refusal,
    RefusalReason,
    Side,
    TimeInForce,
)

_FLAGS = ("autoBorrowSettlements", "autoLend", "autoRepayBorrows")
_UPDATE_SCHEMA = "UpdateAccountSettingsRequest"
_TOO_LARGE = frozenset({RefusalReason.MARGIN, RefusalReason.MAX_NOTIONAL})
_TOO_SMALL = frozenset({RefusalReason.QUANTITY})


def position_figures(twin: Twin, account_id: str, position: Position, *, with_liquidation: bool) -> PositionFigures:
    """Return what a position row shows beyond the position; the liquidation price only when asked for."""
    instrument = position.instrument
    liquidation = twin.exchange.liquidation_price(account_id, instrument) if with_liquidation else None
    return PositionFigures(
        mark=twin.exchange.mark(instrument),
        leverage=twin.exchange.leverage(account_id, instrument),
        settled=twin.ledger.settled(account_id, instrument),
        fees=twin.ledger.fees(account_id, instrument),
        exposure_quantity=_worst_quantity(twin, account_id, position),
        liquidation_price=None if liquidation is None else max(liquidation, ZERO),
    )


def _worst_quantity(twin: Twin, account_id: str, position: Position) -> Decimal:
    """Return the largest position that the open orders could lead to, without sign."""
    open_orders = twin.exchange.open_orders(account_id, position.instrument)
    by_side = dict.fromkeys(Side, ZERO)
    for order in open_orders:
        by_side[order.side] += order.remaining
    longest, shortest = position.quantity + by_side[Side.BUY], position.quantity - by_side[Side.SELL]
    return max(abs(longest), abs(shortest))


class AccountRoutes:
    """Endpoints about the signing account."""

    def __init__(self, twin: Twin) -> None:
        self._twin = twin

    def routes(self) -> list[Route]:
        """Return the routing table."""
        return [
            Route("/api/v1/account", self.account),
            Route("/api/v1/account", self.update, methods=["PATCH"]),
            Route("/api/v1/account/limits/order", self.order_limit),
            Route("/api/v1/capital", self.capital),
            Route("/api/v1/capital/collateral", self.collateral),
            Route("/api/v1/position", self.positions),
        ]

    async def account(self, request: Request) -> Response:
        """Answer settings, fees (basis points) and limits."""
        members = query_members(self._twin, request)
        members.unsigned("subaccountId")
        account_id = authorise(self._twin, request, "accountQuery", [members.signed])
        account = self._twin.account(account_id)
        spec = next(iter(self._twin.by_symbol.values()))
        flags = {name: account.attributes.get(name) == "true" for name in _FLAGS}
        return json_answer(
            flags
            | {
                "autoRealizePnl": True,
                "borrowLimit": "0",
                "futuresMakerFee": trimmed(spec.maker_fee * BPS),
                "futuresTakerFee": trimmed(spec.taker_fee * BPS),
                "leverageLimit": str(self._twin.leverage_limit(account_id)),
                "limitOrders": len(self._twin.exchange.open_orders(account_id)),
                "liquidating": self._twin.is_liquidating(account_id),
                "positionLimit": trimmed(spec.max_notional),
                "spotMakerFee": "8",
                "spotTakerFee": "10",
                "triggerOrders": len(self._twin.exchange.waiting_orders(account_id)),
            }
        )

    async def update(self, request: Request) -> Response:
        """Change settings; ``leverageLimit`` holds for every market of the account."""
        body = json_object(decode_json(await request.body(), _UPDATE_SCHEMA), _UPDATE_SCHEMA)
        members = Members(body, symbols=self._twin.by_symbol, schema=_UPDATE_SCHEMA)
        flags = {name: members.boolean(name) for name in _FLAGS}
        leverage = members.decimal("leverageLimit")
        account_id = authorise(self._twin, request, "accountUpdate", [members.signed])
        if leverage is not None:
            self._set_leverage(account_id, leverage)
        attributes = self._twin.account(account_id).attributes
        attributes.update({name: "true" if on else "false" for name, on in flags.items() if on is not None})
        return Response(status_code=200)

    async def capital(self, request: Request) -> Response:
        """Answer balances; assets without any are left out."""
        members = query_members(self._twin, request)
        account_id = authorise(self._twin, request, "balanceQuery", [members.signed])
        cash = self._twin.ledger.cash(account_id)
        held = {"available": trimmed(cash), "locked": "0", "staked": "0"}
        return json_answer({SETTLEMENT_ASSET: held} if cash else {})

    async def collateral(self, request: Request) -> Response:
        """Answer equity and margin of the account."""
        members = query_members(self._twin, request)
        members.unsigned("subaccountId")
        account_id = authorise(self._twin, request, "collateralQuery", [members.signed])
        return json_answer(self._collateral(account_id))

    async def positions(self, request: Request) -> Response:
        """Answer open positions; one symbol without a position is a 404."""
        members = query_members(self._twin, request)
        symbol = members.symbol()
        wanted = members.choice("marketType", MARKET_TYPES)
        account_id = authorise(self._twin, request, "positionQuery", [members.signed])
        rows = [
            self._position(account_id, position, with_liquidation=symbol is not None)
            for position in self._twin.exchange.positions(account_id)
            if symbol in (None, self._twin.symbol_of(position.instrument)) and wanted in (None, "PERP")
        ]
        if symbol is not None and not rows:
            raise errors.not_found()
        return json_answer(rows)

    async def order_limit(self, request: Request) -> Response:
        """Answer the largest order that the account's margin allows."""
        members = query_members(self._twin, request)
        spec = self._twin.spec(members.required_symbol())
        side = members.required_choice("side", SIDES)
        price, reduce_only = members.decimal("price"), members.boolean("reduceOnly")
        flags = {name: members.boolean(name) for name in ("autoBorrow", "autoBorrowRepay", "autoLendRedeem")}
        account_id = authorise(self._twin, request, "maxOrderQuantity", [members.signed])
        quantity = self._max_quantity(account_id, spec, SIDE_FROM_WIRE[side], price, bool(reduce_only))
        return json_answer(
            flags
            | {
                "maxOrderQuantity": trimmed(quantity),
                "price": None if price is None else trimmed(price),
                "reduceOnly": reduce_only,
                "side": side,
                "symbol": spec.symbol,
            }
        )

    def _set_leverage(self, account_id: str, leverage: Decimal) -> None:
        if leverage != leverage.to_integral_value() or leverage < 1:
            raise errors.ApiRefusal(400, "INVALID_CLIENT_REQUEST", "Invalid leverage limit")
        exchange = self._twin.exchange
        before = {name: exchange.leverage(account_id, name) for name in exchange.markets}
        try:
            for name in exchange.markets:
                exchange.set_leverage(account_id, name, int(leverage))
        except Refusal as refusal:
            self._twin.account(account_id).leverage.update(before)
            raise translate(refusal) from refusal

    def _collateral(self, account_id: str) -> Json:
        summary = self._twin.exchange.margin(account_id)
        cash = self._twin.ledger.cash(account_id)
        exposure = summary.exposure
        smallest_imf = Decimal(1) / self._twin.leverage_limit(account_id)
        imf = max(smallest_imf, summary.initial / exposure) if exposure else smallest_imf
        return {
            "assetsValue": computed(cash),
            "borrowLiability": "0",
            "collateral": [_collateral_row(cash)] if cash else [],
            "imf": computed(imf),
            "liabilitiesValue": "0",
            "marginFraction": computed(summary.equity / exposure) if exposure else None,
            "mmf": computed(summary.maintenance / exposure) if exposure else "0",
            "netEquity": computed(summary.equity),
            "netEquityAvailable": computed(summary.free),
            "netEquityLocked": computed(summary.initial),
            "netExposureFutures": computed(exposure),
            "pnlUnrealized": computed(summary.equity - cash),
            "unsettledEquity": "0",
        }

    def _position(self, account_id: str, position: Position, *, with_liquidation: bool) -> Json:
        spec = self._twin.exchange.markets[position.instrument]
        figures = position_figures(self._twin, account_id, position, with_liquidation=with_liquidation)
        return position_json(position, spec, figures, account_id)

    def _max_quantity(
        self, account_id: str, spec: MarketSpec, side: Side, price: Decimal | None, reduce_only: bool
    ) -> Decimal:
        """Search the largest whole number of lots that the engine would take."""
        limit_price = price if price is not None else self._mark_on_tick(spec)
        fitting, too_many = 0, int(spec.max_notional / limit_price / spec.lot) + 1
        if reduce_only:
            held = self._held_against(account_id, spec, side)
            too_many = min(too_many, int(held / spec.lot) + 1)
        while too_many - fitting > 1:
            lots = (fitting + too_many) // 2
            if self._fits(account_id, spec, side, limit_price, lots * spec.lot):
                fitting = lots
            else:
                too_many = lots
        return fitting * spec.lot

    def _fits(self, account_id: str, spec: MarketSpec, side: Side, price: Decimal, quantity: Decimal) -> bool:
        request = OrderRequest(account_id, spec.instrument, side, OrderKind.LIMIT, quantity, price, TimeInForce.GTC)
        try:
            self._twin.exchange.check(request)
        except Refusal as refusal:
            if refusal.reason in _TOO_LARGE:
                return False
            if refusal.reason in _TOO_SMALL:
                return True
            raise translate(refusal) from refusal
        return True

    def _held_against(self, account_id: str, spec: MarketSpec, side: Side) -> Decimal:
        for position in self._twin.exchange.positions(account_id):
            if position.instrument == spec.instrument and position.quantity * side.sign < 0:
                return abs(position.quantity)
        return ZERO

    def _mark_on_tick(self, spec: MarketSpec) -> Decimal:
        return (self._twin.exchange.mark(spec.instrument) / spec.tick).to_integral_value() * spec.tick


def _collateral_row(cash: Decimal) -> Json:
    total = computed(cash)
    return {
        "assetMarkPrice": "1",
        "availableQuantity": total,
        "balanceNotional": total,
        "collateralValue": total,
        "collateralWeight": "1",
        "lendQuantity": "0",
        "openOrderQuantity": "0",
        "symbol": SETTLEMENT_ASSET,
        "totalQuantity": total,
    }
