"""Settlement of the Backpack twin: PnL paid out every ten seconds, settlement rows, position history.

Duty: follow the engine's events and keep what Backpack shows and the engine does not: which part of an open
position's PnL has already been moved into the USDC balance, and what became of closed positions. It must not
change the engine: an account's equity is the engine's, only its split into balance and unrealised PnL is ours.

Source: support.backpack.exchange, "Settlement" (PnL is realised into USDC about every ten seconds);
docs.backpack.exchange, GET /wapi/v1/history/settlement and /position.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from sandbox.dialects.backpack_numbers import US_PER_S
from sandbox.events import (
    BalanceChanged,
    Event,
    FillBusted,
    FillHappened,
    FundingPaid,
    MarkChanged,
    PositionChanged,
)
from sandbox.exchange import Exchange
from sandbox.model import ZERO, Fill, FillCause, FundingPayment

SETTLEMENT_PERIOD_US = 10 * US_PER_S
_CENT_MILLIONTH = Decimal("0.000001")

Key = tuple[str, str]


@dataclass(slots=True)
class PositionRecord:
    """The life of one position from flat to flat; money in USDC, ``quantity`` signed."""

    account: str
    instrument: str
    opened_us: int
    position_id: int = 0
    quantity: Decimal = ZERO
    entry_price: Decimal = ZERO
    pnl: Decimal = ZERO
    funding: Decimal = ZERO
    fees: Decimal = ZERO
    liquidation_fees: Decimal = ZERO
    closed_volume: Decimal = ZERO
    closing_price: Decimal | None = None
    closed_us: int | None = None
    is_liquidated: bool = False


@dataclass(frozen=True, slots=True)
class SettlementRow:
    """One change of the USDC balance; ``quantity`` is signed, + = received."""

    account: str
    source: str
    quantity: Decimal
    time_us: int
    position: PositionRecord | None


@dataclass(frozen=True, slots=True)
class DepositRow:
    """One payment into an account, in USDC; `number` counts over the exchange."""

    account: str
    number: int
    quantity: Decimal
    time_us: int


class Ledger:
    """Settled PnL, settlement rows and position records of every client account."""

    def __init__(self, exchange: Exchange, now_us: Callable[[], int]) -> None:
        """Follow ``exchange``; ``now_us`` is venue time in microseconds."""
        self._exchange = exchange
        self._now_us = now_us
        self._settled: dict[Key, Decimal] = {}
        self._open: dict[Key, PositionRecord] = {}
        self._records: list[PositionRecord] = []
        self._rows: list[SettlementRow] = []
        self._deposits: list[DepositRow] = []
        self._settled_at_us = now_us()
        self._on_settled: list[Callable[[str], None]] = []

    def notify_settled(self, listener: Callable[[str], None]) -> None:
        """Call ``listener(account)`` after each ten-second settlement that moved money."""
        self._on_settled.append(listener)

    def settled(self, account: str, instrument: str) -> Decimal:
        """Return the signed part of the open position's PnL that was already paid into the balance."""
        return self._settled.get((account, instrument), ZERO)

    def settled_total(self, account: str) -> Decimal:
        """Return the settled part over all of an account's open positions."""
        return sum((paid for key, paid in self._settled.items() if key[0] == account), ZERO)

    def cash(self, account: str) -> Decimal:
        """Return the USDC balance that Backpack shows: the engine's balance plus settled PnL."""
        return self._exchange.accounts[account].balance + self.settled_total(account)

    def fees(self, account: str, instrument: str) -> Decimal:
        """Return the fees paid since the open position was opened; zero when flat."""
        record = self._open.get((account, instrument))
        return ZERO if record is None else record.fees

    def rows(self, account: str) -> list[SettlementRow]:
        """Return an account's settlement rows, oldest first."""
        return [row for row in self._rows if row.account == account]

    def deposits(self, account: str) -> list[DepositRow]:
        """Return what was paid into an account, oldest first."""
        return [row for row in self._deposits if row.account == account]

    def records(self, account: str) -> list[PositionRecord]:
        """Return an account's positions, open and closed, oldest first."""
        return [record for record in self._records if record.account == account]

    def on_event(self, event: Event) -> None:
        """Take one engine event into the books."""
        match event:
            case FillHappened():
                self._on_fill(event.fill)
            case FillBusted():
                self._on_fill(event.undo)
            case FundingPaid():
                self._on_funding(event.payment)
            case PositionChanged():
                self._on_position(event)
            case BalanceChanged():
                self._on_balance(event)
            case MarkChanged():
                self._settle_when_due()
            case _:
                return

    def _on_fill(self, fill: Fill) -> None:
        key = (fill.account, fill.instrument)
        record = self._record_fill(key, fill)
        if fill.fee:
            self._add(fill.account, "TradingFees", -fill.fee, fill.time_us, record)
        before = self._settled.get(key, ZERO)
        kept = (before * _share_left(fill)).quantize(_CENT_MILLIONTH)
        self._set_settled(key, kept)
        paid = fill.realised_pnl + kept - before
        if paid:
            self._add(fill.account, "RealizePnl", paid, fill.time_us, record)

    def _record_fill(self, key: Key, fill: Fill) -> PositionRecord:
        """Take a fill into the open position's record; return the record that it changed or ended."""
        held, after = fill.position_before, fill.position_after
        record = self._open.get(key)
        if record is None:
            record = self._open_record(key, fill.time_us)
        record.fees += fill.fee
        record.pnl += fill.realised_pnl
        closing = min(abs(held), fill.quantity) if held * fill.side.sign < 0 else ZERO
        if closing:
            record.closed_volume += closing * fill.price
            record.closing_price = fill.price
            record.entry_price = fill.entry_before or record.entry_price
        if fill.cause in (FillCause.LIQUIDATION, FillCause.BACKSTOP, FillCause.ADL):
            record.is_liquidated = True
            record.liquidation_fees += fill.fee
        record.quantity = after
        if held and held * after <= 0:
            record.quantity = ZERO
            record.closed_us = fill.time_us
            del self._open[key]
            if after:
                self._open_record(key, fill.time_us).quantity = after
        return record

    def _open_record(self, key: Key, at_us: int) -> PositionRecord:
        record = PositionRecord(key[0], key[1], at_us)
        self._open[key] = record
        self._records.append(record)
        return record

    def _on_position(self, event: PositionChanged) -> None:
        record = self._open.get((event.account, event.position.instrument))
        if record is None:
            return
        record.position_id = event.position.id
        record.entry_price = event.position.entry_price or record.entry_price

    def _on_balance(self, event: BalanceChanged) -> None:
        """Take note of a deposit: the part of the account's deposits that no row shows yet."""
        seen = sum((row.quantity for row in self._deposits if row.account == event.account), ZERO)
        paid_in = self._exchange.accounts[event.account].deposits - seen
        if paid_in:
            self._deposits.append(DepositRow(event.account, len(self._deposits) + 1, paid_in, event.time_us))

    def _on_funding(self, payment: FundingPayment) -> None:
        record = self._open.get((payment.account, payment.instrument))
        if record is not None:
            record.funding += payment.payment
        self._add(payment.account, "FundingPayment", payment.payment, payment.time_us, record)

    def _settle_when_due(self) -> None:
        now_us = self._now_us()
        if now_us - self._settled_at_us < SETTLEMENT_PERIOD_US:
            return
        self._settled_at_us = now_us
        changed = [key[0] for key in list(self._open) if self._settle(key, now_us)]
        for account in dict.fromkeys(changed):
            for listener in self._on_settled:
                listener(account)

    def _settle(self, key: Key, now_us: int) -> bool:
        account, instrument = key
        position = self._exchange.accounts[account].positions.get(instrument)
        if position is None or not position.quantity:
            return False
        unrealised = position.quantity * self._exchange.mark(instrument) - position.cost
        due = unrealised.quantize(_CENT_MILLIONTH)
        paid = due - self._settled.get(key, ZERO)
        if not paid:
            return False
        self._set_settled(key, due)
        self._add(account, "RealizePnl", paid, now_us, self._open.get(key))
        return True

    def _set_settled(self, key: Key, settled: Decimal) -> None:
        if settled:
            self._settled[key] = settled
        else:
            self._settled.pop(key, None)

    def _add(self, account: str, source: str, quantity: Decimal, at_us: int, position: PositionRecord | None) -> None:
        self._rows.append(SettlementRow(account, source, quantity, at_us, position))


def _share_left(fill: Fill) -> Decimal:
    """Return the share of the old position that a fill leaves: 1 when it grows, 0 when it closes or flips."""
    held, after = fill.position_before, fill.position_after
    if not held or held * fill.side.sign > 0:
        return Decimal(1)
    return ZERO if held * after <= 0 else after / held
