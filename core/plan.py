"""What to trade next: one pair of equal legs on two venues, or nothing and why. Decides; sends and reads nothing."""

from __future__ import annotations

import random
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from core.account import AccountRef
from core.errors import SelfTradeRisk
from core.exposure import Exposure
from core.instrument import Market, Venue
from core.market import Book, FundingRate, Mark
from core.order import Side
from core.strategy import Strategy


class Purpose(StrEnum):
    """Why a pair is traded.

    OPEN adds to a hedge; CLOSE reduces one; COMPLETE enlarges a remainder that is too small to be closed as it is.
    """

    OPEN = "open"
    CLOSE = "close"
    COMPLETE = "complete"


@dataclass(frozen=True, slots=True)
class LegPlan:
    """One leg: quantity in base units (> 0); closing says that it reduces the account's position."""

    account: AccountRef
    market: Market
    side: Side
    quantity: Decimal
    reduce_only: bool
    closing: bool


@dataclass(frozen=True, slots=True)
class PairPlan:
    """Two equal legs on two venues. buy_mid and sell_mid are the arrival mids of the legs' own books.

    Raises SelfTradeRisk when built with legs on one venue, of one account, or of unequal quantities.
    """

    pair_id: str
    session_id: str
    sequence: int
    purpose: Purpose
    buy: LegPlan
    sell: LegPlan
    quantity: Decimal
    buy_mid: Decimal
    sell_mid: Decimal

    def __post_init__(self) -> None:
        if self.buy.account.venue == self.sell.account.venue:
            raise SelfTradeRisk(f"pair {self.pair_id}: both legs on {self.buy.account.venue}; own orders never meet")
        if self.buy.account.account_id == self.sell.account.account_id:
            raise SelfTradeRisk(f"pair {self.pair_id}: both legs of account {self.buy.account.account_id}")
        if self.buy.side is not Side.BUY or self.sell.side is not Side.SELL:
            raise SelfTradeRisk(f"pair {self.pair_id}: a pair is one buy and one sell")
        if not self.buy.quantity == self.sell.quantity == self.quantity or self.quantity <= 0:
            raise SelfTradeRisk(f"pair {self.pair_id}: the legs' quantities differ or are not positive")

    @property
    def legs(self) -> tuple[LegPlan, LegPlan]:
        """Buy leg, then sell leg."""
        return self.buy, self.sell

    @property
    def closing(self) -> bool:
        """True when both legs only reduce positions."""
        return self.buy.closing and self.sell.closing


class NothingCode(StrEnum):
    """Why no pair is planned. DONE is the good end; UNMATCHED and NET_EXPOSURE need a single-leg unwind."""

    DONE = "done"
    MARKET_DATA = "market_data"
    IN_FLIGHT = "in_flight"
    POSITION_LIMIT = "position_limit"
    MARGIN = "margin"
    DEPTH = "depth"
    PARTICIPATION = "participation"
    EXCLUDED = "excluded"
    NET_EXPOSURE = "net_exposure"
    UNMATCHED = "unmatched"


@dataclass(frozen=True, slots=True)
class Nothing:
    """No pair now; `text` says why with figures."""

    code: NothingCode
    text: str

    @property
    def is_done(self) -> bool:
        """True when the session is flat and has nothing left to do."""
        return self.code is NothingCode.DONE


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


def plan_pair(view: SessionView, strategy: Strategy, rng: random.Random) -> PairPlan | Nothing:
    """Choose the next pair, or say why there is none."""
    raise NotImplementedError
