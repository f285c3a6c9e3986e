"""The report as one HTML text: figures and charts put into the template, every value escaped. Reads and writes no file
but its own template and style sheet.
"""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from flows.day_limit import naked_limit
from flows.report import charts, figures, text
from flows.report.facts import PairFacts, Record
from flows.report.findings import findings

PAIRS_MAX = 300

_ENVIRONMENTS = {
    "sandbox": "Local venue twins: no real market, no real funds.",
    "testnet": "The venues' test networks: no real funds.",
    "production": "Live venues: real funds.",
}


@dataclass(frozen=True, slots=True)
class PairTable:
    """The pairs that are shown, how many between first and last ones are not, and the decimals of two columns."""

    first: Sequence[PairFacts]
    last: Sequence[PairFacts]
    left_out: int
    quantity_places: int
    price_places: int
    dated: bool


def render(record: Record) -> str:
    """Return the report of a session as one self-contained HTML document; the same facts make the same text."""
    style = files("flows.report").joinpath("templates/report.css").read_text(encoding="utf-8")
    digest = b64encode(hashlib.sha256(style.encode()).digest()).decode()
    found = [
        charts.delta_chart(record),
        charts.volume_chart(record),
        charts.fills_chart(record),
        charts.slippage_chart(record),
        charts.skew_chart(record),
    ]
    session = record.session
    return _environment().get_template("report.html.j2").render(
        style=Markup(style),  # noqa: S704  (our own file; its hash is what the policy lets through)
        style_hash=digest,
        record=record,
        s=session,
        environment_text=_ENVIRONMENTS.get(session.environment, "Not an environment this report knows."),
        venues=figures.venues(record),
        length=session.length,
        share=_share(session.volume_generated, session.volume_target),
        orders=Counter(order.status for order in record.orders),
        statuses=Counter(pair.status for pair in record.pairs),
        skew=figures.leg_skew_ms(record),
        slippage=figures.slippage_bps(record),
        findings=findings(record),
        charts={chart.key: chart for chart in found if chart is not None},
        pnl=charts.pnl_chart(record),
        accounts=figures.account_results(record),
        split=figures.split(record),
        table=pair_table(record.pairs),
        settings=list(settings(session.strategy)),
        naked_limit=naked_limit(session.strategy, session.accounts),
    )  # fmt: skip


def pair_table(pairs: Sequence[PairFacts], limit: int = PAIRS_MAX) -> PairTable:
    """Choose the pairs to show: all of them, or the first and last `limit` / 2."""
    half = limit // 2
    all_fit = len(pairs) <= limit
    days = {figures.pair_time(p).date() for p in pairs}
    return PairTable(
        first=pairs if all_fit else pairs[:half],
        last=() if all_fit else pairs[-half:],
        left_out=0 if all_fit else len(pairs) - 2 * half,
        quantity_places=text.quantity_places(p.quantity for p in pairs),
        price_places=text.price_places(p.price for p in pairs if p.price is not None),
        dated=len(days) > 1,
    )


def settings(strategy: str) -> Iterator[tuple[str, str]]:
    """Return a strategy document as (dotted name, value) in its own order; a text that is no object comes whole."""
    try:
        document = json.loads(strategy)
    except ValueError:
        document = strategy
    yield from _flat("", document if isinstance(document, dict) else {"strategy": strategy})


def _flat(prefix: str, document: dict[str, object]) -> Iterator[tuple[str, str]]:
    for name, value in document.items():
        if isinstance(value, dict):
            yield from _flat(f"{prefix}{name}.", value)
        else:
            yield f"{prefix}{name}", value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _share(volume: Decimal, target: Decimal | None) -> Decimal | None:
    return volume / target * 100 if target else None


def _bps_of(value: Decimal, volume: Decimal) -> str:
    """Write a value as basis points of a volume."""
    return text.usd(value / volume * figures.BPS) if volume else text.NONE


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("flows.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        usd=text.usd,
        signed=text.signed,
        bps=text.bps,
        bps_of=_bps_of,
        exact=text.exact,
        fixed=text.fixed,
        moment=text.moment,
        venue=text.venue_name,
        clock=text.clock,
        duration=text.duration,
    )
    return environment
