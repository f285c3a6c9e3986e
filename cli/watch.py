"""Watching a session: a live picture in a terminal, plain lines elsewhere. Reads the store; touches nothing."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from rich.console import Console, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from store import Event, Session, SessionStatus, Store

POLL_S = 0.25
LINE_EVERY_S = 5.0
ABANDONED_S = 10.0
_SPARKS = "▁▂▃▄▅▆▇█"


@dataclass(slots=True)
class Picture:
    """What a watcher has seen so far."""

    session: Session
    last_sequence: int = 0
    net: Decimal = Decimal(0)
    peaks: deque[float] = field(default_factory=lambda: deque(maxlen=48))
    positions: dict[str, str] = field(default_factory=dict)
    decisions: deque[str] = field(default_factory=lambda: deque(maxlen=5))
    is_on_record: bool = False
    driven_at: float = field(default_factory=time.monotonic)

    def take(self, event: Event) -> None:
        """Learn from one event."""
        payload = event.payload
        self.last_sequence = event.sequence
        if event.type == "metrics_update":
            self.net = Decimal(str(payload["netPosition"]))
            self.peaks.append(float(str(payload["netPeakUsd"])))
            self.positions = {str(k): str(v) for k, v in dict(payload["positions"]).items()}  # type: ignore[call-overload]
        elif event.type == "settled":
            self.is_on_record = True
        elif "text" in payload:
            self.decisions.append(str(payload["text"]))
        elif event.type == "session_update":
            self.decisions.append(f"status: {payload['status']} {payload.get('reason') or ''}".strip())


def watch(store: Store, session_id: str, console: Console, *, timeout_s: float) -> Session:
    """Follow a session until it has ended, is halted, or the time is up; return it as it then stands."""
    picture = Picture(store.reads.session(session_id))
    show = _live if console.is_terminal else _lines
    show(store, picture, console, time.monotonic() + timeout_s)
    return picture.session


def _live(store: Store, picture: Picture, console: Console, deadline: float) -> None:
    with Live(_render(picture), console=console, refresh_per_second=4, transient=True) as live:
        for _ in _updates(store, picture, deadline):
            live.update(_render(picture))


def _lines(store: Store, picture: Picture, console: Console, deadline: float) -> None:
    shown_at, shown = 0.0, ""
    for _ in _updates(store, picture, deadline):
        now, line = time.monotonic(), _line(picture)
        if line != shown and (now - shown_at >= LINE_EVERY_S or picture.session.status.is_final):
            shown_at, shown = now, line
            console.print(line, highlight=False, soft_wrap=True)


def _updates(
    store: Store,
    picture: Picture,
    deadline: float,
    sleep: Callable[[float], None] = time.sleep,  # noqa: TID251
) -> Iterator[None]:
    while time.monotonic() < deadline:
        picture.session = store.reads.session(picture.session.session_id)
        for event in store.reads.events_since(picture.session.session_id, picture.last_sequence):
            picture.take(event)
        yield
        if _has_ended(picture):
            return
        if _is_abandoned(store, picture):
            picture.decisions.append("its run has ended without an end; run the session again to go on where it stands")
            yield
            return
        sleep(POLL_S)


def _has_ended(picture: Picture) -> bool:
    """Ended and on record; or failed, or halted with exposure: then nothing changes without an operator."""
    session = picture.session
    if session.status is SessionStatus.COMPLETED:
        return picture.is_on_record
    return session.status is SessionStatus.FAILED or (
        session.status_reason is not None and session.started_at is not None
    )


def _is_abandoned(store: Store, picture: Picture) -> bool:
    """Nobody has held the session's lease for a while: its run died, or could not even write down why it stopped."""
    if picture.session.status not in (SessionStatus.ACTIVE, SessionStatus.PAUSED):
        return False
    lease = store.reads.lease(f"session:{picture.session.session_id}")
    if lease is not None and lease.expires_at > datetime.now(UTC) - timedelta(seconds=ABANDONED_S):  # noqa: TID251
        picture.driven_at = time.monotonic()
    return time.monotonic() - picture.driven_at > ABANDONED_S


def _line(picture: Picture) -> str:
    totals, target = picture.session.totals, picture.session.volume_target
    goal = f" of {target:,.0f}" if target else ""
    last = picture.decisions[-1] if picture.decisions else "starting"
    return (
        f"{picture.session.status.value:<9} volume {totals.volume_generated:,.0f}{goal} USD | "
        f"net delta {picture.net:+.4f} | pairs {totals.pairs_filled} | PnL {totals.pnl:+,.4f} | {last}"
    )


def _render(picture: Picture) -> RenderableType:
    totals, target = picture.session.totals, picture.session.volume_target or Decimal(0)
    table = Table.grid(padding=(0, 2))
    table.add_row("status", Text(picture.session.status.value, style="bold"))
    table.add_row("volume", _bar(totals.volume_generated, target))
    table.add_row("net delta", f"{picture.net:+.4f} {picture.session.symbol.partition('/')[0]}")
    peak = f"{picture.peaks[-1]:,.0f} USD" if picture.peaks else ""
    table.add_row("leg exposure", f"{sparkline(list(picture.peaks))} {peak}")
    held = "  ".join(f"{name} {quantity}" for name, quantity in picture.positions.items())
    table.add_row("positions", held or "flat")
    table.add_row("pairs", f"{totals.pairs_filled} filled, {totals.pairs_unwound} unwound")
    table.add_row("PnL", f"{totals.pnl:+,.4f} USD (fees {totals.fees:,.4f}, funding {totals.funding:+,.4f})")
    table.add_row("decisions", Text("\n".join(reversed(picture.decisions)) or "starting", style="dim"))
    return table


def _bar(volume: Decimal, target: Decimal, width: int = 40) -> Text:
    if not target:
        return Text(f"{volume:,.2f} USD")
    done = min(width, int(volume / target * width))
    bar = Text("━" * done, style="green") + Text("─" * (width - done), style="dim")
    return bar + Text(f"  {volume:,.2f} of {target:,.2f} USD")


def sparkline(values: list[float]) -> str:
    """Draw a series in one line; a flat one is drawn low."""
    if not values:
        return ""
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    return "".join(_SPARKS[int((v - low) / span * (len(_SPARKS) - 1))] for v in values)
