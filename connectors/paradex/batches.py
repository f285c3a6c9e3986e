"""What an answer to a batch proves about each of its orders. Pure.

docs.paradex.trade, API reference, "Create batch" and "Cancel batch": all signatures are checked first and one bad one
refuses the whole batch; afterwards each order stands alone. Accepted orders are told apart by client id; refusals do
not say whose they are, and whether the two lists are aligned is not written, so nothing is read from their order.
"""

from __future__ import annotations

from collections.abc import Sequence

from connectors.http import Answer
from connectors.paradex import outcomes
from connectors.paradex.build import Listing
from connectors.paradex.parse import order_report
from connectors.paradex.wire import OrderRow, read_json, shaped
from connectors.paradex.wire_account import BatchBody, BatchCancelBody, BatchCancelRow, BatchError
from connectors.venue import Accepted, CancelOutcome, CancelRefused, CancelTaken, PlaceOutcome, Rejected, Unknown
from core.errors import ProtocolViolation
from core.order import OrderIntent

_TEXT_MAX = 300
_GONE = frozenset({"ALREADY_CLOSED", "NOT_FOUND"})
_QUEUED = "QUEUED_FOR_CANCELLATION"


def place_outcomes(
    answer: Answer, account_id: str, listing: Listing, intents: Sequence[OrderIntent]
) -> list[PlaceOutcome]:
    """Say what the answer to POST /orders/batch proves, one outcome for each intent in the same order."""
    if answer.status not in (200, 201):
        return [outcomes.place_outcome(answer, account_id, listing, intent.client_order_id) for intent in intents]
    try:
        body = shaped(BatchBody, read_json(answer.body, "batch"), "batch")
    except ProtocolViolation as unreadable:
        return [Unknown(f"{unreadable.message}, in an answer that took a batch")] * len(intents)
    taken = {row.client_id: row for row in body.orders if row is not None}
    refused = _refusal([error for error in body.errors if error is not None], _missing(intents, taken))
    return [
        _accepted(taken[intent.client_order_id], account_id, listing, answer)
        if intent.client_order_id in taken
        else refused
        for intent in intents
    ]


def _missing(intents: Sequence[OrderIntent], taken: dict[str, OrderRow]) -> int:
    return sum(intent.client_order_id not in taken for intent in intents)


def _accepted(row: OrderRow, account_id: str, listing: Listing, answer: Answer) -> PlaceOutcome:
    try:
        return Accepted(order_report(row, account_id, listing, answer.received_at))
    except ProtocolViolation as unreadable:
        return Unknown(f"{unreadable.message}, in an answer that took the order")


def _refusal(errors: Sequence[BatchError], missing: int) -> PlaceOutcome:
    """Judge all orders that were not accepted together: only as many conclusive refusals as orders are a no."""
    text = "; ".join(f"{error.error} {error.message}".strip() for error in errors)[:_TEXT_MAX]
    if len(errors) != missing or any(not outcomes.is_conclusive(error.error) for error in errors):
        return Unknown(f"paradex took a batch in part and does not prove the rest refused: {text or 'no reason'}")
    codes = {outcomes.rejection_code(error.error) for error in errors}
    return Rejected(text, code=codes.pop() if len(codes) == 1 else None)


def cancel_outcomes(answer: Answer, orders: Sequence[tuple[OrderIntent, str | None]]) -> list[CancelOutcome]:
    """Say what the answer to DELETE /orders/batch proves, one outcome for each order in the same order."""
    if not 200 <= answer.status < 300:
        return [outcomes.cancel_outcome(answer)] * len(orders)
    try:
        body = shaped(BatchCancelBody, read_json(answer.body, "batch of cancels"), "batch of cancels")
    except ProtocolViolation as unreadable:
        return [Unknown(f"{unreadable.message}, in an answer that took a batch of cancels")] * len(orders)
    return [_cancelled(_row_of(body.results, intent, order_id)) for intent, order_id in orders]


def _row_of(rows: Sequence[BatchCancelRow], intent: OrderIntent, order_id: str | None) -> BatchCancelRow | None:
    if order_id is not None:
        return next((row for row in rows if row.id == order_id), None)
    return next((row for row in rows if row.client_id == intent.client_order_id), None)


def _cancelled(row: BatchCancelRow | None) -> CancelOutcome:
    if row is None:
        return Unknown("paradex answered a batch of cancels without a word on this order")
    if row.status == _QUEUED:
        return CancelTaken()
    if row.status in _GONE:
        return CancelRefused(row.status)
    return Unknown(f"paradex answered {row.status[:40]!r} to a cancel")
