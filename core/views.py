"""A session and its accounts as the planner sees them: facts gathered by the caller, nothing derived."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from core.account import AccountRef
from core.exposure import Exposure
from core.instrument import Market, Venue
from core.market import Book, FundingRate, Mark


@dataclass(frozen=True, slots=True)
class AccountView:
    """One account as the planner sees it.

    volume: quote units traded by it in this session. free_margin: quote units usable as initial margin. book, mark
    and funding are None when not known (an account without book or mark takes no leg). low_price: lowest recent mark,
    None for the mark itself. venue_volume_24h: quote units, None where the venue does not publish it.
    """

    account: AccountRef
    market: Market
    exposure: Exposure
    volume: Decimal
    free_margin: Decimal
    book: Book | None
    mark: Mark | None
    funding: FundingRate | None
    low_price: Decimal | None = None
    venue_volume_24h: Decimal | None = None

    @property
    def position(self) -> Decimal:
        """Signed position in base units."""
        return self.exposure.position


@dataclass(frozen=True, slots=True)
class SessionView:
    """A session as the planner sees it.

    volume_generated and volume_target in quote units (a pair counts once); target None: until `closing` is set.
    closing: only closing pairs from now on, until flat. unwinding: the previous pair closed (the journal knows), so
    a rotation goes on until flat before the direction may turn.
    """

    session_id: str
    next_sequence: int
    accounts: tuple[AccountView, ...]
    volume_generated: Decimal
    volume_target: Decimal | None
    closing: bool = False
    unwinding: bool = False
    excluded_venues: frozenset[Venue] = frozenset()
