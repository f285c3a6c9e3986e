"""Signed bodies of order commands, written by whoever places, batches or edits. It sends nothing.

An order is worth something until its valid_until only: the signed time and recv_window say so to the venue, and an
order whose time is up is not written at all.
"""

from __future__ import annotations

from dataclasses import dataclass

from connectors.paradex import build
from connectors.paradex.own_sides import OwnSides
from connectors.paradex.rest import ParadexRest
from connectors.settings import Outside
from connectors.venue import NotSent
from core.instrument import Market
from core.order import OrderIntent, TriggerIntent

Body = dict[str, object]


@dataclass(frozen=True, slots=True)
class OrderWriter:
    """Writes for one account; the sides of what it wrote are remembered, for fills are read by them."""

    rest: ParadexRest
    sides: OwnSides
    outside: Outside

    async def order(self, intent: OrderIntent, market: Market) -> Body | NotSent:
        """Return the body of an order, or why it must not leave."""
        window_ms = self._window_ms(intent)
        if isinstance(window_ms, NotSent):
            return window_ms
        fields = build.order_fields(intent, market, self.rest.next_timestamp_ms())
        body = build.order_body(intent, fields, await self.rest.sign(fields), window_ms)
        self.sides.remember(intent.side, intent.client_order_id)
        return body

    async def trigger(self, trigger: TriggerIntent, market: Market) -> Body | NotSent:
        """Return the body of an order that waits for a price, or why it must not leave."""
        intent = trigger.order
        window_ms = self._window_ms(intent)
        if isinstance(window_ms, NotSent):
            return window_ms
        kind = build.TRIGGER_TYPES[trigger.kind]
        fields = build.order_fields(intent, market, self.rest.next_timestamp_ms(), kind)
        body = build.trigger_body(trigger, fields, await self.rest.sign(fields), window_ms)
        self.sides.remember(intent.side, intent.client_order_id)
        return body

    async def modification(self, venue_order_id: str, replacement: OrderIntent, market: Market) -> Body | NotSent:
        """Return the body of an order's change. It has no recv_window, so only a change whose time is up is held."""
        if isinstance(late := self._window_ms(replacement), NotSent):
            return late
        fields = build.order_fields(replacement, market, self.rest.next_timestamp_ms())
        signature = await self.rest.sign_modification(fields, venue_order_id)
        return build.modification_body(venue_order_id, fields, signature)

    def _window_ms(self, intent: OrderIntent) -> int | NotSent:
        unsayable = build.cannot_say(intent)
        if unsayable is not None:
            return NotSent(unsayable)
        window_ms = build.recv_window_ms(intent.valid_until, self.outside.clock())
        if window_ms is None:
            return NotSent(f"paradex: the order's time was up before it could be sent ({intent.client_order_id})")
        return window_ms
