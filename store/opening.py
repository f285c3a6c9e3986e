"""Opening the store: folder, schema, journal and reads in one value. Holds no rule about money."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from sqlalchemy.exc import DBAPIError

from core.errors import ConfigurationError
from store.certificate_reads import CertificateReads
from store.engine import make_private, reading_engine, sqlite_file, sqlite_url, writing_engine
from store.journal import Journal
from store.reads import Reads
from store.schema import upgrade
from store.segment_reads import SegmentReads
from store.writer import typed_error

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from store.records import Segment
    from store.upkeep import Upkeep
    from store.warehouse import Loaded, Rebuilt


class Store:
    """The operational store of one process, and the way from there into results. Close it when done."""

    def __init__(self, home: Path, url: str) -> None:
        writing, reading = writing_engine(url), reading_engine(url)
        self.home = home
        self.url = url
        self.journal = Journal(writing)
        self.reads = Reads(reading)
        self.segments = SegmentReads(reading)
        self.certificates = CertificateReads(reading)
        self._engines = (writing, reading)

    def seal(self, session_id: str) -> list[Segment]:
        """Write what changed in a session since its last sealing into immutable segments and register them.

        Blocks on disk; safe to repeat and to kill. Empty when nothing changed. Raises SessionNotFound, StoreError.
        """
        from store.segments import seal

        try:
            return seal(self.home / "segments", session_id, self._engines[1], self.journal)
        except DBAPIError as error:
            raise typed_error(error) from error

    def load(self) -> Loaded:
        """Bring every registered segment into results.duckdb exactly once; blocks on disk.

        Raises StoreBusy while another program has the file open, SegmentCorrupt for a segment that is not what was
        registered.
        """
        from store.warehouse import load

        return load(self.home, self.segments.sealed)

    def rebuild(self, *, check_only: bool = False) -> Rebuilt:
        """Build results.duckdb anew from all registered segments and compare; blocks on disk. Raises as `load` does."""
        from store.warehouse import rebuild

        return rebuild(self.home, self.segments.sealed, check_only=check_only)

    def upkeep(self) -> Upkeep:
        """Return what `store.upkeep.compact`, `ripe` and `retire` work on."""
        from store.upkeep import Upkeep

        return Upkeep(self.home, self.segments, self.journal)

    def results(self) -> AbstractContextManager[DuckDBPyConnection]:
        """Open results.duckdb for reading in a `with` block; be brief, loading waits meanwhile."""
        from store.warehouse import results

        return results(self.home)

    def close(self) -> None:
        """Write what is queued and let go of the database; safe to call twice."""
        self.journal.close()
        for engine in self._engines:
            engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_store(home: Path, url: str | None = None) -> Store:
    """Open the store of a data folder, creating or upgrading it; `url` chooses another database than SQLite there.

    The folder gets mode 0700 and the database 0600. Raises ConfigurationError when the folder cannot be used,
    StoreBusy when the database stays locked.
    """
    try:
        for folder in (home, home / "segments"):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        url = url or sqlite_url(home)
        database = sqlite_file(url)
        if database is not None:
            make_private(database)
    except OSError as error:
        raise ConfigurationError(
            f"cannot use the data folder {home}: {error.strerror}; choose another one or free space", field="home"
        ) from error
    upgrade(url)
    return Store(home, url)
