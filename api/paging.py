"""Bounds of lists and ids, the same for every call."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query

LIMIT_MAX = 1000
OFFSET_MAX = 10_000_000

Limit = Annotated[int, Query(ge=1, le=LIMIT_MAX, description="How many at most.")]
Offset = Annotated[int, Query(ge=0, le=OFFSET_MAX, description="How many to leave out first.")]
SessionId = Annotated[str, Path(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.:-]+$", alias="sessionId")]
AccountFilter = Annotated[
    str | None,
    Query(alias="accountId", min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.:-]+$", description="One account."),
]
