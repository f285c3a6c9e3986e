"""Orders of somebody else on the session's accounts: looked for, told once each, left alone. Cancels none of them.

The risk gate keeps the session's own orders from meeting them. Looked for only while no order of the session is without
an end, for one that a venue lists without our name could be it.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from core.account import AccountRef
from core.errors import VenueError
from core.gate_facts import OwnOrder
from core.instrument import Venue
from core.numbers import canonical
from core.order import OrderReport
from tasks.desk import Desk

FOREIGN_ORDER = "foreign_order"
ORDERS_EVERY_S = 20.0
# What nobody has looked at for so long is not known any more: the session that looked at it has ended.
KNOWN_S = 120.0
# So many warnings may be open at a time; beyond that orders are told as notices alone.
TOLD_MAX = 20


@dataclass(frozen=True, slots=True)
class Found:
    """What somebody else has resting on an account: all of it, and those of it that were not known before."""

    account: AccountRef
    orders: tuple[OrderReport, ...]
    new: tuple[OrderReport, ...]


def may_look(desk: Desk) -> bool:
    """Tell whether every order of the session has an end."""
    return not desk.store.reads.open_orders_of(desk.session_id)


async def foreign_orders(desk: Desk) -> list[Found]:
    """Read what rests on every account of the session; one that cannot be read is left out, and what is known stays."""
    names = list(desk.accounts)
    answers = await asyncio.gather(*(desk.clients[n].open_orders(desk.symbol) for n in names), return_exceptions=True)
    found: list[Found] = []
    for name, answer in zip(names, answers, strict=True):
        if isinstance(answer, VenueError):
            desk.notices.append(f"{name}: open orders could not be read ({answer})")
        elif isinstance(answer, BaseException):
            raise answer
        else:
            known = desk.store.reads.foreign.known(name, desk.symbol)
            orders = _foreign(desk, name, answer)
            if orders or known:
                new = tuple(report for report in orders if report.venue_order_id not in known)
                found.append(Found(desk.accounts[name], orders, new))
    return found


def described(report: OrderReport) -> dict[str, object]:
    """Say which order it is, and where it lies, as far as the venue tells: the details of its warning."""
    details: dict[str, object] = {
        "accountId": report.account_id, "venue": report.venue.value, "venueOrderId": report.venue_order_id,
        "then": "left alone",
    }  # fmt: skip
    if report.resting is not None:
        details |= {"side": report.resting.side.value, "price": canonical(report.resting.price)}
    return details


def sentence(report: OrderReport) -> str:
    """Say the same in words."""
    lies = "" if report.resting is None else f", a {report.resting.side} at {canonical(report.resting.price)}"
    return f"{report.account_id}: order {report.venue_order_id} is not ours{lies}; it is left alone"


def breach_id(desk: Desk, report: OrderReport) -> str:
    """Return the id of its warning: the same order makes the same one, however often it is found."""
    return str(
        uuid.uuid5(uuid.NAMESPACE_OID, f"{desk.session_id}/{FOREIGN_ORDER}/{report.account_id}/{report.venue_order_id}")
    )


def known_in(desk: Desk, venue: Venue) -> tuple[OwnOrder, ...]:
    """Return the orders of somebody else that lie in this market's book at a venue, on any account of ours."""
    since = desk.now() - timedelta(seconds=KNOWN_S)
    return desk.store.reads.foreign.resting(venue, desk.symbol, since)


def _foreign(desk: Desk, name: str, listed: Sequence[OrderReport]) -> tuple[OrderReport, ...]:
    """Those that no order of any session explains, by our id, the wire's, or the venue's."""
    ids = {text for r in listed for text in (r.client_order_id, r.venue_order_id) if text is not None}
    ours = desk.store.reads.foreign.journalled(name, ids) if ids else set()
    return tuple(
        r for r in listed
        if r.venue_order_id is not None and not {r.client_order_id, r.venue_order_id} & ours
    )  # fmt: skip
