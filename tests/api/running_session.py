"""A session's run as the API sees one: it holds the lease, takes commands from the store and says what it did."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from types import TracebackType
from typing import Self

from api_world import Api

from store import Command, CommandKind, SessionStatus

_LIVE = (SessionStatus.ACTIVE, SessionStatus.PAUSED)


class RunningSession:
    """Obeys while its block lasts. refuses: what it says to the next commands; halts_when_stopped: why it stays."""

    def __init__(self, api: Api, session_id: str) -> None:
        self._api = api
        self._session_id = session_id
        self._task: asyncio.Task[None] | None = None
        self.refuses: str | None = None
        self.halts_when_stopped: str | None = None
        self.taken: list[Command] = []

    async def __aenter__(self) -> Self:
        services = self._api.services
        # An answer comes as soon as the command was obeyed, however slow this machine is just now.
        services.settings = replace(services.settings, command_wait_s=120, stop_wait_s=120)
        journal, now = self._api.store.journal, self._api.world.clock()
        attempt = await journal.begin_attempt(self._session_id)
        holder = f"{self._session_id}/run"
        await journal.acquire_lease(f"session:{self._session_id}", holder, attempt=attempt, ttl_s=600, now=now)
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        store = self._api.store
        while True:
            for command in store.reads.pending_commands(self._session_id):
                await store.journal.take_command(command.command_id, at=self._api.world.clock())
                outcome = self.refuses or await self._obey(command)
                await store.journal.finish_command(command.command_id, outcome, at=self._api.world.clock())
                self.taken.append(command)
                await self._after(command)
            await asyncio.sleep(0)

    async def _obey(self, command: Command) -> str:
        match command.kind:
            case CommandKind.PAUSE:
                await self._become(SessionStatus.PAUSED, f"paused by {command.created_by}")
                return "paused"
            case CommandKind.RESUME:
                await self._become(SessionStatus.ACTIVE, None)
                return "resumed"
            case CommandKind.STOP | CommandKind.FLATTEN:
                return "winding down"

    async def _after(self, command: Command) -> None:
        if self.refuses or command.kind not in (CommandKind.STOP, CommandKind.FLATTEN):
            return
        if self.halts_when_stopped is not None:
            await self._become(SessionStatus.PAUSED, self.halts_when_stopped)
        else:
            await self._become(SessionStatus.COMPLETED, f"stopped by {command.created_by}")

    async def _become(self, status: SessionStatus, reason: str | None) -> None:
        await self._api.store.journal.set_session_status(
            self._session_id, _LIVE, status, at=self._api.world.clock(), reason=reason
        )
