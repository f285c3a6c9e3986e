"""The other legs follow onto the lot, never beyond zero nor what the venue shows; a hand's increase is foreign."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.account import AccountRef
from core.instrument import Venue
from core.limits import Severity
from core.numbers import ZERO, floor_to, is_multiple
from core.order import Fill, FillCause, Liquidity, Side
from core.paired_reduction import CONSEQUENCES, After, Cause, by_hand, followings, own_part
from core.reduction import Holding
from tests.fakes.world import market

D = Decimal
NOW = datetime(2026, 1, 5, tzinfo=UTC)
NAMES = {"a": Venue.PACIFICA, "b": Venue.PARADEX, "c": Venue.BACKPACK, "d": Venue.PACIFICA}
LOT = D("0.001")
LEAST = dict.fromkeys(NAMES, D("0.004"))


def holding(name: str, session: str | Decimal, venue: str | Decimal | None = "session") -> Holding:
    """One account; its venue shows what the session holds unless it is said otherwise, None: it cannot be read."""
    place = NAMES[name]
    seen = None if venue is None else D(session) if venue == "session" else D(venue)
    return Holding(AccountRef(name, place, "desk"), market(place), D(session), seen)


def follow(*holdings: Holding, least: dict[str, Decimal] = LEAST) -> dict[str, Decimal]:
    return followings(holdings, lot=LOT, least=least)


def test_what_is_hedged_is_left_alone() -> None:
    assert follow(holding("a", "0.1"), holding("b", "-0.1")) == {}


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        ("0.06", {"b": D("0.04")}),
        ("0", {"b": D("0.1")}),
        # 0.0627 is off the lot of the other venue: trimmed with as many lots of both as the venue takes.
        ("0.0627", {"a": D("-0.0047"), "b": D("0.042")}),
        # What is left is below what any venue takes to close: all of it goes.
        ("0.003", {"a": D("-0.003"), "b": D("0.1")}),
    ],
)
def test_the_other_leg_follows_onto_the_common_lot(left: str, expected: dict[str, Decimal]) -> None:
    assert follow(holding("a", left), holding("b", "-0.1")) == expected


def test_a_venue_that_takes_the_smallest_lot_is_trimmed_no_more_than_needed() -> None:
    assert follow(holding("a", "0.0627"), holding("b", "-0.1"), least={}) == {"a": D("-0.0007"), "b": D("0.038")}


def test_the_largest_of_several_followers_gives_first() -> None:
    found = follow(holding("a", "0.1"), holding("b", "-0.05"), holding("c", "-0.15"))
    assert found == {"c": D("0.1")}


def test_while_the_changed_legs_venue_cannot_be_read_only_the_unhedged_part_follows() -> None:
    assert follow(holding("a", "0.0627", None), holding("b", "-0.1")) == {"b": D("0.037")}


def test_a_follower_that_cannot_be_read_is_not_traded() -> None:
    assert follow(holding("a", "0.06"), holding("b", "-0.1", None)) == {}


def test_a_follower_is_reduced_by_no_more_than_its_venue_shows() -> None:
    assert follow(holding("a", "0"), holding("b", "-0.1", "-0.02")) == {"b": D("0.02")}
    assert follow(holding("a", "0"), holding("b", "-0.1", "0.3")) == {}


grid = st.integers(min_value=-40_000, max_value=40_000)


@given(
    st.lists(st.tuples(grid, st.none() | st.integers(min_value=-60_000, max_value=60_000)), min_size=4, max_size=4),
    st.sampled_from([ZERO, D("0.004"), D("0.5")]),
)
def test_no_leg_is_ever_reduced_beyond_zero_or_beyond_its_venue(
    rows: list[tuple[int, int | None]], smallest: Decimal
) -> None:
    holdings = []
    for (name, place), (own, seen) in zip(NAMES.items(), rows, strict=True):
        lot = market(place).lot
        holdings.append(holding(name, own * lot, None if seen is None else seen * lot))
    found = followings(holdings, lot=LOT, least=dict.fromkeys(NAMES, smallest))
    for each in holdings:
        traded = found.get(each.account.account_id, ZERO)
        if traded:
            assert each.venue is not None
            assert traded * each.session < 0
            assert traded * each.venue < 0
            assert abs(traded) <= min(abs(each.session), abs(each.venue))
            assert is_multiple(traded, each.market.lot)


@given(
    st.lists(st.integers(min_value=-40_000, max_value=40_000), min_size=4, max_size=4),
    st.sampled_from([ZERO, D("0.004"), D("0.5")]),
)
def test_when_all_fills_nothing_stands_alone_and_no_more_was_taken_than_lots_and_minima_ask(
    rows: list[int], smallest: Decimal
) -> None:
    holdings = [holding(name, own * market(place).lot) for (name, place), own in zip(NAMES.items(), rows, strict=True)]
    net = sum((h.session for h in holdings), ZERO)
    found = followings(holdings, lot=LOT, least=dict.fromkeys(NAMES, smallest))
    left = {h.account.account_id: h.session + found.get(h.account.account_id, ZERO) for h in holdings}
    if net == 0:
        assert found == {}
        return
    assert sum(left.values()) == 0
    assert all(is_multiple(quantity, LOT) for quantity in left.values())
    # Taking a side further than the smaller one is for remainders alone: at most a minimum and a lot an account.
    smaller = min(sum(abs(h.session) for h in holdings if h.session * sign > 0) for sign in (1, -1))
    kept = sum(quantity for quantity in left.values() if quantity > 0)
    assert kept >= floor_to(max(ZERO, smaller - 8 * (smallest + LOT)), LOT)


@pytest.mark.parametrize(
    ("session", "venue", "own", "foreign"),
    [
        ("0.1", "0.1", "0.1", "0"),
        ("0.1", "0.04", "0.04", "0"),
        ("0.1", "0.15", "0.1", "0.05"),
        ("0.1", "-0.05", "0", "-0.05"),
        ("-0.1", "-0.12", "-0.1", "-0.02"),
        ("0.1", "0", "0", "0"),
        ("0", "0.2", "0", "0.2"),
    ],
)
def test_of_what_a_venue_shows_only_what_is_still_there_is_the_sessions(
    session: str, venue: str, own: str, foreign: str
) -> None:
    assert own_part(D(session), D(venue)) == (D(own), D(foreign))


def trade(quantity: str, number: int = 1) -> Fill:
    signed = D(quantity)
    return Fill(
        Venue.PACIFICA, "a", "ETH/USD", f"t{number}", None, f"o{number}", Side.BUY if signed > 0 else Side.SELL,
        abs(signed), D(2500), ZERO, Liquidity.TAKER, NOW, NOW, FillCause.TRADE,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("own", "foreign", "trades", "taken", "written_off", "left"),
    [
        ("0.1", "0", ["-0.04"], 1, "0", "0"),
        ("0.1", "0", ["-0.04", "-0.06"], 2, "0", "0"),
        ("0.1", "0", ["0.05"], 0, "0", "0.05"),
        ("0.1", "0", ["-0.15"], 0, "-0.1", "-0.05"),
        ("0.1", "0.05", ["-0.05"], 0, "0", "0"),  # the hand closes its own again
        ("0.1", "0.05", ["-0.07"], 0, "-0.02", "0"),
        ("-0.1", "0", ["0.1", "0.02"], 1, "0", "0.02"),
        ("0", "0", ["-0.3"], 0, "0", "-0.3"),
    ],
)
def test_a_trade_by_hand_is_ours_as_far_as_it_reduces_ours(
    own: str, foreign: str, trades: list[str], taken: int, written_off: str, left: str
) -> None:
    found = by_hand(D(own), D(foreign), [trade(q, n) for n, q in enumerate(trades)])
    assert (len(found.taken), found.written_off, found.foreign) == (taken, D(written_off), D(left))


@given(st.integers(-50, 50), st.integers(-50, 50), st.lists(st.integers(-60, 60).filter(bool), max_size=6))
def test_trades_by_hand_never_enlarge_or_turn_the_sessions_position_and_nothing_is_lost(
    own: int, foreign: int, trades: list[int]
) -> None:
    found = by_hand(D(own), D(foreign), [trade(str(q), n) for n, q in enumerate(trades)])
    taken = sum((f.quantity * f.side.sign for f in found.taken), ZERO)
    kept = own + taken + found.written_off
    assert abs(kept) <= abs(own)
    assert kept * own >= 0
    assert kept + found.foreign == own + foreign + sum(trades)


def test_every_cause_of_an_execution_has_a_consequence_and_only_deleveraging_goes_on() -> None:
    causes = {Cause.of(cause) for cause in FillCause} | {Cause.TRADE_BUST}
    assert causes == set(CONSEQUENCES) == set(Cause)
    assert [c for c in Cause if CONSEQUENCES[c].after is After.GO_ON] == [Cause.ADL]
    assert all((c.severity is Severity.WARNING) == (c.after is After.GO_ON) for c in CONSEQUENCES.values())
