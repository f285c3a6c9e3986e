"""Estimates as documents."""

from __future__ import annotations

from typing import overload

from api.documents.estimates import (
    AccountEstimateDocument,
    CautionDocument,
    EstimateBasis,
    EstimateDocument,
    QuantilesDocument,
)
from core.estimate import AccountEstimate, Estimate, Quantiles


def estimate_document(made: Estimate) -> EstimateDocument:
    """Return an estimate."""
    return EstimateDocument(
        volume=_quantiles(made.volume),
        pairs=_quantiles(made.pairs),
        duration_seconds=_quantiles(made.duration_s),
        fees=_quantiles(made.fees),
        spread_cost=_quantiles(made.slippage),
        funding=_quantiles(made.funding),
        cost=_quantiles(made.cost),
        cost_share=_quantiles(made.cost_share),
        maker_share=_quantiles(made.maker_share),
        worst_naked_usd=_quantiles(made.naked_usd_max),
        naked_usd_seconds=_quantiles(made.naked_usd_seconds),
        accounts=[_account(share) for share in made.accounts],
        cautions=[
            CautionDocument(code=c.code, severity=c.severity.value, text=c.text, account_id=c.account_id)
            for c in made.cautions
        ],
        warnings=[caution.text for caution in made.cautions],
        basis=EstimateBasis(
            paths=made.paths, pairs_played=made.pairs_played, extrapolated=made.extrapolated, seed=made.seed
        ),
    )


def _account(share: AccountEstimate) -> AccountEstimateDocument:
    return AccountEstimateDocument(
        account_id=share.account.account_id,
        venue=share.account.venue.value,
        volume=_quantiles(share.volume),
        fees=_quantiles(share.fees),
        spread_cost=_quantiles(share.slippage),
        funding=_quantiles(share.funding),
    )


@overload
def _quantiles(found: Quantiles) -> QuantilesDocument: ...
@overload
def _quantiles(found: None) -> None: ...
@overload
def _quantiles(found: Quantiles | None) -> QuantilesDocument | None: ...
def _quantiles(found: Quantiles | None) -> QuantilesDocument | None:
    return None if found is None else QuantilesDocument(p10=found.p10, p50=found.p50, p90=found.p90)
