"""How a live socket ends: whatever it was doing, nothing of it stays behind."""

from __future__ import annotations

import asyncio

from live_world import NOW, PATIENCE_S, MemoryRecord

from api.hub import Hub
from api.live import Live, LiveLimits

SUBSCRIBE = '{"type": "subscribe"}'


class _SocketThatLetsGoSlowly:
    """A peer that takes one answer, then nothing: whoever sends to it lets go of it only after a while."""

    def __init__(self) -> None:
        self.path_params, self.query_params = {"session_id": "s1"}, {"api_key": "good"}
        self.heard: asyncio.Queue[str] = asyncio.Queue()
        self.sent: list[str] = []
        self.let_go = asyncio.Event()

    async def accept(self) -> None: ...

    async def close(self, code: int, reason: str) -> None: ...

    async def receive(self) -> dict[str, str]:
        return {"type": "websocket.receive", "text": await self.heard.get()}

    async def send_text(self, text: str) -> None:
        self.sent.append(text)
        if len(self.sent) == 2:
            self.heard.put_nowait(SUBSCRIBE)
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                self.let_go.set()
                for _ in range(20):
                    await asyncio.sleep(0)

    async def is_good(self) -> bool:
        await self.let_go.wait()
        return False


async def test_a_socket_that_ends_while_it_subscribes_anew_leaves_nothing_behind() -> None:
    record, socket = MemoryRecord("s1"), _SocketThatLetsGoSlowly()

    async def admit(_: object) -> _SocketThatLetsGoSlowly:
        return socket

    live = Live(Hub(record), record, admit, now=lambda: NOW, limits=LiveLimits(recheck_s=0))
    before = asyncio.all_tasks()
    socket.heard.put_nowait(SUBSCRIBE)
    async with asyncio.timeout(PATIENCE_S):
        await live.serve(socket, "s1")
    assert asyncio.all_tasks() == before
