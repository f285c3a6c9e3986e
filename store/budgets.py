"""The store as lender of request credits: what connectors take their shared budgets from. Decides no amounts."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime

from core.credits import Loan, LoanRequest, Terms
from core.errors import HedgeError
from store.journal import Journal

log = logging.getLogger(__name__)


class StoreLender:
    """Lends credits to this process from the rows that all processes on the same database share."""

    def __init__(self, journal: Journal, clock: Callable[[], datetime]) -> None:
        """Lend through a journal's writer, so that loans join the commits that are being made anyway."""
        self._journal = journal
        self._clock = clock

    async def borrow(self, key: str, request: LoanRequest, now: datetime) -> Loan:
        """Lend from a budget, full at its first use; raise StoreError when the database does not answer."""
        return await self._journal.borrow_credits(key, request, now)

    def pause(self, key: str, terms: Terms, until: datetime) -> None:
        """Tell all borrowers soon that the venue said stop; returns at once, a failure is only logged."""
        try:
            self._journal.pause_budget.soon(key, terms, until, self._clock()).add_done_callback(_log_failure)
        except HedgeError as error:
            log.warning("a pause of budget %s could not be shared: %s", key, error)


def _log_failure(written: Future[None]) -> None:
    error = None if written.cancelled() else written.exception()
    if error is not None:
        log.warning("a pause of a request budget could not be shared: %s", error)
