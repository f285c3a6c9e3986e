"""Which values of which switches the contract is held under, and which cards each of them can touch.

A switch between words is tried at every word but its default; a number at the values named here. `TOUCHED` names
the cards that look at what the switch changes: those run in every test run. All other cards run by rotation, and all
of them in the campaign.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from connectors.capabilities import Support, declared_by
from core.instrument import Venue
from sandbox.quirks import QUIRKS, Bounds
from tests.contract.cards import Card

Value = str | int | bool

# Numbers have no other word: a low and a high one of what a venue could plausibly choose.
NUMBERS: Final[dict[tuple[str, str], tuple[int, ...]]] = {
    ("pacifica", "timestamp_ahead_ms"): (0, 30_000),
    ("pacifica", "speed_bump_us"): (0, 500_000),
    ("pacifica", "socket_idle_s"): (3,),
    ("pacifica", "socket_life_s"): (3,),
    ("backpack", "speed_bump_us"): (0, 500_000),
    ("backpack", "requests_per_minute"): (600,),
    ("backpack", "historical_requests_per_minute"): (10,),
    ("backpack", "depth_lag_us"): (500_000,),
}
TOUCHED: Final[dict[tuple[str, str], tuple[str, ...]]] = {
    ("pacifica", "post_only_cross"): ("C12", "C14"),
    ("pacifica", "orders_history_order"): ("C08", "C15", "R02"),
    ("pacifica", "step_error_status"): ("C10", "C11"),
    ("pacifica", "business_codes"): ("C32", "C40"),
    ("pacifica", "reduce_only_min_notional"): ("C17", "C18"),
    ("pacifica", "signature_error_form"): ("C01",),
    ("pacifica", "account_shape"): ("C06", "R01"),
    ("pacifica", "client_order_id_scope"): ("C40",),
    ("pacifica", "funding_price"): ("C80",),
    ("pacifica", "adl_cause"): ("S08",),
    ("pacifica", "stop_trigger_default"): ("O04",),
    ("pacifica", "timestamp_ahead_ms"): ("C13", "C60"),
    ("pacifica", "speed_bump_us"): ("C15", "O07"),
    ("pacifica", "socket_idle_s"): ("C50",),
    ("pacifica", "socket_life_s"): ("C50",),
    ("paradex", "delta_channels"): ("C50", "C52"),
    ("paradex", "fill_side"): ("C15", "C19"),
    ("paradex", "funding_realisation"): ("C80",),
    ("paradex", "client_id_scope"): ("C40",),
    ("paradex", "batch_max"): ("O01",),
    ("paradex", "batch_lists"): ("O01",),
    ("paradex", "tick_error_code"): ("C10",),
    ("paradex", "order_signature_error_code"): ("C13",),
    ("backpack", "signature_error_code"): ("C01",),
    ("backpack", "late_cancel_is_404"): ("C32", "C33"),
    ("backpack", "cancel_answers_202"): ("C30", "C31"),
    ("backpack", "duplicate_client_id"): ("C31",),
    ("backpack", "post_only_cross"): ("C14",),
    ("backpack", "speed_bump_us"): ("C15", "O07"),
    ("backpack", "requests_per_minute"): ("C15", "C43"),
    ("backpack", "historical_requests_per_minute"): ("D03",),
    ("backpack", "depth_lag_us"): ("C03", "C50"),
}


@dataclass(frozen=True)
class Setting:
    """One switch of one venue at one value that is not its default."""

    venue: Venue
    name: str
    value: Value

    def __str__(self) -> str:
        return f"{self.venue}-{self.name}={self.value}"


def settings() -> Iterator[Setting]:
    """All settings the contract is held under."""
    for quirk in QUIRKS:
        values = NUMBERS.get((quirk.venue, quirk.name), ()) if isinstance(quirk.values, Bounds) else quirk.values
        for value in values:
            if value != quirk.default:
                yield Setting(Venue(quirk.venue), quirk.name, value)


def kept_by(venue: Venue, cards: list[Card]) -> list[Card]:
    """Cards that a venue has to pass, because it declares all their rows as working."""
    declared = declared_by(venue)
    return [card for card in cards if all(declared[row].support is Support.WORKS for row in card.rows)]


def whole(cards: list[Card]) -> list[tuple[Setting, Card]]:
    """Every setting with every card that its venue has to pass."""
    return [(setting, card) for setting in settings() for card in kept_by(setting.venue, cards)]


def slice_of(cards: list[Card], seed: int, others: int) -> list[tuple[Setting, Card]]:
    """The touched cards of every setting, and so many of the other combinations, drawn by the seed."""
    everything = whole(cards)
    touched = [(s, c) for s, c in everything if c.number in TOUCHED.get((str(s.venue), s.name), ())]
    rest = [pair for pair in everything if pair not in touched]
    return touched + random.Random(f"{seed}/quirks").sample(rest, min(others, len(rest)))
