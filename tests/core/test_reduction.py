"""Taking positions down leg by leg: only toward zero, never more than session and venue both show."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.account import AccountRef
from core.instrument import Venue
from core.order import OrderType, Side, TimeInForce
from core.reduction import SLIPPAGE_MAX, Holding, numbered, reducing_intent, reductions, wider
from tests.fakes.world import market

D = Decimal
NOW = datetime(2026, 1, 5, tzinfo=UTC)
NAMES = {"a": Venue.PACIFICA, "b": Venue.PARADEX, "c": Venue.BACKPACK}


def holding(name: str, session: str | Decimal, venue: str | Decimal | None) -> Holding:
    """One account; venue None: its position could not be read."""
    place = NAMES[name]
    seen = None if venue is None else D(venue)
    return Holding(AccountRef(name, place, "desk"), market(place), D(session), seen)


@pytest.mark.parametrize(
    ("session", "venue", "traded"),
    [
        ("0.1", "0.1", "-0.1"),
        ("-0.1", "-0.1", "0.1"),
        ("0.1", "0.04", "-0.04"),  # somebody sold a part of it
        ("0.1", "0.5", "-0.1"),  # somebody holds more there
        ("0.1", "-0.2", None),  # somebody turned it round
        ("0.1", "0", None),
        ("0", "0.3", None),  # all of it is somebody else's
        ("0.10004", "0.10004", "-0.1"),  # onto the lot, never beyond
        ("0.00004", "0.00004", None),
    ],
)
def test_account_is_reduced_by_what_session_and_venue_both_show(session: str, venue: str, traded: str | None) -> None:
    assert reductions([holding("a", session, venue)]) == ({} if traded is None else {"a": D(traded)})


def test_hedge_whose_other_side_cannot_be_read_is_kept() -> None:
    assert reductions([holding("a", "0.1", "0.1"), holding("b", "-0.1", None)]) == {}


def test_only_what_is_unhedged_is_reduced_while_a_venue_cannot_be_read() -> None:
    both = [holding("a", "0.3", "0.3"), holding("c", "0.1", "0.1"), holding("b", "-0.15", None)]
    found = reductions(both)
    assert sum(found.values()) == D("-0.25")
    assert found == {"a": D("-0.25")}


def test_account_the_session_does_not_hold_anything_on_may_be_unreadable() -> None:
    assert reductions([holding("a", "0.1", "0.1"), holding("b", "0", None)]) == {"a": D("-0.1")}


quantities = st.decimals(min_value=-5, max_value=5, places=4)


@given(st.lists(st.tuples(quantities, st.none() | quantities), min_size=3, max_size=3))
def test_nothing_is_ever_reduced_beyond_zero(rows: list[tuple[Decimal, Decimal | None]]) -> None:
    holdings = [holding(name, own, seen) for name, (own, seen) in zip(NAMES, rows, strict=True)]
    found = reductions(holdings)
    for each in holdings:
        traded = found.get(each.account.account_id, D(0))
        if traded:
            assert each.venue is not None
            assert traded * each.session < 0
            assert traded * each.venue < 0
            assert abs(traded) <= min(abs(each.session), abs(each.venue))
    if any(h.venue is None and h.session for h in holdings):
        net = sum(h.session for h in holdings)
        assert abs(net + sum(found.values())) <= abs(net)


def test_order_of_a_reduction_only_reduces_within_its_bound_and_has_the_same_id_again() -> None:
    def make(attempt: int) -> object:
        draft = reducing_intent(
            "s", holding("a", "0.1", "0.1"), D("-0.1"), mid=D(2500), mark=D(2500), slippage=D("0.01"), now=NOW
        )
        return numbered(draft, attempt, NOW + timedelta(seconds=3))

    first = reducing_intent(
        "s", holding("a", "0.1", "0.1"), D("-0.1"), mid=D(2500), mark=D(2500), slippage=D("0.01"), now=NOW
    )
    assert (first.side, first.quantity, first.reduce_only) == (Side.SELL, D("0.1"), True)
    assert (first.type, first.time_in_force, first.price) == (OrderType.MARKET, TimeInForce.IOC, D(2475))
    assert make(2) == make(2) != make(3)
    assert numbered(first, 1, NOW) == first


def test_bound_widens_to_its_limit_and_never_shrinks() -> None:
    steps = [D("0.0025")]
    for _ in range(8):
        steps.append(wider(steps[-1]))
    assert steps == sorted(steps)
    assert steps[-1] == SLIPPAGE_MAX
    assert wider(D("0.08")) == D("0.08")
