"""What Backpack sends about an account's money and positions beside orders, as models (see wire.py). No meaning here.

(docs.backpack.exchange, Capital; Streams, Position update, Balance update)
"""

from __future__ import annotations

from pydantic import Field

from connectors.backpack.wire import Identity, Microseconds, Moment, Number, Wire


class BalanceRow(Wire):
    """GET /api/v1/capital, one asset. What is lent is not in it."""

    available: Number
    locked: Number
    staked: Number


class AssetRow(Wire):
    """GET /api/v1/capital/collateral, one asset."""

    symbol: str
    lend_quantity: Number


class AssetsRow(Wire):
    """GET /api/v1/capital/collateral, the assets alone."""

    collateral: list[AssetRow]


class DepositRow(Wire):
    """GET /wapi/v1/capital/deposits, one deposit; `source` is a chain, or says that it came from inside."""

    id: Identity
    source: str = ""
    status: str
    symbol: str
    quantity: Number
    created_at: Moment


class WithdrawalRow(Wire):
    """GET /wapi/v1/capital/withdrawals, one withdrawal."""

    id: Identity
    is_internal: bool | None = None
    status: str
    symbol: str
    quantity: Number
    created_at: Moment


class PositionEvent(Wire):
    """account.positionUpdate; without `e` it is the picture that follows a subscription. `l` is always 0: not read."""

    symbol: str = Field(alias="s")
    quantity: Number = Field(alias="q")
    entry_price: Number = Field(alias="B")
    pnl_unrealized: Number | None = Field(default=None, alias="P")
    engine_time: Microseconds = Field(alias="T")


class BalanceEvent(Wire):
    """account.balanceUpdate: absolute quantities of one asset."""

    asset: str = Field(alias="a")
    available: Number = Field(alias="A")
    locked: Number = Field(alias="L")
    staked: Number = Field(alias="S")
