"""From the journal on record: sealing a session into the results and writing its report. Sends nothing."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime

from flows.wiring import home
from store import SessionStatus, Store

_log = logging.getLogger("hedging.record")


async def put_on_record(store: Store, session_id: str, at: datetime) -> str:
    """Seal an ended session into the results, write its report, and say that both are there; safe to repeat."""
    report = await asyncio.to_thread(_write, store, session_id)
    await store.journal.append_event(
        session_id, at=at, channel="status", type="settled", payload={"report": report}
    )  # fmt: skip
    return report


async def write_results(store: Store, session_id: str) -> None:
    """Bring a session that goes on later into results and report as it stands; a failure is only logged."""
    try:
        await asyncio.to_thread(_write, store, session_id)
    except Exception as error:  # noqa: BLE001 - a report is never worth hiding why the session stopped
        _log.warning("session %s: its report could not be written (%s)", session_id, error)


async def record_what_ended(store: Store) -> None:
    """Put completed sessions on record whose run died, or failed, between their end and their record.

    Looks at the newest sessions only. What cannot be recorded now is tried again by the next run.
    """
    for session in store.reads.sessions(statuses=(SessionStatus.COMPLETED,)):
        now = datetime.now(tz=session.created_at.tzinfo)  # noqa: TID251
        if is_driven(store, session.session_id, now) or _is_on_record(store, session.session_id):
            continue
        try:
            await put_on_record(store, session.session_id, now)
        except Exception as error:  # noqa: BLE001 - an old session's record keeps no new one from trading
            _log.warning("session %s is completed and not on record yet (%s)", session.session_id, error)


def report_of(store: Store, session_id: str) -> str | None:
    """Return where the report of a session on record is; None while it is not on record."""
    settled = store.reads.last_event(session_id, "status", type="settled")
    return None if settled is None else str(settled.payload.get("report"))


def is_driven(store: Store, session_id: str, now: datetime) -> bool:
    """Tell whether a run holds the session's lease."""
    lease = store.reads.lease(f"session:{session_id}")
    return lease is not None and lease.expires_at > now


def _is_on_record(store: Store, session_id: str) -> bool:
    last = store.reads.last_event_sequence(session_id)
    return any(event.type == "settled" for event in store.reads.events_since(session_id, last - 1))


def _write(store: Store, session_id: str) -> str:
    from flows.report import write_report

    store.seal(session_id)
    store.load()
    return str(write_report(home(), session_id))
