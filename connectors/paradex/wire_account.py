"""What Paradex sends about an account beyond trading: balances, transfers, subaccounts, tiers, margin settings.

Shapes only, as in wire.py. Source: docs.paradex.trade, API reference, Account; WebSocket, balance_events, tradebusts.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from connectors.paradex.wire import AccountFees, Id, Millis, Number, OrderRow, Text, Wire


class BalanceRow(Wire):
    """One row of GET /balance."""

    token: Id
    size: Number


class BalanceEventRow(Wire):
    """What one execution did to the settlement asset, from the channel balance_events."""

    settlement_asset_name: Id
    settlement_asset_balance_after: Number


class BustRow(Wire):
    """The notice that a fill was undone on chain, from GET /tradebusts and the channel tradebusts."""

    busted_fill_id: Id
    created_at: Millis


class TransferRow(Wire):
    """One row of GET /transfers; amount is positive, direction says where it went."""

    id: Id
    token: Id
    amount: Number
    kind: Text
    direction: Text
    status: Text
    created_at: Millis


class AccountDetails(Wire):
    """One row of GET /account/info and GET /account/subaccounts. volume_tiers: which tier by kind of order."""

    account: Id
    kind: Text = ""
    username: Text = ""
    parent_account: Text = ""
    fees: AccountFees | None = None
    volume_tiers: dict[str, Any] = Field(default_factory=dict)


class MarginConfig(Wire):
    """One market's entry of GET /account/margin; also the answer of POST /account/margin/{market}."""

    market: Id
    margin_type: Text
    leverage: Number


class MarginConfigs(Wire):
    """GET /account/margin."""

    configs: list[MarginConfig]


class BatchError(Wire):
    """Why one order of a batch was refused; it does not say which."""

    error: Text = ""
    message: Text = ""


class BatchBody(Wire):
    """The answer of POST /orders/batch: accepted orders and refusals, not aligned with what was sent."""

    orders: list[OrderRow | None] = Field(default_factory=list)
    errors: list[BatchError | None] = Field(default_factory=list)


class BatchCancelRow(Wire):
    """One entry of the answer of DELETE /orders/batch."""

    id: Text = ""
    client_id: Text = ""
    status: Text


class BatchCancelBody(Wire):
    """The answer of DELETE /orders/batch."""

    results: list[BatchCancelRow]
