"""One shared clock, price path, fault desk and three exchanges: the world the twins live in.

For a dialect (`create_app(world, exchange) -> Starlette` in sandbox/dialects/<venue>.py):
* `world.sync()` first in every request and WebSocket frame: runs what became due.
* `world.now_us()` is venue time: order, fill and funding times. It can be sped up or advanced.
* `world.wall_us()` is the unscaled time that clients also have: signature windows, JWT expiry, server-time
  endpoints.
* `world.call_later(delay_us, fn)` for speed bumps; `await world.sleep(delay_us)` inside handlers.
* `world.faults`: see sandbox/faults.py (`HttpFaults` middleware and `faults.frame(...)` for WebSockets).
"""

from __future__ import annotations

from collections.abc import Callable

from sandbox.exchange import Exchange


class World:
    """Clock, timers, prices, faults and the exchanges by venue name."""

    seed: int
    exchanges: dict[str, Exchange]

    def now_us(self) -> int: ...

    def wall_us(self) -> int: ...

    def sync(self) -> None: ...

    def call_later(self, delay_us: int, run: Callable[[], None]) -> None: ...

    async def sleep(self, delay_us: int) -> None: ...
