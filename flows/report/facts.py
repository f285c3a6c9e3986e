"""A session's results as typed facts: rows of the results' views in, frozen values out. Computes and formats nothing.

Money is in quote units, quantities in base units, slippage a fraction of volume, times UTC.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from store.errors import SessionNotFound
from store.home import Home
from store.results import counted_fills, session_rows
from store.warehouse import results

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """The session's own row. fees are positive when paid, pnl and funding when earned, slippage when a cost."""

    session_id: str
    name: str
    symbol: str
    status: str
    status_reason: str | None
    environment: str
    accounts: tuple[str, ...]
    strategy: str
    volume_target: Decimal | None
    duration_s: float | None
    volume_generated: Decimal
    pnl: Decimal
    fees: Decimal
    funding: Decimal
    slippage: Decimal
    pairs_filled: int
    pairs_unwound: int
    max_net_exposure_usd: Decimal
    naked_usd_seconds: Decimal
    seed: int
    attempt: int
    flow_run_id: str | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None

    @property
    def length(self) -> timedelta | None:
        """From start to end; None while there is no end."""
        return None if self.started_at is None or self.ended_at is None else self.ended_at - self.started_at

    @property
    def base(self) -> str:
        """The base asset, e.g. ETH of ETH/USD."""
        return self.symbol.partition("/")[0]

    @property
    def quote(self) -> str:
        """The quote asset, e.g. USD of ETH/USD."""
        return self.symbol.partition("/")[2] or "quote"


@dataclass(frozen=True, slots=True)
class PairFacts:
    """One pair. Figures that need both legs are None while there are none."""

    pair_id: str
    sequence: int
    status: str
    buy_venue: str
    sell_venue: str
    quantity: Decimal
    volume: Decimal
    price: Decimal | None
    slippage: Decimal | None
    fees: Decimal
    leg_skew_ms: Decimal | None
    naked_usd_seconds: Decimal
    buy_arrival_mid: Decimal | None
    sell_arrival_mid: Decimal | None
    created_at: datetime
    executed_at: datetime | None
    completed_at: datetime | None


@dataclass(frozen=True, slots=True)
class FillFacts:
    """One execution as its venue told it."""

    venue: str
    account_id: str
    pair_id: str | None
    side: str
    quantity: Decimal
    price: Decimal
    fee: Decimal
    liquidity: str
    venue_time: datetime

    @property
    def signed(self) -> Decimal:
        """The change of the position in base units: positive for a buy."""
        return self.quantity if self.side == "buy" else -self.quantity


@dataclass(frozen=True, slots=True)
class PaymentFacts:
    """One funding payment, positive when received."""

    venue: str
    account_id: str
    payment: Decimal
    paid_at: datetime


@dataclass(frozen=True, slots=True)
class PositionFacts:
    """A position as a venue stated it; quantity is signed, long positive."""

    venue: str
    account_id: str
    quantity: Decimal
    entry_price: Decimal
    unrealized_pnl: Decimal | None
    at: datetime


@dataclass(frozen=True, slots=True)
class BreachFacts:
    """A risk event; details is the JSON text that was written with it."""

    category: str
    severity: str
    details: str
    created_at: datetime
    acknowledged_at: datetime | None
    action: str | None
    comment: str | None


@dataclass(frozen=True, slots=True)
class OrderFacts:
    """One order: whose it was and how it ended."""

    venue: str
    account_id: str
    status: str


@dataclass(frozen=True, slots=True)
class StatementFacts:
    """Where an account's change of equity came from, costs negative; all figures None until the books were closed."""

    venue: str
    account_id: str
    opening: Decimal
    closing: Decimal | None
    basis: Decimal | None
    slippage: Decimal | None
    legging: Decimal | None
    forced: Decimal | None
    fees: Decimal | None
    funding: Decimal | None
    transfers: Decimal | None
    before: Decimal | None
    residual: Decimal | None


