"""A record for the API to read: many sessions, one of them with 50 filled pairs and what they leave behind."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from core.instrument import Venue
from core.order import OrderIntent, OrderReport, OrderStatus, OrderType, Reported, Side, TimeInForce, apply
from core.pair import PairStatus
from store import JournalEntry, NewPair, NewSession, PairOutcome, SessionStatus, SessionTotals, Store

D = Decimal
PAIRS = 50
BEGAN = datetime(2026, 3, 1, 12, tzinfo=UTC)
STRATEGY = {
    "symbol": "ETH/USD", "volumeDistribution": "equal", "priceRange": {"min": "0.001", "max": "0.01"},
    "timing": {"minInterval": 30, "maxInterval": 120, "orderSize": {"min": "100", "max": "500"}},
    "riskLimits": {"maxPositionSize": "0.1", "stopLossThreshold": "0.05", "maxSlippage": "0.02"},
    "orderTypes": {"primary": "limit", "fallback": "market"},
}  # fmt: skip


def write_record(store: Store, sessions: int) -> None:
    """Write sessions named session-0, session-1, …; the first one is active and has traded."""
    for number in range(sessions):
        new = NewSession(
            f"session-{number}", f"session {number}", "ETH/USD", STRATEGY, ("account1", "account2"), "sandbox",
            D(100_000), None, number, BEGAN + timedelta(seconds=number),
        )  # fmt: skip
        store.journal.create_session.now(new)
    _status(store, SessionStatus.PENDING, SessionStatus.ACTIVE)
    for sequence in range(1, PAIRS + 1):
        _pair(store, sequence)


def _status(store: Store, before: SessionStatus, after: SessionStatus) -> None:
    store.journal.set_session_status.now("session-0", (before,), after, at=BEGAN)


def _pair(store: Store, sequence: int) -> None:
    journal, at, pair_id = store.journal, BEGAN + timedelta(seconds=sequence), f"pair-{sequence}"
    venues = (Venue.PACIFICA, "account1", Venue.PARADEX, "account2")
    journal.record_pair.now(NewPair(pair_id, "session-0", sequence, *venues, D("0.1"), D(2500), D(2500), {}, at))
    for side, account, venue in ((Side.BUY, "account1", Venue.PACIFICA), (Side.SELL, "account2", Venue.PARADEX)):
        _leg(store, pair_id, side, account, venue=venue, at=at)
    done = PairOutcome(
        PairStatus.FILLED, D("0.1"), D(250), D(2500), D("0.0004"), D("0.13"), executed_at=at, completed_at=at
    )  # fmt: skip
    journal.complete_pair.now(pair_id, done)
    totals = SessionTotals(250 * D(sequence), D("-0.1") * sequence, D("0.13") * sequence, pairs_filled=sequence)
    journal.update_session_totals.now("session-0", totals)
    figures = {
        "totalVolume": str(totals.volume_generated), "netPosition": "0", "pnl": str(totals.pnl), "fees": "0.13",
        "fundingPnl": "0", "slippage": "0.0004", "pairsFilled": sequence, "pairsUnwound": 0,
    }  # fmt: skip
    told = {"pairId": pair_id, "sequence": sequence, "status": "filled", "volume": "250", "text": "filled"}
    journal.append_event.now("session-0", at=at, channel="orders", type="order_update", payload=told)
    journal.append_event.now("session-0", at=at, channel="metrics", type="metrics_update", payload=figures)


def _leg(store: Store, pair_id: str, side: Side, account: str, *, venue: Venue, at: datetime) -> None:
    order_id = f"{pair_id}-{side}"
    intent = OrderIntent(
        client_order_id=order_id, session_id="session-0", pair_id=pair_id, account_id=account, venue=venue,
        symbol="ETH/USD", side=side, type=OrderType.LIMIT, time_in_force=TimeInForce.IOC, quantity=D("0.1"),
        price=D(2500), reference_price=D(2500), reduce_only=False, created_at=at,
        valid_until=at + timedelta(seconds=5),
    )  # fmt: skip
    (recorded,) = store.journal.record_intents.now([JournalEntry(intent, side.value, 1, order_id)])
    report = OrderReport(
        venue=venue, account_id=account, symbol="ETH/USD", client_order_id=order_id, venue_order_id=f"v-{order_id}",
        status=OrderStatus.FILLED, filled_quantity=D("0.1"), average_price=D(2500), reason=None, venue_time=at,
        received_time=at,
    )  # fmt: skip
    store.journal.record_order.now(apply(recorded.order, Reported(report)))
