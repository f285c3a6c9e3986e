"""Order commands on Pacifica beyond place and cancel. It sends once and says what is known; it decides nothing.

Source: docs.pacifica.fi, REST API: Batch order, Edit order, Stop orders, Position TP/SL, Leverage, Margin mode.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from itertools import combinations

from connectors.edits import past_the_firewall
from connectors.http import Answer
from connectors.pacifica import build, build_desk, outcomes, parse_account, parse_orders, reading, wire
from connectors.pacifica.records import PacificaRecords
from connectors.pacifica.rest import TIME_OVER, PacificaRest
from connectors.venue import Accepted, CancelOutcome, NotSent, PlaceOutcome, Unknown
from core.account import LeverageSetting, MarginMode
from core.errors import NotOffered, VenueRejected
from core.instrument import Market, Venue
from core.order import OrderIntent, OrderReport, TriggerIntent


class PacificaDesk:
    """See connectors.surface.VenueDesk for the contract; here stand only Pacifica's own traits."""

    def __init__(
        self,
        account_id: str,
        rest: PacificaRest,
        records: PacificaRecords,
        known_markets: Callable[[], Mapping[str, Market]],
    ) -> None:
        """Send over one account's REST door; `known_markets` returns the markets read last."""
        self._account_id = account_id
        self._rest = rest
        self._records = records
        self._known_markets = known_markets

    async def place_batch(self, intents: Sequence[OrderIntent]) -> Sequence[PlaceOutcome]:
        """Send orders ten at a time, in the given order; none at all when two of them could trade with each other.

        Raises PrecisionRefused before anything is sent.
        """
        if any(one.could_meet(other) for one, other in combinations(intents, 2)):
            return tuple(NotSent("pacifica: two orders of the batch could trade with each other") for _ in intents)
        outcomes_: list[PlaceOutcome | None] = []
        ready: list[tuple[int, build.Command, OrderIntent]] = []
        for number, intent in enumerate(intents):
            built = self._built(intent)
            outcomes_.append(built if isinstance(built, NotSent) else None)
            if isinstance(built, build.Command):
                ready.append((number, built, intent))
        for start in range(0, len(ready), build_desk.BATCH_MAX):
            part = ready[start : start + build_desk.BATCH_MAX]
            said = await self._place_part([(command, intent) for _, command, intent in part])
            for (number, _, _), outcome in zip(part, said, strict=True):
                outcomes_[number] = outcome
        return [outcome or Unknown("pacifica: this order of a batch has no outcome") for outcome in outcomes_]

    async def cancel_batch(self, orders: Sequence[tuple[OrderIntent, str | None]]) -> Sequence[CancelOutcome]:
        """Ask to cancel orders ten at a time, in the given order."""
        found: list[CancelOutcome] = []
        for start in range(0, len(orders), build_desk.BATCH_MAX):
            part = orders[start : start + build_desk.BATCH_MAX]
            commands = [
                (build.cancel_order(intent.symbol, intent.client_order_id, order_id), None) for intent, order_id in part
            ]
            answer, _ = await self._rest.send_batch(build_desk.CANCEL, commands)
            if not isinstance(answer, Answer):
                found += [answer] * len(part)
            else:
                found += outcomes.cancel_batch(answer.status, answer.body, len(part))
        return found

    async def edit(self, intent: OrderIntent, venue_order_id: str, replacement: OrderIntent) -> PlaceOutcome:
        """Change price and quantity: the venue ends the order and makes a post-only one with a new venue id.

        Raises NotOffered when the replacement is not post-only or differs in more than price and quantity. One that
        would cross is refused or ends at once, and the former order is gone then: Unknown, ask for the order.
        """
        market = self._market(replacement)
        if market is None:
            return self._foreign(replacement)
        command = build_desk.edit_order(intent, venue_order_id, replacement, market)
        unguarded = past_the_firewall(intent, replacement)
        if unguarded is not None:
            return NotSent(f"pacifica: {unguarded}")
        answer = await self._rest.send(command, replacement)
        if not isinstance(answer, Answer):
            return answer
        order_id = outcomes.order_id_of(answer.body) if 200 <= answer.status < 300 else None
        if order_id is None:
            return outcomes.refused_edit(answer.status, answer.body)
        return self._accepted(replacement, order_id, answer)

    async def place_trigger(self, trigger: TriggerIntent) -> PlaceOutcome:
        """Place a stop-loss (a stop order, with an id) or take-profit (the position's own, without one).

        Raises NotOffered for an index trigger or an order that does not reduce, PrecisionRefused off the grid.
        """
        market = self._market(trigger.order)
        if market is None:
            return self._foreign(trigger.order)
        answer = await self._rest.send(build_desk.place_trigger(trigger, market), trigger.order)
        if not isinstance(answer, Answer):
            return answer
        is_taken = 200 <= answer.status < 300 and outcomes.says_yes(answer.body)
        return (
            self._accepted(trigger.order, outcomes.order_id_of(answer.body), answer)
            if is_taken
            else outcomes.refused_order(answer.status, answer.body)
        )

    async def cancel_trigger(self, trigger: TriggerIntent, venue_order_id: str | None) -> CancelOutcome:
        """Ask to cancel a stop that has not gone off; one that has is an order like any other."""
        answer = await self._rest.send(build_desk.cancel_trigger(trigger, venue_order_id))
        return answer if not isinstance(answer, Answer) else outcomes.cancel_outcome(answer.status, answer.body)

    async def open_triggers(self, symbol: str) -> Sequence[OrderReport]:
        """Read the stops among the open orders."""
        answer, received = await self._rest.read("/orders", {"account": self._rest.account})
        stops = [row for row in reading.rows(wire.OpenOrderRow, answer) if parse_account.is_stop(row)]
        reports = [parse_orders.open_order(self._account_id, row, received) for row in stops]
        return [report for report in reports if report.symbol == symbol]

    async def set_leverage(self, symbol: str, leverage: Decimal) -> LeverageSetting:
        """Set a whole-number leverage and read it back; with a position the venue only raises it."""
        if leverage != leverage.to_integral_value() or leverage < 1:
            raise VenueRejected(f"pacifica takes whole-number leverage from 1, not {leverage}", venue="pacifica")
        await self._rest.ask(build_desk.update_leverage(symbol, int(leverage)))
        return await self._records.leverage(symbol)

    async def set_margin_mode(self, symbol: str, mode: MarginMode) -> LeverageSetting:
        """Set cross or isolated and read it back; refused with an open position."""
        await self._rest.ask(build_desk.update_margin_mode(symbol, is_isolated=mode is MarginMode.ISOLATED))
        return await self._records.leverage(symbol)

    # ---- what several commands share ---------------------------------------------------------------------------

    async def _place_part(self, part: Sequence[tuple[build.Command, OrderIntent]]) -> list[PlaceOutcome]:
        answer, went = await self._rest.send_batch(build_desk.CREATE, part)
        if not isinstance(answer, Answer):
            return [answer if gone else NotSent(TIME_OVER) for gone in went]
        said = iter(outcomes.place_batch(answer.status, answer.body, sum(went)))
        found: list[PlaceOutcome] = []
        for (_, intent), gone in zip(part, went, strict=True):
            outcome = next(said) if gone else NotSent(TIME_OVER)
            found.append(self._accepted(intent, outcome, answer) if isinstance(outcome, str) else outcome)
        return found

    def _built(self, intent: OrderIntent) -> build.Command | NotSent:
        market = self._market(intent)
        if market is None:
            return self._foreign(intent)
        try:
            return build.create_order(intent, market)
        except NotOffered as lacking:
            return NotSent(lacking.message)

    def _market(self, intent: OrderIntent) -> Market | None:
        is_mine = intent.venue is Venue.PACIFICA and intent.account_id == self._account_id
        return self._known_markets().get(intent.symbol) if is_mine else None

    def _foreign(self, intent: OrderIntent) -> NotSent:
        return NotSent(f"pacifica: {intent.symbol} of {intent.account_id} is not traded by this client")

    def _accepted(self, intent: OrderIntent, order_id: str | None, answer: Answer) -> Accepted:
        return Accepted(
            parse_orders.taken_report(
                self._account_id, intent.symbol, intent.client_order_id, order_id, answer.received_at
            )
        )
