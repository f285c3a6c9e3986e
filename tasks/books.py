"""The books of a session: opened before its first order, closed when it is settled, every cent between explained.

It reads what venues say and writes it down; it decides nothing and repairs nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import cast

from connectors.surface import VenueRecords
from connectors.venue import VenueClient
from core.account import Margin, Position, Transfer
from core.errors import NotOffered
from core.ledger import Entry, Reading, Statement, book_fills, funding_entry, statement, transfer_entry
from core.numbers import ZERO
from core.order import Fill
from store.ledger_records import Opening
from tasks.desk import Desk

_LATE_S = (0.25, 0.5, 1.0, 2.0, 4.0)
_PAGE = 500
# Collateral counts one to one as the quote asset, as the venues' own equity does.
DOLLARS = frozenset({"USD", "USDC", "USDT", "USDP"})
# Words of the venues for transfers that move nothing, or that have not come yet.
_UNDONE = ("fail", "cancel", "reject", "expire", "refund", "revert")
_COMING = ("pending", "initiat", "request")


async def open_books(desk: Desk, margins: Sequence[Margin], positions: Sequence[Sequence[Position]]) -> Decimal:
    """Write how the accounts stand before the first order, and return the equity they opened with, quote units.

    What the first start wrote holds for every later one. A session that has traded without opened books gets none:
    how it stood before cannot be read any more, and its equity of now is returned.
    """
    books = desk.store.reads.ledger
    if not books.books(desk.session_id) and not desk.store.reads.orders_of_session(desk.session_id):
        marks = desk.marks()
        await desk.store.journal.record_openings(
            [
                Opening(
                    desk.session_id, m.account_id, m.venue, m.equity,
                    marks[m.account_id].mark if m.account_id in marks else None,
                    sum((p.quantity for p in held if p.symbol == desk.symbol), ZERO),
                    tuple(sorted(p.symbol for p in held if p.symbol != desk.symbol)), m.received_time,
                )
                for m, held in zip(margins, positions, strict=True)
            ]
        )  # fmt: skip
    opened = books.books(desk.session_id)
    if set(opened) != set(desk.accounts):
        return sum((m.equity for m in margins), ZERO)
    return sum((b.opening.opening for b in opened.values()), ZERO)


async def close_books(desk: Desk) -> tuple[Statement, ...]:
    """Book everything, read the closing equities, and state each account; empty when the books were never opened.

    A venue's figures may lag behind its fills, so what is not explained is read again a few times.
    """
    opened = {name: books.opening for name, books in desk.store.reads.ledger.books(desk.session_id).items()}
    if set(opened) != set(desk.accounts):
        return ()
    since = min(opening.opened_at for opening in opened.values())
    # Histories are dear to read: once at first, and once more only when something stays unexplained to the end.
    transfers = await _transfers(desk, since)
    for pause in (*_LATE_S, None):
        transfers = transfers if pause is not None else await _transfers(desk, since)
        entries = _entries(desk, transfers)
        closings = await _closings(desk)
        stated = [_stated(desk, opened[name], entries, closings[name]) for name in desk.accounts]
        if pause is None or all(s.is_balanced for s in stated):
            break
        await desk.outside.sleep(pause)
        await desk.absorb()
        await _book_late_funding(desk, since)
    venues = {name: ref.venue.value for name, ref in desk.accounts.items()}
    await desk.store.journal.record_entries(desk.session_id, venues, entries)
    for found in stated:
        await desk.store.journal.record_closing(desk.session_id, found, closings[found.account_id])
    return tuple(stated)


async def markets_elsewhere(desk: Desk, names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Name the markets in which these accounts hold what is not the session's: their marks move equity as well.

    Other markets, now or when the books were opened; the session's own where somebody else holds a position in it.
    """
    opened = desk.store.reads.ledger.books(desk.session_id)
    answers = await asyncio.gather(*(desk.clients[n].positions() for n in names))
    found = {}
    for name, held in zip(names, answers, strict=True):
        foreign = desk.foreign_held.get(name, ZERO) != 0
        there = {p.symbol for p in held if p.quantity and (p.symbol != desk.symbol or foreign)}
        found[name] = tuple(sorted({*opened[name].opening.elsewhere, *there}))
    return found


def records_of(client: VenueClient) -> VenueRecords | None:
    """Return what the venue keeps about the account, None where a client offers no such reads."""
    return cast("VenueRecords | None", getattr(client, "records", None))


