"""The two names of an order: our client order id (UUID text) and Backpack's 32-bit clientId. Pure and bounded.

A hash cannot be turned back, so what was asked for is remembered; a clientId nobody here knows is somebody else's, or
one of ours from before a restart.
The venue does not document that it refuses a repeated clientId, so an id in use for another order is refused here.
"""

from __future__ import annotations

from collections import OrderedDict

from core.ids import uint32_of

IDS_MAX = 50_000


class ClientIds:
    """The latest IDS_MAX client order ids of one account, oldest forgotten first."""

    def __init__(self, ids_max: int = IDS_MAX) -> None:
        self._ids_max = ids_max
        self._names: OrderedDict[int, str] = OrderedDict()

    def remember(self, client_order_id: str) -> bool:
        """Take note of an id; False when its 32-bit form already stands for a different one."""
        number = uint32_of(client_order_id)
        if self._names.setdefault(number, client_order_id) != client_order_id:
            return False
        self._names.move_to_end(number)
        if len(self._names) > self._ids_max:
            self._names.popitem(last=False)
        return True

    def name(self, number: int | None) -> str | None:
        """Return the client order id behind a clientId, None when it is not one of ours."""
        return None if number is None else self._names.get(number)

    def name_or_wire(self, number: int | None) -> str | None:
        """Return the client order id behind a clientId, or the clientId itself as text; None for none.

        After a restart nothing is remembered: the journal keeps every order's wire form and knows whose it is.
        """
        return None if number is None else self._names.get(number, str(number))
