"""All cards of the suite, in the order of their numbers: C trading, D market data, O orders, R records, S streams."""

from __future__ import annotations

from tests.contract import surface_cards, surface_desk_cards, surface_stream_cards
from tests.contract.cards import CARDS as ENTERED
from tests.contract.cards import Card

FILES = (surface_cards, surface_desk_cards, surface_stream_cards)
CARDS: list[Card] = sorted(ENTERED, key=lambda card: card.number)
