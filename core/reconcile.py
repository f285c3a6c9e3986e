"""Journal against venue: every difference, as a value. Explains nothing away and repairs nothing; venue truth wins."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum

from core.numbers import ZERO, canonical
from core.order import Fill, Liquidity, Order, OrderReport, OrderStatus


class DifferenceKind(StrEnum):
    """What does not agree."""

    MISSING_FILL = "missing_fill"  # the venue has it, the journal does not
    EXTRA_FILL = "extra_fill"  # the journal has it, the venue does not
    FILL_CONFLICT = "fill_conflict"  # both have the trade, with other figures
    UNKNOWN_ORDER = "unknown_order"  # the venue has an order that the journal does not know
    ORDER_GONE = "order_gone"  # live in the journal, and the venue does not list it
    ORDER_CONFLICT = "order_conflict"  # both have the order, with another filled quantity or state
    FILLS_INCOMPLETE = "fills_incomplete"  # an order's fills in the journal do not add up to what it filled
    POSITION_MISMATCH = "position_mismatch"
    POSITION_UNREAD = "position_unread"  # the venue's position was not read, which is not zero


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference. reference: trade id, client or venue order id, or symbol. lots: venue minus journal, signed."""

    kind: DifferenceKind
    account_id: str
    reference: str
    text: str
    lots: Decimal | None = None


@dataclass(frozen=True, slots=True)
class JournalRecord:
    """What the journal says of one market; positions are signed base units by account id."""

    orders: Sequence[Order]
    fills: Sequence[Fill]
    positions: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class VenueRecord:
    """What the venues say of the same market and span of time; an account that was not read has no position entry."""

    orders: Sequence[OrderReport]
    fills: Sequence[Fill]
    positions: Mapping[str, Decimal]


def compare(journal: JournalRecord, venue: VenueRecord, *, lots: Mapping[str, Decimal]) -> tuple[Difference, ...]:
    """Return every difference between journal and venues; empty when they agree. lots: lot size by account id.

    Orders are matched by client order id, else by venue order id; fills by account and trade id.
    """
    return (
        *_fill_differences(journal.fills, venue.fills),
        *_order_differences(journal.orders, venue.orders),
        *_incomplete(journal.orders, journal.fills),
        *_position_differences(journal.positions, venue.positions, lots),
    )


def _fill_differences(ours: Sequence[Fill], theirs: Sequence[Fill]) -> Iterator[Difference]:
    known = {(f.account_id, f.trade_id): f for f in ours}
    told = {(f.account_id, f.trade_id): f for f in theirs}
    for (account_id, trade_id), fill in told.items():
        own = known.get((account_id, trade_id))
        if own is None:
            text = f"{fill.venue} executed {_shown(fill)}, which the journal does not hold"
            yield Difference(DifferenceKind.MISSING_FILL, account_id, trade_id, text)
        elif (own.side, own.quantity, own.price) != (fill.side, fill.quantity, fill.price):
            text = f"journal {_shown(own)}, {fill.venue} {_shown(fill)}"
            yield Difference(DifferenceKind.FILL_CONFLICT, account_id, trade_id, text)
    for (account_id, trade_id), fill in known.items():
        if (account_id, trade_id) not in told:
            text = f"the journal holds {_shown(fill)}, which {fill.venue} does not list"
            yield Difference(DifferenceKind.EXTRA_FILL, account_id, trade_id, text)


def _order_differences(ours: Sequence[Order], theirs: Sequence[OrderReport]) -> Iterator[Difference]:
    by_client_id = {(o.intent.account_id, o.intent.client_order_id): o for o in ours}
    by_venue_id: dict[tuple[str, str | None], Order] = {
        (o.intent.account_id, o.venue_order_id): o for o in ours if o.venue_order_id is not None
    }
    told = set()
    for report in theirs:
        order = by_client_id.get((report.account_id, report.client_order_id or ""))
        order = order or by_venue_id.get((report.account_id, report.venue_order_id))
        reference = report.client_order_id or report.venue_order_id or "without any id"
        if order is None:
            text = f"{report.venue} has order {reference} ({report.status}), which the journal does not know"
            yield Difference(DifferenceKind.UNKNOWN_ORDER, report.account_id, reference, text)
            continue
        told.add(order.intent.client_order_id)
        if order.filled_quantity != report.filled_quantity or order.status.is_final != report.status.is_final:
            text = (
                f"journal {order.status} with {canonical(order.filled_quantity)} filled, "
                f"{report.venue} {report.status} with {canonical(report.filled_quantity)}"
            )
            yield Difference(DifferenceKind.ORDER_CONFLICT, report.account_id, order.intent.client_order_id, text)
    for order in ours:
        reference = order.intent.client_order_id
        # An intent that was never sent need not be known to anyone.
        if order.status.is_final or order.status is OrderStatus.INTENDED or reference in told:
            continue
        text = f"{order.status} in the journal, and {order.intent.venue} does not list it: ask for its end"
        yield Difference(DifferenceKind.ORDER_GONE, order.intent.account_id, reference, text)


