"""What an approval rested on, as a document: facts, limits, each check's verdict, and the plan's choice. Pure.

It goes into the pair's row before anything is sent, and from there into the pair's certificate. Numbers are exact
texts; a book is named by the hash of its levels, with its best prices and age beside it.
"""

from __future__ import annotations

import hashlib
from dataclasses import fields
from datetime import datetime
from decimal import Decimal

from core.account import Margin
from core.gate_facts import GateFacts, LegFacts, OwnOrder, Verdict
from core.limits import RiskLimits
from core.market import Book, FundingRate, Mark
from core.numbers import canonical
from core.pair_plan import LegPlan, PairPlan
from core.risk import Approved


def evidence(approved: Approved) -> dict[str, object]:
    """Return everything a decision to trade rested on, ready to be kept as JSON.

    facts.legs.<side>.price is the worst price that the leg may be sent with, quote units. Ages are in seconds at `at`.
    """
    plan, facts = approved.plan, approved.facts
    return {
        "verdict": "approved",
        "factsDigest": approved.facts_digest,
        "approvedAt": approved.approved_at.isoformat(),
        "choice": _choice(plan),
        "facts": {
            "at": facts.now.isoformat(),
            "legs": {
                "buy": _leg(plan.buy, facts.buy, facts.now),
                "sell": _leg(plan.sell, facts.sell, facts.now),
            },
            "session": _session(facts),
        },
        "limits": {_camel(f.name): _text(getattr(approved.limits, f.name)) for f in fields(RiskLimits)},
        "checks": [_verdict(verdict) for verdict in approved.verdicts],
    }  # fmt: skip


def book_hash(book: Book) -> str:
    """Return the SHA-256 of a book: venue, symbol, sequence, then each level as `side price quantity`, a line each."""
    lines = [f"{book.venue} {book.symbol} {book.sequence}"]
    for side, levels in (("bid", book.bids), ("ask", book.asks)):
        lines += [f"{side} {canonical(level.price)} {canonical(level.quantity)}" for level in levels]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _choice(plan: PairPlan) -> dict[str, object]:
    chosen: dict[str, object] = {"purpose": plan.purpose.value, "quantity": canonical(plan.quantity)}
    if plan.choice is not None:
        carry = plan.choice.carry_per_hour
        chosen |= {
            "why": plan.choice.why, "size": plan.choice.size, "candidates": plan.choice.candidates,
            "carryPerHour": None if carry is None else canonical(carry),
        }  # fmt: skip
    return chosen


def _leg(leg: LegPlan, seen: LegFacts, now: datetime) -> dict[str, object]:
    market, held = leg.market, seen.exposure
    return {
        "accountId": leg.account.account_id, "venue": leg.account.venue.value, "price": canonical(seen.price),
        "book": None if seen.book is None else _book(seen.book, now),
        "mark": None if seen.mark is None else _mark(seen.mark, now),
        "margin": None if seen.margin is None else _margin(seen.margin, now),
        "position": canonical(held.position), "worstLong": canonical(held.worst_long),
        "worstShort": canonical(held.worst_short),
        "takerFee": canonical(market.taker_fee), "makerFee": canonical(market.maker_fee),
        "funding": None if seen.funding is None else _funding(seen.funding),
        "status": None if seen.status is None else str(seen.status.state),
    }  # fmt: skip


def _book(book: Book, now: datetime) -> dict[str, object]:
    return {
        "sha256": book_hash(book), "sequence": book.sequence, "ageS": str(round(book.age_s(now), 3)),
        "bestBid": _text(book.best_bid), "bestAsk": _text(book.best_ask),
        "bids": len(book.bids), "asks": len(book.asks),
    }  # fmt: skip


def _mark(mark: Mark, now: datetime) -> dict[str, object]:
    age = (now - mark.received_time).total_seconds()
    return {"mark": canonical(mark.mark), "index": _text(mark.index), "ageS": str(round(age, 3))}


def _margin(margin: Margin, now: datetime) -> dict[str, object]:
    age = (now - margin.received_time).total_seconds()
    figures = {name: _text(getattr(margin, name)) for name in ("equity", "available", "initial", "maintenance")}
    return {**figures, "active": margin.active, "ageS": str(round(age, 3))}


def _funding(rate: FundingRate) -> dict[str, object]:
    return {"rate": canonical(rate.rate), "intervalS": rate.interval_s, "hourly": canonical(rate.hourly)}


def _session(facts: GateFacts) -> dict[str, object]:
    return {
        "pnl": canonical(facts.session_pnl), "capital": canonical(facts.capital),
        "nakedUsdSeconds": canonical(facts.naked_usd_seconds), "nakedToday": canonical(facts.naked_today),
        "leaseHeld": facts.lease_held, "clockSafe": facts.clock_safe, "halted": facts.halted,
        "ownOrders": [_own(order) for order in facts.own_orders],
    }  # fmt: skip


def _own(order: OwnOrder) -> dict[str, object]:
    return {
        "clientOrderId": order.client_order_id, "venue": order.venue.value, "side": order.side.value,
        "price": canonical(order.price), "remaining": canonical(order.remaining),
        **({"foreign": True} if order.is_foreign else {}),
    }  # fmt: skip


def _verdict(verdict: Verdict) -> dict[str, object]:
    return {
        "check": verdict.check, "accountId": verdict.account_id, "value": verdict.value, "bound": verdict.bound,
        "passed": verdict.refusal is None,
    }  # fmt: skip


def _text(value: Decimal | float | None) -> str | None:
    if value is None:
        return None
    return canonical(value) if isinstance(value, Decimal) else str(value)


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)
