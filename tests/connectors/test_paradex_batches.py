"""What an answer to a batch proves about each order in it; nothing is read from the order of two lists."""

from __future__ import annotations

import json
from typing import Any

import pytest
from paradex_fakes import NOW, intent, listing, order_row

from connectors.http import Answer
from connectors.paradex import batches
from connectors.venue import Accepted, CancelRefused, CancelTaken, NotSent, PlaceOutcome, Rejected, Unknown

INTENTS = [intent(client_order_id=f"cid-{number}") for number in range(3)]
BAD_SIZE = {"error": "INVALID_ORDER_SIZE", "message": "too small"}
BAD_PRICE = {"error": "VALIDATION_ERROR", "message": "off tick"}


def answered(body: Any, status: int = 201) -> Answer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(status, raw, {}, NOW)


def placed(body: Any, status: int = 201) -> list[PlaceOutcome]:
    return batches.place_outcomes(answered(body, status), "par-1", listing(), INTENTS)


def row(number: int, **changes: Any) -> dict[str, Any]:
    return order_row(id=f"900{number}", client_id=f"cid-{number}", **changes)


def test_accepted_orders_find_their_intents_by_client_id_whatever_the_order() -> None:
    outcomes = placed({"orders": [row(2), row(0), row(1)], "errors": []})

    assert [o.report.venue_order_id for o in outcomes if isinstance(o, Accepted)] == ["9000", "9001", "9002"]


def test_one_refusal_belongs_to_the_one_order_that_is_missing() -> None:
    first, second, third = placed({"orders": [row(2), row(0)], "errors": [BAD_SIZE]})

    assert isinstance(first, Accepted)
    assert second == Rejected("INVALID_ORDER_SIZE too small", code="INVALID_ORDER_SIZE")
    assert isinstance(third, Accepted)


def test_lists_padded_with_nulls_are_read_the_same() -> None:
    outcomes = placed({"orders": [row(0), None, row(2)], "errors": [None, BAD_SIZE, None]})

    assert [type(outcome) for outcome in outcomes] == [Accepted, Rejected, Accepted]


def test_several_refusals_do_not_say_whose_they_are_and_each_carries_all_texts() -> None:
    first, second, third = placed({"orders": [row(1)], "errors": [BAD_SIZE, BAD_PRICE]})

    assert first == third == Rejected("INVALID_ORDER_SIZE too small; VALIDATION_ERROR off tick", code=None)
    assert isinstance(second, Accepted)


@pytest.mark.parametrize(
    "errors",
    [
        [],
        [BAD_SIZE],
        [BAD_SIZE, {"error": "INTERNAL_ERROR", "message": "?"}],
        [BAD_SIZE, {"error": "DUPLICATED_CLIENT_ID", "message": "there already"}],
        [BAD_SIZE, {"error": "A_CODE_OF_NEXT_YEAR", "message": "?"}],
        [BAD_SIZE, BAD_PRICE, BAD_PRICE],
    ],
)
def test_orders_without_as_many_conclusive_refusals_are_unknown(errors: list[dict[str, str]]) -> None:
    first, second, third = placed({"orders": [row(1)], "errors": errors})

    assert isinstance(first, Unknown)
    assert isinstance(second, Accepted)
    assert isinstance(third, Unknown)


def test_a_batch_refused_as_a_whole_refuses_every_order() -> None:
    outcomes = placed({"error": "INVALID_ORDER_SIGNATURE", "message": "one of them"}, 400)

    assert [o.code for o in outcomes if isinstance(o, Rejected)] == ["AUTH"] * 3


@pytest.mark.parametrize(("body", "status"), [(b"{", 201), (b"[]", 201), (b"", 500), (b"<html>", 400)])
def test_an_answer_that_cannot_be_read_leaves_every_order_unknown(body: bytes, status: int) -> None:
    assert [type(outcome) for outcome in placed(body, status)] == [Unknown] * 3


def test_an_accepted_order_that_cannot_be_read_is_unknown_and_the_others_are_not() -> None:
    outcomes = placed({"orders": [row(0), row(1, status="WEIRD"), row(2)], "errors": []})

    assert [type(outcome) for outcome in outcomes] == [Accepted, Unknown, Accepted]


def test_each_cancel_of_a_batch_has_its_own_end() -> None:
    rows = [
        {"client_id": "cid-2", "id": "9002", "status": "ALREADY_CLOSED"},
        {"id": "9000", "status": "QUEUED_FOR_CANCELLATION"},
        {"client_id": "cid-1", "status": "NOT_FOUND"},
    ]
    orders = [(INTENTS[0], "9000"), (INTENTS[1], None), (INTENTS[2], None)]

    outcomes = batches.cancel_outcomes(answered({"results": rows}, 200), orders)

    assert outcomes == [CancelTaken(), CancelRefused("NOT_FOUND"), CancelRefused("ALREADY_CLOSED")]


@pytest.mark.parametrize("rows", [[], [{"id": "9000", "status": "SOMETHING_NEW"}]])
def test_a_cancel_without_a_word_or_with_an_unknown_one_is_unknown(rows: list[dict[str, str]]) -> None:
    (outcome,) = batches.cancel_outcomes(answered({"results": rows}, 200), [(INTENTS[0], "9000")])

    assert isinstance(outcome, Unknown)


def test_a_batch_of_cancels_that_was_not_taken_was_not_sent() -> None:
    outcomes = batches.cancel_outcomes(answered({"message": "expired"}, 401), [(INTENTS[0], "1"), (INTENTS[1], None)])

    assert [type(outcome) for outcome in outcomes] == [NotSent, NotSent]
