"""How uvicorn carries our WebSockets: closed with 1001 when the server stops, cut when a peer does not read the end.

Uvicorn's own protocol says 1012 and waits for a stuck peer as long as the peer likes. It also writes the path with
its query to the log, where `?api_key=` and `?ticket=` must never be seen: `hide_queries` takes them out.
"""

from __future__ import annotations

import asyncio
import logging
from http import HTTPStatus

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

GOING_AWAY = 1001
MESSAGE_BYTES_MAX = 64 * 1024
PING_S = 20.0
CUT_S = 2.0


class LiveProtocol(WebSocketsSansIOProtocol):
    """One WebSocket connection: `uvicorn.Config(…, ws=LiveProtocol, **SOCKET_OPTIONS)`."""

    def shutdown(self) -> None:
        """Say goodbye because the server stops, and cut the line when the peer does not take it in time."""
        self.stop_keepalive()
        if self.handshake_complete and not self.close_sent:
            self.queue.put_nowait({"type": "websocket.disconnect", "code": GOING_AWAY})
            self.conn.send_close(GOING_AWAY, "the server stops")
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.close_sent = True
            self.transport.close()
        else:
            super().shutdown()
        self._cut_later()

    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        """Give the peer a moment to take the close frame, then let go of the connection."""
        super().on_task_complete(task)
        self._cut_later()

    def _cut_later(self) -> None:
        if not self.disconnected:
            self.loop.call_later(CUT_S, self.transport.abort)


class _WithoutQuery(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(_cut(part) for part in record.args)
        return True


def hide_queries() -> None:
    """Keep the queries of requests out of uvicorn's log lines; safe to call twice."""
    for name in ("uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        if not any(isinstance(known, _WithoutQuery) for known in logger.filters):
            logger.addFilter(_WithoutQuery())


def _cut(part: object) -> object:
    is_path = isinstance(part, str) and not isinstance(part, HTTPStatus) and part.startswith("/")
    return part.partition("?")[0] if is_path and isinstance(part, str) else part


SOCKET_OPTIONS = {
    "ws_max_size": MESSAGE_BYTES_MAX,
    "ws_ping_interval": PING_S,
    "ws_ping_timeout": PING_S,
    # Frames are small and mostly go over loopback: deflating each of them for each listener is the dearest part.
    "ws_per_message_deflate": False,
}
