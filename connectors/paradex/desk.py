"""Order commands of Paradex beyond place and cancel (see VenueDesk): batches, edits, triggers, leverage.

It sends what it is told, once; the firewall against own orders stands before it. Every order carries the strictest
self-trade prevention all the same, triggers too. docs.paradex.trade, API reference: Orders (create batch, cancel
batch, modify), Account (set margin configuration); "Order types".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from itertools import combinations

from connectors.edits import past_the_firewall
from connectors.http import Answer
from connectors.paradex import batches, build, outcomes, parse, parse_account
from connectors.paradex.order_writer import Body, OrderWriter
from connectors.paradex.records import margin_config
from connectors.paradex.rest import ParadexRest
from connectors.paradex.wire import OrderRow, read_json, shaped
from connectors.paradex.wire_account import MarginConfig
from connectors.settings import Outside
from connectors.venue import Accepted, CancelOutcome, NotSent, PlaceOutcome, Unknown
from core.account import LeverageSetting, MarginMode
from core.errors import PrecisionRefused, VenueError, VenueUnreachable
from core.instrument import Market, Venue
from core.order import OrderIntent, OrderReport, OrderType, TimeInForce, TriggerIntent, TriggerPrice

_MARGIN_WORDS = {MarginMode.CROSS: "CROSS", MarginMode.ISOLATED: "ISOLATED"}


class ParadexDesk:
    """The wider order desk of one account."""

    def __init__(
        self,
        account_id: str,
        rest: ParadexRest,
        writer: OrderWriter,
        listing: Callable[[], build.Listing],
        outside: Outside,
    ) -> None:
        self._account_id = account_id
        self._rest = rest
        self._writer = writer
        self._listing = listing
        self._outside = outside

    # --- batches -------------------------------------------------------------------------------------------------

    async def place_batch(self, intents: Sequence[OrderIntent]) -> Sequence[PlaceOutcome]:
        """Sign and send orders, ten a request, one outcome each in the same order.

        Nothing at all is sent when two of them could trade with each other. All are checked against their grid before
        the first is signed (PrecisionRefused). The venue's refusals do not name their order: where several of a request
        were refused, each outcome carries all of their texts, and one refusal that proves nothing leaves all of them
        Unknown. Raises ValueError for a client order id given twice.
        """
        markets = [self._market_of(intent) for intent in intents]
        if len({intent.client_order_id for intent in intents}) != len(intents):
            raise ValueError("a client order id stands twice in one batch")
        for intent, market in zip(intents, markets, strict=True):
            market.check_price(intent.price)
            market.check_quantity(intent.quantity)
        if any(one.could_meet(other) for one, other in combinations(intents, 2)):
            return tuple(NotSent("paradex: two orders of the batch could trade with each other") for _ in intents)
        answered: list[PlaceOutcome] = []
        for first in range(0, len(intents), build.BATCH_MAX):
            chunk = slice(first, first + build.BATCH_MAX)
            answered += await self._place_some(intents[chunk], markets[chunk])
        return tuple(answered)

    async def _place_some(self, intents: Sequence[OrderIntent], markets: Sequence[Market]) -> list[PlaceOutcome]:
        try:
            token = await self._rest.permit(*intents)
        except VenueError as failure:
            return [NotSent(failure.message)] * len(intents)
        written = [await self._writer.order(i, market) for i, market in zip(intents, markets, strict=True)]
        bodies = [body for body in written if not isinstance(body, NotSent)]
        sent = [intent for intent, body in zip(intents, written, strict=True) if not isinstance(body, NotSent)]
        said: list[PlaceOutcome] = []
        if bodies:
            answer = await self._rest.send("POST", "/v1/orders/batch", build.encoded(bodies), token)
            if isinstance(answer, Answer):
                said = batches.place_outcomes(answer, self._account_id, self._listing(), sent)
            else:
                said = [answer] * len(sent)
        for intent, outcome in zip(sent, said, strict=True):
            if isinstance(outcome, Accepted):
                self._writer.sides.remember(intent.side, outcome.report.venue_order_id)
        following = iter(said)
        return [body if isinstance(body, NotSent) else next(following) for body in written]

    async def cancel_batch(self, orders: Sequence[tuple[OrderIntent, str | None]]) -> Sequence[CancelOutcome]:
        """Ask to cancel orders, ten a request, by venue id where known; one outcome each in the same order."""
        for intent, _ in orders:
            self._market_of(intent)
        answered: list[CancelOutcome] = []
        for first in range(0, len(orders), build.BATCH_MAX):
            answered += await self._cancel_some(orders[first : first + build.BATCH_MAX])
        return tuple(answered)

    async def _cancel_some(self, orders: Sequence[tuple[OrderIntent, str | None]]) -> list[CancelOutcome]:
        by_venue_id = [order_id for _, order_id in orders if order_id is not None]
        by_client_id = [intent.client_order_id for intent, order_id in orders if order_id is None]
        content = build.encoded(build.cancel_batch_body(by_venue_id, by_client_id))
        answer = await self._rest.delete("/v1/orders/batch", content)
        if not isinstance(answer, Answer):
            return [answer] * len(orders)
        return batches.cancel_outcomes(answer, orders)

    # --- edits ---------------------------------------------------------------------------------------------------

    async def edit(self, intent: OrderIntent, venue_order_id: str, replacement: OrderIntent) -> PlaceOutcome:
        """Give a resting order the replacement's price and total quantity; it keeps its ids, not its place in line.

        The venue changes nothing else, and its request knows no recv_window: a replacement that differs otherwise,
        or whose time is up, is NotSent. Raises PrecisionRefused before signing.
        """
        market = self._market_of(intent)
        market.check_price(replacement.price)
        market.check_quantity(replacement.quantity)
        if _fixed(intent) != _fixed(replacement):
            return NotSent("paradex changes price and quantity of an order only; cancel it and place another")
        unguarded = past_the_firewall(intent, replacement)
        if unguarded is not None:
            return NotSent(f"paradex: {unguarded}")
        try:
            token = await self._rest.permit(replacement)
        except VenueError as failure:
            return NotSent(failure.message)
        body = await self._writer.modification(venue_order_id, replacement, market)
        if isinstance(body, NotSent):
            return body
        answer = await self._rest.send("PUT", build.order_path(venue_order_id), build.encoded(body), token)
        return self._outcome(answer, intent.client_order_id)

    # --- triggers ------------------------------------------------------------------------------------------------

    async def place_trigger(self, trigger: TriggerIntent) -> PlaceOutcome:
        """Place a stop-loss or take-profit as the venue's limit kind: once it goes off it is a LIMIT at order.price.

        The venue's market kind has no bound and its limit kind rests, so any time in force but GTC is NotSent, as is
        a trigger by another price than the mark. What the price does not fill rests there, reduce-only.
        """
        market, intent = self._market_of(trigger.order), trigger.order
        for price in (intent.price, trigger.trigger_price):
            market.check_price(price)
        market.check_quantity(intent.quantity)
        unsayable = _unsayable(trigger)
        if unsayable is not None:
            return NotSent(f"paradex: {unsayable} ({intent.client_order_id})")
        try:
            token = await self._rest.permit(intent)
        except VenueError as failure:
            return NotSent(failure.message)
        body: Body | NotSent = await self._writer.trigger(trigger, market)
        if isinstance(body, NotSent):
            return body
        answer = await self._rest.send("POST", "/v1/orders", build.encoded(body), token)
        return self._outcome(answer, intent.client_order_id)

    async def cancel_trigger(self, trigger: TriggerIntent, venue_order_id: str | None) -> CancelOutcome:
        """Ask to cancel a waiting trigger; it is an order like any other here."""
        market, intent = self._market_of(trigger.order), trigger.order
        if venue_order_id is not None:
            path = build.order_path(venue_order_id)
        else:
            path = build.in_market(build.client_order_path(intent.client_order_id), market)
        answer = await self._rest.delete(path)
        return outcomes.cancel_outcome(answer) if isinstance(answer, Answer) else answer

    async def open_triggers(self, symbol: str) -> Sequence[OrderReport]:
        """Read the triggers that wait on one market."""
        market = self._listing().market(symbol)
        raws = await self._rest.results("/v1/orders", "open orders", {"market": market.venue_symbol})
        received, listing = self._outside.clock(), self._listing()
        rows = (shaped(OrderRow, raw, "open order") for raw in raws)
        return tuple(
            parse.order_report(row, self._account_id, listing, received)
            for row in rows
            if row.status == parse.WAITING and row.market == market.venue_symbol
        )

    # --- margin --------------------------------------------------------------------------------------------------

    async def set_leverage(self, symbol: str, leverage: Decimal) -> LeverageSetting:
        """Set a market's leverage, a whole number here (else PrecisionRefused); its margin mode stays as it is."""
        if leverage != leverage.to_integral_value() or leverage < 1:
            raise PrecisionRefused(f"paradex takes whole leverage from 1 on, not {leverage}", venue=str(Venue.PARADEX))
        market = self._listing().market(symbol)
        now = await margin_config(self._rest, market)
        return await self._set_margin(market, int(leverage), now.margin_type)

    async def set_margin_mode(self, symbol: str, mode: MarginMode) -> LeverageSetting:
        """Set a market's margin mode; its leverage stays as it is. Isolated margin is not served to every account."""
        market = self._listing().market(symbol)
        now = await margin_config(self._rest, market)
        return await self._set_margin(market, int(now.leverage), _MARGIN_WORDS[mode])

    async def _set_margin(self, market: Market, leverage: int, margin_type: str) -> LeverageSetting:
        """Set and return what the venue holds; a lost answer raises VenueUnreachable, and asking again is harmless."""
        content = build.encoded({"leverage": leverage, "margin_type": margin_type})
        token = await self._rest.permit()
        answer = await self._rest.send("POST", f"/v1/account/margin/{market.venue_symbol}", content, token)
        if isinstance(answer, NotSent | Unknown):
            raise VenueUnreachable(f"paradex: no answer about leverage: {answer.reason}", venue=str(Venue.PARADEX))
        body = read_json(outcomes.require_ok(answer, "setting the margin"), "margin")
        row = shaped(MarginConfig, body, "margin")
        return parse_account.leverage(row, self._account_id, market.symbol, self._outside.clock())

    # --- inside --------------------------------------------------------------------------------------------------

    def _outcome(self, answer: Answer | NotSent | Unknown, client_order_id: str) -> PlaceOutcome:
        if not isinstance(answer, Answer):
            return answer
        return outcomes.place_outcome(answer, self._account_id, self._listing(), client_order_id)

    def _market_of(self, intent: OrderIntent) -> Market:
        if intent.venue is not Venue.PARADEX or intent.account_id != self._account_id:
            raise ValueError(f"intent {intent.client_order_id} belongs to {intent.venue} {intent.account_id}")
        return self._listing().market(intent.symbol)


def _fixed(intent: OrderIntent) -> tuple[object, ...]:
    """What an edit cannot change."""
    return (
        intent.account_id, intent.symbol, intent.side, intent.type, intent.time_in_force, intent.reduce_only,
        intent.client_order_id,
    )  # fmt: skip


def _unsayable(trigger: TriggerIntent) -> str | None:
    """Return why the venue cannot hold a trigger as it is meant, None where it can."""
    if not trigger.order.reduce_only:
        return "a stop-loss or take-profit must be reduce-only"
    if trigger.trigger_by is not TriggerPrice.MARK:
        return "triggers go by the mark price"
    if trigger.order.type is not OrderType.LIMIT or trigger.order.time_in_force is not TimeInForce.GTC:
        return "a trigger with a bound is a GTC limit order"
    return None
