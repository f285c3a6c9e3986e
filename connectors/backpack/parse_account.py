"""From Backpack's answers and events about money, positions and transfers to core facts. Pure; nothing is guessed.

(docs.backpack.exchange, Capital; Streams)
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from connectors.backpack import wire, wire_account
from connectors.backpack.listing import AccountTerms
from connectors.backpack.parse import Facts
from core.account import Balance, FeeTier, LeverageSetting, MarginMode, Position, Transfer, TransferKind
from core.errors import ProtocolViolation
from core.instrument import Venue
from core.numbers import BPS, ZERO, canonical

INTERNAL = "internal"


def parse_balances(capital: bytes, collateral: bytes, account_id: str, received_time: datetime) -> list[Balance]:
    """Read every asset. total is available, locked and staked, and what is lent, which only the collateral tells."""
    lent = _lent(collateral)
    held = _held(capital)
    found = []
    for asset in sorted(held.keys() | lent.keys()):
        row, out = held.get(asset), lent.get(asset, ZERO)
        own = ZERO if row is None else row.available + row.locked + row.staked
        available = ZERO if row is None else row.available
        found.append(Balance(Venue.BACKPACK, account_id, asset, own + out, available, received_time))
    return found


def parse_deposits(body: bytes, account_id: str, received_time: datetime) -> list[Transfer]:
    """Read one page of deposits; one from another account of the venue is a transfer."""
    rows = wire.read_rows(wire_account.DepositRow, wire.read_json(body, "deposits"), "deposits")
    return [
        Transfer(
            Venue.BACKPACK,
            account_id,
            f"deposit/{row.id}",
            TransferKind.TRANSFER if row.source.lower() == INTERNAL else TransferKind.DEPOSIT,
            row.symbol,
            row.quantity,
            row.status,
            row.created_at,
            received_time,
        )
        for row in rows
    ]


def parse_withdrawals(body: bytes, account_id: str, received_time: datetime) -> list[Transfer]:
    """Read one page of withdrawals, negative here."""
    rows = wire.read_rows(wire_account.WithdrawalRow, wire.read_json(body, "withdrawals"), "withdrawals")
    return [
        Transfer(
            Venue.BACKPACK,
            account_id,
            f"withdrawal/{row.id}",
            TransferKind.TRANSFER if row.is_internal else TransferKind.WITHDRAWAL,
            row.symbol,
            -row.quantity,
            row.status,
            row.created_at,
            received_time,
        )
        for row in rows
    ]


def fee_tier_of(terms: AccountTerms, account_id: str, received_time: datetime) -> FeeTier:
    """Return the fees as charged. The venue tells no tier's name: the rates themselves name it."""
    maker, taker = canonical(terms.maker_fee / BPS), canonical(terms.taker_fee / BPS)
    name = f"maker {maker} bps, taker {taker} bps"
    return FeeTier(Venue.BACKPACK, account_id, name, terms.maker_fee, terms.taker_fee, received_time)


def leverage_of(terms: AccountTerms, symbol: str, account_id: str, received_time: datetime) -> LeverageSetting:
    """Return the account's one leverage limit as a market's setting; every position shares the collateral."""
    return LeverageSetting(
        Venue.BACKPACK, account_id, symbol, terms.leverage_limit, MarginMode.CROSS, received_time
    )  # fmt: skip


def position_of_event(event: wire_account.PositionEvent, facts: Facts, received_time: datetime) -> Position:
    """Turn a position event into a position; zero says that it is closed. The stream tells no liquidation price."""
    return Position(
        Venue.BACKPACK,
        facts.account_id,
        facts.symbol(event.symbol),
        event.quantity,
        event.entry_price,
        event.pnl_unrealized,
        None,
        received_time,
    )


def balance_of_event(event: wire_account.BalanceEvent, account_id: str, received_time: datetime) -> Balance:
    """Turn a balance event into a balance; what is lent is not in it."""
    total = event.available + event.locked + event.staked
    return Balance(Venue.BACKPACK, account_id, event.asset, total, event.available, received_time)


def _held(body: bytes) -> dict[str, wire_account.BalanceRow]:
    rows = wire.read_json(body, "balances")
    if not isinstance(rows, dict):
        raise ProtocolViolation("backpack: balances is not a map by asset", venue="backpack")
    return {str(asset): wire.read(wire_account.BalanceRow, row, "balances") for asset, row in rows.items()}


def _lent(body: bytes) -> dict[str, Decimal]:
    assets = wire.read(wire_account.AssetsRow, wire.read_json(body, "collateral"), "collateral").collateral
    return {asset.symbol: asset.lend_quantity for asset in assets if asset.lend_quantity != 0}