async def _book_late_funding(desk: Desk, since: datetime) -> None:
    names = list(desk.clients)
    answers = await asyncio.gather(*(desk.clients[n].funding_payments(desk.symbol, since) for n in names))
    payments = [payment for found in answers for payment in found]
    desk.payments.extend(await desk.store.journal.record_funding(desk.session_id, payments))


async def _transfers(desk: Desk, since: datetime) -> list[Transfer]:
    """Read what moved money since the books were opened; a read that fails raises, it is never nothing."""
    found: list[Transfer] = []
    for client in desk.clients.values():
        records = records_of(client)
        if records is None:
            continue
        try:
            found += [t for t in await records.transfers(since) if t.at > since and _has_moved(t)]
        except NotOffered:
            continue
    return [replace(t, asset=_quote(desk)) if t.asset in DOLLARS else t for t in found]


def _has_moved(transfer: Transfer) -> bool:
    word = transfer.status.lower()
    if any(part in word for part in _UNDONE):
        return False
    return transfer.quantity < 0 or not any(part in word for part in _COMING)


async def _closings(desk: Desk) -> dict[str, Reading]:
    names = list(desk.clients)
    margins = await asyncio.gather(*(desk.clients[n].margin() for n in names))
    marks = desk.marks()
    return {
        name: Reading(m.equity, marks[name].mark if name in marks else None, m.received_time)
        for name, m in zip(names, margins, strict=True)
    }


def _stated(desk: Desk, opening: Opening, entries: Sequence[Entry], closing: Reading) -> Statement:
    """State an account; what others traded there explains something only once it was told and judged to be theirs."""
    name, opened = opening.account_id, Reading(opening.opening, opening.opening_mark, opening.opened_at)
    since = desk.store.reads.unexplained_fills(name, opening.opened_at)
    others = [f for f in since if f.symbol == desk.symbol and (name, f.trade_id) in desk.judged]
    return statement(
        name, desk.symbol, entries, opening=opened, closing=closing, held_before=opening.held_before, others=others
    )


def _entries(desk: Desk, transfers: Sequence[Transfer]) -> list[Entry]:
    """Book the session's fills, payments and transfers as the journal has them now."""
    reads = desk.store.reads
    fills = reads.fills_of_session(desk.session_id)
    legs = _legs(desk)
    forced = _forced_prices(fills, legs)

    def arrival(fill: Fill) -> tuple[Decimal, bool]:
        known = legs.get(fill.client_order_id or "")
        return (forced[fill.account_id, fill.trade_id], False) if known is None else known

    funding = [funding_entry(payment) for payment in reads.funding_of(desk.session_id)]
    return [*book_fills(fills, arrival), *funding, *(transfer_entry(t) for t in transfers)]


def _legs(desk: Desk) -> dict[str, tuple[Decimal, bool]]:
    """By order: its leg's mid at the decision, and whether it repaired: a later attempt, or against the leg."""
    reads, found, done = desk.store.reads, dict[str, tuple[Decimal, bool]](), 0
    while page := reads.pairs(desk.session_id, limit=_PAGE, offset=done):
        done += len(page)
        orders = reads.journal_orders_of_pairs([pair.plan.pair_id for pair in page])
        for plan in (pair.plan for pair in page):
            for entry in orders[plan.pair_id]:
                intent = entry.order.intent
                mid = plan.buy_arrival_mid if intent.account_id == plan.buy_account else plan.sell_arrival_mid
                repairs = entry.attempt > 1 or intent.side.value != entry.leg
                found[intent.client_order_id] = (intent.reference_price if mid is None else mid, repairs)
    return found


def _forced_prices(
    fills: Sequence[Fill], legs: Mapping[str, tuple[Decimal, bool]]
) -> dict[tuple[str, str], Decimal]:  # fmt: skip
    """What a venue forced is measured against the last mid of the account's own legs, else against its own price."""
    found: dict[tuple[str, str], Decimal] = {}
    last: dict[str, Decimal] = {}
    for fill in fills:
        known = legs.get(fill.client_order_id or "")
        if known is not None:
            last[fill.account_id] = known[0]
        else:
            found[fill.account_id, fill.trade_id] = last.get(fill.account_id, fill.price)
    return found


def _quote(desk: Desk) -> str:
    return desk.symbol.split("/")[1]
