"""The live page in a real browser, against a whole installation: one operator's way from the key to the report.

Needs Debian's Chromium (`apt-get install chromium`); skipped with a clear word where there is none.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Playwright, expect, sync_playwright

from tests.e2e.conftest import Installation

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
]  # fmt: skip
# The driver's own limits end first: an alarm in the middle of one of its calls would leave it unusable, and waiting.
WAIT_MS = 45_000

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(420),
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: apt-get install chromium"),
]


@dataclass
class Visit:
    """A page that keeps what its console complained about and where it went."""

    page: Page
    home: str
    complaints: list[str] = field(default_factory=list)
    asked: set[str] = field(default_factory=set)

    def heard(self, message: ConsoleMessage) -> None:
        """Note errors and warnings; the refusal of the wrong key is one that is provoked."""
        if message.type in ("error", "warning") and "401" not in message.text:
            self.complaints.append(message.text)

    def sign_in(self, key: str) -> None:
        """Type the key."""
        self.page.fill("#key", key)
        self.page.click("text=Open")


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    """The driver; it downloads nothing."""
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="module")
def browser(playwright: Playwright) -> Iterator[Browser]:
    """A headless browser."""
    running = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS, timeout=WAIT_MS)
    yield running
    running.close()


@pytest.fixture
def key(installation: Installation) -> str:
    """The key that the installation made at its first start."""
    return (installation.home.path / "api_key").read_text().strip()


@pytest.fixture
def visit(browser: Browser, installation: Installation) -> Iterator[Visit]:
    """A fresh visitor at the page; at the end the console must have stayed silent and nothing asked of others."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(WAIT_MS)
    made = Visit(page, installation.home.api_url)
    page.on("console", made.heard)
    page.on("pageerror", lambda error: made.complaints.append(str(error)))
    page.on("request", lambda request: made.asked.add(re.sub(r"^(\w+://[^/]*).*", r"\1", request.url)))
    page.goto(made.home + "/")
    yield made
    context.close()
    assert made.complaints == []
    assert {at for at in made.asked if not at.startswith("data:")} <= {made.home, made.home.replace("http", "ws")}


def test_an_operator_creates_starts_watches_steers_and_reads_the_report(visit: Visit, key: str, tmp_path: Path) -> None:
    page = visit.page
    visit.sign_in("hk_wrong_key")
    expect(page.get_by_role("alert")).to_have_text("That key is not accepted.")
    visit.sign_in(key)

    page.get_by_role("link", name="New session").first.click()
    page.fill("[name=name]", "From the page")
    page.fill("[name=volumeTarget]", "50000")
    page.fill("[name=intervalMin]", "0.2")
    page.fill("[name=intervalMax]", "0.4")
    page.get_by_role("button", name="Estimate").click()
    expect(page.get_by_role("heading", name="What to expect")).to_be_visible()
    expect(page.get_by_role("row", name=re.compile("^Fees"))).to_contain_text("$")
    page.get_by_role("button", name="Create session").click()

    heading = page.get_by_role("heading", level=1)
    expect(heading).to_contain_text("From the page")
    expect(heading).to_contain_text("pending")
    expect(page.locator("#environment")).to_contain_text("SANDBOX")
    page.get_by_role("button", name="Start", exact=True).click()
    page.get_by_role("button", name="Start on sandbox").click()
    expect(heading).to_contain_text("active")
    expect(page.locator("#link")).to_have_text("live")
    expect(page.locator(".book table")).to_have_count(3, timeout=WAIT_MS)
    expect(page.locator("#pane-pairs tbody tr").nth(2)).to_be_visible(timeout=WAIT_MS)
    page.screenshot(path=tmp_path / "active.png", full_page=True)

    for verb, status in (("Pause", "paused"), ("Resume", "active"), ("Stop", "completed")):
        page.get_by_role("button", name=verb, exact=True).click()
        page.locator("dialog").get_by_role("button", name=verb, exact=True).click()
        expect(heading).to_contain_text(status, timeout=WAIT_MS)
    page.get_by_role("tab", name="Fills").click()
    expect(page.locator("#pane-fills tbody tr").first).to_be_visible()
    page.get_by_role("tab", name="Events").click()
    expect(page.locator("#pane-events")).to_contain_text("completed")
    with page.context.expect_page() as opened:
        page.get_by_role("button", name="Report").click()
    opened.value.wait_for_load_state()
    expect(opened.value.locator("body")).to_contain_text("From the page")
    page.screenshot(path=tmp_path / "completed.png", full_page=True)


def test_a_dialog_is_left_by_the_keyboard_and_nothing_is_done(
    visit: Visit, key: str, installation: Installation
) -> None:
    session = installation.create(name="Left alone")
    visit.sign_in(key)
    visit.page.goto(f"{visit.home}/#/session/{session.session_id}")
    start = visit.page.get_by_role("button", name="Start", exact=True)
    start.focus()
    visit.page.keyboard.press("Enter")
    expect(visit.page.locator("dialog")).to_be_visible()
    visit.page.keyboard.press("Escape")

    expect(visit.page.locator("dialog")).to_have_count(0)
    assert installation.store.reads.session(session.session_id).status.value == "pending"


@pytest.mark.parametrize("path", ["nowhere", "toString", "session", "accounts/x", "session/%E0%A4%A", "sessions/a/b"])
def test_an_address_that_means_nothing_says_so_and_leads_back(visit: Visit, key: str, path: str) -> None:
    visit.sign_in(key)
    expect(visit.page.get_by_role("heading", name="Sessions")).to_be_visible()
    visit.page.goto(f"{visit.home}/#/{path}")
    expect(visit.page.get_by_role("heading", name="Nothing is here")).to_be_visible()
    assert visit.page.locator("[data-nav][aria-current]").count() == 0
    visit.page.get_by_role("link", name="Go to the sessions").click()
    expect(visit.page.get_by_role("heading", name="Sessions")).to_be_visible()


def test_every_page_fits_a_phone_and_follows_the_theme(visit: Visit, key: str, installation: Installation) -> None:
    session = installation.create(name="On a phone")
    visit.sign_in(key)
    visit.page.set_viewport_size({"width": 375, "height": 800})
    for path in ("sessions", f"session/{session.session_id}", "accounts", "new"):
        visit.page.goto(f"{visit.home}/#/{path}")
        expect(visit.page.get_by_role("heading", level=1)).to_be_visible()
        visit.page.wait_for_load_state("networkidle") if path == "new" else None
        assert visit.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), path

    before = visit.page.evaluate("getComputedStyle(document.body).backgroundColor")
    visit.page.get_by_role("button", name="Switch between light and dark").click()
    assert visit.page.evaluate("getComputedStyle(document.body).backgroundColor") != before


def test_what_an_operator_wrote_is_only_ever_text(visit: Visit, key: str, installation: Installation) -> None:
    session = installation.create(name="<img src=x onerror=alert(1)>")
    visit.sign_in(key)
    visit.page.goto(f"{visit.home}/#/session/{session.session_id}")
    expect(visit.page.get_by_role("heading", level=1)).to_contain_text("<img src=x onerror=alert(1)>")
    assert visit.page.locator("main img").count() == 0
