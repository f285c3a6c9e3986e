"""Accounts as a venue shows them: who, margin, positions. Never holds a key."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

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


@dataclass(frozen=True, slots=True)
class Balance:
    """One asset of an account, in units of that asset. available excludes what orders and margin hold."""

    venue: Venue
    account_id: str
    asset: str
    total: Decimal
    available: Decimal | None
    received_time: datetime


class TransferKind(StrEnum):
    """What moved money into or out of an account without a trade."""

    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    TRANSFER = "transfer"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Transfer:
    """One deposit, withdrawal or transfer: quantity signed in units of the asset, positive received.

    status and text are the venue's own words. Read only: this system never moves money.
    """

    venue: Venue
    account_id: str
    transfer_id: str
    kind: TransferKind
    asset: str
    quantity: Decimal
    status: str
    at: datetime
    received_time: datetime


@dataclass(frozen=True, slots=True)
class Subaccount:
    """One account under the same owner at a venue; address is the venue's own identifier."""

    venue: Venue
    address: str
    label: str | None
    is_main: bool


@dataclass(frozen=True, slots=True)
class FeeTier:
    """The account's fee tier: fees as fractions of notional, a negative one is a rebate."""

    venue: Venue
    account_id: str
    tier: str
    maker_fee: Decimal
    taker_fee: Decimal
    received_time: datetime


@dataclass(frozen=True, slots=True)
class RequestQuota:
    """What is left of a request budget, in the venue's own units, for the scope it names (key, address, endpoint)."""

    venue: Venue
    account_id: str
    scope: str
    limit: Decimal
    remaining: Decimal
    resets_at: datetime | None
    received_time: datetime


class MarginMode(StrEnum):
    """Whether a market's position shares the account's collateral."""

    CROSS = "cross"
    ISOLATED = "isolated"


@dataclass(frozen=True, slots=True)
class LeverageSetting:
    """Leverage and margin mode of one market on one account; leverage is a multiple (10 = initial margin 10 %)."""

    venue: Venue
    account_id: str
    symbol: str
    leverage: Decimal
    mode: MarginMode
    received_time: datetime
