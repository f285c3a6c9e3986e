"""What an account may come to hold: its position and everything in flight. Never forgets an order that may fill."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from core.account import AccountRef
from core.numbers import ZERO
from core.order import Order, Side


@dataclass(frozen=True, slots=True)
class Exposure:
    """One account in one market. position is signed (long positive); pending_* are unfilled base units (>= 0).

    Pending counts every order that is not final: intended, sent, unknown and resting ones alike.
    """

    account: AccountRef
    symbol: str
    position: Decimal
    pending_buy: Decimal = ZERO
    pending_sell: Decimal = ZERO

    @classmethod
    def of(cls, account: AccountRef, symbol: str, position: Decimal, orders: Iterable[Order]) -> Exposure:
        """Build it from the signed position and the orders; those of other accounts or symbols are ignored."""
        own = [o for o in orders if o.intent.account_id == account.account_id and o.intent.symbol == symbol]
        buying = sum((o.remaining for o in own if o.intent.side is Side.BUY), ZERO)
        selling = sum((o.remaining for o in own if o.intent.side is Side.SELL), ZERO)
        return cls(account, symbol, position, buying, selling)

    @property
    def net(self) -> Decimal:
        """The signed position as it stands."""
        return self.position

    @property
    def worst_long(self) -> Decimal:
        """Signed position if every pending buy fills and no pending sell does."""
        return self.position + self.pending_buy

    @property
    def worst_short(self) -> Decimal:
        """Signed position if every pending sell fills and no pending buy does."""
        return self.position - self.pending_sell

    @property
    def worst(self) -> Decimal:
        """Largest absolute position that may come about, base units (>= 0)."""
        return max(abs(self.worst_long), abs(self.worst_short))

    @property
    def in_flight(self) -> bool:
        """True while any order may still fill."""
        return self.pending_buy > 0 or self.pending_sell > 0


def net_delta(exposures: Iterable[Exposure]) -> Decimal:
    """Return the session's net delta in base units, long positive: the sum over all its accounts."""
    return sum((e.position for e in exposures), ZERO)


def net_notional(exposures: Iterable[Exposure], marks: Mapping[str, Decimal]) -> Decimal:
    """Return the net delta in quote units, each account at the mark of its own venue (marks keyed by account id).

    Raises KeyError for an account without a mark: an exposure that cannot be valued is not zero.
    """
    return sum((e.position * marks[e.account.account_id] for e in exposures), ZERO)


def gross_notional(exposures: Iterable[Exposure], marks: Mapping[str, Decimal]) -> Decimal:
    """Return the sum of absolute positions in quote units; marks keyed by account id, KeyError when one is missing."""
    return sum((abs(e.position) * marks[e.account.account_id] for e in exposures), ZERO)
