"""Accounts, venues and markets on the wire. What could not be read is null, with the reason beside it."""

from __future__ import annotations

from typing import Literal

from api.documents.common import Answer, Document, Number, Time


class AccountDocument(Document):
    """One account of this installation. heldBy: the session that drives it now."""

    id: str
    venue: str
    owner: str
    environment: Literal["sandbox", "testnet", "production"]
    held_by: str | None


class PositionDocument(Document):
    """One open position: quantity in base units, long positive; money in USD."""

    symbol: str
    quantity: Number
    entry_price: Number
    mark: Number | None
    unrealized_pnl: Number | None
    liquidation_price: Number | None
    liquidation_distance: Number | None


class AccountHealthDocument(AccountDocument):
    """An account as its venue says it at asOf; never an older figure. Money in USD, marginRatio a fraction.

    status: active or inactive as the venue says, unknown when it could not be read.
    """

    status: Literal["active", "inactive", "unknown"]
    equity: Number | None
    available_margin: Number | None
    initial_margin: Number | None
    maintenance_margin: Number | None
    margin_ratio: Number | None
    liquidation_distance: Number | None
    positions: list[PositionDocument] | None
    as_of: Time
    reason: str | None


class AccountsAnswer(Answer):
    """All accounts that can be used."""

    accounts: list[AccountDocument]


class AccountAnswer(Answer):
    """One account, read from its venue for this answer."""

    account: AccountHealthDocument


class CapabilityDocument(Document):
    """What this system can do at a venue, with the limits that bind and what surprises."""

    name: str
    title: str
    support: Literal["works", "not yet", "never"]
    limits: str
    quirk: str


class VenueDocument(Document):
    """One venue. systemStatus is read for this answer through one of its accounts; null with a reason when not read."""

    venue: str
    environments: list[str]
    accounts: list[str]
    system_status: Literal["open", "post_only", "cancel_only", "maintenance", "unknown"] | None
    status_text: str | None
    as_of: Time | None
    reason: str | None
    capabilities: list[CapabilityDocument]


class VenuesAnswer(Answer):
    """All venues."""

    venues: list[VenueDocument]


class MarketDocument(Document):
    """One market of one venue in one environment. Grid in quote and base units; fees and margins are fractions."""

    venue: str
    environment: str
    symbol: str
    venue_symbol: str
    tick_size: Number
    lot_size: Number
    min_quantity: Number
    min_notional: Number
    max_quantity: Number | None
    initial_margin: Number
    maintenance_margin: Number
    maker_fee: Number
    taker_fee: Number
    funding_interval_seconds: int
    continuous_funding: bool


class UnreadVenue(Document):
    """A venue whose markets could not be read, and why."""

    venue: str
    environment: str
    reason: str


class MarketsAnswer(Answer):
    """Markets by symbol and venue; those of venues in `unread` are missing."""

    markets: list[MarketDocument]
    unread: list[UnreadVenue]
    as_of: Time
