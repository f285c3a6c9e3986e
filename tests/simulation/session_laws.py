"""What must be true of every session, whatever venues did: checked against what the venues themselves hold.

Each law returns sentences, empty when it is kept. They are worked out from executions, not with the code under test,
except the ledger, which is itself what is checked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import cast

from core.errors import AccountNotActive, ReconciliationFailed, SessionHalted, VenueError
from core.ledger import Reading, book_fills, funding_entry, statement
from core.limits import RiskLimits
from core.market import FundingPayment
from core.numbers import ZERO, canonical
from core.order import Fill, FillCause
from core.reduction import reduction_pair_id
from store import SessionStatus
from store.records import Pair
from store.verification import verify
from tasks.adoption import ADOPTED
from tests.fakes.world import SESSION, World
from tests.simulation.session_run import Endless, Lived

Law = Callable[[Lived], Iterator[str]]
_DIGITS = Decimal("1e-12")
_EVER = datetime(2020, 1, 1, tzinfo=UTC)


def check(told: Lived) -> dict[str, list[str]]:
    """Every law that was broken, with what was found."""
    found = {name: list(law(told)) for name, law in LAWS.items()}
    return {name: sentences for name, sentences in found.items() if sentences}


def kind_of_end(told: Lived) -> str:
    """How the session ended, in a few words."""
    status = told.world.session.status
    match told.last:
        case None:
            return status.value
        case SessionHalted():
            return f"{status.value}, exposure stated" if any(_own_positions(told.world).values()) else status.value
        case error:
            return f"{status.value}, {type(error).__name__}"


def own_orders_never_meet(told: Lived) -> Iterator[str]:
    """No own order was sent that could have traded with an own one that rested or was on its way."""
    for venue in told.world.venues.values():
        yield from (text for text in venue.violations if "could meet" in text)


def no_order_is_sent_twice(told: Lived) -> Iterator[str]:
    """A client order id reaches a venue once."""
    for name, venue in told.world.venues.items():
        yield from (f"{name}: {text}" for text in venue.violations if "sent twice" in text)


def the_journal_is_the_venues_truth(told: Lived) -> Iterator[str]:
    """Every execution is in the journal once with its figures, and none besides, unless an order's end is open."""
    world = told.world
    if _never_traded(world):
        return  # what others traded there meanwhile is nothing of its own
    reads = world.store.reads
    kept = reads.fills_of_session(SESSION)
    others = [f for name in world.venues for f in reads.unexplained_fills(name, _EVER)]
    journal = {(f.account_id, f.trade_id): _figures(f) for f in (*kept, *others)}
    before = _traded_before(world)
    executed = [f for v in world.venues.values() for f, _ in v.executions if f not in before]
    venues = {(f.account_id, f.trade_id): _figures(f) for f in executed}
    open_orders = reads.open_orders_of(SESSION)
    for key in sorted(venues.keys() | journal.keys()):
        if journal.get(key) != venues.get(key) and not (open_orders and key not in journal):
            yield f"trade {key}: journal {journal.get(key)}, venue {venues.get(key)}"
    if open_orders:
        yield from () if told.last is not None else ("completed with orders whose end is not known",)
        return
    net = reads.totals(SESSION).net_by_account
    for name, position in _own_positions(world).items():
        booked = net.get(name, ZERO) + _written_off(world, name)
        if booked != position:
            yield f"{name}: journal {booked}, venue {position}"


def it_ends_flat_or_says_what_is_left(told: Lived) -> Iterator[str]:
    """Completed means flat with nothing resting; else the exposure is stated as it is, or the difference named."""
    world, last = told.world, told.last
    positions = _own_positions(world)
    resting = [order.intent.client_order_id for v in world.venues.values() for order in v.resting]
    completed = world.session.status is SessionStatus.COMPLETED
    if completed != (last is None):
        yield f"the run ended with {last!r}, the session is {world.session.status}"
    held = {name: v.position - _known_foreign(world, name) for name, v in world.venues.items()}
    if completed and (any(held.values()) or any(positions.values()) or resting):
        yield f"completed and not flat: {held}, of which {positions} is the session's, resting {resting}"
    match last:
        case None:
            return
        case SessionHalted():
            stated = {n: Decimal(str(q)) for n, q in dict(last.details.get("positions", {})).items()}  # type: ignore[call-overload]
            if "positions" not in last.details and not any(positions.values()) and _is_meddled(world):
                return  # flat, and what somebody else holds there moved the account's equity
            if stated != positions and not world.store.reads.open_orders_of(SESSION):
                yield f"stated {stated}, the venues hold {positions}"
            if world.session.status is not SessionStatus.PAUSED:
                yield f"halted and {world.session.status}"
        case ReconciliationFailed() | AccountNotActive():
            if not _is_meddled(world):
                yield f"nobody else traded, and yet: {last}"
        case Endless():
            yield str(last)
        case VenueError():
            if not _never_traded(world):
                yield f"ended with {type(last).__name__}: {last}"
        case _:
            yield f"ended with {type(last).__name__}: {last}"


