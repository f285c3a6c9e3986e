"""The audit of locked packages: every pin is asked about, a known weakness fails, and silence is not "none known"."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.architecture.advisories import LOCKS, ROOT, audit, main, pins_of, uv_lock_of

needs_uv = pytest.mark.skipif(not Path(sys.executable).with_name("uv").exists(), reason="uv could not be had")


class Service(ThreadingHTTPServer):
    """An advisory service on loopback that knows one weakness, of one package."""

    def __init__(self, weak: str) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.weak, self.asked, self.is_broken = weak, set[tuple[str, str]](), False


class Answers(BaseHTTPRequestHandler):
    """The two questions of the OSV protocol that an audit asks."""

    server: Service

    def do_POST(self) -> None:
        """A batch of packages: the ids of what is known of each."""
        queries = json.loads(self.rfile.read(int(self.headers["content-length"])))["queries"]
        self.server.asked |= {(q["package"]["name"], q["version"]) for q in queries}
        weak = [{"id": "PLANTED-1", "modified": "2026-01-01T00:00:00Z"}]
        self._say({"results": [{"vulns": weak} if q["package"]["name"] == self.server.weak else {} for q in queries]})

    def do_GET(self) -> None:
        """One advisory in full."""
        where = {"package": {"name": self.server.weak, "ecosystem": "PyPI"}, "versions": [], "ranges": []}
        self._say({"id": "PLANTED-1", "modified": "2026-01-01T00:00:00Z", "summary": "planted", "affected": [where]})

    def log_message(self, *_: object) -> None:
        """Keep quiet."""

    def _say(self, answer: object) -> None:
        body = json.dumps(answer).encode()
        self.send_response(404 if self.server.is_broken else 200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def service(weak: str) -> Iterator[Service]:
    """Run the service for a while."""
    with Service(weak) as found:
        thread = threading.Thread(target=found.serve_forever, daemon=True)
        thread.start()
        try:
            yield found
        finally:
            found.shutdown()
            thread.join(5)


def locked() -> list[tuple[str, str]]:
    """Every pin of every lock."""
    return pins_of("\n".join((ROOT / name).read_text(encoding="utf-8") for name in LOCKS))


def test_every_line_of_a_lock_that_names_a_package_is_a_pin() -> None:
    text = "a==1.0 \\\n    --hash=sha256:00\nb-c==2 ; sys_platform == 'win32' \\\n    --hash=sha256:11\na==1.0 \\\n"
    assert pins_of(text) == [("a", "1.0"), ("b-c", "2")]
    for name in LOCKS:
        lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
        assert len(pins_of("\n".join(lines))) == sum(line[:1].isalnum() for line in lines)


@needs_uv
def test_every_locked_package_is_asked_about_and_a_known_weakness_fails(capsys: pytest.CaptureFixture[str]) -> None:
    with service("httpx") as known:
        code = main(["--service-url", f"http://127.0.0.1:{known.server_address[1]}"])
    assert known.asked == set(locked())
    assert code == 1
    assert "PLANTED-1 planted" in capsys.readouterr().out


@needs_uv
def test_nothing_known_passes(capsys: pytest.CaptureFixture[str]) -> None:
    with service("nothing-of-ours") as known:
        assert main(["--required", "--service-url", f"http://127.0.0.1:{known.server_address[1]}"]) == 0
    assert "0 known weaknesses" in capsys.readouterr().out


@needs_uv
@pytest.mark.parametrize(("arguments", "code"), [([], 0), (["--required"], 2)])
def test_a_service_that_cannot_tell_is_said_and_fails_only_where_it_is_required(
    capsys: pytest.CaptureFixture[str], arguments: list[str], code: int
) -> None:
    with service("") as broken:
        broken.is_broken = True
        assert main([*arguments, "--service-url", f"http://127.0.0.1:{broken.server_address[1]}"]) == code
    assert "NOT AUDITED" in capsys.readouterr().out


def test_without_uv_nothing_is_audited(tmp_path: Path) -> None:
    assert audit(locked(), uv=tmp_path / "uv").found is None


def test_two_versions_of_a_package_are_both_in_the_lock_that_is_asked_about() -> None:
    text = uv_lock_of([("a", "1"), ("a", "2")])
    assert text.count("[[package]]") == 3
