"""What the machine allows: the same bytes from a bare Starlette app, and a bare websockets fan-out. Run by `api`.

python -m benchmarks.api_limit FOLDER HTTP_PORT WS_PORT
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from websockets.asyncio.server import Server, ServerConnection, broadcast, serve

EVENTS_PER_S = 5


async def main(bodies: Mapping[str, bytes], http_port: int, ws_port: int) -> None:
    """Serve both until killed."""

    async def answer(request: Request) -> Response:
        return Response(bodies[request.path_params["name"]], media_type="application/json")

    app = Starlette(routes=[Route("/{name}", answer)])
    server = uvicorn.Server(uvicorn.Config(app, port=http_port, log_level="warning", access_log=False))
    async with serve(_stay, "127.0.0.1", ws_port, compression=None) as sockets:
        speaking = asyncio.create_task(_speak(sockets))
        await server.serve()
        speaking.cancel()


async def _stay(connection: ServerConnection) -> None:
    await connection.wait_closed()


async def _speak(server: Server) -> None:
    sequence = 0
    while True:
        sequence += 1
        data = {"status": "active", "sentAt": time.time(), "n": sequence, "volumeGenerated": 12500.0,
                "volumeTarget": 100000.0, "activeOrders": 0, "riskBreaches": 0}  # fmt: skip
        message = {"type": "session_update", "sessionId": "session-0", "channel": "status", "data": data,
                   "timestamp": 0, "sequence": sequence, "previousSequence": sequence - 1}  # fmt: skip
        broadcast(server.connections, json.dumps(message))
        await asyncio.sleep(1 / EVENTS_PER_S)


if __name__ == "__main__":
    answers = {path.name: path.read_bytes() for path in Path(sys.argv[1]).glob("[0-9].json")}
    asyncio.run(main(answers, int(sys.argv[2]), int(sys.argv[3])))
