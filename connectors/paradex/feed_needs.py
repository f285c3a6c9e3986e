"""What the feed takes from its client, in one value."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from connectors.paradex.build import Listing
from connectors.paradex.executions import Executions
from connectors.paradex.own_sides import OwnSides
from connectors.paradex.tokens import TokenKeeper
from connectors.paradex.wire_account import BustRow
from core.market import Mark


@dataclass(frozen=True, slots=True)
class FeedNeeds:
    """What the feed takes from its client: the markets, the token, known sides, and two reads by REST.

    learn_sides remembers the sides of resting orders; read_mark gives a mark before the stream's first one;
    executions says whose fill an undone trade was; read_busts reads the trades undone since a time, for what a lost
    connection did not tell.
    """

    account_id: str
    listing: Callable[[], Listing]
    tokens: TokenKeeper
    sides: OwnSides
    learn_sides: Callable[[], Awaitable[None]]
    read_mark: Callable[[str], Awaitable[Mark]]
    read_busts: Callable[[datetime], Awaitable[Sequence[BustRow]]]
    executions: Executions = field(default_factory=Executions)
