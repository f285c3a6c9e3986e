"""Which encoding the public stream asks for in its URL, and what to ask for after a refusal. It connects nothing.

Source: docs.paradex.trade, WebSocket API, "Binary Encoding (SBE)", section Enabling SBE.
"""

from __future__ import annotations

import logging
from typing import Final

from connectors.paradex.sbe import SCHEMA_ID

log = logging.getLogger(__name__)

_BAD_REQUEST: Final = 400


class Negotiation:
    """Which encoding the public stream's URL asks for: JSON for None, else a version, one lower after each HTTP 400.

    A version above the server's own is refused with HTTP 400 at the handshake, and there is no silent way to JSON;
    so there is none here either: after version 0 was refused, the stream stays down and says why.
    """

    def __init__(self, ws_url: str, version: int | None) -> None:
        self._ws_url = ws_url
        self._version = version

    def url(self) -> str:
        """Return the URL to connect to."""
        if self._version is None:
            return self._ws_url
        joint = "&" if "?" in self._ws_url else "?"
        return f"{self._ws_url}{joint}sbeSchemaId={SCHEMA_ID}&sbeSchemaVersion={self._version}"

    def refused(self, status: int) -> str | None:
        """Return the next URL after a refused handshake; None where another version is no answer to the status."""
        if status != _BAD_REQUEST or not self._version:
            return None
        log.warning("venue=paradex binary version %d is not served, asking for one less", self._version)
        self._version -= 1
        return self.url()
