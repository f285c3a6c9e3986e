"""Taking a session's positions down leg by leg, without its planner: how much, at what price, in which order. Pure.

Only ever toward zero: never more than the session holds, nor more than the venue shows, so that what somebody else
holds on the account is never traded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from core.account import AccountRef
from core.ids import client_order_id, pair_id
from core.instrument import Market
from core.numbers import ZERO, floor_to
from core.order import OrderIntent, OrderType, Side, TimeInForce
from core.pair import VALIDITY_S_MAX
from core.pricing import marketable_price

# How far from mid the last step of a reduction may trade, a fraction; and how much wider each step is than the last.
SLIPPAGE_MAX = Decimal("0.05")
WIDENING = 2


@dataclass(frozen=True, slots=True)
class Holding:
    """One account in the session's market, signed base units.

    session: what the journal explains. venue: what the venue shows; None: it could not be read, which is not zero.
    """

    account: AccountRef
    market: Market
    session: Decimal
    venue: Decimal | None


def reductions(holdings: Sequence[Holding]) -> dict[str, Decimal]:
    """Return what to trade now by account, signed base units; accounts with nothing to do are absent.

    While a venue that holds a part of the session cannot be read, the others are reduced by no more than what is
    unhedged already: closing them would leave the part that cannot be closed alone.
    """
    blind = any(h.venue is None and h.session != 0 for h in holdings)
    net = sum((h.session for h in holdings), ZERO)
    left, found = abs(net), dict[str, Decimal]()
    for holding in holdings:
        part = reducible(holding)
        if blind:
            part = min(part, left) if holding.session * net > 0 else ZERO
            left -= part
        quantity = _tradable(holding.market, part)
        if quantity > 0:
            found[holding.account.account_id] = -quantity if holding.session > 0 else quantity
    return found


def wider(slippage: Decimal) -> Decimal:
    """Return the next step's bound, a fraction of mid; never beyond SLIPPAGE_MAX, nor below what it was."""
    return max(slippage, min(slippage * WIDENING, SLIPPAGE_MAX))


def reduction_pair_id(session_id: str) -> str:
    """Return the id that stands for "no pair" on the orders of a session's reductions (pairs count from 1)."""
    return pair_id(session_id, 0)


def reducing_intent(
    session_id: str, holding: Holding, quantity: Decimal, *,
    mid: Decimal, mark: Decimal | None, slippage: Decimal, now: datetime,
) -> OrderIntent:  # fmt: skip
    """Return the reduce-only order for a signed quantity (base units), bounded by slippage (a fraction of mid).

    It has the id of the first attempt; `numbered` gives it another one's.
    """
    side = Side.BUY if quantity > 0 else Side.SELL
    account_id = holding.account.account_id
    return OrderIntent(
        client_order_id=client_order_id(session_id, 0, reduction_leg(account_id), 1),
        session_id=session_id,
        pair_id=reduction_pair_id(session_id),
        account_id=account_id,
        venue=holding.market.venue,
        symbol=holding.market.symbol,
        side=side,
        type=OrderType.MARKET,
        time_in_force=TimeInForce.IOC,
        quantity=abs(quantity),
        price=marketable_price(holding.market, mid, side, slippage, mark=mark),
        reference_price=mid,
        reduce_only=True,
        created_at=now,
        valid_until=now + timedelta(seconds=VALIDITY_S_MAX),
    )


def numbered(intent: OrderIntent, attempt: int, now: datetime) -> OrderIntent:
    """Return the reduction as the n-th on its account (from 1), made now: the same attempt has the same id."""
    order_id = client_order_id(intent.session_id, 0, reduction_leg(intent.account_id), attempt)
    valid_until = now + timedelta(seconds=VALIDITY_S_MAX)
    return replace(intent, client_order_id=order_id, created_at=now, valid_until=valid_until)


def reduction_leg(account_id: str) -> str:
    """Return the name of a reduction's leg in the journal: no pair's leg has it."""
    return f"reduce/{account_id}"


def reducible(holding: Holding) -> Decimal:
    """Return the part of the session's position that is there at the venue, base units (>= 0)."""
    if holding.venue is None or holding.session * holding.venue <= 0:
        return ZERO
    return min(abs(holding.session), abs(holding.venue))


def _tradable(market: Market, quantity: Decimal) -> Decimal:
    """Floor to what the venue takes in one order; zero below its smallest."""
    if market.max_quantity is not None:
        quantity = min(quantity, market.max_quantity)
    quantity = floor_to(quantity, market.lot)
    return quantity if quantity >= market.min_quantity else ZERO
