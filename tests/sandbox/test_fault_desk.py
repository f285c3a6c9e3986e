"""The fault desk strikes as armed and never more."""

from __future__ import annotations

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from sandbox.faults import ConnectionDropped, FaultDesk, FaultKind, FrameFate, HttpFaults


class Bench:
    """A desk with a settable time, and an app behind it that counts the requests it sees."""

    def __init__(self) -> None:
        self.now_us = 0
        self.slept_us = 0
        self.seen = 0
        self.bodies: list[bytes] = []
        self.seen_at_sleep: list[int] = []
        self.desk = FaultDesk(1, lambda: self.now_us)

        async def place(request: Request) -> Response:
            self.seen += 1
            self.bodies.append(await request.body())
            return PlainTextResponse("done")

        async def sleep(delay_us: int) -> None:
            self.slept_us += delay_us
            self.seen_at_sleep.append(self.seen)

        app = Starlette(
            routes=[Route("/place", place, methods=["GET", "POST"])],
            middleware=[
                Middleware(
                    HttpFaults,
                    desk=self.desk,
                    sleep=sleep,
                    venue="pacifica",
                    classify=lambda method, _path: "place" if method == "POST" else "read",
                    error=lambda status: PlainTextResponse("no", status_code=status),
                )
            ],
        )
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://twin")

    async def place(self) -> httpx.Response:
        return await self.client.post("/place")


def test_a_counted_fault_strikes_so_often_and_no_more() -> None:
    desk = Bench().desk
    desk.arm("pacifica", FaultKind.HTTP_429, count=2)

    strikes = [desk.take("pacifica", FaultKind.HTTP_429, "place") is not None for _ in range(4)]

    assert strikes == [True, True, False, False]


def test_a_fault_with_a_duration_ends_by_itself() -> None:
    bench = Bench()
    bench.desk.arm("pacifica", FaultKind.DELAY, duration_s=1.0)

    assert bench.desk.take("pacifica", FaultKind.DELAY, "place")
    bench.now_us = 1_000_000
    assert bench.desk.take("pacifica", FaultKind.DELAY, "place") is None


def test_a_fault_strikes_its_own_venue_and_action_only() -> None:
    desk = Bench().desk
    desk.arm("pacifica", FaultKind.LOST_ANSWER, action="cancel")

    assert desk.take("paradex", FaultKind.LOST_ANSWER, "cancel") is None
    assert desk.take("pacifica", FaultKind.LOST_ANSWER, "place") is None
    assert desk.take("pacifica", FaultKind.LOST_ANSWER, "cancel")


def test_a_probable_fault_strikes_sometimes_and_the_same_way_for_a_seed() -> None:
    def strikes() -> list[bool]:
        desk = Bench().desk
        desk.arm("pacifica", FaultKind.HTTP_429, probability=0.5, duration_s=60.0)
        return [desk.take("pacifica", FaultKind.HTTP_429, "place") is not None for _ in range(50)]

    assert strikes() == strikes()
    assert 5 < sum(strikes()) < 45


@pytest.mark.parametrize(
    ("kind", "channel", "fate"),
    [
        (FaultKind.WS_DISCONNECT, "book", FrameFate.CLOSE),
        (FaultKind.WS_GAP, "book", FrameFate.DROP),
        (FaultKind.WS_GAP, "fill", FrameFate.SEND),
        (FaultKind.DUPLICATE_FILL_FRAME, "fill", FrameFate.TWICE),
        (FaultKind.DUPLICATE_FILL_FRAME, "book", FrameFate.SEND),
    ],
)
def test_frames_meet_the_fate_of_their_channel(kind: FaultKind, channel: str, fate: FrameFate) -> None:
    desk = Bench().desk
    desk.arm("pacifica", kind)

    assert desk.frame("pacifica", channel) is fate


async def test_a_lost_request_never_reaches_the_engine() -> None:
    bench = Bench()
    bench.desk.arm("pacifica", FaultKind.LOST_REQUEST)

    with pytest.raises(ConnectionDropped):
        await bench.place()

    assert bench.seen == 0


async def test_a_lost_answer_has_reached_the_engine() -> None:
    bench = Bench()
    bench.desk.arm("pacifica", FaultKind.LOST_ANSWER)

    with pytest.raises(ConnectionDropped):
        await bench.place()

    assert bench.seen == 1


@pytest.mark.parametrize(("after", "seen"), [(False, 0), (True, 1)])
async def test_a_server_error_stands_before_or_after_the_engine(after: bool, seen: int) -> None:
    bench = Bench()
    bench.desk.arm("pacifica", FaultKind.HTTP_5XX, status=504, after=after)

    answer = await bench.place()

    assert (answer.status_code, bench.seen) == (504, seen)


async def test_too_many_requests_and_delays_come_before_the_engine() -> None:
    bench = Bench()
    bench.desk.arm("pacifica", FaultKind.HTTP_429)
    bench.desk.arm("pacifica", FaultKind.DELAY, delay_ms=300)

    answer = await bench.place()

    assert (answer.status_code, bench.seen, bench.slept_us) == (429, 0, 300_000)


async def test_reads_pass_a_fault_armed_for_orders() -> None:
    bench = Bench()
    bench.desk.arm("pacifica", FaultKind.HTTP_429)

    assert (await bench.client.get("/place")).status_code == 200


def test_disarming_clears_one_venue() -> None:
    desk = Bench().desk
    desk.arm("pacifica", FaultKind.DELAY)
    desk.arm("paradex", FaultKind.DELAY)

    assert desk.disarm("pacifica") == 1
    assert [f.venue for f in desk.armed] == ["paradex"]


async def test_an_error_may_be_answered_before_the_engine_takes_the_order_all_the_same() -> None:
    bench = Bench()
    bench.desk.arm("pacifica", FaultKind.HTTP_5XX, status=504, after=True, delay_ms=1500)

    answer = await bench.client.post("/place", content=b"an order")

    assert (answer.status_code, bench.slept_us, bench.seen_at_sleep) == (504, 1_500_000, [0])
    assert bench.bodies == [b"an order"]
