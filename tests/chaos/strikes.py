"""When what is struck and how: a seed and a length make one plan, the same each time. Touches no process."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from deployments.supervisor import RESTARTS_MAX, WINDOW_S

FIRST_S = 10.0
PAUSE_S = (6.0, 20.0)
FREEZE_S = (2.0, 60.0)
# One less than `hedge up` forgives, since a strike may bring a second death with it (a service without its server).
KILLS_MAX = RESTARTS_MAX - 2


class Victim(StrEnum):
    """What can be struck.

    keeper is whichever process holds the results' lock at that moment. twins are only frozen, which is a cut network:
    a venue does not forget its accounts, so a twin that was killed would be no honest venue.
    """

    RUN = "run"
    SERVICE = "service"
    PREFECT = "prefect"
    API = "api"
    KEEPER = "keeper"
    WATCHDOG = "watchdog"
    TWINS = "twins"
    POSTGRES = "postgres"


CHILDREN = (Victim.SERVICE, Victim.PREFECT, Victim.API, Victim.WATCHDOG)


@dataclass(frozen=True, slots=True)
class Strike:
    """One strike: at_s seconds after the campaign's start; freeze_s 0 is SIGKILL, else SIGSTOP for that long."""

    at_s: float
    victim: Victim
    freeze_s: float = 0.0

    def __str__(self) -> str:
        return f"{self.victim}: " + (f"frozen for {self.freeze_s:.0f} s" if self.freeze_s else "killed")


def plan(seed: int, minutes: float, *, with_postgres: bool = False) -> list[Strike]:
    """Draw the strikes of a campaign: every victim once in a random order, then any, until the time is over."""
    rng = random.Random(seed)
    victims = [v for v in Victim if with_postgres or v is not Victim.POSTGRES]
    order = rng.sample(victims, len(victims))
    strikes: list[Strike] = []
    at_s = FIRST_S
    while at_s < minutes * 60:
        victim = order.pop() if order else rng.choice((*victims, Victim.RUN, Victim.RUN))
        is_kill = victim is not Victim.TWINS and (victim is Victim.KEEPER or rng.random() < 0.6)
        if is_kill and victim in CHILDREN and _kills(strikes, victim, at_s) >= KILLS_MAX:
            is_kill = False
        strikes.append(Strike(at_s, victim, 0.0 if is_kill else rng.uniform(*FREEZE_S)))
        at_s += rng.uniform(*PAUSE_S)
    return strikes


def _kills(strikes: Sequence[Strike], victim: Victim, at_s: float) -> int:
    """How often a child was killed within what `hedge up` counts."""
    return sum(s.victim is victim and not s.freeze_s and s.at_s > at_s - WINDOW_S for s in strikes)
