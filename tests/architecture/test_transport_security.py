"""TLS stays on: no code can turn it off by accident, no environment either, and no clear text leaves the machine."""

from __future__ import annotations

import ast
import ssl
from functools import cache
from pathlib import Path

import pytest

from connectors.registry import ENDPOINTS, sandbox_endpoints
from connectors.settings import Endpoints, Environment
from connectors.tls import tls
from core.errors import ConfigurationError
from core.instrument import Venue

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ("core", "connectors", "store", "tasks", "flows", "api", "cli", "deployments", "sandbox", "sdk")


@cache
def sources() -> dict[str, ast.Module]:
    return {
        str(path.relative_to(ROOT)): ast.parse(path.read_text())
        for folder in SHIPPED
        for path in (ROOT / folder).rglob("*.py")
        if "node_modules" not in path.parts
    }


@cache
def calls(tree: ast.Module) -> list[ast.Call]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call)]


def test_no_code_turns_verification_off() -> None:
    found = []
    for name, tree in sources().items():
        for call in calls(tree):
            for word in call.keywords:
                is_off = isinstance(word.value, ast.Constant) and word.value.value in (False, None)
                if word.arg in ("verify", "ssl", "ssl_context", "check_hostname") and is_off:
                    found.append(f"{name}:{call.lineno} {word.arg}")
        for node in ast.walk(tree):
            text = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
            if text in ("CERT_NONE", "_create_unverified_context", "_create_default_https_context", "check_hostname"):
                found.append(f"{name}:{node.lineno} {text}")
    assert found == []


def test_every_client_of_httpx_leaves_the_environment_alone() -> None:
    """Proxies and certificate files of the environment are not obeyed: trust_env is False wherever a client is made."""
    makers = {"AsyncClient", "Client", "get", "post", "put", "delete", "request", "stream", "create_ssl_context"}
    found = [
        f"{name}:{call.lineno}"
        for name, tree in sources().items()
        for call in calls(tree)
        if isinstance(call.func, ast.Attribute)
        and isinstance(call.func.value, ast.Name)
        and call.func.value.id == "httpx"
        and call.func.attr in makers
        and not any(
            w.arg == "trust_env" and isinstance(w.value, ast.Constant) and w.value.value is False for w in call.keywords
        )
    ]
    assert found == []


def test_every_websocket_ignores_proxies_of_the_environment() -> None:
    found = [
        f"{name}:{call.lineno}"
        for name, tree in sources().items()
        for call in calls(tree)
        if isinstance(call.func, ast.Name)
        and call.func.id == "connect"
        and not any(
            w.arg == "proxy" and isinstance(w.value, ast.Constant) and w.value.value is None for w in call.keywords
        )
        and "websockets" in (ROOT / name).read_text()
    ]
    assert found == []


def test_environment_cannot_weaken_the_certificate_check(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    usual = tls().cert_store_stats()
    empty = tmp_path / "none.pem"
    empty.write_text("")
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(name, str(empty if "DIR" not in name else tmp_path))
    monkeypatch.setenv("PYTHONHTTPSVERIFY", "0")
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys.log"))
    tls.cache_clear()
    context = tls()
    tls.cache_clear()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname is True
    assert context.cert_store_stats() == usual
    assert context.keylog_filename is None, "nobody else can read what is said"
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_endpoints_outside_of_the_machine_are_encrypted() -> None:
    for (environment, _), endpoints in ENDPOINTS.items():
        assert environment is not Environment.SANDBOX
        assert endpoints.rest_url.startswith("https://")
        assert endpoints.ws_url.startswith("wss://")


@pytest.mark.parametrize(
    ("rest_url", "ws_url"),
    [
        ("http://api.venue.example", "wss://ws.venue.example"),
        ("https://api.venue.example", "ws://ws.venue.example"),
        ("http://127.0.0.1.venue.example", "wss://ws.venue.example"),
        ("http://user@127.0.0.1:1@venue.example", "wss://ws.venue.example"),
        ("ftp://127.0.0.1", "ws://127.0.0.1"),
        ("https://", "wss://ws.venue.example"),
    ],
)
def test_clear_text_to_another_machine_is_refused(rest_url: str, ws_url: str) -> None:
    with pytest.raises(ConfigurationError, match="TLS"):
        Endpoints(rest_url, ws_url)


@pytest.mark.parametrize("host", ["127.0.0.1:7101", "localhost:7101", "[::1]:7101"])
def test_clear_text_on_this_machine_is_what_the_twins_speak(host: str) -> None:
    assert Endpoints(f"http://{host}", f"ws://{host}/ws").rest_url == f"http://{host}"
    for venue in Venue:
        assert sandbox_endpoints(venue, 7100).rest_url.startswith("http://127.0.0.1:")
