"""`hedge session estimate`: read books, marks, rates and margins once, then play the session through."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from cli.output import clean, columns, paint
from cli.place import here
from connectors.settings import Environment
from core.estimate import Estimate, Quantiles, estimate
from core.numbers import plain
from core.strategy import check_accounts, validate, validate_goal
from flows.accounts import Account, accounts_for, choose
from flows.estimating import read_facts, visited
from flows.wiring import outside
from store.requests import SessionRequest


@dataclass(frozen=True, slots=True)
class Found:
    """An estimate and its form for programs."""

    estimate: Estimate
    document: dict[str, Any]


def of_request(request: SessionRequest, environment: str, *, seed: int) -> Found:
    """Estimate a request on the venues as they are now; raises what creating and starting it would."""
    validate(request.to_strategy())
    validate_goal(request.to_goal())
    accounts = choose(accounts_for(Environment(environment), here(), os.environ), request.accounts)
    check_accounts([account.ref for account in accounts.values()])
    made = asyncio.run(_estimate(request, accounts, seed))
    return Found(made, document(made))


async def _estimate(request: SessionRequest, accounts: dict[str, Account], seed: int) -> Estimate:
    world, strategy = outside(seed), request.to_strategy()
    async with visited(accounts, world) as clients:
        facts = await read_facts(clients, {name: account.ref for name, account in accounts.items()}, strategy)
    return estimate(facts, strategy, request.to_goal(), now=world.clock(), seed=seed)


def document(made: Estimate) -> dict[str, Any]:
    """For programs: money as text in USD, seconds, fractions."""
    assumed = made.assumptions
    return {
        "volume": _quantiles(made.volume), "pairs": _quantiles(made.pairs), "durationS": _quantiles(made.duration_s),
        "fees": _quantiles(made.fees), "slippage": _quantiles(made.slippage), "funding": _quantiles(made.funding),
        "cost": _quantiles(made.cost), "costShare": _quantiles(made.cost_share),
        "makerShare": _quantiles(made.maker_share), "nakedUsdMax": _quantiles(made.naked_usd_max),
        "nakedUsdSeconds": _quantiles(made.naked_usd_seconds),
        "accounts": [
            {
                "accountId": share.account.account_id, "venue": share.account.venue.value,
                "volume": _quantiles(share.volume), "fees": _quantiles(share.fees),
                "slippage": _quantiles(share.slippage), "funding": _quantiles(share.funding),
            }
            for share in made.accounts
        ],
        "cautions": [
            {"code": c.code, "severity": c.severity.value, "text": c.text, "accountId": c.account_id}
            for c in made.cautions
        ],
        "basis": {
            "paths": made.paths, "pairsPlayed": made.pairs_played, "extrapolated": made.extrapolated,
            "seed": made.seed, "delayMedianS": assumed.delay.median_s, "delayP90S": assumed.delay.p90_s,
            "volatilityDaily": assumed.volatility_daily,
        },
    }  # fmt: skip


def show(found: Found) -> str:
    """For people: one row a figure, what to know below."""
    made = found.estimate
    minutes = _each(made.duration_s, lambda s: f"{s / 60:,.1f}")
    rows = [
        ("volume", *_money(made.volume), "USD"), ("pairs", *_each(made.pairs, lambda n: f"{n:,.0f}"), ""),
        ("time", *minutes, "min"), ("fees", *_money(made.fees), "USD paid"),
        ("slippage", *_money(made.slippage), "USD paid"), ("funding", *_money(made.funding), "USD received"),
        ("cost", *_money(made.cost), "USD"), ("of volume", *_each(made.cost_share, _bps), "bps"),
        ("as maker", *_each(made.maker_share, lambda s: f"{s:.0%}"), ""),
        ("worst naked", *_money(made.naked_usd_max), "USD"),
        ("naked", *_each(made.naked_usd_seconds, lambda n: f"{n:,.0f}"), "USD·s"),
    ]  # fmt: skip
    text = columns(("", "p10", "p50", "p90", "unit"), rows, right=("p10", "p50", "p90"))
    marks = {"warning": paint("!", "yellow", bold=True), "critical": paint("✗", "red", bold=True)}
    notes = [f"{marks[caution.severity.value]} {clean(caution.text)}" for caution in made.cautions]
    basis = f"{made.paths} sessions played on the books as they are now, {made.pairs_played} pairs, seed {made.seed}"
    return "\n".join([text, "", *notes, basis])


def _quantiles(found: Quantiles | None) -> dict[str, str] | None:
    return None if found is None else {"p10": plain(found.p10), "p50": plain(found.p50), "p90": plain(found.p90)}


def _each(found: Quantiles | None, write: Any) -> tuple[str, str, str]:
    return ("?", "?", "?") if found is None else (write(found.p10), write(found.p50), write(found.p90))


def _money(found: Quantiles | None) -> tuple[str, str, str]:
    return _each(found, lambda value: f"{value:,.2f}")


def _bps(share: Decimal) -> str:
    return f"{share * 10_000:.2f}"
