"""A still world for engine tests: virtual clock, no market makers, accounts with money."""

from __future__ import annotations

from decimal import Decimal

from sandbox.clock import VirtualClock
from sandbox.events import Event
from sandbox.exchange import Exchange
from sandbox.model import Order, OrderKind, OrderRequest, SelfTradePrevention, Side, TimeInForce
from sandbox.world import World

START_US = 1_800_000_000_000_000  # 2027-01-15T08:00:00Z, a full hour
ETH = "ETH/USD"


def still_world(seed: int = 1) -> World:
    """A world whose prices do not move and whose books are empty."""
    return World(seed=seed, clock=VirtualClock(START_US), with_makers=False)


class Venue:
    """One exchange of a still world with short ways to give orders; records all events."""

    def __init__(self, name: str = "pacifica", accounts: str = "ABC", balance: str = "100000") -> None:
        self.world = still_world()
        self.exchange: Exchange = self.world.exchanges[name]
        self.events: list[Event] = []
        self.exchange.subscribe(self.events.append)
        for account in accounts:
            self.exchange.open_account(account, Decimal(balance))

    def request(
        self,
        account: str,
        side: Side,
        quantity: str,
        price: str | None = None,
        *,
        tif: TimeInForce = TimeInForce.GTC,
        reduce_only: bool = False,
        client_id: str | None = None,
        stp: SelfTradePrevention = SelfTradePrevention.CANCEL_MAKER,
        bound: str | None = None,
    ) -> OrderRequest:
        """Build a request for ETH/USD; a market order without `price`."""
        return OrderRequest(
            account=account,
            instrument=ETH,
            side=side,
            kind=OrderKind.MARKET if price is None else OrderKind.LIMIT,
            quantity=Decimal(quantity),
            price=None if price is None else Decimal(price),
            tif=tif,
            reduce_only=reduce_only,
            client_id=client_id,
            stp=stp,
            bound_price=None if bound is None else Decimal(bound),
        )

    def buy(self, account: str, quantity: str, price: str | None = None, **more: object) -> Order:
        """Submit a buy."""
        return self.exchange.submit(self.request(account, Side.BUY, quantity, price, **more))  # type: ignore[arg-type]

    def sell(self, account: str, quantity: str, price: str | None = None, **more: object) -> Order:
        """Submit a sell."""
        return self.exchange.submit(self.request(account, Side.SELL, quantity, price, **more))  # type: ignore[arg-type]

    def held(self, account: str) -> Decimal:
        """Signed ETH position."""
        return sum((p.quantity for p in self.exchange.positions(account)), Decimal(0))
