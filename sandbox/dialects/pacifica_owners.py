"""Pacifica's accounts of one owner: subaccounts, transfers between them, and each account's balance history.

Duty: remember who belongs to whom and why each balance changed. Must not verify signatures of single operations
(the desk does) or know HTTP. Source: docs.pacifica.fi, REST API: Subaccounts, Get account balance history.
Making a subaccount takes two signatures over the same time: the subaccount's over its main account, the main
account's over that signature. An account opened by the control door shows as a deposit.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from sandbox.announcer import never
from sandbox.dialects.pacifica_errors import ApiError
from sandbox.events import BalanceChanged, Event, FillBusted, FillHappened, FundingPaid
from sandbox.exchange import Exchange
from sandbox.model import ZERO, Fill, FillCause

ROWS_KEPT = 20_000
MICRO = Decimal("0.000001")
EVENT_OF_CAUSE = {
    FillCause.NORMAL: "trade",
    FillCause.LIQUIDATION: "market_liquidation",
    FillCause.BACKSTOP: "backstop_liquidation",
    FillCause.ADL: "adl_liquidation",
    FillCause.BUST: "trade",
}


@dataclass(frozen=True, slots=True)
class BalanceRow:
    """One change of an account's balance: `change` is signed, `balance` what there was afterwards."""

    number: int
    change: Decimal
    balance: Decimal
    event_type: str
    time_us: int

    def render(self) -> dict[str, object]:
        """Row of /account/balance/history."""
        return {
            "amount": _money(self.change),
            "balance": _money(self.balance),
            "pending_balance": "0.000000",
            "event_type": self.event_type,
            "created_at": self.time_us // 1000,
        }


class Owners:
    """Subaccounts and balance histories of one exchange."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._main_of: dict[str, str] = {}
        self._created_us: dict[str, int] = {}
        self._rows: dict[str, deque[BalanceRow]] = {}
        self._explained: dict[str, Decimal] = {}  # since the last BalanceChanged
        self._number = 0
        self._transferring = False
        exchange.subscribe(self._on_event, never, (FillHappened, FillBusted, FundingPaid, BalanceChanged))

    # --- subaccounts ----------------------------------------------------------------------------
    def create(self, main: str, subaccount: str, now_us: int) -> None:
        """Join a new subaccount to its main account."""
        self._exchange.account(main)
        if main in self._main_of:
            raise ApiError(422, "Subaccount cannot create subaccount", code=35)
        if subaccount in self._exchange.accounts:
            raise ApiError(422, "Account already exists", code=2)
        self._exchange.open_account(subaccount, ZERO)
        self._main_of[subaccount], self._created_us[subaccount] = main, now_us

    def of(self, main: str) -> list[dict[str, object]]:
        """Rows of the subaccounts of a main account."""
        self._exchange.account(main)
        if main in self._main_of:
            raise ApiError(422, "Not main account", code=40)
        return [
            {
                "address": sub,
                "balance": _money(self._exchange.account(sub).balance),
                "pending_balance": "0.000000",
                "fee_level": 0,
                "fee_mode": "auto",
                "created_at": self._created_us[sub] // 1000,
            }
            for sub, owner in self._main_of.items()
            if owner == main
        ]

    def transfer(self, source: str, target: str, quantity: Decimal) -> None:
        """Move USD between a main account and one of its subaccounts, or between two of these."""
        if target == source or self._family(source) != self._family(target) or target not in self._exchange.accounts:
            raise ApiError(422, f"Invalid transfer relationship: {source} -> {target}", code=33)
        if not 0 < quantity <= self._exchange.margin(source).free:
            value = self._exchange.margin(source).equity
            raise ApiError(422, f"Insufficient balance for {source}: {quantity:f} (account value: {value:f})", code=5)
        self._transferring = True
        try:
            self._exchange.open_account(source, -quantity)
            self._exchange.open_account(target, quantity)
        finally:
            self._transferring = False

    def _family(self, account: str) -> str:
        return self._main_of.get(account, account)

    # --- balance history ------------------------------------------------------------------------
    def history(self, account: str, *, with_trades: bool) -> list[BalanceRow]:
        """Changes of a balance, oldest first; those of trades only if asked for."""
        return [row for row in self._rows.get(account, ()) if with_trades or row.event_type != "trade"]

    def _on_event(self, event: Event) -> None:
        match event:
            case FillHappened(fill=fill) | FillBusted(undo=fill):
                self._note(fill.account, _effect(fill), EVENT_OF_CAUSE[fill.cause], fill.time_us)
            case FundingPaid(payment=payment):
                self._note(payment.account, payment.payment, "funding", payment.time_us)
            case BalanceChanged(account=account, balance_before=before, balance=balance, time_us=time_us):
                rest = balance - before - self._explained.pop(account, ZERO)
                if rest:
                    way = "subaccount_transfer" if self._transferring else "deposit" if rest > 0 else "withdraw"
                    self._note(account, rest, way, time_us)
                    self._explained.pop(account, None)
            case _:
                return

    def _note(self, account: str, change: Decimal, event_type: str, time_us: int) -> None:
        if not change:
            return
        rows = self._rows.setdefault(account, deque(maxlen=ROWS_KEPT))
        balance = (rows[-1].balance if rows else ZERO) + change
        self._number += 1
        self._explained[account] = self._explained.get(account, ZERO) + change
        rows.append(BalanceRow(self._number, change, balance, event_type, time_us))


def _effect(fill: Fill) -> Decimal:
    return fill.realised_pnl - fill.fee


def _money(value: Decimal) -> str:
    return f"{value.quantize(MICRO, ROUND_HALF_UP):f}"
