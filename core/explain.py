"""Why a pair was done as it was, in sentences, from its certificate or its record. Pure; invents nothing.

What a document does not say is left out: pairs from before decisions were kept have fewer sentences.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation

from core.numbers import ZERO, canonical

_VERBS = {"open": "opens a hedge of", "close": "closes", "complete": "enlarges a remainder by"}
_CLOSE_TO_BOUND = Decimal("0.8")
_RATIO_CHECKS = ("book_age_s", "spread", "mark_age_s", "cost", "position", "margin", "stop_loss", "naked_budget",
                 "naked_day_budget")  # fmt: skip
_WAYS = {"chase": "completing the lagging leg", "wait": "waiting a second more", "unwind": "taking the leg back"}


def explain(document: Mapping[str, object]) -> list[str]:
    """Tell a pair in sentences: plan, choice, what the gate saw, each leg, uneven legs, its end, its cost."""
    return [*_plan(document), *_gate(document), *_legs(document), *_repairs(document), *_end(document)]


def _plan(document: Mapping[str, object]) -> Iterator[str]:
    pair, choice = document["pair"], _at(document, "pair", "decision", "choice")
    verb = _VERBS.get(_text(_at(choice, "purpose")), "trades")
    symbol = next((_text(_at(order, "symbol")) for order in _rows(document, "orders")), "")
    what = f"{_number(_at(pair, 'plannedQuantity'))} {symbol.partition('/')[0]}".strip()
    yield (
        f"Pair {_text(_at(pair, 'sequence'))} {verb} {what}: "
        f"buy on {_at(pair, 'buyVenue')} ({_at(pair, 'buyAccount')}), "
        f"sell on {_at(pair, 'sellVenue')} ({_at(pair, 'sellAccount')})."
    )
    if _at(choice, "why"):
        yield f"It was chosen because {_at(choice, 'why')}."
    carry = _decimal(_at(choice, "carryPerHour"))
    if carry is not None:
        earns = "earn" if carry >= 0 else "pay"
        yield f"Holding it was expected to {earns} {abs(carry) * 10_000:.4f} bps of one leg an hour in funding."
    if _at(choice, "size"):
        yield f"Its size is {_at(choice, 'size')}."


def _gate(document: Mapping[str, object]) -> Iterator[str]:
    decision = _at(document, "pair", "decision")
    for side in ("buy", "sell"):
        leg = _at(decision, "facts", "legs", side)
        book = _at(leg, "book")
        if not isinstance(leg, Mapping) or not isinstance(book, Mapping):
            continue
        margin = _at(leg, "margin", "available")
        free = "" if margin is None else f", {_money(margin)} of margin free"
        yield (
            f"The gate saw {_at(leg, 'venue')} at {_number(book.get('bestBid'))} / {_number(book.get('bestAsk'))}, "
            f"{_number(book.get('ageS'))} s old, mark {_number(_at(leg, 'mark', 'mark'))}, "
            f"position {_number(leg.get('position'))}{free}; the {side} was bounded at {_number(leg.get('price'))}."
        )
    checks = [check for check in _sequence(_at(decision, "checks")) if isinstance(check, Mapping)]
    if checks:
        refused = sum(check.get("passed") is not True for check in checks)
        outcome = "all passed" if not refused else f"{refused} refused"
        yield f"It made {len(checks)} checks at {_at(decision, 'approvedAt')}: {outcome}.{_nearest(checks)}"


def _nearest(checks: Sequence[Mapping[str, object]]) -> str:
    """Name what came nearest to its bound, where that is a share of it."""
    shares = []
    for check in checks:
        value, bound = _decimal(check.get("value")), _decimal(check.get("bound"))
        if check.get("check") in _RATIO_CHECKS and value is not None and bound is not None and bound > 0:
            shares.append((value / bound, check))
    if not shares:
        return ""
    share, check = max(shares, key=lambda pair: pair[0])
    where = f" of {check['accountId']}" if check.get("accountId") else ""
    close = "nearest to its bound was" if share < _CLOSE_TO_BOUND else "close to its bound was"
    name = str(check["check"]).replace("_", " ")
    figures = f"{_number(check['value'])} of {_number(check['bound'])}"
    return f" {close.capitalize()} {name}{where}: {figures} ({share * 100:.0f} %)."


def _legs(document: Mapping[str, object]) -> Iterator[str]:
    orders = _rows(document, "orders")
    if not orders:
        yield "Nothing was sent."
    for order in orders:
        filled, quantity = _decimal(order.get("filledQuantity")) or ZERO, _decimal(order.get("quantity"))
        sent = (
            f"The {order.get('side')} on {order.get('venue')} (order {order.get('clientOrderId')}"
            f"{', venue id ' + str(order['venueOrderId']) if order.get('venueOrderId') else ''}) was sent as "
            f"{order.get('type')} {order.get('timeInForce')} for {_number(quantity)} at {_number(order.get('price'))}"
        )
        reason = _at(order, "decision", "reason")
        why = f" to {reason}" if isinstance(reason, str) and reason.startswith(("take", "rest", "even")) else ""
        ended = f"ended {order.get('status')}"
        if filled:
            average = _number(order.get("averagePrice"))
            ended += f" with {canonical(filled)} filled at {average}{_delay(order, document)}"
        if order.get("reason"):
            ended += f" ({order['reason']})"
        yield f"{sent}{why}; it {ended}."


def _delay(order: Mapping[str, object], document: Mapping[str, object]) -> str:
    created = _time(order.get("createdAt"))
    mine = [f for f in _rows(document, "fills") if f.get("clientOrderId") == order.get("clientOrderId")]
    times = [at for fill in mine if (at := _time(fill.get("venueTime"))) is not None]
    if created is None or not times:
        return ""
    executions = "" if len(times) == 1 else f" in {len(times)} executions"
    return f"{executions}, {round((max(times) - created).total_seconds() * 1000)} ms after it was decided"


def _repairs(document: Mapping[str, object]) -> Iterator[str]:
    """One sentence for each decision about uneven legs; orders of one decision share its costs."""
    told = set()
    for order in _rows(document, "orders"):
        decision = _at(order, "decision")
        costs = _at(decision, "costs")
        if not isinstance(costs, Mapping) or (key := str(decision)) in told:
            continue
        told.add(key)
        ways = [
            f"{words} {'was not possible' if (cost := costs.get(way)) is None else 'about ' + _money(cost, 4)}"
            for way, words in _WAYS.items()
        ]
        yield (
            f"The legs stood uneven by {_number(_at(decision, 'net'))}; expected costs: {', '.join(ways)}; "
            f"decided: {_at(decision, 'reason')}."
        )


def _end(document: Mapping[str, object]) -> Iterator[str]:
    pair, reason = document["pair"], document.get("reason")
    if _at(pair, "completedAt") is None:
        yield f"It has not ended; it is {_at(pair, 'status')}."
        return
    because = f": {reason}" if reason else ""
    yield f"It ended {_at(pair, 'status')} with {_number(_at(pair, 'quantity'))} hedged{because}."
    volume, slippage = _decimal(_at(pair, "volume")) or ZERO, _decimal(_at(pair, "slippage"))
    paid = ZERO if slippage is None else slippage * volume
    share = "" if slippage is None else f" ({slippage * 10_000:.2f} bps)"
    yield (
        f"Volume {_money(volume)}; it cost {paid:.4f} of slippage{share} and {_money(_at(pair, 'fees'), 4)} of fees; "
        f"legs stood alone for {_money(_at(pair, 'nakedUsdSeconds'))} quote units x seconds{_skew(pair)}."
    )
    undone = [str(fill.get("tradeId")) for fill in _rows(document, "fills") if fill.get("bustedAt")]
    if undone:
        yield f"The venue undid {len(undone)} of its executions afterwards: {', '.join(undone)}."


def _skew(pair: object) -> str:
    skew = _decimal(_at(pair, "legSkewMs"))
    return "" if skew is None else f", {skew:.0f} ms lay between the first fills of the two legs"


def _at(value: object, *path: str) -> object:
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _sequence(value: object) -> Sequence[object]:
    return value if isinstance(value, list | tuple) else ()


def _rows(document: Mapping[str, object], name: str) -> list[Mapping[str, object]]:
    return [row for row in _sequence(document.get(name)) if isinstance(row, Mapping)]


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _decimal(value: object) -> Decimal | None:
    try:
        return None if value is None or isinstance(value, bool) else Decimal(str(value))
    except InvalidOperation:
        return None


def _number(value: object) -> str:
    found = _decimal(value)
    return "unknown" if found is None else canonical(found.quantize(Decimal("1e-8")) if found.is_finite() else found)


def _money(value: object, digits: int = 2) -> str:
    found = _decimal(value)
    return "unknown" if found is None else f"{found:,.{digits}f}"


def _time(value: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(value))
    except ValueError:
        return None
