"""Everything a report has to warn of, found in a session's facts. Mends nothing and hides nothing.

A session without findings had no risk event, brought every pair to a hedged end, ended flat on every account that
traded, and its rows add up to its own figures.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from core.numbers import ZERO
from flows.report.facts import BreachFacts, PairFacts, Record
from flows.report.figures import account_results, closing_positions
from flows.report.text import moment, plain, usd, venue_name

DUST = Decimal("0.000001")
_NAMED_PAIRS_MAX = 20
_BREACHES_MAX = 40
_BAD_STATUSES = ("unwound", "failed", "partial", "pending")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something a person should look at."""

    severity: str
    title: str
    text: str
    at: datetime | None = None


def findings(record: Record) -> list[Finding]:
    """Return everything to warn of, the gravest first."""
    found = [
        *_status_findings(record),
        *_breach_findings(record),
        *_pair_findings(record.pairs),
        *_flat_findings(record),
        *_sum_findings(record),
        *_funding_findings(record),
    ]
    return sorted(found, key=lambda finding: finding.severity != "critical")


def _status_findings(record: Record) -> list[Finding]:
    s = record.session
    reason = s.status_reason or "no reason was recorded"
    if s.status == "failed":
        return [Finding("critical", "Session failed", reason, s.ended_at)]
    if s.status != "completed":
        text = f"It is {s.status}; the figures are those of its last sealing. {s.status_reason or ''}".strip()
        return [Finding("warning", "Session has not ended", text)]
    if s.volume_target is not None and s.volume_generated < s.volume_target:
        text = f"{usd(s.volume_generated)} of {usd(s.volume_target)} {s.quote}: {reason}."
        return [Finding("warning", "Volume target not reached", text, s.ended_at)]
    return []


def _breach_findings(record: Record) -> list[Finding]:
    shown = [_breach_finding(b) for b in record.breaches[:_BREACHES_MAX]]
    left = record.breaches[_BREACHES_MAX:]
    if left:
        gravest = "critical" if any(b.severity == "critical" for b in left) else "warning"
        shown.append(Finding(gravest, f"{len(left)} more risk events", "Query the view risk_events for them."))
    return shown


def _breach_finding(breach: BreachFacts) -> Finding:
    text = details_text(breach.details)
    if breach.acknowledged_at is not None:
        comment = f": {breach.comment}" if breach.comment else ""
        when = moment(breach.acknowledged_at)
        text += f" — acknowledged {when} UTC ({breach.action or 'no action noted'}){comment}"
    else:
        text += " — not acknowledged"
    return Finding(breach.severity, f"Risk event {breach.category}", text, breach.created_at)


def details_text(document: str) -> str:
    """Write a JSON object as `name value, name value`; any other text as it is."""
    try:
        details = json.loads(document)
    except ValueError:
        return document
    if not isinstance(details, dict):
        return document
    return ", ".join(f"{name} {_value_text(value)}" for name, value in details.items()) or "no details"


def _value_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(", ", ": "))


def _pair_findings(pairs: Sequence[PairFacts]) -> list[Finding]:
    by_status: dict[str, list[int]] = defaultdict(list)
    for pair in pairs:
        if pair.status in _BAD_STATUSES:
            by_status[pair.status].append(pair.sequence)
    return [_pairs_finding(status, sequences) for status, sequences in by_status.items()]


def _pairs_finding(status: str, sequences: Sequence[int]) -> Finding:
    count = f"{len(sequences)} {'pair' if len(sequences) == 1 else 'pairs'} {status}"
    named = ", ".join(str(s) for s in sequences[:_NAMED_PAIRS_MAX])
    more = f" and {len(sequences) - _NAMED_PAIRS_MAX} more" if len(sequences) > _NAMED_PAIRS_MAX else ""
    meaning = {
        "unwound": "One leg could not be hedged and was taken back.",
        "failed": "Not brought to a hedged end.",
        "partial": "Filled in part when this was sealed.",
        "pending": "Planned, without an end when this was sealed.",
    }[status]
    return Finding("warning" if status == "unwound" else "critical", count, f"{meaning} Sequence {named}{more}.")


def _flat_findings(record: Record) -> list[Finding]:
    found, last, base = [], closing_positions(record), record.session.base
    for place, position in last.items():
        if position.quantity != 0:
            text = f"{_place(place)} held {plain(position.quantity)} {base} when last read."
            found.append(Finding("critical", "Not flat", text, position.at))
    for result in account_results(record):
        place = (result.venue, result.account_id)
        if result.fills and place not in last:
            text = f"{_place(place)} traded, and no closing position was recorded: whether it is flat is not known."
            found.append(Finding("critical", "Closing position unknown", text))
        stated = last[place].quantity if place in last else None
        if stated is not None and stated != result.net_quantity:
            text = (
                f"{_place(place)}: the fills leave {plain(result.net_quantity)} {base}, "
                f"the venue stated {plain(stated)} {base}."
            )
            found.append(Finding("critical", "Fills and position disagree", text, last[place].at))
    loose = sum(fill.pair_id is None for fill in record.fills)
    if loose:
        title = "1 fill belongs to no pair" if loose == 1 else f"{loose} fills belong to no pair"
        found.append(Finding("critical", title, "The journal holds no order of this session for it."))
    return found


def _sum_findings(record: Record) -> list[Finding]:
    """Compare the session's own figures with the sums of its rows; a difference above dust is shown, not hidden."""
    s, accounts = record.session, account_results(record)
    nets = [a.net for a in accounts if a.net is not None]
    statuses = Counter(p.status for p in record.pairs)
    sums: list[tuple[str, Decimal, Decimal]] = [
        ("volume", s.volume_generated, sum((p.volume for p in record.pairs), ZERO)),
        ("fees", s.fees, sum((a.fees for a in accounts), ZERO)),
        ("funding", s.funding, sum((a.funding for a in accounts), ZERO)),
        ("pairs filled", Decimal(s.pairs_filled), Decimal(statuses["filled"])),
        ("pairs unwound", Decimal(s.pairs_unwound), Decimal(statuses["unwound"])),
    ]
    if len(nets) == len(accounts):
        sums.append(("net PnL", s.pnl, sum(nets, ZERO)))
    return [
        Finding(
            "critical", f"Sums disagree: {name}", f"The session says {plain(said)}, its rows add up to {plain(rows)}."
        )
        for name, said, rows in sums
        if abs(said - rows) > DUST
    ]


def _funding_findings(record: Record) -> list[Finding]:
    """Funding that is not what the published rates make of the position, with the money at stake."""
    return [
        Finding(
            "warning", "Funding differs from the published rates",
            f"{_place((c.venue, c.account_id))}: {plain(c.booked)} was booked, {usd(c.expected, 6)} expected, "
            f"{usd(c.difference, 6)} {record.session.quote} at stake.",
            c.at,
        )
        for c in record.funding_checks
        if not c.is_agreed
    ]  # fmt: skip


def _place(place: tuple[str, str]) -> str:
    return f"{venue_name(place[0])} {place[1]}"
