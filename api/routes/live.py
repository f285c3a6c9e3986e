"""`/ws/sessions/{id}`: who may listen, and the life of the hub that all listeners of this process share.

The key comes as a header, as `?api_key=`, or as a single-use `?ticket=`; it needs a scope that may read.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fastapi import APIRouter, FastAPI, WebSocket
from starlette.responses import Response

from api.auth import READERS, Keys, bearer
from api.context import Services
from api.errors import Forbidden, ServiceUnavailable, error_response
from api.hub import Hub
from api.live import Admission, Live, LiveLimits
from api.updates import Progress
from core.errors import HedgeError
from store.api_records import ApiKey


@asynccontextmanager
async def _life(app: FastAPI) -> AsyncIterator[None]:
    services: Services = app.state.services
    progress = Progress(services.store)
    hub = Hub(progress)
    door = _Door(services, progress)
    app.state.live = door.live = Live(hub, progress, door.admit, now=services.now, limits=LiveLimits())
    reading = asyncio.create_task(hub.run())
    try:
        yield
    finally:
        reading.cancel()
        with suppress(asyncio.CancelledError):
            await reading


router = APIRouter(lifespan=_life)


@router.websocket("/ws/sessions/{session_id}")
async def listen(socket: WebSocket, session_id: str) -> None:
    """Serve one session's progress."""
    live: Live = socket.app.state.live
    await live.serve(socket, session_id)


class _Listener:
    """A key that was let in."""

    def __init__(self, keys: Keys, key_id: str) -> None:
        self._keys = keys
        self._key_id = key_id

    async def is_good(self) -> bool:
        key = await self._keys.by_id(self._key_id)
        return key is not None and bool(key.scopes & READERS)


class _Door:
    def __init__(self, services: Services, progress: Progress) -> None:
        self._services = services
        self._progress = progress
        self.live: Live

    async def admit(self, socket: WebSocket) -> Admission | Response:
        """Let a caller in, or return the answer that refuses the handshake."""
        try:
            return await self._admit(socket)
        except HedgeError as error:
            return error_response(error, now=self._services.now(), request_id=uuid.uuid4().hex)

    async def _admit(self, socket: WebSocket) -> Admission:
        key = await self._key(socket)
        if not key.scopes & READERS:
            raise Forbidden("listening needs a key with the scope read", requiredScopes=sorted(READERS))
        await asyncio.to_thread(self._progress.head, socket.path_params["session_id"])
        if self.live.sockets >= self.live.limits.sockets:
            raise ServiceUnavailable(f"{self.live.limits.sockets} listeners are served already; come back later")
        return _Listener(self._services.keys, key.key_id)

    async def _key(self, socket: WebSocket) -> ApiKey:
        services, query = self._services, socket.query_params
        address = socket.client.host if socket.client else "unknown"
        ticket = query.get("ticket")
        if ticket is None:
            text = bearer(socket.headers.get("Authorization")) or query.get("api_key")
            return await services.keys.authenticate(text, address)
        return await services.keys.redeem(ticket, address, at=services.now())
