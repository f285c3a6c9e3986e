"""Pacifica's signed operations: who may act, and what the engine is asked to do.

Duty: verify a command, apply the venue's order rules (speed bump, slippage bound, post-only forms, edit as
cancel and new post-only order), and answer in the venue's terms. Must not know HTTP or WebSocket.
Sources: docs.pacifica.fi, REST API: Orders, Batch Order, API Agent Keys, Changelog (speed bump of 200 ms for
GTC, IOC and market orders since 2025-11-12).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from sandbox.dialects.pacifica_auth import verify
from sandbox.dialects.pacifica_errors import (
    ApiError,
    cannot_cancel,
    from_refusal,
    post_only_refused,
    unsupported,
    with_old_code,
)
from sandbox.dialects.pacifica_keys import API_KEYS_MAX, KeyRing
from sandbox.dialects.pacifica_owners import Owners
from sandbox.dialects.pacifica_payloads import Command, parse_subaccount
from sandbox.dialects.pacifica_stops import Stop, StopDesk
from sandbox.exchange import Exchange
from sandbox.model import (
    MarketSpec,
    Order,
    OrderKind,
    OrderRequest,
    Refusal,
    RefusalReason,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from sandbox.world import World

VENUE: Final = "pacifica"
BUMPED_TIFS: Final = ("GTC", "IOC")


@dataclass(frozen=True, slots=True)
class Outcome:
    """Result of an operation. `payload` is REST's data; the rest serves WebSocket and batch answers."""

    payload: object = None
    order_id: int | None = None
    client_order_id: str | None = None
    symbol: str | None = None


