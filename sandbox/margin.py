"""Margin requirements of one account.

Duty: pure arithmetic over positions, open orders and marks. Must not read or change an exchange.
Sources: docs.pacifica.fi (Margin & Leverage), docs.paradex.trade (Margin: open size = max of both sides),
docs.backpack.exchange (imfFunction / mmfFunction "sqrt").
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from sandbox.model import ZERO, MarginSummary, MarketSpec, Position, Side
from sandbox.positions import unrealised_pnl


@dataclass(frozen=True, slots=True)
class MarketExposure:
    """What the requirement of one market depends on. `position` is signed."""

    spec: MarketSpec
    leverage: int
    mark: Decimal
    position: Decimal
    buying: Decimal  # remaining quantity of buy orders
    selling: Decimal


def initial_fraction(spec: MarketSpec, leverage: int, notional: Decimal) -> Decimal:
    """max(imf_base, 1 / leverage, imf_factor * sqrt(notional))."""
    base = max(spec.imf_base, Decimal(1) / leverage)
    return max(base, spec.imf_factor * notional.sqrt()) if spec.imf_factor else base


def maintenance_fraction(spec: MarketSpec, notional: Decimal) -> Decimal:
    """max(mmf_base, mmf_factor * sqrt(notional))."""
    return max(spec.mmf_base, spec.mmf_factor * notional.sqrt()) if spec.mmf_factor else spec.mmf_base


def initial_requirement(exposure: MarketExposure) -> Decimal:
    """Initial margin for the worst side: max(0, buys + position, sells - position) at mark."""
    worst = max(ZERO, exposure.buying + exposure.position, exposure.selling - exposure.position)
    notional = worst * exposure.mark
    return notional * initial_fraction(exposure.spec, exposure.leverage, notional)


def maintenance_requirement(spec: MarketSpec, quantity: Decimal, mark: Decimal) -> Decimal:
    """Maintenance margin of a position at mark."""
    notional = abs(quantity) * mark
    return notional * maintenance_fraction(spec, notional)


def order_provision(spec: MarketSpec, side: Side, quantity: Decimal, price: Decimal, mark: Decimal) -> Decimal:
    """Taker fee plus the loss against mark that an aggressive price would take at once."""
    loss = max(ZERO, (price - mark) * side.sign)
    return quantity * (loss + price * spec.taker_fee)


def exposures(
    specs: Mapping[str, MarketSpec],
    marks: Mapping[str, Decimal],
    leverage: Mapping[str, int],
    positions: Mapping[str, Position],
    orders: Iterable[tuple[str, Side, Decimal]],
) -> dict[str, MarketExposure]:
    """Gather one account's exposure for each market it touches; `orders` are (instrument, side, remaining)."""
    buying: dict[str, Decimal] = {}
    selling: dict[str, Decimal] = {}
    for instrument, side, remaining in orders:
        sums = buying if side is Side.BUY else selling
        sums[instrument] = sums.get(instrument, ZERO) + remaining
    touched = {*buying, *selling, *(i for i, p in positions.items() if p.quantity)}
    return {
        instrument: MarketExposure(
            spec=specs[instrument],
            leverage=leverage.get(instrument, specs[instrument].max_leverage),
            mark=marks[instrument],
            position=positions[instrument].quantity if instrument in positions else ZERO,
            buying=buying.get(instrument, ZERO),
            selling=selling.get(instrument, ZERO),
        )
        for instrument in sorted(touched)
    }


def summarise(
    balance: Decimal,
    unrealised_funding: Decimal,
    positions: Mapping[str, Position],
    by_market: Mapping[str, MarketExposure],
) -> MarginSummary:
    """Add one account's markets up."""
    pnl = maintenance = initial = total = ZERO
    for instrument, exposure in by_market.items():
        initial += initial_requirement(exposure)
        if not exposure.position:
            continue
        pnl += unrealised_pnl(positions[instrument], exposure.mark)
        maintenance += maintenance_requirement(exposure.spec, exposure.position, exposure.mark)
        total += abs(exposure.position) * exposure.mark
    equity = balance + pnl + unrealised_funding
    return MarginSummary(
        balance=balance,
        unrealised_pnl=pnl,
        unrealised_funding=unrealised_funding,
        equity=equity,
        initial=initial,
        maintenance=maintenance,
        free=max(ZERO, equity - initial),
        exposure=total,
    )
