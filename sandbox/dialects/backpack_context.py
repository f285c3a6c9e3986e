"""What the parts of the Backpack twin share: the engine, the switches for undocumented behaviour, the limits.

Duty: hold them and translate between symbols, instruments and engine refusals. It must not parse requests or
render answers.

Source: support.backpack.exchange, "Rate limits" (2000 requests a minute for each account, 30 of historical data);
docs.backpack.exchange, changelog and "Taker speed bump".
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum

from sandbox.announcer import never
from sandbox.dialects import backpack_errors as errors
from sandbox.dialects.backpack_ledger import Ledger
from sandbox.dialects.backpack_numbers import US_PER_MS, US_PER_S
from sandbox.exchange import Exchange
from sandbox.model import Account, MarketSpec, Refusal, RefusalReason, VenueMode
from sandbox.quirks import QuirkBoard
from sandbox.world import World

VENUE = "backpack"
ORDER_BOOK_STATES: Mapping[VenueMode, str] = {
    VenueMode.OPEN: "Open",
    VenueMode.LIMIT_ONLY: "LimitOnly",
    VenueMode.POST_ONLY: "PostOnly",
    VenueMode.CANCEL_ONLY: "CancelOnly",
    VenueMode.MAINTENANCE: "Closed",
}


class DuplicateClientId(StrEnum):
    """What happens to an order whose client id belongs to a live order; no document says."""

    ACCEPT = "accept"
    REFUSE = "refuse"


class PostOnlyCross(StrEnum):
    """How a post-only order that would cross ends; the documents show the refusal and name an expiry reason."""

    REFUSE = "refuse"
    EXPIRE = "expire"


@dataclass(frozen=True, slots=True)
class BackpackSwitches:
    """Behaviour that is undocumented, contradictory or worth varying in tests: one set of sandbox/quirks.py."""

    speed_bump_us: int = 100 * US_PER_MS
    requests_per_minute: int = 2000
    historical_requests_per_minute: int = 30
    signature_error_code: str = "INVALID_CLIENT_REQUEST"
    duplicate_client_id: DuplicateClientId = DuplicateClientId.ACCEPT
    post_only_cross: PostOnlyCross = PostOnlyCross.REFUSE
    late_cancel_is_404: bool = False
    cancel_answers_202: bool = False
    depth_lag_us: int = 0

    @classmethod
    def of(cls, quirks: QuirkBoard) -> BackpackSwitches:
        """The switches as the world's board has them now."""
        return cls(
            speed_bump_us=quirks.number(VENUE, "speed_bump_us"),
            requests_per_minute=quirks.number(VENUE, "requests_per_minute"),
            historical_requests_per_minute=quirks.number(VENUE, "historical_requests_per_minute"),
            signature_error_code=quirks.text(VENUE, "signature_error_code"),
            duplicate_client_id=DuplicateClientId(quirks.text(VENUE, "duplicate_client_id")),
            post_only_cross=PostOnlyCross(quirks.text(VENUE, "post_only_cross")),
            late_cancel_is_404=quirks.flag(VENUE, "late_cancel_is_404"),
            cancel_answers_202=quirks.flag(VENUE, "cancel_answers_202"),
            depth_lag_us=quirks.number(VENUE, "depth_lag_us"),
        )

    def put_on(self, quirks: QuirkBoard) -> None:
        """Set the world's board to these."""
        for name, value in asdict(self).items():
            quirks.set(VENUE, name, str(value) if isinstance(value, StrEnum) else value)


class RateLimit:
    """A sliding minute for each account."""

    def __init__(self, requests_max: Callable[[], int]) -> None:
        self._requests_max = requests_max
        self._seen: dict[str, deque[int]] = {}

    def spend(self, account_id: str, now_us: int) -> None:
        """Count one request or raise 429 ``TOO_MANY_REQUESTS``; refused requests are not counted."""
        seen = self._seen.setdefault(account_id, deque())
        while seen and seen[0] <= now_us - 60 * US_PER_S:
            seen.popleft()
        if len(seen) >= self._requests_max():
            raise errors.too_many_requests()
        seen.append(now_us)


@dataclass(slots=True)
class Twin:
    """One running Backpack twin."""

    world: World
    exchange: Exchange
    ledger: Ledger
    limit: RateLimit
    historical: RateLimit
    by_symbol: Mapping[str, MarketSpec] = field(default_factory=dict)

    @property
    def switches(self) -> BackpackSwitches:
        """What holds now for behaviour that the documents leave open."""
        return BackpackSwitches.of(self.world.quirks)

    def wall_us(self) -> int:
        """Return the venue's own clock in unscaled microseconds: what signature windows are held against."""
        return self.world.wall_us(self.exchange.name)

    def spec(self, symbol: str) -> MarketSpec:
        """Return the market of a symbol that was parsed before."""
        return self.by_symbol[symbol]

    def spend_historical(self) -> None:
        """Count one request for historical market data; all callers of a twin share one network address."""
        self.historical.spend("", self.wall_us())

    def symbol_of(self, instrument: str) -> str:
        """Return the venue's symbol of an instrument."""
        return self.exchange.markets[instrument].symbol

    def account(self, account_id: str) -> Account:
        """Return the account of a base64 public key; raise 401 ``UNAUTHORIZED`` when there is none."""
        try:
            return self.exchange.account(account_id)
        except Refusal as refusal:
            raise translate(refusal) from refusal

    def is_liquidating(self, account_id: str) -> bool:
        """Tell whether the account's positions are being closed by the venue right now."""
        return self.account(account_id).is_liquidating and bool(self.exchange.positions(account_id))

    def leverage_limit(self, account_id: str) -> int:
        """Return the account-wide leverage limit (the lowest of its markets)."""
        leverage = self.account(account_id).leverage
        return min(leverage.get(name, spec.max_leverage) for name, spec in self.exchange.markets.items())