@dataclass(frozen=True, slots=True)
class FundingCheckFacts:
    """One payment of funding recomputed from published rates, beside what was booked."""

    venue: str
    account_id: str
    at: datetime
    position: Decimal
    expected: Decimal
    booked: Decimal
    difference: Decimal
    is_agreed: bool


@dataclass(frozen=True, slots=True)
class NakedDayFacts:
    """What legs stood alone on a UTC day, quote units x seconds: the session's, and all sessions' on record by then."""

    day: date
    naked_usd_seconds: Decimal
    day_usd_seconds: Decimal


@dataclass(frozen=True, slots=True)
class Record:
    """Everything a report tells, each list in order of time (pairs by sequence)."""

    session: SessionFacts
    pairs: tuple[PairFacts, ...] = ()
    fills: tuple[FillFacts, ...] = ()
    payments: tuple[PaymentFacts, ...] = ()
    positions: tuple[PositionFacts, ...] = ()
    breaches: tuple[BreachFacts, ...] = ()
    orders: tuple[OrderFacts, ...] = ()
    statements: tuple[StatementFacts, ...] = ()
    funding_checks: tuple[FundingCheckFacts, ...] = ()
    naked_days: tuple[NakedDayFacts, ...] = ()


def read_record(home: Home, session_id: str) -> Record:
    """Read all rows of a session as of one moment; raises SessionNotFound, StoreBusy, StoreError."""
    # Held while the views are read one by one, so that no load comes between them.
    with results(home.path):
        rows = session_rows(home.path, "sessions", session_id)
        if not rows:
            raise SessionNotFound(f"no session {session_id} in {home.results}; is it sealed and loaded?")
        return Record(
            session=_session(rows[-1]),
            pairs=tuple(_pair(row) for row in session_rows(home.path, "pairs", session_id)),
            fills=tuple(_fill(row) for row in counted_fills(home.path, session_id)),
            payments=tuple(_payment(row) for row in session_rows(home.path, "funding", session_id)),
            positions=tuple(_position(row) for row in session_rows(home.path, "positions", session_id)),
            breaches=tuple(_breach(row) for row in session_rows(home.path, "risk_events", session_id)),
            orders=tuple(_order(row) for row in session_rows(home.path, "orders", session_id)),
            statements=tuple(_statement(row) for row in session_rows(home.path, "statements", session_id)),
            funding_checks=tuple(_check(row) for row in session_rows(home.path, "funding_checks", session_id)),
            naked_days=tuple(_naked_day(row) for row in session_rows(home.path, "naked_by_day", session_id)),
        )


def _session(row: Row) -> SessionFacts:
    names = SessionFacts.__dataclass_fields__.keys() - {"accounts"}
    return SessionFacts(accounts=tuple(json.loads(row["accounts"])), **{name: row[name] for name in names})


def _pair(row: Row) -> PairFacts:
    return PairFacts(**{name: row[name] for name in PairFacts.__dataclass_fields__})


def _fill(row: Row) -> FillFacts:
    return FillFacts(**{name: row[name] for name in FillFacts.__dataclass_fields__})


def _payment(row: Row) -> PaymentFacts:
    return PaymentFacts(**{name: row[name] for name in PaymentFacts.__dataclass_fields__})


def _position(row: Row) -> PositionFacts:
    return PositionFacts(**{name: row[name] for name in PositionFacts.__dataclass_fields__})


def _breach(row: Row) -> BreachFacts:
    return BreachFacts(**{name: row[name] for name in BreachFacts.__dataclass_fields__})


def _statement(row: Row) -> StatementFacts:
    return StatementFacts(**{name: row[name] for name in StatementFacts.__dataclass_fields__})


def _check(row: Row) -> FundingCheckFacts:
    return FundingCheckFacts(**{name: row[name] for name in FundingCheckFacts.__dataclass_fields__})


def _naked_day(row: Row) -> NakedDayFacts:
    return NakedDayFacts(**{name: row[name] for name in NakedDayFacts.__dataclass_fields__})


def _order(row: Row) -> OrderFacts:
    return OrderFacts(**{name: row[name] for name in OrderFacts.__dataclass_fields__})
