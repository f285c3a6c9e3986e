"""What the service answers, as values that can be read both ways.

`session["volumeGenerated"]` and `session.volume_generated` are the same.
Money and sizes are `Decimal`. Fields that a newer service adds are kept and can be read by their wire name.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel, to_snake

T = TypeVar("T")


class Answer(BaseModel):
    """Base of all answers: attributes are snake_case, items have the names of the wire."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="allow", frozen=True)

    def __getitem__(self, name: str) -> Any:
        """Return a field by its wire name; raise KeyError."""
        try:
            return getattr(self, name)
        except AttributeError:
            raise KeyError(name) from None

    def __getattr__(self, name: str) -> Any:
        """Find a field by its wire name as well."""
        snake = to_snake(name)
        if snake != name and snake in type(self).model_fields:
            return getattr(self, snake)
        return super().__getattr__(name)  # type: ignore[misc]

    def __contains__(self, name: object) -> bool:
        """Tell whether there is such a field."""
        return isinstance(name, str) and (to_snake(name) in type(self).model_fields or name in (self.model_extra or {}))

    def get(self, name: str, default: Any = None) -> Any:
        """Return a field by its wire name, `default` when there is none."""
        try:
            return self[name]
        except KeyError:
            return default

    def to_dict(self) -> dict[str, Any]:
        """Return everything by its wire names."""
        return self.model_dump(by_alias=True)


class Metrics(Answer):
    """Sums of a session, in USD; net_position in base units, slippage a fraction.

    naked_usd_seconds: unhedged notional times the seconds it stood so.
    """

    total_volume: Decimal | None = None
    net_position: Decimal | None = None
    pnl: Decimal | None = None
    realized_pnl: Decimal | None = None
    unrealized_pnl: Decimal | None = None
    funding_pnl: Decimal | None = None
    fees: Decimal | None = None
    slippage: Decimal | None = None
    pairs_filled: int | None = None
    pairs_unwound: int | None = None
    max_net_exposure: Decimal | None = None
    naked_usd_seconds: Decimal | None = None
    last_updated: datetime | None = None


class Breach(Answer):
    """A limit that was crossed."""

    id: str
    breach_type: str | None = None
    category: str | None = None
    severity: str | None = None
    details: dict[str, Any] = {}
    timestamp: datetime | None = None
    resolved: bool | None = None
    acknowledged_at: datetime | None = None
    action: str | None = None


class Order(Answer):
    """One leg of a pair: size and fill_size in USD, quantity and filled_quantity in base units."""

    account_id: str
    venue: str
    side: str
    type: str | None = None
    status: str
    size: Decimal | None = None
    quantity: Decimal | None = None
    price: Decimal | None = None
    fill_price: Decimal | None = None
    fill_size: Decimal | None = None
    filled_quantity: Decimal | None = None
    fees: Decimal | None = None
    client_order_id: str | None = None
    venue_order_id: str | None = None
    attempts: int | None = None
    created_at: datetime | None = None


class Legs(Answer):
    """The two orders of a pair, on two venues."""

    buy_order: Order | None = None
    sell_order: Order | None = None


class OrderPair(Answer):
    """A hedged pair: volume in USD counts once, price is the mean of both averages, slippage a fraction of volume."""

    id: str
    sequence: int | None = None
    order_pair: Legs
    status: str
    volume: Decimal
    price: Decimal | None = None
    slippage: Decimal | None = None
    fees: Decimal | None = None
    naked_usd_seconds: Decimal | None = None
    created_at: datetime
    executed_at: datetime | None = None
    completed_at: datetime | None = None


class AccountLedger(Answer):
    """One account's books, USD; `residual` is what nothing explains, `dust` what its venue's rounding can make."""

    account_id: str
    venue: str | None = None
    opening: Decimal | None = None
    closing: Decimal | None = None
    explained: Decimal | None = None
    residual: Decimal
    dust: Decimal | None = None
    is_balanced: bool


class Ledger(Answer):
    """A session's books as closed, USD: the change of equity, what explains it, and the residual."""

    equity_change: Decimal
    explained: Decimal
    residual: Decimal
    is_balanced: bool
    closed_at: datetime | None = None
    accounts: list[AccountLedger] = []


class Session(Answer):
    """A hedging session. A start, pause, resume or stop answers with the fields that it changed, and `pending`."""

    id: str
    status: str
    status_reason: str | None = None
    environment: str | None = None
    name: str | None = None
    accounts: list[str] | None = None
    strategy: dict[str, Any] | None = None
    volume_target: Decimal | None = None
    volume_generated: Decimal | None = None
    final_volume: Decimal | None = None
    duration: int | None = None
    created_at: datetime | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None
    paused_at: datetime | None = None
    resumed_at: datetime | None = None
    flow_run_id: str | None = None
    risk_breaches: list[Breach] = []
    orders: list[OrderPair] = []
    ledger: Ledger | None = None
    metrics: Metrics | None = None
    pending: bool = False