def naked_time_is_bounded(told: Lived) -> Iterator[str]:
    """No pair is opened once the naked dollar-seconds of the pairs before it have used the session's budget up."""
    world = told.world
    budget = told.naked_budget or RiskLimits.of(world.request.to_strategy()).naked_usd_seconds_max
    spent = ZERO
    for pair in world.pairs:
        if pair.outcome.completed_at is None:
            return
        if spent >= budget and _purpose(pair) == "open" and pair.outcome.quantity > 0:
            yield f"pair {pair.plan.sequence} opened with {spent:.0f} of {budget:.0f} USD seconds spent"
        naked = _naked(world, pair)
        if abs(naked - pair.outcome.naked_usd_seconds) > naked / 100 + 1 and not _is_busted(world):
            yield f"pair {pair.plan.sequence}: {pair.outcome.naked_usd_seconds:.1f} booked, {naked:.1f} were naked"
        spent += naked
    if told.last is None:
        yield from _naked_figures(world)


def _naked_figures(world: World) -> Iterator[str]:
    """A session's figure is that of its pairs and of outside them, and its days add up to it."""
    ledger, total = world.store.reads.ledger, world.session.totals.naked_usd_seconds
    inside = sum((pair.outcome.naked_usd_seconds for pair in world.pairs), ZERO)
    outside = sum((naked.usd_seconds for naked in ledger.naked_outside(SESSION)), ZERO)
    days = ledger.naked_usd_seconds(_EVER, world.clock() + timedelta(days=1))
    if abs(total - inside - outside) > _DIGITS or days != inside + outside:
        yield f"{total} in the session, {inside} in pairs, {outside} outside them, {days} on all days"


def volume_is_what_was_hedged(told: Lived) -> Iterator[str]:
    """A pair counts the smaller of its legs, once; the session counts its pairs."""
    world, booked = told.world, ZERO
    # What is undone after a run's end is taken off by the next run only: then the journal is asked what it knows.
    is_busted = _is_busted(world)
    for pair in world.pairs:
        booked += pair.outcome.volume
        if pair.outcome.completed_at is None:
            continue
        fills = world.store.reads.fills_of_pair(pair.plan.pair_id) if is_busted else _of_pair(world, pair)
        legs = [_leg(fills, pair.plan.buy_account, 1), _leg(fills, pair.plan.sell_account, -1)]
        quantity = max(ZERO, min(filled for filled, _ in legs))
        prices = [price for _, price in legs if price is not None] or [ZERO]
        if not quantity * min(prices) - 1 <= pair.outcome.volume <= quantity * max(prices) + 1:
            yield f"pair {pair.plan.sequence}: {pair.outcome.volume} booked, {canonical(quantity)} hedged at {prices}"
    counted = world.session.totals.volume_generated
    if told.last is None and counted != booked:
        yield f"the session counts {counted}, its pairs {booked}"


def a_reduction_only_reduces(told: Lived) -> Iterator[str]:
    """No execution of a reduction finds less of the position on its account than it takes away."""
    world = told.world
    mine = reduction_pair_id(SESSION)
    ids = {o.intent.client_order_id for o in world.store.reads.orders_of_session(SESSION) if o.intent.pair_id == mine}
    for name, venue in world.venues.items():
        reductions = {o.venue_order_id for key, o in venue.orders.items() if key in ids}
        for fill, before in venue.path:
            after = before + fill.quantity * fill.side.sign
            if fill.venue_order_id in reductions and not (abs(after) < abs(before) and after * before >= 0):
                yield f"{name}: a reduction took the position from {before} to {after}"


