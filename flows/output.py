"""Where a run writes its lines when nobody reads them any more: its output is a pipe to the service that started it.

Without this the next line after the service's death ends the run, wherever it is: the console that Prefect logs through
answers a broken pipe with SystemExit.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from rich.console import Console

from store.home import Home, appending_file

# Where `hedge up` keeps what the service and its runs write.
_SERVICE_LOG = "service.log"


def outlive_readers(home: Home) -> None:
    """Have this process's log handlers go on in the service's log once the pipe they write to breaks, or in none."""
    log = home.logs / _SERVICE_LOG
    for console in _consoles():
        # The library's own hook; its default ends the process.
        setattr(console, "on_broken_pipe", partial(_redirect, console, log))  # noqa: B010


def _consoles() -> Iterator[Console]:
    known = [logging.root, *logging.root.manager.loggerDict.values()]
    handlers = {handler for one in known if isinstance(one, logging.Logger) for handler in one.handlers}
    for handler in handlers:
        console = getattr(handler, "console", None)
        if isinstance(console, Console):
            yield console


def _redirect(console: Console, log: Path) -> None:
    with contextlib.suppress(OSError, ValueError):  # ValueError: the stream is closed, or no file at all
        number = console.file.fileno()
        try:
            with appending_file(log) as file:
                os.dup2(file.fileno(), number)
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, number)
            os.close(nowhere)
