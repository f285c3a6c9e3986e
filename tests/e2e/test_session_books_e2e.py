"""A session's books against the twins, whose figures are exact: nothing at all may be left unexplained."""

from __future__ import annotations

import pytest

from core.ledger import total
from store.results import session_rows
from tests.e2e.conftest import Installation

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]


def test_residual_of_a_session_on_the_twins_is_exactly_zero(installation: Installation) -> None:
    session = installation.create(volumeTarget="700")
    installation.run(session.session_id)
    ended = installation.ended(session.session_id)
    assert ended.status.value == "completed", ended.status_reason
    books = installation.store.reads.ledger.books(session.session_id)
    stated = [found.statement for found in books.values() if found.statement is not None]
    assert len(stated) == len(session.accounts)
    assert [s.residual for s in stated] == [0] * len(stated)
    assert any(s.bookings for s in stated)
    whole = total(stated)
    assert whole.fees < 0
    assert whole.closing - whole.opening == ended.totals.pnl
    rows = session_rows(installation.home.path, "statements", session.session_id)
    assert sum(row["residual"] for row in rows) == 0
    assert sum(row["closing"] - row["opening"] for row in rows) == ended.totals.pnl
