"""Calls that are carried out once: the first answer is kept in the store and given again, by any process."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from api.errors import IdempotencyConflict
from store import Store, StoreError
from store.api_records import CallState, KeptCall

HOLD_S = 10.0
RENEW_S = 3.0


@dataclass(frozen=True, slots=True)
class Claim:
    """A call with an Idempotency-Key: whose, which, and with what body."""

    key_id: str
    idempotency_key: str
    call: str
    body_sha256: str


class Idempotency:
    """The keeper of first answers."""

    def __init__(
        self,
        store: Store,
        clock: Callable[[], datetime],
        *,
        keep_s: float,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._store = store
        self._clock = clock
        self._keep_s = keep_s
        self._sleep = sleep
        self._holder = str(uuid.uuid4())

    async def begin(self, claim: Claim) -> KeptCall:
        """Take a call up, or return its first answer; raise IdempotencyConflict when it is neither."""
        kept = await self._store.journal.begin_call(
            claim.key_id, claim.idempotency_key, call=claim.call, body_sha256=claim.body_sha256,
            holder=self._holder, now=self._clock(), hold_s=HOLD_S, keep_s=self._keep_s,
        )  # fmt: skip
        if kept.state is CallState.CONFLICT:
            raise IdempotencyConflict("this Idempotency-Key was used for another call or another body; take a new one")
        if kept.state is CallState.RUNNING:
            raise IdempotencyConflict(
                "the first call with this Idempotency-Key is still being carried out; ask again", retry_after_s=1
            )
        return kept

    @asynccontextmanager
    async def holding(self, claim: Claim) -> AsyncIterator[None]:
        """Go on holding the call while it is carried out."""
        renewal = asyncio.create_task(self._renew(claim))
        try:
            yield
        finally:
            renewal.cancel()
            with suppress(asyncio.CancelledError):
                await renewal

    async def settle(self, claim: Claim, status: int, body: str) -> None:
        """Keep the answer; a failure of ours, or a limit, changed nothing and is not kept."""
        who = {"holder": self._holder}
        if status >= 500 or status == 429:
            await self._store.journal.forget_call(claim.key_id, claim.idempotency_key, **who)
        else:
            await self._store.journal.answer_call(claim.key_id, claim.idempotency_key, status=status, body=body, **who)

    async def _renew(self, claim: Claim) -> None:
        while True:
            await self._sleep(RENEW_S)
            until = self._clock() + timedelta(seconds=HOLD_S)
            who = {"holder": self._holder}
            # One that fails is made up for by the next: the call is being carried out all the same.
            with suppress(StoreError):
                await self._store.journal.hold_call(claim.key_id, claim.idempotency_key, until=until, **who)
