"""Recomputing a session's funding from the venues' published rates when it is settled; books nothing, stops nothing."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from core.errors import VenueError
from core.funding_check import FundingDifference, check_index, check_intervals
from core.instrument import Venue
from core.numbers import canonical
from tasks.desk import Desk
from tasks.publish import say

# Paradex publishes one sample a second; beyond this a session's history is too long to be read at its end.
INDEX_MAX = timedelta(hours=12)
_MARGIN = timedelta(seconds=90)


async def recompute_funding(desk: Desk) -> list[FundingDifference]:
    """Write what each account's funding should have been beside what was booked, and say where they differ.

    An account whose rates cannot be read is not judged, and a notice says so: the settlement does not fail over it.
    """
    found = await asyncio.gather(*(_of_account(desk, name) for name in desk.clients))
    checks = [check for checked in found for check in checked]
    await desk.store.journal.record_funding_checks(desk.session_id, checks)
    for check in checks:
        if not check.is_agreed:
            await _tell(
                desk,
                f"funding of {check.account_id} at {check.at:%Y-%m-%d %H:%M:%S}: {canonical(check.booked)} was booked, "
                f"{check.expected:.6f} expected; {check.difference:.6f} {desk.symbol.split('/')[1]} at stake",
            )
    return checks


async def _of_account(desk: Desk, name: str) -> list[FundingDifference]:
    fills = [f for f in desk.fills if f.account_id == name]
    if not fills:
        return []
    client, venue = desk.clients[name], desk.accounts[name].venue
    first, last = min(f.venue_time for f in fills), max(f.venue_time for f in fills)
    payments = [p for p in desk.payments if p.account_id == name and p.symbol == desk.symbol]
    if venue is Venue.PARADEX and last - first > INDEX_MAX:
        await _tell(desk, f"{name}: funding is not recomputed, the session is longer than {INDEX_MAX}")
        return []
    try:
        points = await client.market_data.past_funding(desk.symbol, first - _MARGIN)
    except VenueError as error:
        await _tell(desk, f"{name}: funding could not be recomputed ({error})")
        return []
    if any(point.index is not None for point in points):
        return check_index(fills, points, payments, name)
    prices = {end: seen for (account, end), seen in desk.funding_prices.items() if account == name}
    return check_intervals(fills, [p for p in points if p.at <= desk.now()], payments, prices, name)


async def _tell(desk: Desk, text: str) -> None:
    await say(desk, "log", "notice", {"text": text})
