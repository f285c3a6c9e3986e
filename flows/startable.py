"""What must hold in this installation before a pending session is started, over the API and from the command line.

Reads the store alone; what the venues say is asked elsewhere, and the run checks all of it again.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from core.errors import AccountNotActive, RiskLimitExceeded
from core.limits import NAKED_DAY_REMEDY
from core.numbers import canonical
from store import Session, Store


def require_startable(store: Store, session: Session, now: datetime, *, naked_day_max: Decimal) -> None:
    """Raise what keeps a session from starting now; blocking.

    AccountNotActive when another running session holds one of its accounts. RiskLimitExceeded when legs of all sessions
    have stood alone today for naked_day_max (USD x seconds): its gate would refuse every pair.
    """
    for name in session.accounts:
        lease = store.reads.lease(f"account:{name}")
        if lease is not None and lease.expires_at > now and not lease.holder.startswith(session.session_id + "/"):
            holder = lease.holder.partition("/")[0]
            raise AccountNotActive(
                f"account {name} is held by the running session {holder}; stop it or wait for its end",
                accountId=name, sessionId=holder,
            )  # fmt: skip
    spent = store.reads.ledger.naked_on_day_of(now)
    if spent >= naked_day_max:
        raise RiskLimitExceeded(
            f"legs of all sessions stood alone for {spent:.0f} USD x seconds today (UTC), the day allows "
            f"{naked_day_max:.0f}; {NAKED_DAY_REMEDY}",
            limit=canonical(naked_day_max), requested=canonical(spent), field="HEDGE_NAKED_DAY_MAX",
        )  # fmt: skip
