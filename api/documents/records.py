"""What a session left behind, on the wire: events, fills, and its risk now."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import Field

from api.documents.common import Answer, Document, Number, Page, Time
from api.documents.sessions import BreachDocument, RiskStateWord


class EventDocument(Document):
    """One event; sequence counts 1, 2, 3 … in a session without gaps. data holds money as texts, exactly."""

    sequence: int
    timestamp: Time
    channel: str
    type: str
    data: dict[str, Any]


class EventsAnswer(Answer):
    """Events after `since`, in order; ask again with since=lastSequence while there are more."""

    events: list[EventDocument]
    last_sequence: Annotated[int, Field(description="The session's newest event.")]


class FillDocument(Document):
    """One execution. fee in USD, negative for a rebate."""

    trade_id: str
    venue: str
    account_id: str
    symbol: str
    side: Literal["buy", "sell"]
    quantity: Number
    price: Number
    notional: Number
    fee: Number
    liquidity: Literal["maker", "taker"]
    client_order_id: str | None
    venue_order_id: str
    venue_time: Time
    received_time: Time


class FillsPage(Page):
    """Fills by the venues' time."""

    fills: list[FillDocument]


class AccountRisk(Document):
    """One account of a session, as its venue says it now. What could not be read is null, and reason says why.

    positionSize in base units, long positive; marginRatio is maintenance margin over equity; liquidationDistance a
    fraction of the mark, null without a position or where the venue names no liquidation price.
    """

    account_id: str
    venue: str
    position_size: Number | None
    unrealized_pnl: Number | None
    margin_ratio: Number | None
    liquidation_price: Number | None
    liquidation_distance: Number | None
    risk_level: Literal["low", "medium", "high"] | None
    as_of: Time
    reason: str | None


class PortfolioRisk(Document):
    """The session as a whole. totalPnl in USD; maxDrawdown and var95 as fractions of the accounts' equity.

    maxDrawdown: the deepest fall of the session's PnL from a peak so far. var95: the loss between two pairs that was
    exceeded one time in twenty. Null while equity cannot be read, or while there is too little to tell.
    """

    total_pnl: Number
    max_drawdown: float | None
    var95: Annotated[float | None, Field(alias="var95", serialization_alias="var95")]


class NakedBudget(Document):
    """Naked USD-seconds: unhedged notional times the seconds it stood so, of pairs without an end as well.

    usdSeconds and limit are the session's, day… those of all sessions of the installation on the UTC day `day`. Above a
    limit nothing opens.
    """

    usd_seconds: Number
    limit: Number
    day: date
    day_usd_seconds: Number
    day_limit: Number


class RiskStatus(Document):
    """The risk of a session now.

    riskState: ACTIVE may open, REDUCING only goes down, HALTED waits for a person; null before the start and after the
    end. riskReason says why, null while ACTIVE.
    """

    session_id: str
    overall_risk: Literal["low", "medium", "high"]
    risk_state: RiskStateWord | None
    risk_reason: str | None
    account_risks: list[AccountRisk]
    portfolio_risk: PortfolioRisk
    naked: NakedBudget
    active_breaches: list[BreachDocument]


class RiskAnswer(Answer):
    """The risk of a session now."""

    risk_status: RiskStatus
