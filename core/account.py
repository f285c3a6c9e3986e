"""Accounts as a venue shows them: who, margin, positions. Never holds a key."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from core.instrument import Venue


@dataclass(frozen=True, slots=True)
class AccountRef:
    """One trading account of the operator on one venue."""

    account_id: str
    venue: Venue
    owner: str


@dataclass(frozen=True, slots=True)
class Margin:
    """Money of one account in quote units. available is what new orders may use as initial margin.

    maintenance is the maintenance requirement; active is False in liquidation or when the venue disabled it.
    """

    venue: Venue
    account_id: str
    equity: Decimal
    available: Decimal
    initial: Decimal
    maintenance: Decimal
    active: bool
    received_time: datetime


@dataclass(frozen=True, slots=True)
class Position:
    """One position: quantity signed in base units (long positive), entry price in quote units."""

    venue: Venue
    account_id: str
    symbol: str
    quantity: Decimal
    entry_price: Decimal
    unrealized_pnl: Decimal | None
    liquidation_price: Decimal | None
    received_time: datetime
