"""Many WebSocket clients in one process, which say how late and how whole they heard. Run by `api`.

    URL=ws://… python -m benchmarks.api_listeners COUNT SECONDS subscribe|listen

The last line it prints is JSON: delays in ms (sampled), messages a second, and sequences that were missed.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time

from websockets.asyncio.client import ClientConnection, connect

CONNECTING = 20
SAMPLES_MAX = 20_000
WISH = {"type": "subscribe", "sessionId": "session-0", "channels": ["status"]}


async def main(count: int, seconds: float, subscribes: bool) -> None:
    """Connect everybody, then listen for a while."""
    gate = asyncio.Semaphore(CONNECTING)
    url = os.environ["URL"]

    async def enter() -> ClientConnection:
        async with gate:
            socket = await connect(url, compression=None, ping_interval=None)
            if subscribes:
                await socket.send(json.dumps(WISH))
            return socket

    sockets = await asyncio.gather(*(enter() for _ in range(count)))
    until = time.perf_counter() + seconds
    heard = await asyncio.gather(*(_listen(socket, until) for socket in sockets))
    delays = [delay for delays, _ in heard for delay in delays]
    step = max(1, len(delays) // SAMPLES_MAX)
    missed = sum(gaps for _, gaps in heard)
    print(json.dumps({"delays_ms": delays[::step], "per_s": len(delays) / seconds, "missed": missed}))
    await asyncio.gather(*(socket.close() for socket in sockets))


async def _listen(socket: ClientConnection, until: float) -> tuple[list[float], int]:
    delays: list[float] = []
    gaps, last, began = 0, None, time.time()
    while True:
        try:
            async with asyncio.timeout_at(asyncio.get_running_loop().time() + until - time.perf_counter()):
                text = await socket.recv()
        except TimeoutError:
            return delays, gaps
        now, message = time.time(), json.loads(text)
        if message["type"] != "session_update" or message["data"].get("sentAt", 0) < began:
            continue  # a snapshot, or said while the others were still on their way in
        delays.append(1e3 * (now - message["data"]["sentAt"]))
        gaps += 0 if last is None else message["sequence"] - last - 1
        last = message["sequence"]


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3] == "subscribe"))
