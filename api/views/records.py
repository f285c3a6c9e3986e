"""Events and fills as documents."""

from __future__ import annotations

from typing import Any

from api.documents.records import EventDocument, FillDocument
from core.order import Fill
from store import Event


def event_document(event: Event) -> EventDocument:
    """Return an event with its payload."""
    return EventDocument(
        sequence=event.sequence, timestamp=event.at, channel=event.channel, type=event.type, data=told(event)
    )


def told(event: Event) -> dict[str, Any]:
    """Return an event's payload as it was written; where this machine keeps the report stays here."""
    if event.type != "settled":
        return dict(event.payload)
    return {**event.payload, "report": f"/api/v1/hedging/sessions/{event.session_id}/report"}


def fill_document(fill: Fill) -> FillDocument:
    """Return an execution."""
    return FillDocument(
        trade_id=fill.trade_id,
        venue=fill.venue.value,
        account_id=fill.account_id,
        symbol=fill.symbol,
        side=fill.side.value,
        quantity=fill.quantity,
        price=fill.price,
        notional=fill.quantity * fill.price,
        fee=fill.fee,
        liquidity=fill.liquidity.value,
        client_order_id=fill.client_order_id,
        venue_order_id=fill.venue_order_id,
        venue_time=fill.venue_time,
        received_time=fill.received_time,
    )
