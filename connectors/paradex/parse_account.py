"""From what Paradex says about an account to our facts: balances, transfers, subaccounts, tiers, settings. Pure.

Every function returns a fact or raises ProtocolViolation. Source: docs.paradex.trade, API reference, Account.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from connectors.paradex import parse
from connectors.paradex.build import Listing
from connectors.paradex.wire import PositionRow, shaped, violation
from connectors.paradex.wire_account import (
    AccountDetails,
    BalanceEventRow,
    BalanceRow,
    MarginConfig,
    TransferRow,
)
from core.account import (
    Balance,
    FeeTier,
    LeverageSetting,
    MarginMode,
    Position,
    Subaccount,
    Transfer,
    TransferKind,
)
from core.instrument import Venue
from core.numbers import ZERO

_TEXT_MAX = 300
_TIER_NAME = "tier_name"
_ORDERS_BY_API = "pro"

_KINDS = {
    "DEPOSIT": TransferKind.DEPOSIT,
    "WITHDRAWAL": TransferKind.WITHDRAWAL,
    "AUTO_WITHDRAWAL": TransferKind.WITHDRAWAL,
    "TRANSFER": TransferKind.TRANSFER,
}
_SIGNS = {"IN": 1, "OUT": -1}
_MODES = {"CROSS": MarginMode.CROSS, "ISOLATED": MarginMode.ISOLATED}
_MAIN = ("", "main")


def position_event(content: dict[str, Any], account_id: str, listing: Listing, received: datetime) -> Position:
    """Read a position of the stream; a closed one has the quantity zero."""
    row = shaped(PositionRow, content, "position event")
    if row.status != "CLOSED" and row.size != 0:
        (position,) = parse.positions([content], account_id, listing, received)
        return position
    return Position(
        venue=Venue.PARADEX,
        account_id=account_id,
        symbol=listing.symbol_of(row.market),
        quantity=ZERO,
        entry_price=row.average_entry_price or ZERO,
        unrealized_pnl=ZERO,
        liquidation_price=None,
        received_time=received,
    )


def balance(row: BalanceRow, account_id: str, received: datetime) -> Balance:
    """Read one token's balance; what margin holds of it is told for the account as a whole only."""
    return Balance(Venue.PARADEX, account_id, row.token, row.size, None, received)


def balance_event(row: BalanceEventRow, account_id: str, received: datetime) -> Balance:
    """Read the settlement asset's balance after an execution."""
    asset, total = row.settlement_asset_name, row.settlement_asset_balance_after
    return Balance(Venue.PARADEX, account_id, asset, total, None, received)


def transfer(row: TransferRow, account_id: str, received: datetime) -> Transfer:
    """Read one transfer; kinds that are none of deposit, withdrawal or transfer (vaults, airdrops) are other."""
    if row.direction not in _SIGNS:
        raise violation(f"a transfer of direction {row.direction[:20]!r}")
    if row.amount < 0:
        raise violation("a transfer of less than nothing")
    return Transfer(
        venue=Venue.PARADEX,
        account_id=account_id,
        transfer_id=row.id,
        kind=_KINDS.get(row.kind, TransferKind.OTHER),
        asset=row.token,
        quantity=row.amount * _SIGNS[row.direction],
        status=row.status[:_TEXT_MAX],
        at=parse.moment(row.created_at),
        received_time=received,
    )


def subaccounts(own: Iterable[AccountDetails], listed: Iterable[AccountDetails]) -> tuple[Subaccount, ...]:
    """Return all accounts of the owner, each once: the asking one, its parent, and those listed under it."""
    found: dict[int, Subaccount] = {}
    for row in (*own, *listed):
        if row.parent_account and row.kind not in _MAIN:
            parent = parse.address(row.parent_account)
            found.setdefault(parent, Subaccount(Venue.PARADEX, hex(parent), None, is_main=True))
        account = parse.address(row.account)
        is_main = row.kind in _MAIN and not row.parent_account
        found[account] = Subaccount(Venue.PARADEX, hex(account), row.username[:_TEXT_MAX] or None, is_main)
    return tuple(found.values())


def own_details(rows: Iterable[AccountDetails], account: int) -> AccountDetails:
    """Return the row of one account; raise ProtocolViolation when it is not there."""
    for row in rows:
        if parse.address(row.account) == account:
            return row
    raise violation("account info has no row of the account itself")


def fee_tier(row: AccountDetails, account_id: str, received: datetime) -> FeeTier:
    """Read the tier of orders by API (which the venue calls pro) and the rates charged."""
    if row.fees is None or row.fees.maker_rate is None or row.fees.taker_rate is None:
        raise violation("account info states no fee rates")
    return FeeTier(
        venue=Venue.PARADEX,
        account_id=account_id,
        tier=_tier_name(row.volume_tiers),
        maker_fee=row.fees.maker_rate,
        taker_fee=row.fees.taker_rate,
        received_time=received,
    )


def _tier_name(tiers: dict[str, Any]) -> str:
    """Return the tier's name. How a tier looks is not documented: a text, or an object with its name in it."""
    said = tiers.get(_ORDERS_BY_API)
    if isinstance(said, dict):
        said = said.get(_TIER_NAME)
    return said[:_TEXT_MAX] if isinstance(said, str) and said else _ORDERS_BY_API


def leverage(row: MarginConfig, account_id: str, symbol: str, received: datetime) -> LeverageSetting:
    """Read a market's leverage and margin mode."""
    if row.margin_type not in _MODES or row.leverage <= 0:
        raise violation(f"margin of {row.market} is {row.margin_type[:20]!r} with leverage {row.leverage}")
    return LeverageSetting(
        venue=Venue.PARADEX,
        account_id=account_id,
        symbol=symbol,
        leverage=row.leverage,
        mode=_MODES[row.margin_type],
        received_time=received,
    )
