"""On what terms a venue lets an account hold what it holds, and which of them it has tightened. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from core.limits import Severity
from core.numbers import canonical
from core.session_risk import RiskBreach

# Withdrawals count as limited when less than this share of the free margin may leave the venue.
WITHDRAWABLE_SHARE = Decimal("0.5")


@dataclass(frozen=True, slots=True)
class AccountTerms:
    """The terms of one account in one market; None: the venue does not tell, or could not be asked.

    Margins are fractions of notional, leverage a multiple, withdrawable and free (margin) in quote units.
    """

    account_id: str
    initial_margin: Decimal | None
    maintenance_margin: Decimal | None
    leverage: Decimal | None
    withdrawable: Decimal | None
    free: Decimal | None

    @property
    def is_withdrawal_limited(self) -> bool | None:
        """Tell whether much less may be withdrawn than is free; None when it is not known, or nothing is free."""
        if self.withdrawable is None or self.free is None or self.free <= 0:
            return None
        return self.withdrawable < self.free * WITHDRAWABLE_SHARE


def tightened(before: AccountTerms, now: AccountTerms) -> Iterator[RiskBreach]:
    """Yield a warning for each term that is worse than it was; what is not known on either side is not compared."""
    if _grew(before.initial_margin, now.initial_margin):
        yield _warning("initial_margin_raised", now, before.initial_margin, now.initial_margin)
    if _grew(before.maintenance_margin, now.maintenance_margin):
        yield _warning("maintenance_margin_raised", now, before.maintenance_margin, now.maintenance_margin)
    if _grew(now.leverage, before.leverage):
        yield _warning("leverage_lowered", now, before.leverage, now.leverage)
    if before.is_withdrawal_limited is False and now.is_withdrawal_limited:
        yield _warning("withdrawal_limited", now, before.withdrawable, now.withdrawable)


def _grew(before: Decimal | None, now: Decimal | None) -> bool:
    return before is not None and now is not None and now > before


def _warning(category: str, terms: AccountTerms, before: Decimal | None, now: Decimal | None) -> RiskBreach:
    was, is_ = ("" if value is None else canonical(value) for value in (before, now))
    return RiskBreach(category, Severity.WARNING, {"accountId": terms.account_id, "before": was, "now": is_})
