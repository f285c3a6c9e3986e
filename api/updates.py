"""What subscribers are told: events of the record as updates, and snapshots of where a session stands. Only reads.

The record's channels become the four of the contract, so that whoever listens to all of them sees every sequence:
what the planner decided and what the log says travels in `status` under its own type. Figures in an update are those
of its event, so that a replay says what was said live; a pair is shown as it stands when it is sent.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

from pydantic import BaseModel

from api.documents.common import iso
from api.hub import MARKET, Update
from api.views.pairs import pair_document
from api.views.records import told
from api.views.sessions import breach_document, metrics_of
from core.numbers import ZERO
from core.risk import Severity
from store import Event, RecordNotFound, Session, SessionStatus, SessionTotals, Store
from tasks.standing import standing_now

SNAPSHOT_PAIRS = 50
_CHANNELS = {"status": "status", "orders": "orders", "risk": "risk", "metrics": "metrics"}
_TYPES = {"decision": "decision"}
_NOW = datetime.max.replace(tzinfo=UTC)  # as of the end of time: as it stands


class Progress:
    """Answers the live stream's questions from the store. All calls block."""

    def __init__(self, store: Store) -> None:
        self._reads = store.reads

    def head(self, session_id: str) -> int:
        """Return the last sequence of a session; raise SessionNotFound."""
        self._reads.session(session_id)
        return self._reads.last_event_sequence(session_id)

    def heads(self, session_ids: Collection[str]) -> Mapping[str, int]:
        """Return the last sequence of each session."""
        return self._reads.event_heads(session_ids)

    def updates(self, session_id: str, after: int, limit: int) -> Sequence[Update]:
        """Return a session's updates after a sequence, at most `limit`."""
        events = self._reads.events_since(session_id, after, limit=limit)
        if not events:
            return []
        session = self._reads.session(session_id)
        return [self._update(session, event) for event in events]

    def snapshots(self, session_id: str, channels: Sequence[str]) -> tuple[int, list[str]]:
        """Return the sequence at which they stand and one message a channel; raise SessionNotFound.

        The sequence is read first: what happens meanwhile comes again as an update, and nothing is missed.
        """
        head = self.head(session_id)
        session = self._reads.session(session_id)
        now = self._last_at(session, head)
        return head, [self._snapshot(session, channel, head, now) for channel in channels]

    def pictures(self, session_ids: Collection[str]) -> Mapping[str, str]:
        """Return what these sessions see now."""
        return {
            session_id: _encode({
                "type": "market_update", "sessionId": session_id, "channel": MARKET,
                "data": {**seen, "asOf": iso(at)}, "timestamp": _ms(at),
            })
            for session_id, (at, seen) in self._reads.views(session_ids).items()
        }  # fmt: skip

    def _update(self, session: Session, event: Event) -> Update:
        channel = _CHANNELS.get(event.channel, "status")
        message = {
            "type": _TYPES.get(event.channel, event.type), "sessionId": session.session_id, "channel": channel,
            "data": self._data(session, event), "timestamp": _ms(event.at), "sequence": event.sequence,
        }  # fmt: skip
        return Update(event.sequence, channel, _encode(message)[:-1])

    def _data(self, session: Session, event: Event) -> Mapping[str, object]:
        match event.channel:
            case "metrics":
                # Figures are told while a session runs; what it became later is not the event's to say.
                return metrics_at(replace(session, status=SessionStatus.ACTIVE), event)
            case "orders":
                return self._pair(event)
            case "risk":
                return _risk(event)
            case "status":
                return {**told(event), **self._standing(session, event.sequence, event.at)}
            case _:
                return {"kind": event.type, **event.payload}

    def _standing(self, session: Session, sequence: int, at: datetime) -> dict[str, object]:
        """The figures of a status update, as of an event."""
        last = self._reads.last_event(session.session_id, "metrics", up_to=sequence)
        breaches = self._reads.breaches(session.session_id)
        return {
            "volumeGenerated": _number(ZERO if last is None else last.payload.get("totalVolume", ZERO)),
            "volumeTarget": _number(session.volume_target),
            "activeOrders": self._reads.count_active_orders(session.session_id, at),
            "riskBreaches": sum(breach.created_at <= at for breach in breaches),
        }

    def _pair(self, event: Event) -> Mapping[str, object]:
        pair_id = str(event.payload.get("pairId", ""))
        try:
            pair = self._reads.pair(pair_id)
        except RecordNotFound:
            return dict(event.payload)
        document = pair_document(pair, self._reads.journal_orders_of_pair(pair_id))
        return {**_plain(document), "pairId": pair_id, "text": event.payload.get("text")}

    def _snapshot(self, session: Session, channel: str, head: int, at: datetime) -> str:
        return _encode({
            "type": "snapshot", "sessionId": session.session_id, "channel": channel,
            "data": self._standing_in(session, channel, head), "timestamp": _ms(at), "sequence": head,
        })  # fmt: skip

    def _standing_in(self, session: Session, channel: str, head: int) -> Mapping[str, object] | None:
        session_id = session.session_id
        match channel:
            case "status":
                status = {"status": session.status.value, "reason": session.status_reason}
                return {**status, **self._standing(session, head, _NOW)}
            case "metrics":
                last = self._reads.last_event(session_id, "metrics", up_to=head)
                return _plain(metrics_of(session, None)) if last is None else metrics_at(session, last)
            case "risk":
                found = [breach for breach in self._reads.breaches(session_id) if breach.is_open]
                is_high = any(breach.severity is Severity.CRITICAL for breach in found)
                level = "high" if is_high else "medium" if found else "low"
                standing = standing_now(session, self._reads)
                return {
                    "riskLevel": level,
                    "riskState": None if standing is None else standing.state.value,
                    "reason": None if standing is None else standing.reason,
                    "activeBreaches": [_plain(breach_document(breach)) for breach in found],
                }
            case "orders":
                pairs = self._reads.pairs(session_id, limit=SNAPSHOT_PAIRS, newest_first=True)
                documents = [pair_document(p, self._reads.journal_orders_of_pair(p.plan.pair_id)) for p in pairs]
                return {
                    "orders": [_plain(document) for document in documents],
                    "total": self._reads.count_pairs(session_id),
                }
            case _:
                seen = self._reads.views([session_id]).get(session_id)
                return None if seen is None else {**seen[1], "asOf": iso(seen[0])}

    def _last_at(self, session: Session, head: int) -> datetime:
        last = self._reads.events_since(session.session_id, head - 1, limit=1) if head else []
        return last[0].at if last else session.created_at


