"""Looks after the children of one `hedge up`: one that died is started again, later each time, and not for ever.

It looks at processes only: whether a child answers is not its business, and a frozen one is left as it is. What it
does is told in one line each time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from deployments.processes import Child, Family

RESTARTS_MAX = 5
WINDOW_S = 600.0
# A child that died once is back at once; one that keeps dying is given time.
DELAYS_S = (0.5, 2.0, 5.0, 15.0, 30.0)


@dataclass(slots=True)
class _Record:
    """The deaths of one child within the window, and when it is started again."""

    deaths: deque[float] = field(default_factory=deque)
    due_at: float | None = None


@dataclass(slots=True)
class Supervisor:
    """Starts dead children of a family again: at most RESTARTS_MAX times in WINDOW_S seconds each."""

    family: Family
    say: Callable[[str], None]
    _records: dict[str, _Record] = field(default_factory=dict)

    def look(self) -> Child | None:
        """Look at every child once; return one that is past help, which should end everything, else None."""
        for child in self.family.children:
            if child.process.poll() is not None and self._is_lost(child):
                return child
        return None

    def _is_lost(self, child: Child) -> bool:
        record = self._records.setdefault(child.name, _Record())
        now = self.family.monotonic()
        if record.due_at is None:
            return self._note_death(child, record, now)
        if now >= record.due_at:
            self._restart(child, record)
        return False

    def _note_death(self, child: Child, record: _Record, now: float) -> bool:
        end = f"{child.name} ended by itself ({_how(child.process.returncode)})"
        if not child.launch.can_return:
            self.say(f"{end}: what it held died with it, so it is not started again; see {child.log}")
            return True
        while record.deaths and now - record.deaths[0] > WINDOW_S:
            record.deaths.popleft()
        if len(record.deaths) >= RESTARTS_MAX:
            within = f"{RESTARTS_MAX} restarts within {WINDOW_S / 60:.0f} minutes"
            self.say(f"{end} after {within}: it is not started again; its last words in {child.log}:\n{child.tail()}")
            return True
        delay_s = DELAYS_S[min(len(record.deaths), len(DELAYS_S) - 1)]
        record.deaths.append(now)
        record.due_at = now + delay_s
        self.say(f"{end}: started again in {delay_s:g} s ({len(record.deaths)} of {RESTARTS_MAX}); see {child.log}")
        return False

    def _restart(self, child: Child, record: _Record) -> None:
        record.due_at = None
        try:
            self.family.restart(child)
        except OSError as error:
            # Its process is still the dead one, so the next look counts this as one more death.
            self.say(f"{child.name} could not be started again: {error}")
        else:
            self.say(f"{child.name} is started again as process {child.process.pid}")


def _how(code: int) -> str:
    return f"killed by signal {-code}" if code < 0 else f"code {code}"
