"""Reads of the operational store: rows come out as values. Cannot write; every call sees one consistent state.

All calls are short and block; await them through `asyncio.to_thread` where a millisecond matters.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from typing import TypeVar

from sqlalchemy import ColumnElement, Connection, Engine, RowMapping, Select, String, cast, func, or_, select
from sqlalchemy.exc import DBAPIError

from core.account import Position
from core.errors import HedgeError
from core.instrument import Venue
from core.market import FundingPayment
from core.numbers import ZERO
from core.order import Fill, Order, OrderStatus, Side
from core.pair import PairStatus
from core.risk import OwnOrder
from store import statements
from store.api_records import ApiKey, Start
from store.api_rows import api_key_of, start_of
from store.engine import to_json
from store.errors import BreachNotFound, RecordNotFound, SessionNotFound
from store.foreign_reads import ForeignReads
from store.ledger_reads import LedgerReads
from store.pair_reads import PairReads
from store.records import (
    Account,
    Breach,
    Command,
    Event,
    JournalOrder,
    Lease,
    Pair,
    RowTotals,
    Segment,
    Session,
    SessionStatus,
)
from store.rows import (
    account_of,
    breach_of,
    command_of,
    event_of,
    fill_of,
    funding_of,
    journal_order_of,
    lease_of,
    order_of,
    own_order_of,
    pair_of,
    position_of,
    segment_of,
    session_of,
)
from store.tables import (
    ACCOUNTS,
    API_KEYS,
    BREACHES,
    COMMANDS,
    EVENTS,
    FILLS,
    FUNDING,
    LEASES,
    ORDERS,
    PAIRS,
    POSITIONS,
    SEGMENTS,
    SESSION_VIEWS,
    SESSIONS,
    STARTS,
    TICKETS,
)
from store.writer import typed_error

T = TypeVar("T")
PAGE_MAX = 1000
_LIVE = tuple(status.value for status in OrderStatus if not status.is_final)


class Reads:
    """Questions to the operational store."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.ledger = LedgerReads(engine)
        self.paged = PairReads(engine)
        self.foreign = ForeignReads(engine)

    def account(self, account_id: str) -> Account:
        """Return one registered account; raise RecordNotFound."""
        found = self._all(select(ACCOUNTS).where(ACCOUNTS.c.account_id == account_id), account_of)
        return _one(found, RecordNotFound(f"no account {account_id}; register it first", accountId=account_id))

    def accounts(self) -> list[Account]:
        """Return all registered accounts by id."""
        return self._all(select(ACCOUNTS).order_by(ACCOUNTS.c.account_id), account_of)

    def session(self, session_id: str) -> Session:
        """Return one session; raise SessionNotFound."""
        found = self._all(select(SESSIONS).where(SESSIONS.c.session_id == session_id), session_of)
        return _one(found, SessionNotFound(f"no session {session_id}; list the sessions", sessionId=session_id))

    def sessions(
        self,
        *,
        statuses: Collection[SessionStatus] = (),
        account_id: str | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> list[Session]:
        """Return sessions, newest first; no statuses means all; account_id keeps those that trade with it."""
        newest = select(SESSIONS).where(*_session_filter(statuses, account_id))
        newest = newest.order_by(SESSIONS.c.created_at.desc(), SESSIONS.c.session_id.desc())
        return self._all(_page(newest, limit, offset), session_of)

    def count_sessions(self, *, statuses: Collection[SessionStatus] = (), account_id: str | None = None) -> int:
        """Count what `sessions` would return without a limit."""
        return self._count(select(func.count()).select_from(SESSIONS).where(*_session_filter(statuses, account_id)))

    def session_ids(self, statuses: Collection[SessionStatus]) -> list[str]:
        """Return the ids of every session in one of these statuses, as of one moment and however many, oldest first."""
        chosen = select(SESSIONS.c.session_id).where(*_session_filter(statuses, None))
        return self._all(chosen.order_by(SESSIONS.c.created_at), lambda row: str(row["session_id"]))

    def pair(self, pair_id: str) -> Pair:
        """Return one pair; raise RecordNotFound."""
        found = self._all(select(PAIRS).where(PAIRS.c.pair_id == pair_id), pair_of)
        return _one(found, RecordNotFound(f"no pair {pair_id}", pairId=pair_id))

    def pairs(
        self,
        session_id: str,
        *,
        statuses: Collection[PairStatus] = (),
        account_id: str | None = None,
        side: Side | None = None,
        limit: int = 100,
        offset: int = 0,
        newest_first: bool = False,
    ) -> list[Pair]:
        """Return a session's pairs by sequence; no statuses means all; side is the side account_id is on."""
        order = PAIRS.c.sequence.desc() if newest_first else PAIRS.c.sequence
        chosen = select(PAIRS).where(*_pair_filter(session_id, statuses, account_id, side)).order_by(order)
        return self._all(_page(chosen, limit, offset), pair_of)

    def count_pairs(
        self,
        session_id: str,
        *,
        statuses: Collection[PairStatus] = (),
        account_id: str | None = None,
        side: Side | None = None,
    ) -> int:
        """Count what `pairs` would return without a limit."""
        where = _pair_filter(session_id, statuses, account_id, side)
        return self._count(select(func.count()).select_from(PAIRS).where(*where))

    def next_pair_sequence(self, session_id: str) -> int:
        """Return the sequence of the session's next pair, from 1 on."""
        last = select(func.coalesce(func.max(PAIRS.c.sequence), 0)).where(PAIRS.c.session_id == session_id)
        return self._count(last) + 1

    def open_pairs(self, session_id: str) -> list[Pair]:
        """Return the pairs that have not been completed: what a recovery starts with."""
        chosen = select(PAIRS).where(PAIRS.c.session_id == session_id, PAIRS.c.completed_at.is_(None))
        return self._all(chosen.order_by(PAIRS.c.sequence), pair_of)

    def journal_order(self, client_order_id: str) -> JournalOrder:
        """Return one order with what the journal adds; raise RecordNotFound."""
        found = self._all(select(ORDERS).where(ORDERS.c.client_order_id == client_order_id), journal_order_of)
        return _one(found, RecordNotFound(f"no order {client_order_id}", clientOrderId=client_order_id))

    def journal_orders_of_pair(self, pair_id: str) -> list[JournalOrder]:
        """Return a pair's orders with leg, attempt and fees, oldest first."""
        return self._all(_oldest_orders(ORDERS.c.pair_id == pair_id), journal_order_of)

    def journal_orders_of_pairs(self, pair_ids: Collection[str]) -> dict[str, list[JournalOrder]]:
        """Return the orders of several pairs by pair id, each oldest first; a pair without orders has an empty list."""
        found: dict[str, list[JournalOrder]] = {pair_id: [] for pair_id in pair_ids}
        for entry in self._all(_oldest_orders(ORDERS.c.pair_id.in_(found)), journal_order_of):
            found[entry.order.intent.pair_id].append(entry)
        return found

    def orders_of_pair(self, pair_id: str) -> list[Order]:
        """Return a pair's orders, oldest first."""
        return self._all(_oldest_orders(ORDERS.c.pair_id == pair_id), order_of)

    def orders_of_session(self, session_id: str) -> list[Order]:
        """Return all orders of a session, oldest first."""
        return self._all(_oldest_orders(ORDERS.c.session_id == session_id), order_of)

    def open_orders_of(self, session_id: str) -> list[Order]:
        """Return the orders of a session that are not known to be final: intended, sent, unknown, accepted."""
        return self._all(_oldest_orders(ORDERS.c.session_id == session_id, ORDERS.c.status.in_(_LIVE)), order_of)

    def own_live_orders(self, venue: Venue, symbol: str) -> tuple[OwnOrder, ...]:
        """Return every own order of the installation, of any session, that may rest or be on its way there."""
        here = _oldest_orders(ORDERS.c.venue == venue.value, ORDERS.c.symbol == symbol, ORDERS.c.status.in_(_LIVE))
        return tuple(own_order_of(order) for order in self._all(here, order_of))

    def fills_of_session(self, session_id: str) -> list[Fill]:
        """Return a session's fills by the venues' time, without those that a venue undid."""
        return self._all(_by_time(FILLS.c.session_id == session_id, FILLS.c.busted_at.is_(None)), fill_of)

    def fills_page(
        self, session_id: str, *, limit: int = 100, offset: int = 0, newest_first: bool = False
    ) -> list[Fill]:
        """Return part of a session's fills by the venues' time."""
        chosen = _by_time(FILLS.c.session_id == session_id)
        if newest_first:
            chosen = chosen.order_by(None).order_by(FILLS.c.venue_time.desc(), FILLS.c.fill_id.desc())
        return self._all(_page(chosen, limit, offset), fill_of)

    def count_fills(self, session_id: str) -> int:
        """Count a session's fills."""
        return self._count(select(func.count()).select_from(FILLS).where(FILLS.c.session_id == session_id))

    def fills_of_pair(self, pair_id: str) -> list[Fill]:
        """Return a pair's fills by the venues' time, without those that a venue undid."""
        return self._all(_by_time(FILLS.c.pair_id == pair_id, FILLS.c.busted_at.is_(None)), fill_of)

    def fills_of_market(self, venue: Venue, symbol: str, since: datetime) -> list[Fill]:
        """Return every fill of the installation on a market from `since` on, of any session or of none."""
        where = (FILLS.c.venue == venue.value, FILLS.c.symbol == symbol, FILLS.c.venue_time >= since)
        return self._all(_by_time(*where), fill_of)

    def unexplained_fills(self, account_id: str, since: datetime) -> list[Fill]:
        """Return fills of an account from `since` on that no journalled order explains and no venue undid."""
        where = (FILLS.c.account_id == account_id, FILLS.c.session_id.is_(None), FILLS.c.venue_time >= since)
        return self._all(_by_time(*where, FILLS.c.busted_at.is_(None)), fill_of)

    def funding_of(self, session_id: str) -> list[FundingPayment]:
        """Return a session's booked funding payments, oldest first."""
        chosen = select(FUNDING).where(FUNDING.c.session_id == session_id)
        return self._all(chosen.order_by(FUNDING.c.paid_at, FUNDING.c.funding_id), funding_of)

    def positions_of(self, session_id: str) -> list[Position]:
        """Return a session's snapshots of positions, oldest first."""
        chosen = select(POSITIONS).where(POSITIONS.c.session_id == session_id)
        return self._all(chosen.order_by(POSITIONS.c.at, POSITIONS.c.position_id), position_of)

    def breach(self, breach_id: str) -> Breach:
        """Return one breach; raise BreachNotFound."""
        found = self._all(select(BREACHES).where(BREACHES.c.breach_id == breach_id), breach_of)
        return _one(found, BreachNotFound(f"no breach {breach_id}", breachId=breach_id))

    def breaches(self, session_id: str, *, open_only: bool = False) -> list[Breach]:
        """Return a session's breaches, oldest first; open_only leaves out the acknowledged ones."""
        return self._all(
            statements.OPEN_BREACHES if open_only else statements.BREACHES_OF_SESSION, breach_of, session_id=session_id
        )

    def commands(self, session_id: str) -> list[Command]:
        """Return everything that was asked of a session, oldest first."""
        chosen = select(COMMANDS).where(COMMANDS.c.session_id == session_id)
        return self._all(chosen.order_by(COMMANDS.c.command_id), command_of)

    def pending_commands(self, session_id: str) -> list[Command]:
        """Return the commands that no run has taken, oldest first."""
        return self._all(statements.PENDING_COMMANDS, command_of, session_id=session_id)

    def lease(self, scope: str) -> Lease | None:
        """Return who holds a scope, perhaps expired; None when nobody ever took it or it was given back."""
        found = self._all(select(LEASES).where(LEASES.c.scope == scope), lease_of)
        return found[0] if found else None

    def events_since(self, session_id: str, sequence: int, *, limit: int = PAGE_MAX) -> list[Event]:
        """Return a session's events after a sequence (0: from the first), at most `limit`, in order."""
        chosen = select(EVENTS).where(EVENTS.c.session_id == session_id, EVENTS.c.sequence > sequence)
        return self._all(_page(chosen.order_by(EVENTS.c.sequence), limit, 0), event_of)

    def last_events(self, session_ids: Collection[str], channel: str) -> dict[str, Event]:
        """Return the last event of a channel by session; a session without one is absent."""
        newest = (
            select(EVENTS.c.session_id, func.max(EVENTS.c.sequence).label("sequence"))
            .where(EVENTS.c.session_id.in_(session_ids), EVENTS.c.channel == channel)
            .group_by(EVENTS.c.session_id)
            .subquery()
        )
        same = (EVENTS.c.session_id == newest.c.session_id) & (EVENTS.c.sequence == newest.c.sequence)
        return {event.session_id: event for event in self._all(select(EVENTS).join(newest, same), event_of)}

    def last_event_sequence(self, session_id: str) -> int:
        """Return the sequence of the session's last event, 0 when there is none."""
        last = select(func.coalesce(func.max(EVENTS.c.sequence), 0)).where(EVENTS.c.session_id == session_id)
        return self._count(last)

    def event_heads(self, session_ids: Collection[str]) -> dict[str, int]:
        """Return the sequence of each session's last event, 0 when it has none; unknown sessions are absent."""
        last = select(func.max(EVENTS.c.sequence)).where(EVENTS.c.session_id == SESSIONS.c.session_id)
        chosen = select(SESSIONS.c.session_id, func.coalesce(last.scalar_subquery(), 0).label("head"))
        chosen = chosen.where(SESSIONS.c.session_id.in_(list(session_ids)))
        return dict(self._all(chosen, lambda row: (str(row["session_id"]), int(row["head"]))))

    def last_event(
        self, session_id: str, channel: str, *, type: str | None = None, up_to: int | None = None
    ) -> Event | None:  # fmt: skip
        """Return a session's last event in a channel, looking no further than a sequence; None when there is none.

        type: of this type only.
        """
        chosen = select(EVENTS).where(EVENTS.c.session_id == session_id, EVENTS.c.channel == channel)
        if type is not None:
            chosen = chosen.where(EVENTS.c.type == type)
        if up_to is not None:
            chosen = chosen.where(EVENTS.c.sequence <= up_to)
        found = self._all(chosen.order_by(EVENTS.c.sequence.desc()).limit(1), event_of)
        return found[0] if found else None

    def count_active_orders(self, session_id: str, at: datetime) -> int:
        """Count the orders of a session that existed at a time and were not known to be final then."""
        counted = select(func.count()).select_from(ORDERS).where(
            ORDERS.c.session_id == session_id, ORDERS.c.created_at <= at,
            ORDERS.c.completed_at.is_(None) | (ORDERS.c.completed_at > at),
        )  # fmt: skip
        return self._count(counted)

    def views(self, session_ids: Collection[str]) -> dict[str, tuple[datetime, dict[str, object]]]:
        """Return what each of these sessions saw last, with the time; one that never ran, or is over, is absent."""
        over = [status.value for status in SessionStatus if status.is_final]
        chosen = select(SESSION_VIEWS).join(SESSIONS, SESSIONS.c.session_id == SESSION_VIEWS.c.session_id)
        chosen = chosen.where(SESSION_VIEWS.c.session_id.in_(list(session_ids)), SESSIONS.c.status.not_in(over))
        found = self._all(chosen, lambda row: (str(row["session_id"]), row["at"], dict(row["payload"])))
        return {session_id: (at, payload) for session_id, at, payload in found}

    def segments(self, session_id: str | None = None) -> list[Segment]:
        """Return registered segments in the order in which they have to be loaded; None: of all sessions."""
        chosen = select(SEGMENTS).order_by(SEGMENTS.c.last_change, SEGMENTS.c.session_id, SEGMENTS.c.source)
        if session_id is not None:
            chosen = chosen.where(SEGMENTS.c.session_id == session_id)
        return self._all(chosen, segment_of)

    def api_key(self, key_id: str) -> ApiKey | None:
        """Return one API key, perhaps revoked; None when there is none with this id."""
        found = self._all(select(API_KEYS).where(API_KEYS.c.key_id == key_id), api_key_of)
        return found[0] if found else None

    def api_keys(self) -> list[ApiKey]:
        """Return all API keys, oldest first."""
        return self._all(select(API_KEYS).order_by(API_KEYS.c.created_at, API_KEYS.c.key_id), api_key_of)

    def has_ticket(self, ticket_sha256: str) -> bool:
        """Tell whether there is a ticket with this digest, perhaps one that ran out."""
        return bool(self._count(select(func.count()).where(TICKETS.c.ticket_sha256 == ticket_sha256)))

    def last_start(self, session_id: str) -> Start | None:
        """Return the newest start of a session; None when it was never started through the outbox."""
        chosen = select(STARTS).where(STARTS.c.session_id == session_id).order_by(STARTS.c.attempt.desc()).limit(1)
        found = self._all(chosen, start_of)
        return found[0] if found else None

    def starts_of(self, session_id: str) -> list[Start]:
        """Return all starts of a session, oldest first."""
        chosen = select(STARTS).where(STARTS.c.session_id == session_id).order_by(STARTS.c.attempt)
        return self._all(chosen, start_of)

    def abandoned_sessions(self, now: datetime) -> list[str]:
        """Return the active sessions that never sent an order and whose lease no run holds."""
        held = (LEASES.c.scope == "session:" + SESSIONS.c.session_id) & (LEASES.c.expires_at > now)
        chosen = select(SESSIONS.c.session_id).where(
            SESSIONS.c.status == SessionStatus.ACTIVE.value, ~select(LEASES).where(held).exists(),
            ~select(ORDERS).where(ORDERS.c.session_id == SESSIONS.c.session_id).exists(),
        )  # fmt: skip
        return self._all(chosen, lambda row: str(row["session_id"]))

    def unanswered_sessions(self, before: datetime) -> list[str]:
        """Return the active or paused sessions with a command from before that time that no run has finished."""
        chosen = (
            select(COMMANDS.c.session_id)
            .join(SESSIONS, SESSIONS.c.session_id == COMMANDS.c.session_id)
            .where(
                COMMANDS.c.done_at.is_(None), COMMANDS.c.created_at < before,
                SESSIONS.c.status.in_((SessionStatus.ACTIVE.value, SessionStatus.PAUSED.value)),
            )
            .distinct()
        )  # fmt: skip
        return self._all(chosen, lambda row: str(row["session_id"]))

    def command(self, command_id: int) -> Command:
        """Return one command; raise RecordNotFound."""
        found = self._all(select(COMMANDS).where(COMMANDS.c.command_id == command_id), command_of)
        return _one(found, RecordNotFound(f"no command {command_id}", commandId=command_id))

    def totals(self, session_id: str) -> RowTotals:
        """Compute a session's sums from its rows, in exact decimals."""
        with self._snapshot() as connection:
            pairs = connection.execute(select(PAIRS).where(PAIRS.c.session_id == session_id)).mappings().all()
            counted = (FILLS.c.session_id == session_id, FILLS.c.busted_at.is_(None))
            fills = connection.execute(select(FILLS).where(*counted)).mappings().all()
            funding = select(FUNDING.c.payment).where(FUNDING.c.session_id == session_id)
            payments = connection.execute(funding).scalars().all()
        return _totals([pair_of(row) for row in pairs], [fill_of(row) for row in fills], sum(payments, ZERO))

    def _all(
        self, statement: Select[*tuple[object, ...]], read: Callable[[RowMapping], T], **parameters: object
    ) -> list[T]:
        with self._snapshot() as connection:
            return [read(row) for row in connection.execute(statement, parameters).mappings()]

    def _count(self, statement: Select[int]) -> int:
        with self._snapshot() as connection:
            return int(connection.execute(statement).scalar_one())

    @contextmanager
    def _snapshot(self) -> Iterator[Connection]:
        try:
            with self._engine.connect() as connection, connection.begin():
                yield connection
        except DBAPIError as error:
            raise typed_error(error) from error


def _one(found: list[T], missing: HedgeError) -> T:
    if not found:
        raise missing
    return found[0]


def _page(statement: Select[*tuple[object, ...]], limit: int, offset: int) -> Select[*tuple[object, ...]]:
    return statement.limit(min(limit, PAGE_MAX)).offset(offset)


def _session_filter(statuses: Collection[SessionStatus], account_id: str | None) -> list[ColumnElement[bool]]:
    where: list[ColumnElement[bool]] = []
    if statuses:
        where.append(SESSIONS.c.status.in_([status.value for status in statuses]))
    if account_id is not None:
        # accounts is a JSON list of texts, so the quoted id occurs in it exactly when the account is listed.
        where.append(cast(SESSIONS.c.accounts, String).contains(to_json(account_id), autoescape=True))
    return where


def _pair_filter(
    session_id: str, statuses: Collection[PairStatus], account_id: str | None, side: Side | None
) -> list[ColumnElement[bool]]:
    where: list[ColumnElement[bool]] = [PAIRS.c.session_id == session_id]
    if statuses:
        where.append(PAIRS.c.status.in_([status.value for status in statuses]))
    if account_id is not None:
        sides = {Side.BUY: PAIRS.c.buy_account == account_id, Side.SELL: PAIRS.c.sell_account == account_id}
        where.append(or_(*sides.values()) if side is None else sides[side])
    return where


def _oldest_orders(*where: ColumnElement[bool]) -> Select[*tuple[object, ...]]:
    return select(ORDERS).where(*where).order_by(ORDERS.c.created_at, ORDERS.c.leg, ORDERS.c.attempt)


def _by_time(*where: ColumnElement[bool]) -> Select[*tuple[object, ...]]:
    return select(FILLS).where(*where).order_by(FILLS.c.venue_time, FILLS.c.fill_id)


def _totals(pairs: list[Pair], fills: list[Fill], funding: Decimal) -> RowTotals:
    volume: dict[str, Decimal] = defaultdict(Decimal)
    net: dict[str, Decimal] = defaultdict(Decimal)
    for fill in fills:
        volume[fill.account_id] += fill.quantity * fill.price
        net[fill.account_id] += fill.quantity * fill.side.sign
    statuses = [pair.outcome.status for pair in pairs]
    return RowTotals(
        volume_generated=sum((pair.outcome.volume for pair in pairs), ZERO),
        fees=sum((fill.fee for fill in fills), ZERO),
        funding=funding,
        pairs_filled=statuses.count(PairStatus.FILLED),
        pairs_unwound=statuses.count(PairStatus.UNWOUND),
        naked_usd_seconds=sum((pair.outcome.naked_usd_seconds for pair in pairs), ZERO),
        volume_by_account=dict(volume),
        net_by_account=dict(net),
    )
