"""What the state of a venue forbids an order: reduce-only, bands, crossing, liquidity, margin.

Duty: judge one order against positions, books and money, by Refusal. Must not change anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from sandbox.margin import exposures, initial_requirement, order_provision, summarise
from sandbox.model import (
    ZERO,
    EndReason,
    MarginSummary,
    Order,
    OrderKind,
    OrderRequest,
    OrderStatus,
    ReduceOnlyMode,
    Refusal,
    RefusalReason,
    Side,
    TimeInForce,
    VenueMode,
)
from sandbox.venue_state import VenueState

Want = OrderRequest | Order

# How an accepted order ends when the checks refuse it afterwards.
END_OF: Mapping[RefusalReason, tuple[OrderStatus, EndReason]] = {
    RefusalReason.MARGIN: (OrderStatus.REJECTED, EndReason.MARGIN),
    RefusalReason.POST_ONLY_CROSS: (OrderStatus.REJECTED, EndReason.POST_ONLY_CROSS),
    RefusalReason.REDUCE_ONLY_NO_POSITION: (OrderStatus.REJECTED, EndReason.REDUCE_ONLY),
    RefusalReason.REDUCE_ONLY_SIDE: (OrderStatus.REJECTED, EndReason.REDUCE_ONLY),
    RefusalReason.REDUCE_ONLY_QUANTITY: (OrderStatus.REJECTED, EndReason.REDUCE_ONLY),
    RefusalReason.PRICE_BAND: (OrderStatus.REJECTED, EndReason.PRICE_BAND),
    RefusalReason.NO_LIQUIDITY: (OrderStatus.CANCELLED, EndReason.NO_LIQUIDITY),
    RefusalReason.FOK_UNFILLED: (OrderStatus.CANCELLED, EndReason.FOK_UNFILLED),
    RefusalReason.VENUE_MODE: (OrderStatus.REJECTED, EndReason.SYSTEM),
    RefusalReason.ORDER_LIMIT: (OrderStatus.REJECTED, EndReason.SYSTEM),
}


def check_risk(state: VenueState, want: Want, *, exclude_id: int | None) -> Decimal:
    """Refuse what the state forbids; return the quantity that may be worked (a reduce-only may be cut).

    `exclude_id` names the order itself when it is already among the live ones.
    """
    check_mode(state, want)
    if state.account(want.account).is_internal:
        return want.quantity
    quantity = _reducible(state, want) if want.reduce_only else want.quantity
    _check_band(state, want)
    _check_liquidity(state, want, quantity)
    live = [o for o in state.orders.live(want.account) if o.id != exclude_id]
    if sum(o.instrument == want.instrument for o in live) >= state.rules.open_orders_max:
        raise Refusal(RefusalReason.ORDER_LIMIT, f"open order limit reached: {state.rules.open_orders_max}")
    _check_margin(state, want, quantity, live)
    return quantity


def check_mode(state: VenueState, want: Want) -> None:
    """Refuse what the venue or the market does not take at present."""
    mode = state.mode(want.instrument)
    is_taken = {
        VenueMode.OPEN: True,
        VenueMode.LIMIT_ONLY: want.kind is OrderKind.LIMIT,
        VenueMode.POST_ONLY: want.tif is TimeInForce.POST_ONLY,
    }
    if not is_taken.get(mode, False):
        raise Refusal(RefusalReason.VENUE_MODE, f"{want.instrument} is in mode {mode.value}", mode=mode.value)


def price_limit(state: VenueState, want: Want) -> Decimal:
    """Worst price the order may trade at."""
    if want.price is not None:
        return want.price
    if want.bound_price is not None:
        return want.bound_price
    band = state.markets[want.instrument].band_aggressive
    return state.mark(want.instrument) * (1 + want.side.sign * band)


def margin_summary(state: VenueState, account_id: str) -> MarginSummary:
    """Equity, requirements and free margin at the mark prices of now."""
    account = state.account(account_id)
    funding = sum((state.unrealised_funding(account_id, i) for i in account.positions), ZERO)
    working = _working(state.orders.live(account_id))
    by_market = exposures(state.markets, state.marks(), account.leverage, account.positions, working)
    return summarise(account.balance, funding, account.positions, by_market)


def _working(orders: Sequence[Order]) -> list[tuple[str, Side, Decimal]]:
    return [(o.instrument, o.side, o.remaining) for o in orders]


def _reducible(state: VenueState, want: Want) -> Decimal:
    held = state.held(want.account, want.instrument)
    if not held:
        raise Refusal(RefusalReason.REDUCE_ONLY_NO_POSITION, "no position to reduce")
    if held * want.side.sign > 0:
        raise Refusal(RefusalReason.REDUCE_ONLY_SIDE, "must be opposite to the position's side")
    if want.quantity > abs(held) and state.rules.reduce_only_mode is ReduceOnlyMode.STRICT:
        raise Refusal(
            RefusalReason.REDUCE_ONLY_QUANTITY,
            f"{want.quantity:f} exceeds position {abs(held):f}",
            quantity=f"{want.quantity:f}",
            position=f"{abs(held):f}",
        )
    return min(want.quantity, abs(held))


def _check_band(state: VenueState, want: Want) -> None:
    if want.price is None:
        return
    spec, mark = state.markets[want.instrument], state.mark(want.instrument)
    outwards = (want.price - mark) * want.side.sign / mark  # + = aggressive
    is_far_passive = spec.band_passive is not None and outwards < -spec.band_passive
    if outwards > spec.band_aggressive or is_far_passive:
        raise Refusal(
            RefusalReason.PRICE_BAND,
            f"{want.price:f} is too far from mark {mark:f}",
            price=f"{want.price:f}",
            mark=f"{mark:f}",
        )


def _check_liquidity(state: VenueState, want: Want, quantity: Decimal) -> None:
    """Post-only must not cross, fill-or-kill must fill, a market order must meet something."""
    if want.kind is OrderKind.LIMIT and want.tif in (TimeInForce.GTC, TimeInForce.IOC):
        return
    reachable, crosses = _reachable(state, want, quantity)
    if want.tif is TimeInForce.POST_ONLY and crosses:
        raise Refusal(RefusalReason.POST_ONLY_CROSS, "a post-only order would cross the book")
    if want.kind is OrderKind.MARKET and not reachable:
        raise Refusal(RefusalReason.NO_LIQUIDITY, "nothing to meet inside the price bound")
    if want.tif is TimeInForce.FOK and reachable < quantity:
        raise Refusal(RefusalReason.FOK_UNFILLED, "cannot fill at once in full")


def _reachable(state: VenueState, want: Want, quantity: Decimal) -> tuple[Decimal, bool]:
    """Quantity of other accounts within the limit (at most `quantity`), and whether anything is crossed."""
    limit, total, crosses = price_limit(state, want), ZERO, False
    for maker in state.book(want.instrument).walk(want.side.opposite):
        assert maker.price is not None
        if (maker.price - limit) * want.side.sign > 0 or total >= quantity:
            break
        crosses = True
        if maker.account != want.account:
            total += maker.remaining
    return min(total, quantity), crosses


def _check_margin(state: VenueState, want: Want, quantity: Decimal, live: Sequence[Order]) -> None:
    """Equity must cover the requirement with the order in it, unless the order does not raise it."""
    account, marks = state.account(want.account), state.marks()
    spec, working = state.markets[want.instrument], _working(live)
    before = exposures(state.markets, marks, account.leverage, account.positions, working)
    working.append((want.instrument, want.side, quantity))
    after = exposures(state.markets, marks, account.leverage, account.positions, working)
    held_before = initial_requirement(before[spec.instrument]) if spec.instrument in before else ZERO
    if initial_requirement(after[spec.instrument]) <= held_before:
        return
    price = want.price if want.price is not None else marks[spec.instrument]
    provision = order_provision(spec, want.side, quantity, price, marks[spec.instrument])
    required = sum((initial_requirement(e) for e in after.values()), ZERO) + provision
    equity = margin_summary(state, account.id).equity
    if equity < required:
        raise Refusal(
            RefusalReason.MARGIN,
            f"insufficient margin: {required:.6f} required, account value {equity:.6f}",
            required=f"{required:.6f}",
            equity=f"{equity:.6f}",
        )
