"""Sessions as documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from api.documents.sessions import (
    AccountLedger,
    BreachDocument,
    LedgerDocument,
    Metrics,
    PairDocument,
    SessionDocument,
    SessionSummary,
    StartedSession,
    SteeredSession,
)
from core.ledger import Statement, total
from core.numbers import ZERO
from core.risk_state import Standing
from store import Breach, Event, Session, SessionStatus
from store.ledger_records import Books

_OLDER_WORDS = {"created": "pending", "running": "active", "stopped": "completed"}


def statuses_of(word: str | None) -> tuple[SessionStatus, ...]:
    """Return the statuses a filter means, older words included; none means all."""
    return () if word is None else (SessionStatus(_OLDER_WORDS.get(word, word)),)


def session_summary(session: Session, last_metrics: Event | None) -> SessionSummary:
    """Return a session as lists show it."""
    return SessionSummary(**_fields(session, last_metrics))


def session_document(
    session: Session, last_metrics: Event | None, breaches: Sequence[Breach], pairs: Sequence[PairDocument],
    *, books: Mapping[str, Books], standing: Standing | None = None,
) -> SessionDocument:  # fmt: skip
    """Return a session with its risk state, breaches, newest pairs and books (by account id)."""
    return SessionDocument(
        **_fields(session, last_metrics),
        risk_state=None if standing is None else standing.state.value,
        risk_reason=None if standing is None else standing.reason,
        risk_breaches=[breach_document(breach) for breach in breaches],
        orders=list(pairs),
        ledger=ledger_document(books),
    )


def ledger_document(books: Mapping[str, Books]) -> LedgerDocument | None:
    """Return what the books say; None until every account's were closed."""
    closed = [(b, b.statement, b.closed_at) for b in books.values() if b.statement is not None]
    ends = [at for _, _, at in closed if at is not None]
    if not ends or len(ends) < len(books):
        return None
    whole = total(statement for _, statement, _ in closed)
    return LedgerDocument(
        equity_change=whole.closing - whole.opening,
        explained=whole.explained,
        residual=whole.residual,
        is_balanced=all(statement.is_balanced for _, statement, _ in closed),
        closed_at=max(ends),
        accounts=[_account_ledger(book, statement) for book, statement, _ in closed],
    )


def _account_ledger(book: Books, statement: Statement) -> AccountLedger:
    return AccountLedger(
        account_id=statement.account_id,
        venue=book.opening.venue.value,
        opening=statement.opening,
        closing=statement.closing,
        explained=statement.explained,
        residual=statement.residual,
        dust=statement.dust,
        is_balanced=statement.is_balanced,
    )


def started(session: Session) -> StartedSession:
    """Return a session as a start answers it."""
    return StartedSession(
        id=session.session_id,
        status=session.status.value,
        start_time=session.started_at or session.created_at,
        flow_run_id=session.flow_run_id,
    )


def steered(
    session: Session, *, paused_at: datetime | None = None, resumed_at: datetime | None = None
) -> SteeredSession:  # fmt: skip
    """Return a session as it stands after a command."""
    is_over = session.status.is_final
    return SteeredSession(
        id=session.session_id,
        status=session.status.value,
        status_reason=session.status_reason,
        paused_at=paused_at,
        resumed_at=resumed_at,
        end_time=session.ended_at,
        final_volume=session.totals.volume_generated if is_over else None,
        flow_run_id=session.flow_run_id,
    )


def breach_document(breach: Breach) -> BreachDocument:
    """Return a breach; it is resolved once somebody acknowledged it."""
    return BreachDocument(
        id=breach.breach_id,
        breach_type=breach.category,
        category=breach.category,
        severity=breach.severity.value,
        details=dict(breach.details),
        timestamp=breach.created_at,
        resolved=not breach.is_open,
        acknowledged_at=breach.acknowledged_at,
        action=None if breach.action is None else breach.action.value,
        comment=breach.comment,
    )


def metrics_of(session: Session, last: Event | None) -> Metrics:
    """Return a session's figures: running totals, and what the last metrics event adds to them.

    pnl = realizedPnl + unrealizedPnl - fees + fundingPnl. A session that is over holds nothing, so nothing of its
    result is unrealised.
    """
    totals = session.totals
    payload: Mapping[str, object] = {} if last is None else last.payload
    price_pnl = totals.pnl + totals.fees - totals.funding
    net = _decimal(payload.get("netPosition"))
    unrealized = _decimal(payload.get("unrealizedPnl"))
    if unrealized is None and (last is None or session.status is SessionStatus.COMPLETED):
        unrealized = ZERO
    return Metrics(
        total_volume=totals.volume_generated,
        net_position=ZERO if net is None else net,
        pnl=totals.pnl,
        slippage=totals.slippage,
        realized_pnl=None if unrealized is None else price_pnl - unrealized,
        unrealized_pnl=unrealized,
        funding_pnl=totals.funding,
        fees=totals.fees,
        pairs_filled=totals.pairs_filled,
        pairs_unwound=totals.pairs_unwound,
        max_net_exposure=totals.max_net_exposure_usd,
        naked_usd_seconds=totals.naked_usd_seconds,
        last_updated=session.created_at if last is None else last.at,
    )


def _fields(session: Session, last_metrics: Event | None) -> dict[str, object]:
    return {
        "id": session.session_id,
        "name": session.name,
        "status": session.status.value,
        "status_reason": session.status_reason,
        "environment": session.environment,
        "accounts": list(session.accounts),
        "strategy": numbers_in(session.strategy),
        "volume_target": session.volume_target,
        "volume_generated": session.totals.volume_generated,
        "duration": None if session.duration_s is None else round(session.duration_s * 1000),
        "start_time": session.started_at or session.created_at,
        "end_time": session.ended_at,
        "created_at": session.created_at,
        "flow_run_id": session.flow_run_id,
        "attempt": session.attempt,
        "metrics": metrics_of(session, last_metrics),
    }


_TEXTS = frozenset({"symbol", "volumeDistribution", "primary", "fallback"})


def numbers_in(strategy: Mapping[str, object]) -> dict[str, object]:
    """Return a stored strategy with its decimals, kept as texts, as the numbers they are."""
    shown: dict[str, object] = {}
    for name, value in strategy.items():
        if isinstance(value, Mapping):
            shown[name] = numbers_in(value)
        elif isinstance(value, str) and name not in _TEXTS:
            shown[name] = float(Decimal(value))
        else:
            shown[name] = value
    return shown


def _decimal(value: object) -> Decimal | None:
    return None if value is None else Decimal(str(value))
