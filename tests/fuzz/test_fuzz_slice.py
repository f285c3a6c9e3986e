"""A slice of the fuzzing campaign: changed frames and answers of every venue never break a connector.

The whole campaign is `make fuzz`; what it found stays here as tests named after the claim it broke.
"""

from __future__ import annotations

import json
import logging
import random
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.pacifica import reading
from connectors.ratelimit import retry_after_s
from core.errors import ProtocolViolation
from core.instrument import Venue
from tests.fuzz.campaign import Broken, answers_run, check_fill, frames_run, streams
from tests.fuzz.mutations import mutated
from tests.fuzz.replay import Said

FRAMES, CALLS, SEED = 1200, 200, 20261121
VENUES = pytest.mark.parametrize("venue", Venue, ids=str)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Each refused frame is a warning in the log; thousands of them say nothing."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@VENUES
async def test_changed_frames_are_read_or_refused_and_a_fresh_connection_comes_up(venue: Venue) -> None:
    toll = await frames_run(venue, FRAMES, SEED)
    assert FRAMES / 5 < toll.refused.total() < FRAMES, "some were refused and some were read"


async def test_changed_binary_frames_are_read_or_refused() -> None:
    toll = await frames_run(Venue.PARADEX, FRAMES, SEED, binary=True)
    assert FRAMES / 5 < toll.refused.total() < FRAMES


@VENUES
async def test_changed_answers_end_as_facts_or_as_documented_errors(venue: Venue) -> None:
    toll = await answers_run(venue, CALLS, SEED)
    assert 0 < toll.refused.total() < CALLS


@VENUES
async def test_recorded_frames_are_read_as_they_stand(venue: Venue) -> None:
    for binary in (False, True) if venue is Venue.PARADEX else (False,):
        async with streams(venue, binary=binary) as opened:
            for tap in opened.taps:
                for frame in Said.of(venue).frames[("binary " if binary else "") + tap.name]:
                    await opened.take(tap, frame)
            assert opened.refused == Counter()


@settings(max_examples=60, deadline=None)
@given(rng=st.randoms(use_true_random=False), venue=st.sampled_from(list(Venue)))
def test_mutations_keep_the_kind_of_frame(rng: random.Random, venue: Venue) -> None:
    frames = [frame for found in Said.of(venue).frames.values() for frame in found]
    frame = rng.choice(frames)
    assert isinstance(mutated(frame, rng), type(frame))


def test_same_seed_makes_the_same_frame() -> None:
    frame = Said.of(Venue.PACIFICA).frames["public"][-1]
    assert [mutated(frame, random.Random(7)) for _ in range(2)] == [mutated(frame, random.Random(7))] * 2
    assert len({mutated(frame, random.Random(n)) for n in range(50)}) > 40


async def test_invented_fill_would_be_noticed() -> None:
    said = Said.of(Venue.PACIFICA)
    trade = next(f for f in said.frames["private"] if "account_trades" in str(f) and '"data":[' in str(f))
    async with streams(Venue.PACIFICA) as opened:
        (tap,) = (t for t in opened.taps if t.name == "private")
        tap.handler.received(trade)
        (update,) = opened.fills()
    check_fill(update.fill, [trade])
    with pytest.raises(Broken, match="invented"):
        check_fill(update.fill, [str(trade).replace(str(update.fill.quantity), "77")])


# ---- what the campaign found -------------------------------------------------------------------------------------


@pytest.mark.parametrize("price", ["0", "-1", 0])
async def test_backpack_mark_of_zero_or_less_is_refused(price: object) -> None:
    frame = next(str(f) for f in Said.of(Venue.BACKPACK).frames["private"] if "markPrice" in str(f))
    told = json.loads(frame)
    told["data"]["p"] = price
    async with streams(Venue.BACKPACK) as opened:
        (tap,) = (t for t in opened.taps if t.name == "private")
        assert isinstance(tap.take(json.dumps(told)), ProtocolViolation)


@pytest.mark.parametrize("millis", [253_402_300_799_999, 253_402_300_790_000])
async def test_pacifica_times_to_which_no_interval_can_be_added_are_refused(millis: int) -> None:
    for kind, field in (("candle", "t"), ("prices", "timestamp")):
        frame = next(str(f) for f in Said.of(Venue.PACIFICA).frames["tape"] if f'"channel":"{kind}"' in str(f))
        told = json.loads(frame)
        for row in told["data"] if kind == "prices" else [told["data"]]:
            row[field] = millis
        async with streams(Venue.PACIFICA) as opened:
            (tap,) = (t for t in opened.taps if t.name == "tape")
            assert isinstance(tap.take(json.dumps(told)), ProtocolViolation), kind


@pytest.mark.parametrize("date", ["Fri, 31 Dec 9999 23:59:59 -1200", "Sun, 21 Nov 7026 14:49:07 GMT"])
def test_date_header_beyond_all_clocks_is_refused(date: str) -> None:
    with pytest.raises(ProtocolViolation):
        reading.http_date({"date": date})


def test_retry_after_of_any_length_is_a_finite_wait() -> None:
    assert retry_after_s({"retry-after": "9" * 400}, 1.0) == 86_400.0
    assert retry_after_s({"retry-after": "7"}, 1.0) == 7.0
