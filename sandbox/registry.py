"""All orders of one exchange, findable by id, account and client id.

Duty: memory only. Orders of internal accounts are forgotten when they end; client orders are kept for the
life of the process, since they are the venue's own truth.
"""

from __future__ import annotations

from sandbox.model import ClientIdScope, Order, OrderStatus


class OrderRegistry:
    """Index over orders. Live orders can fill now; waiting ones are trigger orders that have not gone off."""

    def __init__(self) -> None:
        self._by_id: dict[int, Order] = {}
        self._by_account: dict[str, dict[int, Order]] = {}
        self._live: dict[str, dict[int, Order]] = {}
        self._waiting: dict[int, Order] = {}
        self._by_client_id: dict[tuple[str, str], Order] = {}

    def add(self, order: Order) -> None:
        """Remember a new order."""
        self._by_id[order.id] = order
        self._by_account.setdefault(order.account, {})[order.id] = order
        if order.status is OrderStatus.WAITING:
            self._waiting[order.id] = order
        else:
            self._live.setdefault(order.account, {})[order.id] = order
        if order.client_id is not None:
            self._by_client_id[order.account, order.client_id] = order

    def end(self, order: Order, *, forget: bool) -> None:
        """Take an order out of the live and waiting ones; `forget` drops it altogether."""
        self._waiting.pop(order.id, None)
        self._live.get(order.account, {}).pop(order.id, None)
        if forget:
            del self._by_id[order.id]
            del self._by_account[order.account][order.id]

    def wake(self, order: Order) -> None:
        """Count a waiting order among the live ones."""
        del self._waiting[order.id]
        self._live.setdefault(order.account, {})[order.id] = order

    @property
    def has_waiting(self) -> bool:
        """Whether any trigger order waits."""
        return bool(self._waiting)

    def waiting(self, account_id: str | None = None, instrument: str | None = None) -> list[Order]:
        """Trigger orders that have not gone off, oldest first."""
        return [
            o for o in self._waiting.values() if account_id in (None, o.account) and instrument in (None, o.instrument)
        ]

    def by_id(self, order_id: int) -> Order | None:
        """Find an order of any account."""
        return self._by_id.get(order_id)

    def find(self, account_id: str, order_id: int | None, client_id: str | None) -> Order | None:
        """Find an order of one account by either id."""
        if order_id is not None:
            return self._by_account.get(account_id, {}).get(order_id)
        return None if client_id is None else self._by_client_id.get((account_id, client_id))

    def live(self, account_id: str, instrument: str | None = None) -> list[Order]:
        """Live orders, oldest first."""
        orders = self._live.get(account_id, {}).values()
        return [o for o in orders if instrument is None or o.instrument == instrument]

    def live_reduce_only(self, account_id: str, instrument: str) -> list[Order]:
        """Live reduce-only orders of one market, oldest first."""
        orders = self._live.get(account_id)
        if not orders:
            return []
        return [o for o in orders.values() if o.reduce_only and o.instrument == instrument]

    def of_account(self, account_id: str, instrument: str | None = None) -> list[Order]:
        """All remembered orders, oldest first."""
        orders = self._by_account.get(account_id, {}).values()
        return [o for o in orders if instrument is None or o.instrument == instrument]

    def is_taken(self, account_id: str, client_id: str, scope: ClientIdScope) -> bool:
        """Whether a client order id may not be used again yet."""
        order = self._by_client_id.get((account_id, client_id))
        return order is not None and (scope is ClientIdScope.EVER or order.is_live)