def metrics_at(session: Session, event: Event) -> dict[str, object]:
    """Return a session's figures as one of its metrics events tells them."""
    said, known = event.payload, session.totals
    totals = SessionTotals(
        volume_generated=_decimal(said, "totalVolume", known.volume_generated),
        pnl=_decimal(said, "pnl", known.pnl),
        fees=_decimal(said, "fees", known.fees),
        funding=_decimal(said, "fundingPnl", known.funding),
        slippage=_decimal(said, "slippage", known.slippage),
        pairs_filled=int(_decimal(said, "pairsFilled", Decimal(known.pairs_filled))),
        pairs_unwound=int(_decimal(said, "pairsUnwound", Decimal(known.pairs_unwound))),
        max_net_exposure_usd=_decimal(said, "maxNetExposure", known.max_net_exposure_usd),
        naked_usd_seconds=_decimal(said, "nakedUsdSeconds", known.naked_usd_seconds),
    )
    document = _plain(metrics_of(replace(session, totals=totals), event))
    positions = said.get("positions")
    if isinstance(positions, Mapping):
        document["positions"] = {name: _number(quantity) for name, quantity in positions.items()}
    return {**document, "lastDecision": said.get("lastDecision")}


def _risk(event: Event) -> dict[str, object]:
    data = dict(event.payload)
    breach = data.get("breach")
    if isinstance(breach, Mapping):
        data["breach"] = {"timestamp": iso(event.at), **breach}
    return data


def _decimal(said: Mapping[str, object], name: str, known: Decimal) -> Decimal:
    """Read a figure of an event; where it does not tell, the session's own is known."""
    value = said.get(name)
    return known if value is None else Decimal(str(value))


def _number(value: object) -> float | None:
    return None if value is None else float(Decimal(str(value)))


def _plain(document: BaseModel) -> dict[str, object]:
    return document.model_dump(mode="json", by_alias=True)


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def _encode(message: Mapping[str, object]) -> str:
    return json.dumps(message, separators=(",", ":"), allow_nan=False)
