"""Walk every kill point of sealing, loading, compacting, retiring and rebuilding results: `make crash-matrix`."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.simulation.results_kills import walk


def main() -> int:
    """Print the table; returns 1 when a kill point did not hold."""
    started = time.perf_counter()
    memory = Path("/dev/shm")  # a process that dies needs no disk to lose power
    with TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        done = walk(Path(folder))
    print(done.table())
    print(f"{time.perf_counter() - started:.0f} s")
    return 1 if done.broken else 0


if __name__ == "__main__":
    sys.exit(main())
