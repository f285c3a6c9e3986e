"""The report of a session: one self-contained HTML file."""

from __future__ import annotations

from pathlib import Path

from store.home import Home
from store.results import session_rows


def write_report(home: Home, session_id: str) -> Path:
    """Write the report of a session from its results and return its path."""
    rows = session_rows(home.path, "pairs", session_id)
    home.reports.mkdir(parents=True, exist_ok=True)
    path = home.reports / f"{session_id}.html"
    path.write_text(f"<!doctype html><title>{session_id}</title><p>{len(rows)} pairs</p>")
    return path
