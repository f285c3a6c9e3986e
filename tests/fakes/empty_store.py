"""An empty operational store, made once by the migrations and copied: most tests need one, none of them the making."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from store import Store, open_store
from store.home import private_file

DATABASE = "hedge.db"


def lay_empty_store(home: Path) -> None:
    """Put an empty store with the current schema into a data folder, as private as the store would; one stays."""
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not (home / DATABASE).exists():
        with private_file(home / DATABASE) as file:
            file.write(_empty_database())


def fresh_store(home: Path) -> Store:
    """Open the store of a data folder, empty at first."""
    lay_empty_store(home)
    return open_store(home)


@cache
def _empty_database() -> bytes:
    with TemporaryDirectory() as folder:
        open_store(Path(folder)).close()
        return (Path(folder) / DATABASE).read_bytes()