class Desk:
    """Carries out signed operations on one exchange."""

    def __init__(self, world: World, exchange: Exchange) -> None:
        self._world = world
        self._quirks = world.quirks
        self._exchange = exchange
        self._stops = StopDesk(exchange)
        self.keys = KeyRing(world.seed)
        self.owners = Owners(exchange)
        self._notify_setting: Callable[[str, dict[str, object]], None] = lambda _channel, _row: None

    def on_setting(self, notify: Callable[[str, dict[str, object]], None]) -> None:
        """Tell `notify(channel, row)` of leverage and margin-mode changes."""
        self._notify_setting = notify

    def verify(self, command: Command) -> None:
        """Check a command's expiry, keys and signature."""
        try:
            verify(
                command.operation,
                command.header,
                command.fields,
                now_ms=self._world.wall_us(VENUE) // 1000,
                ahead_ms_max=self._quirks.number(VENUE, "timestamp_ahead_ms"),
                is_agent=self.keys.is_agent,
            )
        except ApiError as error:
            if self._quirks.text(VENUE, "signature_error_form") == "plain_text":
                raise error.as_plain_text() from None
            raise

    async def run(self, command: Command) -> Outcome:
        """Verify and carry out one operation; ApiError says no."""
        self.verify(command)
        return await self.carry_out(command)

    async def run_batch(self, commands: list[Command]) -> list[Outcome | ApiError]:
        """Verify all, then carry out in order; a business failure spoils only its own action."""
        for command in commands:
            self.verify(command)
        if any(_is_bumped(command) for command in commands):
            await self._world.sleep(self._speed_bump_us())
        outcomes: list[Outcome | ApiError] = []
        for command in commands:
            try:
                outcomes.append(await self.carry_out(command, may_bump=False))
            except ApiError as error:
                outcomes.append(error)
        return outcomes

    async def carry_out(self, command: Command, *, may_bump: bool = True) -> Outcome:
        """Carry out one verified operation; its business errors are numbered by the table in force."""
        try:
            return await self._carry_out(command, may_bump=may_bump)
        except ApiError as error:
            if self._quirks.text(VENUE, "business_codes") == "old":
                raise with_old_code(error) from None
            raise

    async def _carry_out(self, command: Command, *, may_bump: bool) -> Outcome:
        match command.operation:
            case "create_order" | "create_market_order":
                return await self._create(command, may_bump=may_bump)
            case "cancel_order":
                return self._cancel(command)
            case "cancel_all_orders":
                return self._cancel_all(command)
            case "edit_order":
                return self._edit(command)
            case "update_leverage":
                return self._set_leverage(command)
            case "update_margin_mode":
                return self._set_margin_mode(command)
            case "create_stop_order" | "cancel_stop_order" | "set_position_tpsl":
                return self._stop(command)
            case _:
                return self._administer(command)

    # --- orders ---------------------------------------------------------------------------------
    async def _create(self, command: Command, *, may_bump: bool) -> Outcome:
        if command.fields.get("builder_code") is not None:
            raise ApiError(403, "Builder code not approved")
        if any(command.fields.get(name) is not None for name in ("take_profit", "stop_loss")):
            raise unsupported()
        spec = self._spec(command)
        with self._translated(command, spec):
            request = self._request(command, spec)
            self._exchange.check_form(request)
            if may_bump and _is_bumped(command):
                await self._world.sleep(self._speed_bump_us())
            if request.tif is TimeInForce.POST_ONLY:
                self._refuse_crossing(request)
                order = self._exchange.execute(self._exchange.accept(request).id)
            else:
                order = self._exchange.submit(request)
        return _placed(order, spec)

    def _refuse_crossing(self, request: OrderRequest) -> None:
        """Say no to a crossing post-only order at once, if the venue is taken to do so."""
        if self._quirks.text(VENUE, "post_only_cross") != "refuse":
            return
        try:
            self._exchange.check(request)
        except Refusal as refusal:
            if refusal.reason is RefusalReason.POST_ONLY_CROSS:
                raise post_only_refused() from None

    def _speed_bump_us(self) -> int:
        return self._quirks.number(VENUE, "speed_bump_us")

    def _request(self, command: Command, spec: MarketSpec) -> OrderRequest:
        """Translate a create operation; self-trade prevention always cancels the resting order."""
        side = Side.BUY if command.fields["side"] == "bid" else Side.SELL
        is_market = command.operation == "create_market_order"
        price, tif, bound = None, TimeInForce.IOC, None
        if is_market:
            bound = self._slippage_bound(command, spec, side)
        else:
            price, tif = self._priced(command, spec, side)
        return OrderRequest(
            account=command.header.account,
            instrument=spec.instrument,
            side=side,
            kind=OrderKind.MARKET if is_market else OrderKind.LIMIT,
            quantity=command.decimal("amount"),
            price=price,
            tif=tif,
            reduce_only=command.flag("reduce_only"),
            client_id=_client_id(command),
            stp=SelfTradePrevention.CANCEL_MAKER,
            bound_price=bound,
        )

    def _slippage_bound(self, command: Command, spec: MarketSpec, side: Side) -> Decimal:
        percent = command.decimal("slippage_percent")
        if not 0 < percent <= 100:
            raise ApiError(400, "Invalid slippage percent")
        return self._exchange.mark(spec.instrument) * (1 + side.sign * percent / 100)

    def _priced(self, command: Command, spec: MarketSpec, side: Side) -> tuple[Decimal, TimeInForce]:
        price = command.decimal("price")
        match command.fields["tif"]:
            case "GTC":
                return price, TimeInForce.GTC
            case "IOC":
                return price, TimeInForce.IOC
            case "TOB":
                return self._top_of_book(price, spec, side), TimeInForce.POST_ONLY
            case _:
                return price, TimeInForce.POST_ONLY

    def _top_of_book(self, price: Decimal, spec: MarketSpec, side: Side) -> Decimal:
        """Reprice a crossing order one tick inside the opposite best price."""
        bid, ask = self._exchange.best(spec.instrument)
        if side is Side.BUY:
            return min(price, ask.price - spec.tick) if ask else price
        return max(price, bid.price + spec.tick) if bid else price

    def _cancel(self, command: Command) -> Outcome:
        spec = self._spec(command)
        try:
            order = self._exchange.cancel(
                command.header.account,
                order_id=command.optional_int("order_id"),
                client_id=_client_id(command),
                instrument=spec.instrument,
            )
        except Refusal as refusal:
            if refusal.reason in (RefusalReason.ORDER_NOT_FOUND, RefusalReason.ORDER_CLOSED):
                raise cannot_cancel() from None
            raise from_refusal(refusal, command.header.account, spec) from None
        by_client_id = command.optional_int("order_id") is None
        return Outcome(None, None if by_client_id else order.id, order.client_id, spec.symbol)

    def _cancel_all(self, command: Command) -> Outcome:
        instrument = None if command.flag("all_symbols") else self._spec(command).instrument
        keeps_reduce_only = command.flag("exclude_reduce_only")
        with self._translated(command, None):
            self._exchange.account(command.header.account)
            account = command.header.account
            ended = self._exchange.cancel_all(
                account, instrument, where=lambda order: not (keeps_reduce_only and order.reduce_only)
            )
            ended += self._exchange.cancel_waiting(
                account, instrument, where=lambda order: not (keeps_reduce_only and order.reduce_only)
            )
        return Outcome({"cancelled_count": len(ended)})

    def _edit(self, command: Command) -> Outcome:
        """Cancel, then a new post-only order with the same side, reduce-only flag and client id."""
        spec, account = self._spec(command), command.header.account
        old = self._exchange.order(account, order_id=command.optional_int("order_id"), client_id=_client_id(command))
        with self._translated(command, spec):
            if old is None or not old.is_live or old.instrument != spec.instrument:
                raise Refusal(RefusalReason.ORDER_NOT_FOUND, "no such live order")
            request = OrderRequest(
                account=account,
                instrument=spec.instrument,
                side=old.side,
                kind=OrderKind.LIMIT,
                quantity=command.decimal("amount"),
                price=command.decimal("price"),
                tif=TimeInForce.POST_ONLY,
                reduce_only=old.reduce_only,
                client_id=old.client_id,
                stp=SelfTradePrevention.CANCEL_MAKER,
                inherits_client_id=True,
            )
            self._exchange.check_form(request)
            self._exchange.cancel(account, order_id=old.id)
            order = self._exchange.execute(self._exchange.accept(request).id)
        return _placed(order, spec)

    # --- settings -------------------------------------------------------------------------------
    def _set_leverage(self, command: Command) -> Outcome:
        spec, account = self._spec(command), command.header.account
        leverage = command.optional_int("leverage") or 0
        try:
            self._exchange.set_leverage(account, spec.instrument, leverage, may_lower_with_position=False)
        except Refusal as refusal:
            if refusal.reason is not RefusalReason.LEVERAGE:
                raise from_refusal(refusal, account, spec) from None
            is_lowered = 1 <= leverage <= spec.max_leverage
            text = f"Cannot decrease leverage with open position.: {leverage}" if is_lowered else "Invalid leverage"
            raise ApiError(422, text, code=11) from None
        row = {"u": account, "s": spec.symbol, "l": str(leverage), "t": self._world.now_us() // 1000}
        self._notify_setting("account_leverage", row)
        return Outcome()

    def _set_margin_mode(self, command: Command) -> Outcome:
        """Cross margin only: isolated margin is not offered."""
        spec, account = self._spec(command), command.header.account
        with self._translated(command, spec):
            self._exchange.account(account)
        if command.flag("is_isolated"):
            raise unsupported()
        row = {"u": account, "s": spec.symbol, "i": False, "t": self._world.now_us() // 1000}
        self._notify_setting("account_margin", row)
        return Outcome()

    # --- stops ----------------------------------------------------------------------------------
    def _stop(self, command: Command) -> Outcome:
        spec, account = self._spec(command), command.header.account
        with self._translated(command, spec):
            match command.operation:
                case "create_stop_order":
                    only = command.flag("reduce_only")
                    return _placed(self._stops.create(self._stop_of(command, spec, "stop_order", only)), spec)
                case "cancel_stop_order":
                    order_id = command.optional_int("order_id")
                    order = self._stops.cancel(account, spec, order_id, _client_id(command))
                    return Outcome(None, order.id, order.client_id, spec.symbol)
                case _:
                    gain, loss = (
                        None if command.fields.get(name) is None else self._stop_of(command, spec, name, True)
                        for name in ("take_profit", "stop_loss")
                    )
                    self._stops.protect(gain, loss)
                    return Outcome(symbol=spec.symbol)

    def _stop_of(self, command: Command, spec: MarketSpec, name: str, reduce_only: bool) -> Stop:
        side = Side.BUY if command.fields["side"] == "bid" else Side.SELL
        default = self._quirks.text(VENUE, "stop_trigger_default")
        return Stop(command.header.account, spec, side, command.object(name), reduce_only, default)

    # --- owners and keys ------------------------------------------------------------------------
    def _administer(self, command: Command) -> Outcome:
        account, keys = command.header.account, self.keys
        match command.operation:
            case "list_subaccounts":
                with self._translated(command, None):
                    return Outcome({"subaccounts": self.owners.of(account)})
            case "transfer_funds":
                self.owners.transfer(account, command.text("to_account"), command.decimal("amount"))
                return Outcome({"success": True, "error": None})
            case "bind_agent_wallet":
                keys.bind(account, command.text("agent_wallet"))
            case "revoke_agent_wallet":
                keys.revoke(account, command.text("agent_wallet"))
            case "revoke_all_agent_wallets":
                keys.revoke_all(account)
            case "list_agent_wallets":
                return Outcome([{"agent_wallet": agent} for agent in keys.agents(account)])
            case "create_api_key":
                return Outcome({"api_key": keys.create_api_key(account)})
            case "list_api_keys":
                return Outcome({"active_api_keys": keys.api_keys(account), "api_key_limit": API_KEYS_MAX})
            case "revoke_api_key":
                keys.revoke_api_key(account, command.text("api_key"))
            case _:
                raise unsupported()
        return Outcome()

    def create_subaccount(self, body: Mapping[str, object], raw: bytes) -> None:
        """Check both signatures of a new subaccount (its own, and its main account's over that one), and join it."""
        initiate, confirm = parse_subaccount(body, raw)
        self.verify(initiate)
        self.verify(confirm)
        with self._translated(confirm, None):
            self.owners.create(confirm.header.account, initiate.header.account, self._world.now_us())

    # --- shared by the operations --------------------------------------------------------------
    def _spec(self, command: Command) -> MarketSpec:
        name = command.optional_text("symbol")
        if name is None:
            raise ApiError(400, "symbol is required")
        try:
            return self._exchange.market_by_symbol(name)
        except Refusal as refusal:
            raise from_refusal(refusal, command.header.account, None) from None

    @contextmanager
    def _translated(self, command: Command, spec: MarketSpec | None) -> Iterator[None]:
        try:
            yield
        except Refusal as refusal:
            raise self._spelled(refusal, command.header.account, spec) from None

    def _spelled(self, refusal: Refusal, account: str, spec: MarketSpec | None) -> ApiError:
        error = from_refusal(refusal, account, spec)
        if refusal.reason in (RefusalReason.TICK, RefusalReason.LOT):
            return ApiError(self._quirks.number(VENUE, "step_error_status"), error.text)
        return error


def _is_bumped(command: Command) -> bool:
    """Whether the venue delays this order: everything that may take liquidity."""
    if command.operation == "create_market_order":
        return True
    return command.operation == "create_order" and command.fields["tif"] in BUMPED_TIFS


def _placed(order: Order, spec: MarketSpec) -> Outcome:
    return Outcome({"order_id": order.id}, order.id, order.client_id, spec.symbol)


def _client_id(command: Command) -> str | None:
    text = command.optional_text("client_order_id")
    return None if text is None else text.lower()
