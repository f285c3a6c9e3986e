"""Liquidation in tiers: the book, then the backstop, then deleveraging, as each venue's plan says.

Duty: judge every client account and force what its tier asks for, through the same matcher and ledger as all
executions. Each check takes one step, so that a position may shrink over several checks until the account is
healthy again. Must not decide when to check; the world does.

  book      all orders are cancelled and part of every position is sold or bought in the book
  backstop  a provider (the venue's own account) takes every position over at mark
  ADL       positions close at the price at which nothing is left, and the winners on the other side are closed
            at that price, most profitable and most leveraged first

Every forced execution stands against the venue's own account or the book, never directly against another
client, so that no two orders of one owner meet.
Sources: docs.pacifica.fi (Liquidations), docs.paradex.trade (Liquidations), support.backpack.exchange
(Futures liquidation).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, Decimal
from enum import StrEnum

from sandbox.announcer import Announcer
from sandbox.forced import LIQUIDATION_BOUND, Forced
from sandbox.matching import Matcher
from sandbox.model import (
    ZERO,
    Account,
    EndReason,
    FillCause,
    MarginSummary,
    OrderStatus,
    Position,
    Side,
    VenueMode,
)
from sandbox.positions import unrealised_pnl
from sandbox.risk import margin_summary
from sandbox.venue_state import VenueState

PARADEX_STEP = Decimal("0.2")
PARADEX_TARGET = Decimal("0.9")  # of equity, that the maintenance requirement must come under


class Tier(StrEnum):
    """What an account under its maintenance margin has to expect."""

    BOOK = "BOOK"
    BACKSTOP = "BACKSTOP"
    ADL = "ADL"


@dataclass(frozen=True, slots=True)
class Winner:
    """A position that deleveraging may close. `rank` is profit share times leverage."""

    rank: Decimal
    account: str
    quantity: Decimal  # not signed


class Liquidator:
    """The liquidation engine of one venue."""

    def __init__(self, state: VenueState, announcer: Announcer, matcher: Matcher, forced: Forced) -> None:
        self._state = state
        self._announcer = announcer
        self._matcher = matcher
        self._forced = forced
        self._started: dict[tuple[str, str], Decimal] = {}  # position when its liquidation began

    def check(self) -> list[str]:
        """Take one step against every account under its maintenance margin; return their ids.

        Nothing happens while the venue's mode is POST_ONLY or stricter.
        """
        if self._state.mode().strictness >= VenueMode.POST_ONLY.strictness:
            return []
        return [a.id for a in list(self._state.accounts.values()) if not a.is_internal and self._step(a)]

    def tier(self, summary: MarginSummary) -> Tier:
        """Tier of an account that is under its maintenance margin."""
        if summary.equity < 0:
            return Tier.ADL
        is_low = summary.equity < self._state.rules.backstop_share * summary.maintenance
        return Tier.BACKSTOP if is_low else Tier.BOOK

    def _step(self, account: Account) -> bool:
        positions = _open(account)
        if not positions and not account.is_liquidating:
            return False
        summary = margin_summary(self._state, account.id)
        if self._state.rules.cancels_below_initial and summary.equity < summary.initial:
            self._cancel_non_offsetting(account)
        account.is_liquidating = summary.equity < summary.maintenance and bool(positions)
        if not account.is_liquidating:
            self._forget(account)
            return False
        self._act(account, self.tier(summary), summary)
        return True

    def force(self, account_id: str, tier: Tier) -> None:
        """Take one step of a tier whatever the margin; ADL leaves the account with nothing."""
        self._act(self._state.account(account_id), tier, margin_summary(self._state, account_id))

    def _act(self, account: Account, tier: Tier, summary: MarginSummary) -> None:
        with self._announcer.command():
            self._cancel_orders(account)
            match tier:
                case Tier.BOOK:
                    self._sell_in_the_book(account, summary)
                case Tier.BACKSTOP:
                    self._hand_over(account, summary)
                case Tier.ADL:
                    self._deleverage(account, summary)

    # --- the tiers ------------------------------------------------------------------------------
    def _sell_in_the_book(self, account: Account, summary: MarginSummary) -> None:
        share = self._share(account, summary)
        for position in _open(account):
            instrument, held = position.instrument, abs(position.quantity)
            start = self._started.setdefault((account.id, instrument), held)
            base = held if self._state.rules.liquidation_share is None else start
            lot = self._state.market(instrument).lot
            quantity = min(held, (base * share / lot).to_integral_value(ROUND_CEILING) * lot)
            side = Side.SELL if position.quantity > 0 else Side.BUY
            bound = self._state.mark(instrument) * (1 + side.sign * LIQUIDATION_BOUND)
            self._forced.in_the_book(account.id, instrument, side, quantity, bound)

    def _hand_over(self, account: Account, summary: MarginSummary) -> None:
        """The provider takes the positions at mark; its fee is never more than what the account still has."""
        left = summary.equity
        for position in _open(account):
            mark = self._state.mark(position.instrument)
            price = self._on_tick(position.instrument, mark)
            rate = self._state.liquidation_rate(position.instrument)
            left -= abs(position.quantity * (mark - price))
            held = abs(position.quantity)
            fee = max(ZERO, min(left, held * price * rate)).quantize(self._fee_step(), ROUND_DOWN)
            left -= fee
            self._forced.close(account.id, position.instrument, held, price=price, cause=FillCause.BACKSTOP, fee=fee)

    def _deleverage(self, account: Account, summary: MarginSummary) -> None:
        """Close at the prices that leave the account with nothing, and pass the positions on to winners."""
        total = sum((abs(p.quantity) * self._state.mark(p.instrument) for p in _open(account)), ZERO)
        for position in _open(account):
            instrument, quantity = position.instrument, abs(position.quantity)
            side = Side.SELL if position.quantity > 0 else Side.BUY
            # The loss is shared out by notional: a long closes above mark by it, a short below.
            shift = -summary.equity * self._state.mark(instrument) / total
            rounding = ROUND_CEILING if side is Side.SELL else ROUND_FLOOR
            tick = self._state.market(instrument).tick
            price = self._state.mark(instrument) - side.sign * shift
            price = max(tick, (price / tick).to_integral_value(rounding) * tick)
            self._forced.close(account.id, instrument, quantity, price=price, cause=FillCause.ADL, fee=ZERO)
            self._pass_on(account.id, instrument, side, quantity, price)

    def _pass_on(self, loser: str, instrument: str, side: Side, quantity: Decimal, price: Decimal) -> None:
        """Close winners whose position is opposite to the one that was closed, best first."""
        for winner in self._winners(loser, instrument, side):
            if not quantity:
                return
            closing = min(quantity, winner.quantity)
            self._forced.close(winner.account, instrument, closing, price=price, cause=FillCause.ADL, fee=ZERO)
            quantity -= closing

    def _winners(self, loser: str, instrument: str, side: Side) -> list[Winner]:
        """Clients in profit who hold what the closing `side` opens: a SELL closes a long, winners are short."""
        mark, found = self._state.mark(instrument), []
        for account in self._state.accounts.values():
            position = account.positions.get(instrument)
            if account.is_internal or account.id == loser or position is None:
                continue
            if position.quantity * side.sign <= 0 or unrealised_pnl(position, mark) <= 0:
                continue
            equity = margin_summary(self._state, account.id).equity
            notional = abs(position.quantity) * mark
            if equity > 0:
                rank = unrealised_pnl(position, mark) / abs(position.cost) * notional / equity
                found.append(Winner(rank, account.id, abs(position.quantity)))
        return sorted(found, key=lambda w: (-w.rank, w.account))

    # --- parts ----------------------------------------------------------------------------------
    def _share(self, account: Account, summary: MarginSummary) -> Decimal:
        """Fraction of every position that this step closes."""
        rules = self._state.rules
        if rules.liquidation_share is None:
            return _least_share(summary, rules.liquidation_fee_of_maintenance)
        if rules.liquidation_chunk_notional is None:
            return rules.liquidation_share
        for position in _open(account):
            spec = self._state.market(position.instrument)
            held = self._started.get((account.id, position.instrument), abs(position.quantity))
            if held * self._state.mark(position.instrument) >= rules.liquidation_chunk_notional * spec.max_leverage:
                return rules.liquidation_share
        return Decimal(1)

    def _cancel_orders(self, account: Account) -> None:
        orders = self._state.orders
        for order in [*orders.live(account.id), *orders.waiting(account.id)]:
            self._matcher.end(order, OrderStatus.CANCELLED, EndReason.LIQUIDATION)

    def _cancel_non_offsetting(self, account: Account) -> None:
        """Cancel orders that reduce nothing, and reducing ones beyond the position, most passive first."""
        with self._announcer.command():
            room = {p.instrument: p.quantity for p in _open(account)}
            live = self._state.orders.live(account.id)
            for order in sorted(live, key=lambda o: (-o.side.sign * (o.price or ZERO), o.id)):
                held = room.get(order.instrument, ZERO)
                if held * order.side.sign < 0 and order.remaining <= abs(held):
                    room[order.instrument] = held + order.side.sign * order.remaining
                else:
                    self._matcher.end(order, OrderStatus.CANCELLED, EndReason.DELEVERAGE)

    def _forget(self, account: Account) -> None:
        for key in [key for key in self._started if key[0] == account.id]:
            del self._started[key]

    def _on_tick(self, instrument: str, price: Decimal) -> Decimal:
        tick = self._state.market(instrument).tick
        return (price / tick).to_integral_value() * tick

    def _fee_step(self) -> Decimal:
        return Decimal(1).scaleb(-self._state.rules.fee_decimals)


def _open(account: Account) -> list[Position]:
    return [p for p in account.positions.values() if p.quantity]


def _least_share(summary: MarginSummary, penalty: Decimal) -> Decimal:
    """Smallest multiple of 20 % after which maintenance is under 90 % of equity, its penalty paid (Paradex)."""
    for steps in range(1, 5):
        share = PARADEX_STEP * steps
        equity = summary.equity - share * penalty * summary.maintenance
        if summary.maintenance * (1 - share) < PARADEX_TARGET * equity:
            return share
    return Decimal(1)
