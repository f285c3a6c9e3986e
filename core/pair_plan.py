"""A pair as planned: two equal legs on two venues, or nothing and why. A value; it cannot be built wrongly."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from core.account import AccountRef
from core.errors import SelfTradeRisk
from core.instrument import Market
from core.order import Side


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
class Choice:
    """Why the planner took this pair and this size, in words.

    candidates: pairings across venues that it chose from. carry_per_hour: the funding that the hedge was expected to
    earn, a fraction of one leg's notional an hour, negative when it pays; None where a rate was not known.
    """

    why: str
    size: str
    candidates: int
    carry_per_hour: Decimal | None = None


@dataclass(frozen=True, slots=True)
class PairPlan:
    """Two equal legs on two venues. buy_mid and sell_mid are the arrival mids of the legs' own books.

    choice explains the plan and is no part of it: two plans that trade the same are equal.

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
    choice: Choice | None = field(default=None, compare=False)

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
    VENUE_LIMIT = "venue_limit"
    ORDER_SIZE = "order_size"
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
