"""Random kills and freezes of every process of an installation while sessions trade in it.

    python -m tests.chaos.campaign SEED MINUTES [postgres]

The installation is what `hedge up` makes, and `hedge up` itself starts again what is killed. Exit code 0 only if every
law holds at the end and nothing is left running. The plan of strikes is a function of the seed; what they hit is not,
since real processes are never twice at the same place.
"""

from __future__ import annotations

import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from store import SessionStatus, Store, open_store
from tests.chaos.caretaker import Operator
from tests.chaos.chaos_world import Installation, installed
from tests.chaos.laws import Law, judge
from tests.chaos.strikes import Strike, Victim, plan
from tests.e2e.conftest import free_block
from tests.fakes.postgres_server import PostgresServer, missing, postgres_server

END_S = 420.0
CALM_S = 240.0
HEAL_S = 180.0
POSTGRES_AWAY_S = (1.0, 15.0)


@dataclass(slots=True)
class Campaign:
    """A plan being carried out: what is due, what waits for its victim to be there, what was done."""

    installation: Installation
    operator: Operator
    server: PostgresServer | None
    say: Callable[[str], None]
    waiting: list[Strike] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    struck: int = 0
    server_back_at: float | None = None

    def run(self, strikes: Sequence[Strike], seconds: float) -> None:
        """Strike at the planned times; one whose victim is not there waits for it."""
        began, left = time.monotonic(), list(strikes)
        while (now := time.monotonic() - began) < seconds:
            while left and left[0].at_s <= now:
                self._await(left.pop(0))
            self._step()
            time.sleep(0.02)
        for strike in self.waiting:
            self.say(f"{strike}: never there")
        self.installation.thaw(everything=True)
        self._bring_server_back(at_once=True)

    def _step(self) -> None:
        for pid in self.installation.thaw():
            self.say(f"  process {pid} goes on")
        self._bring_server_back()
        if self.installation.up.poll() is not None:
            raise AssertionError(f"hedge up ended with code {self.installation.up.returncode}")
        self.waiting = [strike for strike in self.waiting if not self._carry_out(strike)]

    def _await(self, strike: Strike) -> None:
        """Take a strike up; one whose victim is still being waited for, or is frozen, says nothing new."""
        pid = self.installation.pid_of(strike.victim, self.operator.run_id)
        if strike.victim in {other.victim for other in self.waiting} or pid in self.installation.frozen:
            self.done[f"{strike.victim} left alone, frozen or awaited already"] += 1
        else:
            self.waiting.append(strike)

    def _carry_out(self, strike: Strike) -> bool:
        if strike.victim is Victim.POSTGRES:
            return self._strike_server(strike)
        pid = self.installation.pid_of(strike.victim, self.operator.run_id)
        if pid is None or pid in self.installation.frozen:
            return False
        self.installation.strike(pid, strike.freeze_s)
        self._note(strike, pid)
        if strike.victim in (Victim.RUN, Victim.KEEPER) and not strike.freeze_s:
            self.operator.run_was_killed()
        return True

    def _strike_server(self, strike: Strike) -> bool:
        server = self.server
        if server is None or self.server_back_at is not None:
            return False
        if strike.freeze_s:
            for pid in server.pids():
                self.installation.strike(pid, strike.freeze_s / 2)
        else:
            server.kill()
            low, high = POSTGRES_AWAY_S
            self.server_back_at = time.monotonic() + low + (high - low) * (strike.at_s % 1)
        self._note(strike, server.pid)
        return True

    def _bring_server_back(self, *, at_once: bool = False) -> None:
        if self.server is None or self.server_back_at is None:
            return
        if at_once or time.monotonic() >= self.server_back_at:
            self.server_back_at = None
            self.server.start()
            self.say("  the database server is started again")

    def _note(self, strike: Strike, pid: int) -> None:
        self.done[f"{strike.victim} {'frozen' if strike.freeze_s else 'killed'}"] += 1
        self.struck += 1
        self.say(f"strike {self.struck}: {strike} (process {pid})")


def main(words: Sequence[str]) -> int:
    """Run one campaign; returns the exit code."""
    seed, minutes = int(words[0]) if words else 1, float(words[1]) if len(words) > 1 else 10.0
    wants_postgres = "postgres" in words
    if wants_postgres and (reason := missing()) is not None:
        print(f"no campaign on Postgres: {reason}")
        return 2
    signal.signal(signal.SIGALRM, _too_long)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.alarm(round(minutes * 60 + 1800))
    folder = Path(tempfile.mkdtemp(prefix="hedge-chaos-")) / "home"
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - began:7.1f} s  {text}", flush=True)

    strikes = plan(seed, minutes, with_postgres=wants_postgres)
    say(f"seed {seed}, {minutes:g} minutes, {len(strikes)} strikes planned; data folder {folder}")
    with _database(wants_postgres) as server:
        url = None if server is None else server.create("hedge")
        with installed(folder, free_block(6), seed, url) as installation, open_store(folder, url) as store:
            operator = Operator(installation, store, seed, say)
            campaign = Campaign(installation, operator, server, say)
            operator.begin()
            campaign.run(strikes, minutes * 60)
            laws = _end(campaign, store)
    return report(seed, campaign, laws)


def _end(campaign: Campaign, store: Store) -> list[Law]:
    """Stop striking, let everything come to its end, run one session in peace, and hold it all against the laws."""
    installation, operator, say = campaign.installation, campaign.operator, campaign.say
    say("no more strikes")
    in_time = operator.finish(END_S)
    deadline = time.monotonic() + HEAL_S
    while not installation.all_up() and time.monotonic() < deadline:
        time.sleep(1)
    laws = [Law("everything is up again by itself", installation.all_up(), f"{sorted(installation.recorded())}")]
    laws.append(Law("the last session came to its end", in_time, f"within {END_S:.0f} s"))
    calm = operator.complete_one(CALM_S)
    peace = calm.status is SessionStatus.COMPLETED
    laws.append(Law("a session in peace afterwards completes", peace, f"{calm.status.value}: {calm.status_reason}"))
    state = httpx.get(f"{installation.home.sandbox_url}/control/state", trust_env=False, timeout=60).json()
    sessions = [store.reads.session(key) for key in operator.session_ids]
    laws += judge(state, store, installation.home.path, sessions)
    code, left = installation.end()
    laws.append(Law("hedge up ends clean and leaves nothing running", code == 0 and not left, f"code {code}, {left}"))
    return laws


def report(seed: int, campaign: Campaign, laws: Sequence[Law]) -> int:
    """Print what was done and what held; 0 when everything did."""
    print("\nstrikes      " + ", ".join(f"{count} {name}" for name, count in sorted(campaign.done.items())))
    for law in laws:
        print(f"{'held  ' if law.holds else 'BROKEN'}  {law.name}: {law.seen}")
    held = sum(law.holds for law in laws)
    print(f"seed {seed}: {campaign.struck} strikes, {held} of {len(laws)} laws held")
    if held < len(laws):
        print(f"what they wrote is kept in {campaign.installation.home.path}")
    return 0 if held == len(laws) else 1


@contextmanager
def _database(wanted: bool) -> Iterator[PostgresServer | None]:
    if not wanted:
        yield None
        return
    with postgres_server() as server:
        yield server


def _too_long(*_: object) -> None:
    raise TimeoutError("the campaign did not come to its end")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
