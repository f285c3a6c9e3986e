"""JSON-RPC as Paradex's WebSocket speaks it: error codes, the error answer, frames read and written.

Written from docs.paradex.trade (WebSocket API: Error Handling). Must not know methods or channels.
"""

from __future__ import annotations

import json
from typing import Any, Final

from sandbox.dialects.paradex_rows import Row

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
METHOD_ERROR: Final = 100
MALFORMED_BEARER: Final = 40110
INVALID_BEARER: Final = 40111
NO_PERMISSION: Final = 40300
RATE_LIMITED: Final = 42901


class RpcError(Exception):
    """A JSON-RPC error answer."""

    def __init__(self, code: int, message: str, data: str = "") -> None:
        super().__init__(f"{code} {message} {data}")
        self.code = code
        self.message = message
        self.data = data

    def row(self) -> Row:
        """Return the `error` member."""
        row: Row = {"code": self.code, "message": self.message}
        return {**row, "data": self.data} if self.data else row


def channel_name(params: dict[str, Any]) -> str:
    """Return the channel a call names."""
    name = params.get("channel")
    if not isinstance(name, str):
        raise RpcError(INVALID_PARAMS, "invalid params", "channel must be a text")
    return name


def decode(raw: str | bytes) -> dict[str, Any]:
    """Read one call; RpcError for what is none."""
    try:
        request = json.loads(raw)
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError):
        raise RpcError(PARSE_ERROR, "parse error") from None
    if not isinstance(request, dict):
        raise RpcError(INVALID_REQUEST, "invalid request", "one JSON object for each frame")
    return request


def encode(row: Row) -> str:
    """Write one frame."""
    return json.dumps(row, separators=(",", ":"))
