"""The report of a session: one self-contained HTML file, from the results alone."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

from flows.report.facts import read_record
from flows.report.page import render
from store.home import Home, private_file

__all__ = ["write_report"]


def write_report(home: Home, session_id: str) -> Path:
    """Write the report of a session from its results and return its path; an older one is replaced as a whole.

    Raises SessionNotFound when the session is not in the results, StoreBusy, StoreError.
    """
    page = render(read_record(home, session_id))
    home.reports.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = home.reports / f"{quote(session_id, safe='')}.html"
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    with private_file(unfinished) as file:
        file.write(page.encode())
    return unfinished.replace(path)
