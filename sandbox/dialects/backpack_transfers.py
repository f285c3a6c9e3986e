"""Signed routes about money that came and went: deposits and withdrawals. They only show; nothing is moved here.

Source: docs.backpack.exchange, API reference "Capital": GET /wapi/v1/capital/deposits and /withdrawals
(schemas Deposit and Withdrawal; `from` and `to` in milliseconds, newest first).
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.dialects.backpack_context import Twin
from sandbox.dialects.backpack_door import Page, authorise, page_answer, query_members, read_limit
from sandbox.dialects.backpack_ledger import DepositRow
from sandbox.dialects.backpack_numbers import US_PER_MS, naive_iso, trimmed
from sandbox.dialects.backpack_payload import Members
from sandbox.dialects.backpack_wire import SETTLEMENT_ASSET, Json


class TransferRoutes:
    """Endpoints of deposits and withdrawals."""

    def __init__(self, twin: Twin) -> None:
        self._twin = twin

    def routes(self) -> list[Route]:
        """Return the routing table; a withdrawal cannot be asked for at a twin."""
        return [
            Route("/wapi/v1/capital/deposits", self.deposits),
            Route("/wapi/v1/capital/withdrawals", self.withdrawals),
        ]

    async def deposits(self, request: Request) -> Response:
        """Answer what was paid in."""
        members = query_members(self._twin, request)
        page, since_us, until_us = _read_span(members)
        account_id = authorise(self._twin, request, "depositQueryAll", [members.signed])
        found = self._twin.ledger.deposits(account_id)
        rows = [_deposit(row) for row in found if since_us <= row.time_us and (not until_us or row.time_us < until_us)]
        return page_answer(rows, page)

    async def withdrawals(self, request: Request) -> Response:
        """Answer what was paid out: at a twin nothing ever is."""
        members = query_members(self._twin, request)
        page, _, _ = _read_span(members)
        authorise(self._twin, request, "withdrawalQueryAll", [members.signed])
        return page_answer([], page)


def _read_span(members: Members) -> tuple[Page, int, int]:
    limit, offset = read_limit(members), members.unsigned("offset") or 0
    since_ms, until_ms = members.unsigned("from") or 0, members.unsigned("to") or 0
    return Page(limit, offset), since_ms * US_PER_MS, until_ms * US_PER_MS


def _deposit(row: DepositRow) -> Json:
    return {
        "confirmationBlockNumber": None,
        "createdAt": naive_iso(row.time_us),
        "fromAddress": None,
        "id": row.number,
        "identifier": None,
        "quantity": trimmed(row.quantity),
        "source": "administrator",
        "status": "confirmed",
        "subaccountId": None,
        "symbol": SETTLEMENT_ASSET,
        "toAddress": None,
        "transactionHash": None,
    }
