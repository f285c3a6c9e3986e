"""Request budgets by what a venue counts: one bucket for everybody who uses the same address, account or key.

All clients that were given the same `Budgets` share its buckets; with a lender, all processes that use that lender do.
A bucket's key names the venue's host, a scope and the hash of an owner; it never holds a secret.
"""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from connectors.ratelimit import CreditLender, TokenBucket
from connectors.settings import Outside
from core.credits import Loan, LoanRequest, Pool, Terms, full_pool, lend, paused
from core.instrument import Venue

# Whoever shares a lender counts as coming from one network address, which is the strictest reading of "per IP".
HERE = "here"
_RECENTLY_S = 60.0


class Budgets:
    """The buckets of one process."""

    def __init__(self, outside: Outside, lender: CreditLender | None = None, *, borrower: str | None = None) -> None:
        """Share with everybody who uses the lender; without one, with whoever was given this object."""
        self._outside = outside
        self._lender = lender
        self._borrower = borrower or uuid.uuid4().hex
        self._buckets: dict[str, TokenBucket] = {}

    def bucket(self, venue: Venue, base_url: str, scope: str, owner: str, terms: Terms) -> TokenBucket:
        """Return the bucket of one scope and owner, making it with these terms at its first use.

        owner: HERE for the network address, else an address, an account or a key; only its hash is kept.
        """
        key = budget_key(venue, base_url, scope, owner)
        if key not in self._buckets:
            self._buckets[key] = TokenBucket(
                venue, capacity=terms.capacity, per_s=terms.per_s, reserve=terms.reserve, outside=self._outside,
                key=key, lender=self._lender, borrower=self._borrower,
            )  # fmt: skip
        return self._buckets[key]

    async def borrow_ahead(self) -> None:
        """Have a portion of every budget in use at hand, so that orders do not wait for the lender; never raises."""
        since = self._outside.clock() - timedelta(seconds=_RECENTLY_S)
        if self._lender is not None:
            await asyncio.gather(*(b.borrow_ahead() for b in self._buckets.values() if b.used_at >= since))


def budgets_of(outside: Outside) -> Budgets:
    """Return the budgets a client was given, or budgets of its own."""
    return outside.budgets or Budgets(outside)


def budget_key(venue: Venue, base_url: str, scope: str, owner: str) -> str:
    """Name a budget: venue, host, scope and the owner's hash (never the owner: it may be a key)."""
    digest = owner if owner == HERE else hashlib.sha256(f"{scope}/{owner}".encode()).hexdigest()[:24]
    return f"{venue}/{urlsplit(base_url).netloc}/{scope}/{digest}"


@dataclass
class MemoryLender:
    """Lends within one process: several sessions in it share their budgets without a store."""

    pools: dict[str, Pool] = field(default_factory=dict)

    async def borrow(self, key: str, request: LoanRequest, now: datetime) -> Loan:
        """Lend from a budget, full at its first use."""
        pool = self.pools.get(key) or full_pool(request.terms, now)
        self.pools[key], loan = lend(pool, request, now)
        return loan

    def pause(self, key: str, terms: Terms, until: datetime) -> None:
        """Tell all borrowers at their next loan."""
        self.pools[key] = paused(self.pools.get(key) or full_pool(terms, until), until)
