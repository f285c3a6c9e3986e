"""Edits and the firewall: an edited order keeps its client order id, and the journal never checks that id again.

The journal guards the price it was written with. An order that only moves away from the other side stays within what
was checked, whatever else rests; one that moves nearer has to be cancelled and placed anew, through the firewall.
"""

from __future__ import annotations

from core.numbers import canonical
from core.order import OrderIntent


def past_the_firewall(intent: OrderIntent, replacement: OrderIntent) -> str | None:
    """Return why an edit must not be sent, None when it stays within what the firewall checked.

    intent: as journalled. Quantities do not matter: the firewall judges prices alone.
    """
    if not replacement.side.is_worse(replacement.price, than=intent.price):
        return None
    return (
        f"an edit of {intent.client_order_id} from {canonical(intent.price)} to {canonical(replacement.price)} would "
        "bypass the firewall against own orders; cancel the order and place another"
    )
