"""Why a pair was done as it was."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from api.answers import answers
from api.auth import READERS
from api.context import Here, read
from api.documents.certificates import ExplainAnswer
from api.guard import GuardedRoute, needs
from api.paging import SessionId
from api.views.certificates import explanation_document
from store.explanation import explanation_of

router = APIRouter(prefix="/api/v1/hedging", route_class=GuardedRoute, tags=["records"])
PairId = Annotated[
    str,
    Path(
        min_length=1, max_length=128, pattern=r"^[A-Za-z0-9_.:-]+$", alias="pairId",
        description="The pair's id, or its sequence in the session.",
    ),
]  # fmt: skip


@router.get("/sessions/{sessionId}/orders/{pairId}/explain", response_model=ExplainAnswer, responses=answers(404))
@needs(READERS)
async def explain(here: Here, session_id: SessionId, pair_id: PairId) -> ExplainAnswer:
    """Tell in sentences what the gate saw, why this pair and size, what each leg did and what it cost."""
    found = await read(explanation_of, here.store, session_id, pair_id)
    return ExplainAnswer(explanation=explanation_document(found))
