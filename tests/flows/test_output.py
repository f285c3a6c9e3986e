"""A run whose output nobody reads any more goes on: its service died, and with it the other end of the pipe."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from prefect.logging.handlers import PrefectConsoleHandler

from flows.output import outlive_readers
from store.home import Home


@pytest.fixture
def log() -> Iterator[logging.Logger]:
    """A logger that writes as Prefect's do, into a pipe whose reader is gone."""
    reader, writer = os.pipe()
    stream = os.fdopen(writer, "w")
    made, handler = logging.getLogger("hedging.test-of-output"), PrefectConsoleHandler(stream)
    made.addHandler(handler)
    made.propagate = False
    os.close(reader)
    yield made
    made.removeHandler(handler)
    with suppress(BrokenPipeError):  # what was never written
        stream.close()


def test_line_that_nobody_can_read_does_not_end_the_run_and_the_next_ones_are_kept(
    log: logging.Logger, tmp_path: Path
) -> None:
    home = Home(tmp_path)
    home.make()
    outlive_readers(home)
    for line in ("lost", "kept", "kept too"):
        log.error(line)
    written = (home.logs / "service.log").read_text()
    assert "kept\n" in written
    assert "kept too\n" in written


def test_run_goes_on_where_there_is_no_folder_for_its_lines(log: logging.Logger, tmp_path: Path) -> None:
    outlive_readers(Home(tmp_path / "none"))
    for line in ("lost", "lost too"):
        log.error(line)
    assert list(tmp_path.iterdir()) == []


def test_without_it_the_line_ends_the_process(
    log: logging.Logger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it is for; when this fails, the library has changed and the rest may go."""
    with (tmp_path / "stdout").open("w") as instead:  # the library turns the process's own output off before it ends
        monkeypatch.setattr(sys, "stdout", instead)
        with pytest.raises(SystemExit):
            log.error("lost")