def the_ledger_balances(told: Lived) -> Iterator[str]:
    """Double entry over the journal's executions and payments explains each venue's own equity to the last cent."""
    world, reads = told.world, told.world.store.reads
    if reads.open_orders_of(SESSION) or _never_traded(world):
        return  # what filled is not known yet, and that is stated; or nothing did
    mids = {p.plan.pair_id: p for p in world.pairs}
    pair_of = {o.intent.client_order_id: o.intent.pair_id for o in reads.orders_of_session(SESSION)}

    def arrival(fill: Fill) -> tuple[Decimal, bool]:
        pair = mids.get(pair_of.get(fill.client_order_id or "", ""))
        if pair is None or pair.plan.buy_arrival_mid is None or pair.plan.sell_arrival_mid is None:
            return world.venues[fill.account_id].mid, False
        bought = fill.account_id == pair.plan.buy_account
        return (pair.plan.buy_arrival_mid if bought else pair.plan.sell_arrival_mid), False

    payments = reads.funding_of(SESSION)
    for name, venue in world.venues.items():
        others = reads.unexplained_fills(name, _EVER)
        entries = [
            *book_fills([*reads.fills_of_session(SESSION), *others, *_traded_before(world)], arrival),
            *(funding_entry(payment) for payment in payments),
        ]
        unread = [p for p in _unread(told, name) if p not in payments]
        margin = _equity(world, name) - sum((p.payment for p in unread), ZERO)
        opening, closing = Reading(venue.deposit, None, world.clock()), Reading(margin, venue.mid, world.clock())
        result = statement(name, venue.market.symbol, entries, opening=opening, closing=closing)
        if not result.is_balanced:
            yield f"{name}: {result.residual} of the venue's equity is not explained"


def _unread(told: Lived, name: str) -> list[FundingPayment]:
    """What the venue paid since a run last read and journalled payments; a session that is over has none."""
    read: datetime | None = None
    journalled = _EVER
    for life in told.lives:
        for at, effect in life.done:
            read = at if effect == f"funding_payments {name}" else read
            journalled = read if read is not None and effect == "journal record_funding" else journalled
        read = None
    completed = told.world.session.status is SessionStatus.COMPLETED
    return [] if completed else [p for p in told.world.venues[name].payments if p.paid_at >= journalled]


def every_pair_that_ended_is_certified_once(told: Lived) -> Iterator[str]:
    """Whatever died when: the chain is whole, and every certificate says what the journal says."""
    found = verify(told.world.store, SESSION)
    yield from (finding.text for finding in found.findings)
    ended = sum(pair.outcome.completed_at is not None for pair in told.world.pairs)
    if found.certificates - found.corrections != ended:
        yield f"{ended} pairs ended, {found.certificates - found.corrections} are certified"


def _figures(fill: Fill) -> tuple[object, ...]:
    return fill.side, fill.quantity, fill.price, fill.cause


def _own_fills(world: World, name: str) -> list[Fill]:
    """An account's executions of the session's orders, what the venue forced on it, and what a hand took of it."""
    venue = world.venues[name]
    known = {order.venue_order_id for order in venue.orders.values()}
    kept = world.store.reads.fills_of_session(SESSION)
    by_hand = {f.trade_id for f in kept if f.account_id == name and f.client_order_id is None}
    fills = [fill for fill, _ in venue.executions]
    return [f for f in fills if f.venue_order_id in known or f.cause is not FillCause.TRADE or f.trade_id in by_hand]


def _own_positions(world: World) -> dict[str, Decimal]:
    """What is left of the session's own, with what it gave up where a hand took more than it held."""
    return {
        name: sum((f.quantity * f.side.sign for f in _own_fills(world, name)), ZERO) + _written_off(world, name)
        for name in world.venues
    }


def _adoptions(world: World, name: str) -> list[dict[str, object]]:
    """What the session agreed with a venue about an account, in order."""
    last, found = 0, list[dict[str, object]]()
    while page := world.store.reads.events_since(SESSION, last):
        last = page[-1].sequence
        found += [dict(e.payload) for e in page if e.type == ADOPTED and e.payload["accountId"] == name]
    return found


def _written_off(world: World, name: str) -> Decimal:
    return sum((Decimal(str(found["writtenOff"])) for found in _adoptions(world, name)), ZERO)


def _known_foreign(world: World, name: str) -> Decimal:
    """What is somebody else's on an account, as far as the session has said so; never without a trade by hand."""
    found = _adoptions(world, name)
    return Decimal(str(found[-1]["foreign"])) if found and world.venues[name].meddled else ZERO


