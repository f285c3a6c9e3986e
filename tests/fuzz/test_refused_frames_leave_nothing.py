"""A message that is refused is gone afterwards: a venue that sends rubbish for days costs no memory."""

from __future__ import annotations

import gc
import random

import pytest

from core.errors import ProtocolViolation
from core.instrument import Venue
from tests.fuzz.campaign import streams

FRAMES = 250


@pytest.mark.parametrize("venue", list(Venue))
async def test_refused_frames_are_collected(venue: Venue) -> None:
    rng = random.Random(4)
    async with streams(venue) as opened:
        for _ in range(FRAMES):
            await opened.step(rng)
        refused = sum(opened.refused.values())
        gc.collect()
        kept = sum(isinstance(thing, ProtocolViolation) for thing in gc.get_objects())

    assert refused > 10, "there was something to collect"
    assert kept < refused / 4