def _incomplete(orders: Sequence[Order], fills: Sequence[Fill]) -> Iterator[Difference]:
    sums: dict[tuple[str, str | None], Decimal] = defaultdict(Decimal)
    for fill in fills:
        sums[fill.account_id, fill.client_order_id] += fill.quantity
    for order in orders:
        held = sums[order.intent.account_id, order.intent.client_order_id]
        if held != order.filled_quantity:
            text = f"{canonical(order.filled_quantity)} filled, executions of {canonical(held)} in the journal"
            reference = order.intent.client_order_id
            yield Difference(DifferenceKind.FILLS_INCOMPLETE, order.intent.account_id, reference, text)


def _position_differences(
    ours: Mapping[str, Decimal], theirs: Mapping[str, Decimal], lots: Mapping[str, Decimal]
) -> Iterator[Difference]:
    for account_id in dict.fromkeys([*ours, *theirs]):
        if account_id not in theirs:
            text = "the venue's position was not read"
            yield Difference(DifferenceKind.POSITION_UNREAD, account_id, account_id, text)
            continue
        held, told = ours.get(account_id, ZERO), theirs[account_id]
        if held != told:
            text = f"journal {canonical(held)}, venue {canonical(told)}"
            off = (told - held) / lots[account_id]
            yield Difference(DifferenceKind.POSITION_MISMATCH, account_id, account_id, text, off)


def _shown(fill: Fill) -> str:
    return f"{fill.side} {canonical(fill.quantity)} at {canonical(fill.price)}"


@dataclass(frozen=True, slots=True)
class OwnMatch:
    """Two own fills that look like the two sides of one execution. It counts as no volume and halts the session."""

    buy: Fill
    sell: Fill

    def __str__(self) -> str:
        return (
            f"own orders met on {self.buy.venue}: {self.buy.account_id} bought {canonical(self.buy.quantity)} at "
            f"{canonical(self.buy.price)} from {self.sell.account_id}"
        )


def own_matches(fills: Sequence[Fill], *, tolerance: timedelta = timedelta(milliseconds=250)) -> tuple[OwnMatch, ...]:
    """Return pairs of own fills that were each other's counter-order, on one account or two.

    Same venue, symbol, price and quantity, opposite sides, venue times within the tolerance, different orders, and
    not both maker or both taker (an execution has one of each). Fills may repeat; each (account, trade id) is
    counted once and belongs to one match at most.
    """
    distinct = {(f.account_id, f.trade_id, f.side): f for f in fills}
    groups: dict[tuple[str, str, Decimal, Decimal], list[Fill]] = defaultdict(list)
    for fill in distinct.values():
        groups[fill.venue, fill.symbol, fill.price, fill.quantity].append(fill)
    found: list[OwnMatch] = []
    for group in groups.values():
        found.extend(_matches_within(sorted(group, key=lambda f: f.venue_time), tolerance))
    return tuple(found)


def _matches_within(group: list[Fill], tolerance: timedelta) -> Iterator[OwnMatch]:
    waiting: list[Fill] = []
    for fill in group:
        waiting = [w for w in waiting if fill.venue_time - w.venue_time <= tolerance]
        other = next((w for w in waiting if _may_have_met(w, fill)), None)
        if other is None:
            waiting.append(fill)
            continue
        waiting.remove(other)
        yield OwnMatch(fill, other) if fill.side.sign > 0 else OwnMatch(other, fill)


def _may_have_met(one: Fill, other: Fill) -> bool:
    same_order = one.account_id == other.account_id and one.venue_order_id == other.venue_order_id
    one_of_each = {one.liquidity, other.liquidity} == {Liquidity.MAKER, Liquidity.TAKER}
    return one.side is other.side.opposite and not same_order and one_of_each