def build_twin(world: World, exchange: Exchange) -> Twin:
    """Return a twin whose ledger listens to the exchange."""
    ledger = Ledger(exchange, world.now_us)
    exchange.subscribe(ledger.on_event, never)
    return Twin(
        world=world,
        exchange=exchange,
        ledger=ledger,
        limit=RateLimit(lambda: _requests_per_minute(world, "requests_per_minute")),
        historical=RateLimit(lambda: _requests_per_minute(world, "historical_requests_per_minute")),
        by_symbol={spec.symbol: spec for spec in exchange.markets.values()},
    )


def _requests_per_minute(world: World, switch: str) -> int:
    """The limit of the control door if one is set, else the switch's."""
    return world.quotas.get(VENUE) or world.quirks.number(VENUE, switch)


def translate(refusal: Refusal) -> errors.ApiRefusal:
    """Say an engine refusal in Backpack's words."""
    if refusal.reason is RefusalReason.VENUE_MODE:
        return _closed(VenueMode(refusal.facts["mode"]))
    return _REFUSALS[refusal.reason]()


def _closed(mode: VenueMode) -> errors.ApiRefusal:
    """Say what a restricted venue or market does not take; the codes are documented, the texts are ours."""
    if mode is VenueMode.MAINTENANCE:
        return errors.maintenance()
    return errors.ApiRefusal(400, "TRADING_PAUSED", f"Order book is in {ORDER_BOOK_STATES[mode]} state")


def _invalid_order(message: str) -> Callable[[], errors.ApiRefusal]:
    return lambda: errors.ApiRefusal(400, "INVALID_ORDER", message)


def _coded(code: str, message: str) -> Callable[[], errors.ApiRefusal]:
    return lambda: errors.ApiRefusal(400, code, message)


_NOT_REDUCED = _invalid_order("Reduce only order not reduced")
_REFUSALS: Mapping[RefusalReason, Callable[[], errors.ApiRefusal]] = {
    RefusalReason.UNKNOWN_MARKET: _coded("INVALID_CLIENT_REQUEST", "Invalid market symbol"),
    RefusalReason.UNKNOWN_ACCOUNT: errors.unauthorized,
    RefusalReason.TICK: _coded("INVALID_CLIENT_REQUEST", "Price decimal too long"),
    RefusalReason.LOT: _coded("INVALID_CLIENT_REQUEST", "Quantity decimal too long"),
    RefusalReason.QUANTITY: _coded("INVALID_QUANTITY", "Quantity is below the minimum quantity"),
    RefusalReason.PRICE: _coded("INVALID_PRICE", "Price is outside the market's price filter"),
    RefusalReason.MIN_NOTIONAL: _invalid_order("Order value is below the minimum"),
    RefusalReason.MAX_NOTIONAL: _invalid_order("Order value is above the maximum"),
    RefusalReason.ORDER_LIMIT: _coded("ORDER_LIMIT", "Maximum number of open orders exceeded"),
    RefusalReason.MARGIN: _coded("INSUFFICIENT_MARGIN", "Insufficient margin"),
    RefusalReason.POST_ONLY_CROSS: _invalid_order("Order would immediately match and take"),
    RefusalReason.REDUCE_ONLY_NO_POSITION: _NOT_REDUCED,
    RefusalReason.REDUCE_ONLY_SIDE: _NOT_REDUCED,
    RefusalReason.REDUCE_ONLY_QUANTITY: _NOT_REDUCED,
    RefusalReason.PRICE_BAND: _coded("INVALID_CLIENT_REQUEST", "Price is too far from the last active price"),
    RefusalReason.NO_LIQUIDITY: _invalid_order("Insufficient liquidity"),
    RefusalReason.FOK_UNFILLED: _invalid_order("Fill or kill order was not filled"),
    RefusalReason.DUPLICATE_CLIENT_ID: _coded("INVALID_CLIENT_REQUEST", "Client order id is already in use"),
    RefusalReason.ORDER_NOT_FOUND: errors.order_not_found,
    RefusalReason.ORDER_CLOSED: errors.order_not_found,
    RefusalReason.TRIGGER: _coded("INVALID_CLIENT_REQUEST", "Price decimal too long"),
    RefusalReason.LEVERAGE: _coded("MAX_LEVERAGE_REACHED", "Invalid leverage limit"),
    RefusalReason.ACCOUNT_EXISTS: _coded("PRECONDITION_FAILED", "Account exists"),
}
