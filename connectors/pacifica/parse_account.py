"""From Pacifica's account rows to our records: balances, transfers, tier, leverage, subaccounts, account streams. Pure.

Source: docs.pacifica.fi, REST API: Get account info, Get account settings, Get account balance history, List
subaccounts; WebSocket: Account positions, Account info.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal

from pydantic import JsonValue

from connectors.pacifica import wire, wire_surface
from connectors.pacifica.build import symbol_of
from connectors.pacifica.parse import signed_quantity
from connectors.pacifica.reading import list_of, moment, object_of, violation
from core.account import (
    Balance,
    FeeTier,
    LeverageSetting,
    Margin,
    MarginMode,
    Position,
    Subaccount,
    Transfer,
    TransferKind,
)
from core.instrument import Market, Venue
from core.numbers import ONE

COLLATERAL = "USDC"

# Changes of a balance that trading makes; they are fills and funding payments, not transfers.
_TRADING = frozenset({"trade", "market_liquidation", "backstop_liquidation", "adl_liquidation", "funding"})
_KINDS = {
    "deposit": TransferKind.DEPOSIT,
    "withdraw": TransferKind.WITHDRAWAL,
    "subaccount_transfer": TransferKind.TRANSFER,
}


def account_money(found: JsonValue) -> wire_surface.AccountMoney:
    """Read GET /account: an object, or a list of exactly one (older answers)."""
    if isinstance(found, list):
        if len(found) != 1:
            raise violation(f"GET /account answered {len(found)} accounts")
        found = found[0]
    return object_of(wire_surface.AccountMoney, found)


def balances(account_id: str, money: wire_surface.AccountMoney, received: datetime) -> list[Balance]:
    """List the collateral (cash before unrealised PnL) and the spot assets; available is what may be withdrawn."""
    cash = Balance(Venue.PACIFICA, account_id, COLLATERAL, money.balance, money.available_to_withdraw, received)
    spot = [
        Balance(Venue.PACIFICA, account_id, row.symbol, row.amount, row.available_to_withdraw, received)
        for row in money.spot_balances
    ]
    return [cash, *spot]


def fee_tier(account_id: str, money: wire_surface.AccountMoney, received: datetime) -> FeeTier:
    """Name the tier by the venue's number (0 is its first) with the rates as charged."""
    return FeeTier(Venue.PACIFICA, account_id, str(money.fee_level), money.maker_fee, money.taker_fee, received)


def is_transfer(row: wire_surface.BalanceChangeRow) -> bool:
    """Tell whether a change of a balance came from outside of trading; a word that is new here counts."""
    return row.event_type not in _TRADING


def transfer(account_id: str, row: wire_surface.BalanceChangeRow, received: datetime) -> Transfer:
    """Turn a change of balance into a transfer; the rows have no id, so time, kind and resulting balance name it."""
    return Transfer(
        venue=Venue.PACIFICA,
        account_id=account_id,
        transfer_id=f"{row.created_at}-{row.event_type}-{row.balance}",
        kind=_KINDS.get(row.event_type, TransferKind.OTHER),
        asset=COLLATERAL,
        quantity=row.amount,
        status=row.event_type,
        at=moment(row.created_at),
        received_time=received,
    )


def margin_settings(found: JsonValue) -> list[wire_surface.MarginSetting]:
    """Read GET /account/settings: an object, or the bare list of its margin settings (older answers)."""
    if isinstance(found, list):
        return list_of(wire_surface.MarginSetting, found)
    return list(object_of(wire_surface.AccountSettings, found).margin_settings)


def leverage(
    account_id: str, market: Market, settings: Sequence[wire_surface.MarginSetting], received: datetime
) -> LeverageSetting:
    """Find a market's setting; one that is not listed is on its default: cross, the market's highest leverage."""
    highest = (ONE / market.initial_margin).to_integral_value()
    found = next((row for row in settings if row.symbol == market.venue_symbol), None)
    value = highest if found is None else Decimal(found.leverage)
    mode = MarginMode.ISOLATED if found is not None and found.isolated else MarginMode.CROSS
    return LeverageSetting(Venue.PACIFICA, account_id, market.symbol, value, mode, received)


def subaccounts(main: str, found: JsonValue) -> list[Subaccount]:
    """List the main account and its subaccounts (data of POST /account/subaccount/list)."""
    rows = object_of(wire_surface.SubaccountList, found).subaccounts
    return [
        Subaccount(Venue.PACIFICA, main, None, True),
        *(Subaccount(Venue.PACIFICA, row.address, None, False) for row in rows),
    ]


def position_frame(
    account_id: str, rows: Iterable[wire_surface.PositionFrameRow], held: Iterable[str], received: datetime
) -> list[Position]:
    """Turn the channel's full set into positions: a market held before and missing now is closed (quantity zero)."""
    told = [_framed_position(account_id, row, received) for row in rows]
    gone = sorted(set(held) - {position.symbol for position in told})
    zero = Decimal(0)
    return told + [Position(Venue.PACIFICA, account_id, symbol, zero, zero, None, None, received) for symbol in gone]


def _framed_position(account_id: str, row: wire_surface.PositionFrameRow, received: datetime) -> Position:
    return Position(
        venue=Venue.PACIFICA,
        account_id=account_id,
        symbol=symbol_of(row.s),
        quantity=signed_quantity(row.d, row.a),
        entry_price=row.p,
        unrealized_pnl=None,
        liquidation_price=row.l if row.l is not None and row.l > 0 else None,
        received_time=received,
    )


def margin_frame(account_id: str, row: wire_surface.AccountInfo, received: datetime) -> Margin:
    """Turn the account_info channel into Margin, with the meaning of the same figures by REST."""
    return Margin(Venue.PACIFICA, account_id, row.ae, row.spendable, row.mu, row.cm, row.ae >= row.cm, received)


def balance_frame(account_id: str, row: wire_surface.AccountInfo, received: datetime) -> Balance:
    """Turn the account_info channel into the collateral's balance."""
    return Balance(Venue.PACIFICA, account_id, COLLATERAL, row.b, row.aw, received)


def is_stop(row: wire.OpenOrderRow) -> bool:
    """Tell whether an open order waits for a price."""
    return row.stop_price is not None
