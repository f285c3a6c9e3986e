"""What a session would cost, on the wire: spreads of outcomes, not promises."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from api.documents.common import Answer, Document, Number


class QuantilesDocument(Document):
    """One in ten sessions ends below p10, half below p50, nine in ten below p90."""

    p10: Annotated[Number, Field(alias="p10")]
    p50: Annotated[Number, Field(alias="p50")]
    p90: Annotated[Number, Field(alias="p90")]


class AccountEstimateDocument(Document):
    """One account's share, in USD; funding is null while its rate is not known."""

    account_id: str
    venue: str
    volume: QuantilesDocument
    fees: QuantilesDocument
    spread_cost: QuantilesDocument
    funding: QuantilesDocument | None


class CautionDocument(Document):
    """One thing to know; critical: as things are, the session would not start or not end clean."""

    code: str
    severity: Literal["warning", "critical"]
    text: str
    account_id: str | None


class EstimateBasis(Document):
    """What the figures rest on: sessions played through with the planner that trades, from one seed."""

    paths: int
    pairs_played: int
    extrapolated: int
    seed: int


class EstimateDocument(Document):
    """What to expect. Money in USD: fees, spreadCost and cost positive when paid, funding positive when received.

    spreadCost is what spread and slippage cost; costShare is cost over volume and makerShare the part of the notional
    traded as maker, both fractions; nakedUsdSeconds is USD times seconds. Null: not known.
    """

    volume: QuantilesDocument
    pairs: QuantilesDocument
    duration_seconds: QuantilesDocument
    fees: QuantilesDocument
    spread_cost: QuantilesDocument
    funding: QuantilesDocument | None
    cost: QuantilesDocument | None
    cost_share: QuantilesDocument | None
    maker_share: QuantilesDocument | None
    worst_naked_usd: QuantilesDocument
    naked_usd_seconds: QuantilesDocument
    accounts: list[AccountEstimateDocument]
    cautions: list[CautionDocument]
    warnings: Annotated[list[str], Field(description="The cautions' texts.")]
    basis: EstimateBasis


class EstimateAnswer(Answer):
    """An estimate; nothing was created."""

    estimate: EstimateDocument