def _traded_before(world: World) -> list[Fill]:
    """What somebody else executed before the session began: part of what its accounts brought along."""
    own = [f for name in world.venues for f in _own_fills(world, name)]
    started = world.session.started_at
    told = [f for venue in world.venues.values() for f, _ in venue.executions if f not in own]
    return [f for f in told if started is None or f.venue_time < started]


def _never_traded(world: World) -> bool:
    """It failed before it sent an order."""
    return world.session.status is SessionStatus.FAILED and not world.placed


def _is_meddled(world: World) -> bool:
    return any(v.position != own for v, own in zip(world.venues.values(), _own_positions(world).values(), strict=True))


def _is_busted(world: World) -> bool:
    """A trade was undone: its pair's figures are those of what is left."""
    return any(sum(o.filled for o in v.orders.values()) != _traded(world, name) for name, v in world.venues.items())


def _traded(world: World, name: str) -> Decimal:
    known = {order.venue_order_id for order in world.venues[name].orders.values()}
    return sum((f.quantity for f in _own_fills(world, name) if f.venue_order_id in known), ZERO)


def _purpose(pair: Pair) -> str:
    return str(cast(dict[str, object], pair.plan.decision["plan"])["purpose"])


def _of_pair(world: World, pair: Pair) -> list[Fill]:
    """The executions of a pair's orders, as the venues hold them, by time."""
    held = [fill for venue in world.venues.values() for fill, _ in venue.executions]
    return [fill for fill in _made_by(world, pair) if fill in held]


def _made_by(world: World, pair: Pair) -> list[Fill]:
    """Every execution that a pair's orders made, by time, those included that were undone since."""
    ids = {o.intent.client_order_id for o in world.store.reads.orders_of_pair(pair.plan.pair_id)}
    fills = []
    for venue in world.venues.values():
        own = {o.venue_order_id for o in venue.orders.values() if o.intent.client_order_id in ids}
        fills += [fill for fill, _ in venue.path if fill.venue_order_id in own]
    return sorted(fills, key=lambda f: f.venue_time)


def _leg(fills: Sequence[Fill], account_id: str, sign: int) -> tuple[Decimal, Decimal | None]:
    """What a leg filled in its direction, and the average price of that."""
    own = [f for f in fills if f.account_id == account_id]
    ahead = [f for f in own if f.side.sign == sign]
    taken = sum((f.quantity for f in ahead), ZERO)
    price = sum((f.quantity * f.price for f in ahead), ZERO) / taken if taken else None
    return sum((f.quantity * f.side.sign * sign for f in own), ZERO), price


def _naked(world: World, pair: Pair) -> Decimal:
    """Unhedged notional times time of one pair, from its first execution to its end.

    What was undone hedged until then; what stood alone from then on did so outside the pair.
    """
    fills, ended = _made_by(world, pair), pair.outcome.completed_at
    assert ended is not None
    assert pair.plan.buy_arrival_mid is not None
    spent, net = ZERO, ZERO
    for fill, until in pairwise([*fills, None]):
        if fill is not None:
            net += fill.quantity * fill.side.sign
            seconds = ((until.venue_time if until else ended) - fill.venue_time).total_seconds()
            spent += abs(net) * pair.plan.buy_arrival_mid * Decimal(str(max(0.0, seconds)))
    return spent


def _equity(world: World, name: str) -> Decimal:
    """The venue's own sum: deposit, cash of every execution, its position at the mid, and funding."""
    venue = world.venues[name]
    cash = sum((-f.quantity * f.side.sign * f.price - f.fee for f, _ in venue.executions), venue.deposit)
    return cash + venue.position * venue.mid + sum((p.payment for p in venue.payments), ZERO)


LAWS: dict[str, Law] = {
    "own orders never meet": own_orders_never_meet,
    "no order is sent twice": no_order_is_sent_twice,
    "the journal is the venues' truth": the_journal_is_the_venues_truth,
    "it ends flat or says what is left": it_ends_flat_or_says_what_is_left,
    "naked time is bounded": naked_time_is_bounded,
    "volume is what was hedged": volume_is_what_was_hedged,
    "a reduction only reduces": a_reduction_only_reduces,
    "the ledger balances": the_ledger_balances,
    "every pair that ended is certified once": every_pair_that_ended_is_certified_once,
}
