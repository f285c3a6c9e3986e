"""A subscription that runs in a thread of its own, for callers without an event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import aclosing, suppress

from pacifica_hedging.answers import Update
from pacifica_hedging.live import Follower, follow
from pacifica_hedging.retry import Retry


class Subscription:
    """A running subscription. An error, the callback's own included, ends it and is raised by `join`."""

    def __init__(
        self,
        url: str,
        api_key: str,
        follower: Follower,
        callback: Callable[[Update], object],
        *,
        retry: Retry,
        until_end: bool,
        linger_s: float,
    ) -> None:
        self._follower = follower
        self._callback = callback
        self._error: Exception | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        stream = follow(
            url, api_key, follower, retry=retry, sleep=asyncio.sleep, until_end=until_end, linger_s=linger_s
        )

        async def listen() -> None:
            async with aclosing(stream):
                async for update in stream:
                    callback(update)

        self._listen = listen
        self._task: asyncio.Task[None] | None = None
        self._is_stopped = False
        self._thread = threading.Thread(target=self._run, name="hedging-subscription", daemon=True)
        self._thread.start()

    @property
    def sequence(self) -> int | None:
        """The last sequence that was given to the callback: what to pass as `since` to go on later."""
        return self._follower.since

    @property
    def is_alive(self) -> bool:
        """True while updates may still come."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Let no further update through; safe to call twice, and from the callback itself."""
        self._is_stopped = True
        loop = self._loop
        if loop is not None:
            with suppress(RuntimeError):  # the thread is done and its loop closed
                loop.call_soon_threadsafe(self._cancel)
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def join(self, timeout_s: float | None = None) -> bool:
        """Wait for the end; True when it came within timeout_s. Raises what ended the subscription."""
        self._thread.join(timeout_s)
        if self._error is not None:
            raise self._error
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            with asyncio.Runner() as runner:
                self._loop = runner.get_loop()
                runner.run(self._main())
        except asyncio.CancelledError:
            pass
        except Exception as error:  # noqa: BLE001 - the thread's edge: join() raises it
            self._error = error

    async def _main(self) -> None:
        self._task = asyncio.create_task(self._listen())
        if self._is_stopped:
            self._task.cancel()
        await self._task

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()
