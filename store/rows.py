"""Rows to values at the edge of the store. Pure translation; a row never leaves this package."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from sqlalchemy import RowMapping

from core.account import Position
from core.instrument import Venue
from core.market import FundingPayment
from core.order import Fill, FillCause, Liquidity, Order, OrderIntent, OrderStatus, OrderType, Side, TimeInForce
from core.pair import PairStatus
from core.risk import OwnOrder, Severity
from store.records import (
    Account,
    Breach,
    BreachAction,
    Command,
    CommandKind,
    Event,
    JournalOrder,
    Lease,
    NewPair,
    Pair,
    PairOutcome,
    Segment,
    Session,
    SessionStatus,
    SessionTotals,
)

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def columns_of(record: DataclassInstance) -> dict[str, object]:
    """Return a record's fields by name, not copied: what an insert takes where columns are named alike."""
    return {field.name: getattr(record, field.name) for field in fields(record)}


def account_of(row: RowMapping) -> Account:
    """Read an account."""
    return Account(
        account_id=row["account_id"],
        venue=Venue(row["venue"]),
        environment=row["environment"],
        owner=row["owner"],
        label=row["label"],
        created_at=row["created_at"],
    )


def session_of(row: RowMapping) -> Session:
    """Read a session."""
    return Session(
        session_id=row["session_id"],
        name=row["name"],
        symbol=row["symbol"],
        status=SessionStatus(row["status"]),
        strategy=row["strategy"],
        accounts=tuple(row["accounts"]),
        environment=row["environment"],
        volume_target=row["volume_target"],
        duration_s=row["duration_s"],
        seed=row["seed"],
        totals=SessionTotals(
            volume_generated=row["volume_generated"],
            pnl=row["pnl"],
            fees=row["fees"],
            funding=row["funding"],
            slippage=row["slippage"],
            pairs_filled=row["pairs_filled"],
            pairs_unwound=row["pairs_unwound"],
            max_net_exposure_usd=row["max_net_exposure_usd"],
            naked_usd_seconds=row["naked_usd_seconds"],
        ),
        created_at=row["created_at"],
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        flow_run_id=row["flow_run_id"],
        status_reason=row["status_reason"],
        attempt=row["attempt"],
    )


def pair_of(row: RowMapping) -> Pair:
    """Read a pair."""
    plan = NewPair(
        pair_id=row["pair_id"],
        session_id=row["session_id"],
        sequence=row["sequence"],
        buy_venue=Venue(row["buy_venue"]),
        buy_account=row["buy_account"],
        sell_venue=Venue(row["sell_venue"]),
        sell_account=row["sell_account"],
        quantity=row["planned_quantity"],
        buy_arrival_mid=row["buy_arrival_mid"],
        sell_arrival_mid=row["sell_arrival_mid"],
        decision=row["decision"],
        created_at=row["created_at"],
    )
    outcome = PairOutcome(
        status=PairStatus(row["status"]),
        quantity=row["quantity"],
        volume=row["volume"],
        price=row["price"],
        slippage=row["slippage"],
        fees=row["fees"],
        leg_skew_ms=row["leg_skew_ms"],
        naked_usd_seconds=row["naked_usd_seconds"],
        executed_at=row["executed_at"],
        completed_at=row["completed_at"],
    )
    return Pair(plan, outcome)


def order_of(row: RowMapping) -> Order:
    """Read an order with its intent."""
    intent = OrderIntent(
        client_order_id=row["client_order_id"],
        session_id=row["session_id"],
        pair_id=row["pair_id"],
        account_id=row["account_id"],
        venue=Venue(row["venue"]),
        symbol=row["symbol"],
        side=Side(row["side"]),
        type=OrderType(row["type"]),
        time_in_force=TimeInForce(row["time_in_force"]),
        quantity=row["quantity"],
        price=row["price"],
        reference_price=row["reference_price"],
        reduce_only=row["reduce_only"],
        created_at=row["created_at"],
        valid_until=row["valid_until"],
    )
    return Order(
        intent=intent,
        status=OrderStatus(row["status"]),
        venue_order_id=row["venue_order_id"],
        filled_quantity=row["filled_quantity"],
        average_price=row["average_price"],
        reason=row["reason"],
        updated_at=row["updated_at"],
    )


