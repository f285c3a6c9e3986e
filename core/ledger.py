"""Double entry for a session: every fill, fee, funding payment and transfer as postings that sum to zero.

From the postings follow what each account's equity should have changed by, and where it came from; what the venue says
it changed by, less that, is the residual. Reads nothing and repairs nothing: it adds up.

A perpetual's fill exchanges no cash. Here it swaps a position for a claim on the venue (`CLEARING`, quote units), so
that an account's equity is collateral + clearing + position x mark at every moment. Against that stand the accounts
that say why: `TRADING` at the arrival mid, `SLIPPAGE` and `LEGGING` for what was paid beside it, `FEES`, `FUNDING`,
`TRANSFERS`, `FORCED` for what the venue did of its own. A positive balance of these is a cost.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from core.account import Transfer
from core.market import FundingPayment
from core.numbers import ZERO
from core.order import Fill, FillCause

# What venues round by: a millionth of a quote unit for each thing they book, and as much for each of two readings.
ROUNDING = Decimal("0.000001")


class Name(StrEnum):
    """Ledger accounts. The first three make up a venue account's equity, the others say why it changed."""

    COLLATERAL = "collateral"
    CLEARING = "clearing"
    POSITION = "position"
    TRADING = "trading"
    SLIPPAGE = "slippage"
    LEGGING = "legging"
    FORCED = "forced"
    FEES = "fees"
    FUNDING = "funding"
    TRANSFERS = "transfers"


@dataclass(frozen=True, slots=True)
class Posting:
    """A signed quantity of an asset on one ledger account: quote units for money, base units for positions."""

    name: Name
    asset: str
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class Entry:
    """One booking on a venue account. reference: the venue's own id of the fill, payment or transfer."""

    account_id: str
    kind: str
    reference: str
    at: datetime
    postings: tuple[Posting, ...]

    def __post_init__(self) -> None:
        """Refuse a booking that does not balance in every asset."""
        sums: dict[str, Decimal] = defaultdict(Decimal)
        for posting in self.postings:
            sums[posting.asset] += posting.quantity
        if any(sums.values()):
            raise ValueError(f"{self.kind} {self.reference} does not balance: {dict(sums)}")


@dataclass(frozen=True, slots=True)
class Reading:
    """An account's equity (quote units) and one market's mark price as the venue said them at one moment."""

    equity: Decimal
    mark: Decimal | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Statement:
    """Why an account's equity changed between two readings, in quote units; costs are negative here.

    basis: what the position made at arrival mids and marks. slippage: fills of the planned legs against their arrival
    mid. legging: the same of repairs and take-backs. forced: liquidation, backstop, deleveraging against the mark of
    that moment. before: what is not the session's made since the opening reading: the position held then, and what
    others traded on the account, their fees included. residual: what nothing here explains.
    """

    account_id: str
    opening: Decimal
    closing: Decimal
    basis: Decimal
    slippage: Decimal
    legging: Decimal
    forced: Decimal
    fees: Decimal
    funding: Decimal
    transfers: Decimal
    before: Decimal
    bookings: int

    @property
    def price_pnl(self) -> Decimal:
        """What prices made, whatever the reason."""
        return self.basis + self.slippage + self.legging + self.forced + self.before

    @property
    def explained(self) -> Decimal:
        """The change of equity that the bookings explain."""
        return self.price_pnl + self.fees + self.funding + self.transfers

    @property
    def residual(self) -> Decimal:
        """The venue's change of equity less what is explained; above `dust` money is unaccounted for."""
        return self.closing - self.opening - self.explained

    @property
    def dust(self) -> Decimal:
        """The largest residual that the venue's own rounding can make."""
        return ROUNDING * (self.bookings + 2)

    @property
    def is_balanced(self) -> bool:
        """True when every cent is explained."""
        return abs(self.residual) <= self.dust


def fill_entry(fill: Fill, *, arrival_mid: Decimal, repairs: bool) -> Entry:
    """Book an execution and its fee. arrival_mid: the leg's own mid at the decision, or the mark for a forced fill.

    repairs: the order evened legs out or took one back, so what it paid beside the mid is the cost of legging.
    """
    base, quote = fill.symbol.split("/")
    signed = fill.quantity * fill.side.sign
    at_mid, paid = signed * arrival_mid, signed * fill.price
    cost = Name.LEGGING if repairs else Name.SLIPPAGE
    if fill.cause is not FillCause.TRADE:
        cost = Name.FORCED
    return Entry(
        fill.account_id,
        "fill" if fill.cause is FillCause.TRADE else fill.cause.value,
        fill.trade_id,
        fill.venue_time,
        (
            Posting(Name.POSITION, base, signed),
            Posting(Name.TRADING, base, -signed),
            Posting(Name.CLEARING, quote, -paid),
            Posting(Name.TRADING, quote, at_mid),
            Posting(cost, quote, paid - at_mid),
            Posting(Name.COLLATERAL, quote, -fill.fee),
            Posting(Name.FEES, quote, fill.fee),
        ),
    )


