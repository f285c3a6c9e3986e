"""How connections to venues are encrypted, and to whom clear text may be spoken: to this machine alone."""

from __future__ import annotations

import ssl
from functools import cache
from urllib.parse import urlsplit

import httpx

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@cache
def tls() -> ssl.SSLContext:
    """Return the one context for all clients (loading certificates takes longer than an order).

    It checks certificate and name against the packaged authorities. The environment changes nothing: neither
    SSL_CERT_FILE nor a proxy's authority is taken, and no session keys are written to SSLKEYLOGFILE.
    """
    context = httpx.create_ssl_context(trust_env=False)
    context.keylog_filename = None  # type: ignore[assignment]  # the library has read it from the environment
    return context


def is_private(url: str) -> bool:
    """Tell whether nobody on the way can read or change what is said to a URL: TLS, or a loopback address."""
    parts = urlsplit(url)
    if not parts.hostname:
        return False
    if parts.scheme in ("https", "wss"):
        return True
    return parts.scheme in ("http", "ws") and parts.hostname in _LOOPBACK