class AccountRisk(Answer):
    """One account's part in the risk, as its venue says it at `as_of`; None is unknown, and `reason` says why."""

    account_id: str
    venue: str | None = None
    position_size: Decimal | None = None
    unrealized_pnl: Decimal | None = None
    margin_ratio: Decimal | None = None
    liquidation_price: Decimal | None = None
    liquidation_distance: Decimal | None = None
    risk_level: str | None = None
    as_of: datetime | None = None
    reason: str | None = None


class PortfolioRisk(Answer):
    """The session's risk as a whole; max_drawdown and var95 are fractions, None while there is too little to tell."""

    total_pnl: Decimal | None = None
    max_drawdown: Decimal | None = None
    var95: Annotated[Decimal | None, Field(alias="var95")] = None


class NakedBudget(Answer):
    """Naked USD-seconds against their limits: the session's, and those of all sessions on the UTC day `day`."""

    usd_seconds: Decimal
    limit: Decimal
    day: date
    day_usd_seconds: Decimal
    day_limit: Decimal


class RiskStatus(Answer):
    """How much is at risk now."""

    session_id: str
    overall_risk: str
    risk_state: str | None = None
    risk_reason: str | None = None
    account_risks: list[AccountRisk] = []
    portfolio_risk: PortfolioRisk | None = None
    naked: NakedBudget | None = None
    active_breaches: list[Breach] = []


class Certificate(Answer):
    """A pair's certificate: its place in the session's chain, its hash, the hash before it, and what was certified."""

    certificate_id: str
    position: int
    kind: str
    previous: str
    sha256: str
    certified_at: datetime
    document: dict[str, Any]


class Explanation(Answer):
    """Why a pair was done as it was, in sentences; certificates is empty until the pair has ended."""

    pair_id: str
    sentences: list[str]
    certificates: list[Certificate] = []


class Fill(Answer):
    """One execution at a venue: price and fee in USD, quantity in base units."""

    trade_id: str
    venue: str
    account_id: str
    symbol: str
    side: str
    quantity: Decimal
    price: Decimal
    notional: Decimal | None = None
    fee: Decimal | None = None
    liquidity: str | None = None
    client_order_id: str | None = None
    venue_order_id: str | None = None
    venue_time: datetime
    received_time: datetime | None = None


class Event(Answer):
    """One entry of a session's progress, as the record has it; money in `data` is text."""

    sequence: int
    timestamp: datetime
    channel: str
    type: str
    data: dict[str, Any]


class Ticket(Answer):
    """A short-lived, single-use admission to the live stream; None where a first answer that was lost had it."""

    ticket: str | None
    expires_at: datetime


class Account(Answer):
    """One account known to the service; what its venue says of it where one account was asked for.

    None is unknown, never zero; `reason` says why.
    """

    id: str
    venue: str
    owner: str | None = None
    environment: str | None = None
    held_by: str | None = None
    status: str | None = None
    equity: Decimal | None = None
    available_margin: Decimal | None = None
    margin_ratio: Decimal | None = None
    positions: list[dict[str, Any]] | None = None
    as_of: datetime | None = None
    reason: str | None = None


class VenueInfo(Answer):
    """One venue: whether it is open, and what this system can do there."""

    venue: str
    system_status: str | None = None
    reason: str | None = None
    capabilities: list[dict[str, Any]] = []


class Market(Answer):
    """One market of one venue."""

    venue: str
    symbol: str
    tick_size: Decimal
    lot_size: Decimal
    min_notional: Decimal | None = None


class Markets(Answer):
    """Markets of venues that answered; `unread` names the others and why."""

    markets: list[Market]
    unread: list[dict[str, Any]] = []
    as_of: datetime | None = None


class Estimate(Answer):
    """What to expect of a session, as quantiles p10, p50 and p90; nothing was created."""

    volume: dict[str, Decimal]
    pairs: dict[str, Decimal]
    fees: dict[str, Decimal]
    cost: dict[str, Decimal] | None = None
    warnings: list[str] = []


class Flattened(Answer):
    """Every session that was told to get flat; `pending` while not all are."""

    sessions: list[Session]
    pending: bool = False


class ApiKey(Answer):
    """One API key; `api_key` is its text, told once when it is made."""

    id: str
    name: str
    scopes: list[str]
    created_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None
    api_key: str | None = None


class Page(Answer, Generic[T]):
    """Part of a list; iterating gives its items, `total` counts what there is without limit and offset."""

    items: list[T]
    total: int
    limit: int
    offset: int

    def __iter__(self) -> Iterator[T]:  # type: ignore[override]
        """Give the items."""
        return iter(self.items)

    def __len__(self) -> int:
        """Count the items of this page."""
        return len(self.items)


class Update(Answer):
    """One message of the live stream.

    `type` is snapshot, session_update, order_update, risk_update, metrics_update, …; `timestamp` is Unix
    milliseconds; `sequence` grows by one per session.
    """

    type: str
    channel: str
    session_id: str
    data: dict[str, Any] | None = None
    timestamp: int
    sequence: int | None = None
    previous_sequence: int | None = None
