"""The steps of a session's story: as Prefect's tasks, which an operator sees, or as plain calls without any server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import ParamSpec, TypeVar

from core.plan import PairPlan
from core.risk import Approved, RiskDecision
from store.records import Pair
from tasks.course import Course
from tasks.desk import Desk, current
from tasks.fund_check import check_funds
from tasks.options import STEP, TRANSIENT
from tasks.place_pair import PairEnd, place_pair
from tasks.publish import Board
from tasks.reconcile_fills import Reconciled, reconcile_fills
from tasks.risk_gate import check_risk
from tasks.settle import Settlement, settle

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Steps:
    """What the story calls, in the order in which an operator thinks of it; each works on the current desk."""

    check_funds: Callable[[], Awaitable[dict[str, str]]]
    check_risk: Callable[[PairPlan, Decimal, Decimal], Awaitable[RiskDecision]]
    place_pair: Callable[[Approved, Mapping[str, object]], Awaitable[PairEnd]]
    reconcile_fills: Callable[[PairEnd], Awaitable[Reconciled]]
    settle: Callable[[datetime], Awaitable[Settlement]]


class NoBoard(Board):
    """Shows nothing: for a story that is told without Prefect."""

    async def progress(self, desk: Desk, course: Course) -> None:
        """Draw no bar."""

    async def state(self, name: str) -> None:
        """Name no state."""

    async def pairs(self, pairs: Sequence[Pair]) -> None:
        """Draw no table."""

    async def summary(self, markdown: str) -> None:
        """Write no summary."""


def again(step: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
    """Retry a step after failures that may pass by themselves, as often and as late as Prefect would."""

    async def call(*args: P.args, **kwargs: P.kwargs) -> T:
        for delay_s in STEP["retry_delay_seconds"]:
            try:
                return await step(*args, **kwargs)
            except TRANSIENT:
                await current().outside.sleep(delay_s)
        return await step(*args, **kwargs)

    return call


PREFECT = Steps(check_funds, check_risk, place_pair, reconcile_fills, settle)
PLAIN = Steps(
    again(check_funds.fn), again(check_risk.fn), again(place_pair.fn), again(reconcile_fills.fn), again(settle.fn)
)  # fmt: skip
