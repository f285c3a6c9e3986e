"""Backpack's order commands beyond place and cancel: batches, orders that wait for a price, the leverage limit.

Nothing is retried. Every order carries RejectBoth; a batch whose own orders could meet is not sent at all.
(docs.backpack.exchange, Execute orders, Execute order, Update account)
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from itertools import combinations
from typing import NoReturn

from connectors.backpack import build, parse, verdict
from connectors.backpack.client_ids import ClientIds
from connectors.backpack.records import BackpackRecords
from connectors.backpack.rest import BackpackRest
from connectors.http import Answer
from connectors.venue import CancelOutcome, NotSent, PlaceOutcome, Unknown
from core.account import LeverageSetting, MarginMode
from core.errors import NotOffered, VenueRejected, VenueUnreachable
from core.ids import uint32_of
from core.instrument import Market
from core.market import Mark
from core.order import OrderIntent, OrderReport, Side, TriggerIntent, TriggerKind, TriggerPrice

TRIGGER_PENDING = "TriggerPending"


class BackpackDesk:
    """The wider order desk of one account (see VenueDesk)."""

    def __init__(
        self,
        rest: BackpackRest,
        records: BackpackRecords,
        ids: ClientIds,
        *,
        market: Callable[[str], Market],
        facts: Callable[[], parse.Facts],
        mark: Callable[[str], Awaitable[Mark]],
    ) -> None:
        """`market` gives a market by symbol, `facts` what reads rows, `mark` the price of now."""
        self._rest = rest
        self._records = records
        self._ids = ids
        self._market = market
        self._facts = facts
        self._mark = mark

    async def place_batch(self, intents: Sequence[OrderIntent]) -> Sequence[PlaceOutcome]:
        """Send several orders, 20 a request; one outcome each, in the same order.

        Nothing at all is sent when two of them could trade with each other. Raises PrecisionRefused before anything
        is signed when one is off its market's grid.
        """
        orders = [(intent, self._market(intent.symbol), uint32_of(intent.client_order_id)) for intent in intents]
        if orders:
            build.check_grid(orders)
        if any(one.could_meet(other) for one, other in combinations(intents, 2)):
            return tuple(NotSent("backpack: two orders of the batch could trade with each other") for _ in intents)
        taken = [order for order in orders if self._ids.remember(order[0].client_order_id)]
        outcomes: dict[str, PlaceOutcome] = {}
        for part in _chunks(taken):
            outcomes |= await self._place_some(part)
        repeated = "backpack: the client id stands for another order; use the next attempt"
        return tuple(outcomes.get(intent.client_order_id, NotSent(repeated)) for intent in intents)

    async def cancel_batch(self, orders: Sequence[tuple[OrderIntent, str | None]]) -> Sequence[CancelOutcome]:
        """Raise NotOffered: one call cancels one order, or all of a market."""
        self._lacking("no call cancels several orders by id")

    async def edit(self, intent: OrderIntent, venue_order_id: str, replacement: OrderIntent) -> PlaceOutcome:
        """Raise NotOffered: an order cannot be changed."""
        self._lacking("no call changes an order")

    async def place_trigger(self, trigger: TriggerIntent) -> PlaceOutcome:
        """Place an order that reduces the position once its price comes.

        The venue is not told whether it is a stop or a target, it waits for the price from where it is now: one whose
        price is already passed is not sent.
        """
        market, order = self._market(trigger.order.symbol), trigger.order
        request = build.place_trigger(trigger, market, uint32_of(order.client_order_id))
        if not _is_ahead(trigger, await self._mark(order.symbol)):
            return NotSent(f"backpack: the price of the {trigger.kind} is passed already")
        if not self._ids.remember(order.client_order_id):
            return NotSent("backpack: the client id stands for another order; use the next attempt")
        answer = await self._rest.command(request, valid_until=order.valid_until)
        if not isinstance(answer, Answer):
            return answer
        return verdict.place_outcome(answer, order, uint32_of(order.client_order_id), self._facts())

    async def cancel_trigger(self, trigger: TriggerIntent, venue_order_id: str | None) -> CancelOutcome:
        """Ask to cancel a trigger order that has not gone off."""
        order = trigger.order
        request = build.cancel_order(
            self._market(order.symbol).venue_symbol,
            venue_order_id=venue_order_id,
            client_id=uint32_of(order.client_order_id),
        )
        answer = await self._rest.command(request)
        return verdict.cancel_outcome(answer) if isinstance(answer, Answer) else answer

    async def open_triggers(self, symbol: str) -> Sequence[OrderReport]:
        """Read the trigger orders that wait on one market."""
        answer = await self._rest.ask(build.resting_orders(self._market(symbol).venue_symbol))
        facts = self._facts()
        rows = [row for row in parse.parse_orders(answer.body) if row.status == TRIGGER_PENDING]
        return tuple(parse.report_of(row, facts, answer.received_at) for row in rows)

    async def set_leverage(self, symbol: str, leverage: Decimal) -> LeverageSetting:
        """Set the account's leverage limit, which holds for every market, and return what the venue holds now.

        Raises VenueRejected when it is refused, VenueUnreachable when no answer says what became of it. Margins in
        the list of markets follow when it is read again.
        """
        self._market(symbol)
        answer = await self._rest.command(build.leverage_limit(leverage))
        named = {"venue": "backpack", "symbol": symbol}
        if isinstance(answer, NotSent | Unknown):
            raise VenueUnreachable(
                f"backpack: the leverage limit was not changed for certain: {answer.reason}", **named
            )
        if answer.status != 200:
            refused = verdict.refusal(answer)
            if refused is None:
                raise VenueUnreachable(
                    f"backpack: {answer.status} does not say whether the leverage limit was changed", **named
                )
            raise VenueRejected(f"backpack: leverage {leverage} was refused: {refused.text}", **named)
        return await self._records.leverage(symbol)

    async def set_margin_mode(self, symbol: str, mode: MarginMode) -> LeverageSetting:
        """Raise NotOffered: every position shares the account's collateral."""
        self._lacking("positions always share the collateral; isolated ones need a subaccount each")

    async def _place_some(self, orders: Sequence[tuple[OrderIntent, Market, int]]) -> dict[str, PlaceOutcome]:
        answer = await self._rest.command(
            build.place_batch(orders),
            valid_until=min(intent.valid_until for intent, _, _ in orders),
            is_urgent=all(intent.is_urgent for intent, _, _ in orders),
        )
        if isinstance(answer, Answer):
            outcomes = verdict.batch_outcomes(answer, [(i, number) for i, _, number in orders], self._facts())
        else:
            outcomes = [answer for _ in orders]
        return {intent.client_order_id: said for (intent, _, _), said in zip(orders, outcomes, strict=True)}

    def _lacking(self, why: str) -> NoReturn:
        raise NotOffered(f"backpack: {why}", venue="backpack")


def _chunks(
    orders: Sequence[tuple[OrderIntent, Market, int]],
) -> list[Sequence[tuple[OrderIntent, Market, int]]]:
    return [orders[first : first + build.BATCH_MAX] for first in range(0, len(orders), build.BATCH_MAX)]


def _is_ahead(trigger: TriggerIntent, mark: Mark) -> bool:
    """Tell whether the price has still to come: a selling stop waits below, a selling target above."""
    now = mark.index if trigger.trigger_by is TriggerPrice.INDEX and mark.index is not None else mark.mark
    waits_below = (trigger.order.side is Side.SELL) == (trigger.kind is TriggerKind.STOP_LOSS)
    return trigger.trigger_price < now if waits_below else trigger.trigger_price > now
