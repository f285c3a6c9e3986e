"""Accounts, venues and markets as documents."""

from __future__ import annotations

from collections.abc import Sequence

from api.documents.accounts import (
    AccountDocument,
    AccountHealthDocument,
    CapabilityDocument,
    MarketDocument,
    PositionDocument,
)
from api.health_reads import AccountHealth
from api.views.risk import liquidation_distance, margin_ratio
from connectors.capabilities import Capabilities
from core.account import Position
from core.instrument import Market
from flows.accounts import Account


def account_document(account: Account, held_by: str | None) -> AccountDocument:
    """Return an account without asking its venue."""
    return AccountDocument(**_who(account, held_by))


def account_health_document(health: AccountHealth, held_by: str | None) -> AccountHealthDocument:
    """Return an account as just read."""
    margin = health.margin
    held = None if health.positions is None else [_position(health, p) for p in health.positions if p.quantity]
    distances = [p.liquidation_distance for p in held or () if p.liquidation_distance is not None]
    return AccountHealthDocument(
        **_who(health.account, held_by),
        status="unknown" if margin is None else "active" if margin.active else "inactive",
        equity=None if margin is None else margin.equity,
        available_margin=None if margin is None else margin.available,
        initial_margin=None if margin is None else margin.initial,
        maintenance_margin=None if margin is None else margin.maintenance,
        margin_ratio=margin_ratio(health),
        liquidation_distance=min(distances, default=None),
        positions=held,
        as_of=health.as_of,
        reason=health.reason,
    )


def capability_documents(capabilities: Capabilities) -> Sequence[CapabilityDocument]:
    """Return what a venue's connector can do, in the order of the rows."""
    return [
        CapabilityDocument(
            name=capability.name.lower(), title=capability.value, support=entry.support.value,
            limits=entry.limits, quirk=entry.quirk,
        )
        for capability, entry in capabilities.items()
    ]  # fmt: skip


def market_document(market: Market, environment: str) -> MarketDocument:
    """Return a market."""
    return MarketDocument(
        venue=market.venue.value,
        environment=environment,
        symbol=market.symbol,
        venue_symbol=market.venue_symbol,
        tick_size=market.tick,
        lot_size=market.lot,
        min_quantity=market.min_quantity,
        min_notional=market.min_notional,
        max_quantity=market.max_quantity,
        initial_margin=market.initial_margin,
        maintenance_margin=market.maintenance_margin,
        maker_fee=market.maker_fee,
        taker_fee=market.taker_fee,
        funding_interval_seconds=market.funding_interval_s,
        continuous_funding=market.continuous_funding,
    )


def _who(account: Account, held_by: str | None) -> dict[str, object]:
    ref = account.ref
    return {
        "id": ref.account_id, "venue": ref.venue.value, "owner": ref.owner,
        "environment": account.environment.value, "held_by": held_by,
    }  # fmt: skip


def _position(health: AccountHealth, position: Position) -> PositionDocument:
    mark = health.marks[position.symbol].mark if position.symbol in health.marks else None
    return PositionDocument(
        symbol=position.symbol,
        quantity=position.quantity,
        entry_price=position.entry_price,
        mark=mark,
        unrealized_pnl=position.unrealized_pnl,
        liquidation_price=position.liquidation_price,
        liquidation_distance=liquidation_distance(position.quantity, mark, position.liquidation_price),
    )
