"""`python -m api.server`: the API on loopback, until SIGTERM; what is being answered is answered first."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import sys
from datetime import UTC, datetime

import uvicorn

from api.app import create_app
from api.settings import ApiSettings
from api.sockets import SOCKET_OPTIONS, LiveProtocol, hide_queries
from connectors.settings import Outside
from core.errors import HedgeError
from store.home import PRIVATE_UMASK

GRACE_S = 10


def main() -> int:
    """Serve; exit code 2 and one sentence when a setting is wrong."""
    os.umask(PRIVATE_UMASK)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    hide_queries()
    try:
        settings = ApiSettings.from_env(os.environ)
    except HedgeError as error:
        sys.stderr.write(f"hedge: {error}\n")
        return 2
    outside = Outside(lambda: datetime.now(UTC), asyncio.sleep, random.Random())  # noqa: TID251
    server = uvicorn.Server(
        uvicorn.Config(
            create_app(settings, outside),
            host="127.0.0.1", port=settings.home.api_port, log_config=None, access_log=False, server_header=False,
            # Failed keys are counted by address: nobody may choose the address they are counted under.
            proxy_headers=False,
            timeout_graceful_shutdown=GRACE_S, ws=LiveProtocol,
            **SOCKET_OPTIONS,  # type: ignore[arg-type]
        )
    )  # fmt: skip
    server.run()
    return 0 if server.started else 1


if __name__ == "__main__":
    sys.exit(main())