def journal_order_of(row: RowMapping) -> JournalOrder:
    """Read an order with what the journal adds to it."""
    return JournalOrder(
        order=order_of(row),
        leg=row["leg"],
        attempt=row["attempt"],
        wire_client_id=row["wire_client_id"],
        fees=row["fees"],
        sent_at=row["sent_at"],
        completed_at=row["completed_at"],
    )


def own_order_of(order: Order) -> OwnOrder:
    """Reduce a live order to what the self-cross firewall looks at."""
    intent = order.intent
    return OwnOrder(
        venue=intent.venue,
        symbol=intent.symbol,
        account_id=intent.account_id,
        client_order_id=intent.client_order_id,
        side=intent.side,
        price=intent.price,
        remaining=order.remaining,
    )


def fill_of(row: RowMapping) -> Fill:
    """Read a fill; its client order id is ours where the journal explains it."""
    return Fill(
        venue=Venue(row["venue"]),
        account_id=row["account_id"],
        symbol=row["symbol"],
        trade_id=row["trade_id"],
        client_order_id=row["client_order_id"],
        venue_order_id=row["venue_order_id"],
        side=Side(row["side"]),
        quantity=row["quantity"],
        price=row["price"],
        fee=row["fee"],
        liquidity=Liquidity(row["liquidity"]),
        venue_time=row["venue_time"],
        received_time=row["received_time"],
        cause=FillCause(row["cause"]),
    )


def funding_of(row: RowMapping) -> FundingPayment:
    """Read a booked funding payment."""
    return FundingPayment(
        venue=Venue(row["venue"]),
        account_id=row["account_id"],
        symbol=row["symbol"],
        payment_id=row["payment_id"],
        payment=row["payment"],
        rate=row["rate"],
        paid_at=row["paid_at"],
        received_time=row["received_time"],
    )


def position_of(row: RowMapping) -> Position:
    """Read a snapshot of a position."""
    return Position(
        venue=Venue(row["venue"]),
        account_id=row["account_id"],
        symbol=row["symbol"],
        quantity=row["quantity"],
        entry_price=row["entry_price"],
        unrealized_pnl=row["unrealized_pnl"],
        liquidation_price=row["liquidation_price"],
        received_time=row["at"],
    )


def breach_of(row: RowMapping) -> Breach:
    """Read a breach."""
    return Breach(
        breach_id=row["breach_id"],
        session_id=row["session_id"],
        pair_id=row["pair_id"],
        category=row["category"],
        severity=Severity(row["severity"]),
        details=row["details"],
        created_at=row["created_at"],
        acknowledged_at=row["acknowledged_at"],
        action=None if row["action"] is None else BreachAction(row["action"]),
        comment=row["comment"],
    )


def command_of(row: RowMapping) -> Command:
    """Read a command."""
    return Command(
        command_id=row["command_id"],
        session_id=row["session_id"],
        kind=CommandKind(row["kind"]),
        created_by=row["created_by"],
        created_at=row["created_at"],
        taken_at=row["taken_at"],
        done_at=row["done_at"],
        outcome=row["outcome"],
    )


def lease_of(row: RowMapping) -> Lease:
    """Read a lease."""
    return Lease(row["scope"], row["holder"], row["attempt"], row["expires_at"])


def event_of(row: RowMapping) -> Event:
    """Read an event."""
    return Event(row["session_id"], row["sequence"], row["at"], row["channel"], row["type"], row["payload"])


def segment_of(row: RowMapping) -> Segment:
    """Read a line of the segments' registry."""
    return Segment(
        session_id=row["session_id"],
        table=row["source"],
        first_change=row["first_change"],
        last_change=row["last_change"],
        path=row["path"],
        rows=row["rows"],
        sha256=row["sha256"],
    )