def funding_entry(payment: FundingPayment) -> Entry:
    """Book a funding payment as the venue booked it."""
    quote = payment.symbol.split("/")[1]
    postings = _received(Name.FUNDING, quote, payment.payment)
    return Entry(payment.account_id, "funding", payment.payment_id, payment.paid_at, postings)


def transfer_entry(transfer: Transfer) -> Entry:
    """Book money that came or went without a trade."""
    postings = _received(Name.TRANSFERS, transfer.asset, transfer.quantity)
    return Entry(transfer.account_id, transfer.kind.value, transfer.transfer_id, transfer.at, postings)


def _received(why: Name, asset: str, quantity: Decimal) -> tuple[Posting, ...]:
    return (Posting(Name.COLLATERAL, asset, quantity), Posting(why, asset, -quantity))


def book_fills(fills: Iterable[Fill], arrival: Callable[[Fill], tuple[Decimal, bool]]) -> list[Entry]:
    """Book executions, each (account, trade id) once. arrival: the mid to measure against, and whether it repairs."""
    booked: dict[tuple[str, str], Entry] = {}
    for fill in fills:
        if (fill.account_id, fill.trade_id) in booked:
            continue
        mid, repairs = arrival(fill)
        booked[fill.account_id, fill.trade_id] = fill_entry(fill, arrival_mid=mid, repairs=repairs)
    return list(booked.values())


def balances(entries: Iterable[Entry]) -> dict[tuple[str, Name, str], Decimal]:
    """Sum postings by venue account, ledger account and asset."""
    sums: dict[tuple[str, Name, str], Decimal] = defaultdict(Decimal)
    for entry in entries:
        for posting in entry.postings:
            sums[entry.account_id, posting.name, posting.asset] += posting.quantity
    return dict(sums)


def statement(
    account_id: str,
    symbol: str,
    entries: Iterable[Entry],
    *,
    opening: Reading,
    closing: Reading,
    held_before: Decimal = ZERO,
    others: Sequence[Fill] = (),
) -> Statement:
    """Explain one account's change of equity between two readings by what was booked between them.

    held_before: signed base units the account already held at the opening reading. others: executions in this market
    since then that are not the session's. Raises ValueError when a position was held or is left and its reading has no
    mark: what cannot be valued is not zero.
    """
    own = [entry for entry in entries if entry.account_id == account_id]
    sums = balances(own)
    base, quote = symbol.split("/")

    def at(name: Name, asset: str = quote) -> Decimal:
        return sums.get((account_id, name, asset), ZERO)

    left = at(Name.POSITION, base)
    return Statement(
        account_id=account_id,
        opening=opening.equity,
        closing=closing.equity,
        basis=-at(Name.TRADING) + (left * _mark(closing, account_id) if left else ZERO),
        slippage=-at(Name.SLIPPAGE),
        legging=-at(Name.LEGGING),
        forced=-at(Name.FORCED),
        fees=-at(Name.FEES),
        funding=-at(Name.FUNDING),
        transfers=-at(Name.TRANSFERS),
        before=(held_before * (_mark(closing, account_id) - _mark(opening, account_id)) if held_before else ZERO)
        + _made_by(others, closing, account_id),
        bookings=len(own) + len(others),
    )


def _made_by(trades: Sequence[Fill], closing: Reading, account_id: str) -> Decimal:
    """What executions made until a reading, fees taken off, quote units; what they leave is valued at its mark."""
    left = sum((f.quantity * f.side.sign for f in trades), ZERO)
    paid = sum((f.quantity * f.side.sign * f.price + f.fee for f in trades), ZERO)
    return (left * _mark(closing, account_id) if left else ZERO) - paid


def _mark(reading: Reading, account_id: str) -> Decimal:
    if reading.mark is None:
        raise ValueError(f"{account_id}: a position cannot be valued without a mark price")
    return reading.mark


def total(statements: Mapping[str, Statement] | Iterable[Statement]) -> Statement:
    """Add accounts up to the session's statement."""
    parts = list(statements.values() if isinstance(statements, Mapping) else statements)

    def add(of: Callable[[Statement], Decimal]) -> Decimal:
        return sum((of(part) for part in parts), ZERO)

    return Statement(
        account_id="all",
        opening=add(lambda s: s.opening),
        closing=add(lambda s: s.closing),
        basis=add(lambda s: s.basis),
        slippage=add(lambda s: s.slippage),
        legging=add(lambda s: s.legging),
        forced=add(lambda s: s.forced),
        fees=add(lambda s: s.fees),
        funding=add(lambda s: s.funding),
        transfers=add(lambda s: s.transfers),
        before=add(lambda s: s.before),
        bookings=sum(part.bookings for part in parts),
    )
