"""What a watcher has seen of a session, and how it looks: in a terminal, as one line, as JSON. Pure; reads nothing."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from cli.output import clean
from store import Event, Session

_SPARKS = "▁▂▃▄▅▆▇█"
_WIDTH = 32
_HALF = 12
_STYLES = {"active": "cyan", "paused": "yellow", "completed": "green", "failed": "red", "pending": "white"}
_RISKS = {"ACTIVE": "green", "REDUCING": "yellow", "HALTED": "bold red"}
_EIGHTHS = " ▏▎▍▌▋▊▉"


@dataclass(slots=True)
class Picture:
    """What a watcher has seen so far. net in base units, long positive; peaks: unhedged USD at worst, pair by pair.

    naked_limit and naked_day_max: what legs may stand alone in the session, and in all sessions in a UTC day;
    naked_today: what they did today. All in USD x seconds; a limit that is None is not shown.
    """

    session: Session
    last_sequence: int = 0
    net: Decimal = Decimal(0)
    peaks: deque[float] = field(default_factory=lambda: deque(maxlen=_WIDTH))
    positions: dict[str, Decimal] = field(default_factory=dict)
    decisions: deque[tuple[datetime, str]] = field(default_factory=lambda: deque(maxlen=6))
    breaches: int = 0
    is_on_record: bool = False
    naked_limit: Decimal | None = None
    naked_today: Decimal = Decimal(0)
    naked_day_max: Decimal | None = None
    risk: str | None = None
    risk_reason: str | None = None

    def take(self, event: Event) -> None:
        """Learn from one event."""
        payload = event.payload
        self.last_sequence = event.sequence
        if event.type == "metrics_update":
            self.net = Decimal(str(payload["netPosition"]))
            self.peaks.append(float(str(payload["netPeakUsd"])))
            held = payload["positions"]
            assert isinstance(held, dict)
            self.positions = {str(name): Decimal(str(quantity)) for name, quantity in held.items()}
        elif event.type == "settled":
            self.is_on_record = True
        elif "text" in payload:
            self.note(event.at, str(payload["text"]))
        elif event.type == "session_update":
            self.note(event.at, f"{payload.get('status', '')}: {payload.get('reason') or ''}".rstrip(": "))
        elif event.type == "command":
            self.note(event.at, f"{payload.get('kind', '')}: {payload.get('outcome', '')}")
        elif event.type == "risk_update":
            self._risk(event)

    def note(self, at: datetime, text: str) -> None:
        """Remember one line for the list of decisions."""
        self.decisions.append((at, clean(text)))

    def _risk(self, event: Event) -> None:
        state, reason = event.payload.get("riskState"), event.payload.get("reason")
        if state is not None and (state, reason) != (self.risk, self.risk_reason):
            self.risk, self.risk_reason = str(state), None if reason is None else str(reason)
            if reason is not None:
                self.note(event.at, f"{self.risk}: {reason}")
        found = event.payload.get("breach")
        if isinstance(found, dict):
            self.breaches += 1
            self.note(event.at, f"breach {found.get('category', '')} ({found.get('severity', '')})")


def line(picture: Picture) -> str:
    """One line for places that are no terminal."""
    totals, target = picture.session.totals, picture.session.volume_target
    goal = f" of {target:,.0f}" if target else ""
    last = picture.decisions[-1][1] if picture.decisions else "starting"
    return (
        f"{picture.session.status.value:<9} volume {totals.volume_generated:,.0f}{goal} USD | "
        f"net delta {picture.net:+.4f} | pairs {totals.pairs_filled} | PnL {totals.pnl:+,.4f} | {last}"
    )


def render(picture: Picture, now: datetime) -> RenderableType:
    """The picture for a terminal."""
    session, totals = picture.session, picture.session.totals
    base = session.symbol.partition("/")[0]
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(ratio=1)
    table.add_row("progress", _progress(session, now))
    peak = f"  {picture.peaks[-1]:,.0f} USD at worst in the last pair" if picture.peaks else ""
    table.add_row("net delta", Text(f"{picture.net:+.4f} {base}", style="red" if picture.net else "green"))
    table.add_row("unhedged", Text(sparkline(list(picture.peaks)), style="magenta") + Text(peak, style="dim"))
    table.add_row("legs alone", _alone(picture))
    for name, quantity in picture.positions.items():
        table.add_row(name, _position(quantity, _limit(session), base))
    table.add_row("pairs", f"{totals.pairs_filled} filled, {totals.pairs_unwound} unwound")
    money = Text(f"{totals.pnl:+,.4f} USD", style="green" if totals.pnl >= 0 else "red")
    table.add_row("PnL", money + Text(f"  fees {totals.fees:,.4f}  funding {totals.funding:+,.4f}", style="dim"))
    table.add_row("slippage", f"{totals.slippage * 10_000:.2f} bps against arrival mid")
    if picture.risk is not None:
        why = Text(f"  {clean(picture.risk_reason or '')}", style="dim")
        table.add_row("risk", Text(picture.risk, style=_RISKS.get(picture.risk, "white")) + why)
    if picture.breaches:
        table.add_row("breaches", Text(str(picture.breaches), style="bold red"))
    title = Text.assemble(
        (f" {clean(session.name)} ", "bold"), (f"{session.symbol} ", ""), ("● ", _STYLES[session.status.value]),
        (f"{session.status.value} ", _STYLES[session.status.value]),
    )  # fmt: skip
    border = _STYLES[session.status.value]
    return Panel(Group(table, Text(), _decisions(picture)), title=title, title_align="left", border_style=border)


def sparkline(values: list[float]) -> str:
    """Draw a series in one line; a flat one is drawn low."""
    if not values:
        return ""
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    return "".join(_SPARKS[int((v - low) / span * (len(_SPARKS) - 1))] for v in values)


def bar(share: float, width: int = _WIDTH) -> str:
    """Draw a share between 0 and 1 in eighths of a cell."""
    eighths = round(min(max(share, 0.0), 1.0) * width * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (_EIGHTHS[rest] if rest else "")).ljust(width, "░")


def _progress(session: Session, now: datetime) -> Text:
    """Volume against its target, else time against the duration; with what is left at the pace so far."""
    volume, target = session.totals.volume_generated, session.volume_target
    elapsed = 0.0 if session.started_at is None else ((session.ended_at or now) - session.started_at).total_seconds()
    if target:
        share = float(volume / target)
        figures = f"{volume:,.2f} of {target:,.2f} USD"
    elif session.duration_s:
        share = elapsed / session.duration_s
        figures = f"{_clock(elapsed)} of {_clock(session.duration_s)}, {volume:,.2f} USD"
    else:
        return Text(f"{volume:,.2f} USD")
    left = ""
    if 0.02 < share < 1 and session.ended_at is None:
        left = f"  about {_clock(elapsed / share - elapsed)} left"
    return Text.assemble((bar(share), "green"), (f" {min(share, 1.0):>4.0%}  ", "bold"), figures, (left, "dim"))


def _alone(picture: Picture) -> Text:
    """What legs stood alone, and how much of the session's and the day's budget that is."""
    spent, limit = picture.session.totals.naked_usd_seconds, picture.naked_limit
    text = Text(f"{spent:,.0f} USD·s" + ("" if limit is None else f" of {limit:,.0f}"))
    if limit is not None and spent >= limit * Decimal("0.8"):
        text.stylize("bold red")
    if picture.naked_day_max is not None:
        day = f"  all sessions today {picture.naked_today:,.0f} of {picture.naked_day_max:,.0f}"
        over = picture.naked_today >= picture.naked_day_max * Decimal("0.8")
        text.append(day, style="bold red" if over else "dim")
    return text


def _position(quantity: Decimal, limit: Decimal | None, base: str) -> Text:
    """A signed position as a bar that grows to the right when long, to the left when short."""
    share = 1.0 if not limit else min(float(abs(quantity) / limit), 1.0)
    cells = round(share * _HALF) if quantity else 0
    left = ("█" * cells if quantity < 0 else "").rjust(_HALF)
    right = ("█" * cells if quantity > 0 else "").ljust(_HALF)
    figure = f"  {quantity:+.4f} {base}" if quantity else "  flat"
    return Text.assemble((left, "red"), ("│", "dim"), (right, "green"), figure)


def _limit(session: Session) -> Decimal | None:
    limits = session.strategy.get("riskLimits")
    try:
        return Decimal(str(limits["maxPositionSize"])) if isinstance(limits, dict) else None
    except (KeyError, InvalidOperation):
        return None


def _decisions(picture: Picture) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="ellipsis", no_wrap=True, ratio=1)
    for age, (at, text) in enumerate(reversed(picture.decisions)):
        table.add_row(f"{at:%H:%M:%S}", Text(text, style="" if age == 0 else "dim"))
    if not picture.decisions:
        table.add_row("", Text("waiting for the first word of its run", style="dim"))
    return table


def _clock(seconds: float) -> str:
    whole = round(seconds)
    hours, minutes = whole // 3600, whole % 3600 // 60
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"
