"""The hub alone: order, continuity, bounds, and what happens when the record cannot be read."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from live_world import MemoryRecord

from api.hub import BATCH_MAX, FAILURES_MAX, INTERNAL_ERROR, SLOW_READER, TRY_AGAIN_LATER, Hub, Seat, SeatEnded, Update


@pytest.fixture
def record() -> MemoryRecord:
    return MemoryRecord("s1", "s2")


@pytest.fixture
async def hub(record: MemoryRecord) -> AsyncIterator[Hub]:
    hub = Hub(record, poll_s=0, sleep=_yield)
    task = asyncio.create_task(hub.run())
    yield hub
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _yield(_seconds: float) -> None:
    await asyncio.sleep(0)


async def take(seat: Seat, count: int) -> list[dict[str, int]]:
    texts: list[str] = []
    async with asyncio.timeout(20):
        while len(texts) < count:
            texts += await seat.take()
    return [json.loads(text) for text in texts]


async def test_a_seat_gets_every_event_of_its_session_once_and_in_order(hub: Hub, record: MemoryRecord) -> None:
    seat = Seat("s1", {"metrics"})
    assert hub.attach(seat)
    for _ in range(50):
        record.add("s1")
        record.add("s2")
    assert [u["sequence"] for u in await take(seat, 50)] == list(range(1, 51))


async def test_the_previous_sequence_is_the_last_one_sent_here_not_the_last_there_was(
    hub: Hub, record: MemoryRecord
) -> None:
    seat = Seat("s1", {"status"})
    hub.attach(seat)
    for channel in ("status", "metrics", "metrics", "status", "orders", "status"):
        record.add("s1", channel)
    assert [(u["sequence"], u["previousSequence"]) for u in await take(seat, 3)] == [(1, 0), (4, 1), (6, 4)]


async def test_a_seat_behind_the_hub_must_read_history_first_and_then_misses_nothing(
    hub: Hub, record: MemoryRecord
) -> None:
    first = Seat("s1", {"metrics"})
    hub.attach(first)
    for _ in range(5):
        record.add()
    await take(first, 5)
    late = Seat("s1", {"metrics"}, after=2)
    assert not hub.attach(late)
    missed = await hub.history(late)
    assert [json.loads(text)["sequence"] for text in missed] == [3, 4, 5]
    assert hub.attach(late)
    record.add()
    assert (await take(late, 1))[0]["sequence"] == 6


async def test_a_seat_ahead_of_the_hub_gets_nothing_twice(hub: Hub, record: MemoryRecord) -> None:
    early, ahead = Seat("s1", {"metrics"}), Seat("s1", {"metrics"}, after=3)
    for _ in range(4):
        record.add()
    assert hub.attach(early)
    assert hub.attach(ahead)
    await take(early, 4)
    assert [u["sequence"] for u in await take(ahead, 1)] == [4]


async def test_history_comes_in_bounded_batches(hub: Hub, record: MemoryRecord) -> None:
    for _ in range(BATCH_MAX + 1):
        record.add()
    seat = Seat("s1", {"metrics"})
    assert [len(await hub.history(seat)) for _ in range(3)] == [BATCH_MAX, 1, 0]


async def test_a_full_queue_ends_that_seat_and_no_other(hub: Hub, record: MemoryRecord) -> None:
    slow, quick = Seat("s1", {"metrics"}, room=3), Seat("s1", {"metrics"})
    hub.attach(slow)
    hub.attach(quick)
    for _ in range(4):
        record.add()
    await take(quick, 4)
    with pytest.raises(SeatEnded) as ended:
        await slow.take()
    assert ended.value.code == SLOW_READER


async def test_nobody_watching_costs_no_read(hub: Hub, record: MemoryRecord) -> None:
    seat = Seat("s1", {"metrics"})
    hub.attach(seat)
    record.add()
    await take(seat, 1)
    hub.detach(seat)
    hub.detach(seat)
    await asyncio.gather(*(asyncio.to_thread(lambda: None) for _ in range(3)))
    for _ in range(20):
        await asyncio.sleep(0)
    settled = record.reads
    for _ in range(200):
        await asyncio.sleep(0)
    assert record.reads == settled
    assert hub.seats == 0


async def test_a_read_that_fails_is_tried_again_and_nothing_is_lost(hub: Hub, record: MemoryRecord) -> None:
    seat = Seat("s1", {"metrics"})
    record.broken = True
    hub.attach(seat)
    record.add()
    while record.reads < FAILURES_MAX // 2:
        await asyncio.sleep(0)
    record.broken = False
    assert [u["sequence"] for u in await take(seat, 1)] == [1]


async def test_a_record_that_stays_unreadable_ends_the_seats_instead_of_being_silent(
    hub: Hub, record: MemoryRecord
) -> None:
    seat = Seat("s1", {"metrics"})
    record.broken = True
    hub.attach(seat)
    with pytest.raises(SeatEnded) as ended:
        async with asyncio.timeout(20):
            await seat.take()
    assert ended.value.code == TRY_AGAIN_LATER


async def test_a_gap_in_the_record_is_said_and_never_passed_over(hub: Hub, record: MemoryRecord) -> None:
    broken, whole = Seat("s1", {"metrics"}), Seat("s2", {"metrics"})
    hub.attach(broken)
    hub.attach(whole)
    record.events["s1"] = [Update(2, "metrics", "{")]
    record.add("s2")
    with pytest.raises(SeatEnded) as ended:
        async with asyncio.timeout(20):
            await broken.take()
    assert ended.value.code == INTERNAL_ERROR
    assert len(await take(whole, 1)) == 1


async def test_a_picture_goes_to_those_who_asked_for_it_and_is_not_sent_twice(hub: Hub, record: MemoryRecord) -> None:
    looking, listening = Seat("s1", {"market"}), Seat("s1", {"metrics"})
    hub.attach(looking)
    hub.attach(listening)
    for number in (1, 2):
        record.seen["s1"] = f'{{"picture":{number}}}'
        assert await take(looking, 1) == [{"picture": number}]
    record.add("s1")
    assert [u["sequence"] for u in await take(listening, 1)] == [1]


async def test_a_late_reader_gets_only_the_newest_picture_and_every_event() -> None:
    seat = Seat("s1", {"market", "metrics"})
    for number in (1, 2, 3):
        seat.show(f"picture {number}")
        seat.offer(Update(number, "metrics", "{"))
    assert await seat.take() == [*(f'{{,"previousSequence":{n}}}' for n in range(3)), "picture 3"]
