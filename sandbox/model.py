"""The words of the twins' engine: orders, fills, positions, margin, refusals, market rules.

Duty: types only. Must not decide anything, do I/O, or know how a venue spells these on its wire.
Units: quantity in base units (never negative; the side carries the sign, except a position's quantity),
prices and money in quote currency (USD), times in microseconds since the epoch (UTC).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

ZERO = Decimal(0)


class Side(StrEnum):
    """Direction of an order or of a fill, as seen by the account that owns it."""

    BUY = "BUY"
    SELL = "SELL"

    @property
    def opposite(self) -> Side:
        """The other side."""
        return Side.SELL if self is Side.BUY else Side.BUY

    @property
    def sign(self) -> int:
        """+1 for a buy, -1 for a sell."""
        return 1 if self is Side.BUY else -1


class OrderKind(StrEnum):
    """LIMIT carries a price; MARKET never rests."""

    LIMIT = "LIMIT"
    MARKET = "MARKET"


class TimeInForce(StrEnum):
    """What happens to the part that does not fill at once."""

    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"
    POST_ONLY = "POST_ONLY"


class SelfTradePrevention(StrEnum):
    """Which order ends when two orders of one account would meet. They never fill each other."""

    CANCEL_MAKER = "CANCEL_MAKER"
    CANCEL_TAKER = "CANCEL_TAKER"
    CANCEL_BOTH = "CANCEL_BOTH"


class OrderStatus(StrEnum):
    """WAITING: a trigger order that has not gone off. NEW: accepted, not yet executed. OPEN / PARTIALLY_FILLED:
    resting. The other three are final."""

    WAITING = "WAITING"
    NEW = "NEW"
    OPEN = "OPEN"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELLED = "CANCELLED"
    REJECTED = "REJECTED"


LIVE_STATUSES = frozenset({OrderStatus.WAITING, OrderStatus.NEW, OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED})


class OrderChange(StrEnum):
    """Why an `OrderChanged` event was sent."""

    WAITING = "WAITING"  # a trigger order was accepted and waits for its price
    TRIGGERED = "TRIGGERED"  # its price came: status NEW now; what happens to it follows as for any order
    ACCEPTED = "ACCEPTED"  # status NEW, has an id, not matched yet
    RESTED = "RESTED"  # now in the book (after any immediate fills)
    FILLED = "FILLED"  # one execution, partial or the last; a FillHappened follows directly
    AMENDED = "AMENDED"  # price or quantity changed by the owner
    SHRUNK = "SHRUNK"  # a reduce-only order was cut to the position
    ENDED = "ENDED"  # CANCELLED or REJECTED; `order.end_reason` says why


class EndReason(StrEnum):
    """Why an order ended without being filled completely."""

    USER_CANCEL = "USER_CANCEL"
    IOC_REMAINDER = "IOC_REMAINDER"
    FOK_UNFILLED = "FOK_UNFILLED"
    NO_LIQUIDITY = "NO_LIQUIDITY"  # market order: nothing to meet inside the bound
    SELF_TRADE = "SELF_TRADE"
    POST_ONLY_CROSS = "POST_ONLY_CROSS"
    REDUCE_ONLY = "REDUCE_ONLY"
    MARGIN = "MARGIN"
    PRICE_BAND = "PRICE_BAND"
    LIQUIDATION = "LIQUIDATION"
    DELEVERAGE = "DELEVERAGE"  # equity under the initial margin, and the order offsets nothing
    LINKED = "LINKED"  # a trigger order whose parent ended without a fill, or whose sibling went off
    TRIGGER_FAILED = "TRIGGER_FAILED"  # a trigger's price came, but its own form was wrong by then
    SYSTEM = "SYSTEM"


class TriggerPrice(StrEnum):
    """Which price of the market sets a trigger order off."""

    MARK = "MARK"
    LAST = "LAST"
    INDEX = "INDEX"
    MID = "MID"


class TriggerWhen(StrEnum):
    """On which side of its price a trigger order goes off; the price itself counts."""

    AT_OR_ABOVE = "AT_OR_ABOVE"
    AT_OR_BELOW = "AT_OR_BELOW"


@dataclass(frozen=True, slots=True)
class Trigger:
    """The condition of a trigger order.

    `share` (fraction of the position at that moment, rounded down to a lot) replaces the order's quantity.
    With `parent_id` the trigger sleeps until that order has a fill, and ends when it ends without one. When
    one order of a `group` goes off, the others of the same account and group end.
    """

    price: Decimal
    when: TriggerWhen
    by: TriggerPrice = TriggerPrice.MARK
    share: Decimal | None = None
    parent_id: int | None = None
    group: str | None = None

    def is_met(self, price: Decimal) -> bool:
        """Whether `price` sets it off."""
        return price >= self.price if self.when is TriggerWhen.AT_OR_ABOVE else price <= self.price


class VenueMode(StrEnum):
    """What a venue, or one of its markets, takes at present. From lenient to strict.

    LIMIT_ONLY: no market orders. POST_ONLY: only orders that add to the book. CANCEL_ONLY: only cancels.
    MAINTENANCE: nothing. From POST_ONLY on, triggers and liquidations rest as well.
    """

    OPEN = "open"
    LIMIT_ONLY = "limit_only"
    POST_ONLY = "post_only"
    CANCEL_ONLY = "cancel_only"
    MAINTENANCE = "maintenance"

    @property
    def strictness(self) -> int:
        """0 (OPEN) to 4 (MAINTENANCE)."""
        return _STRICTNESS[self]


_STRICTNESS = {mode: number for number, mode in enumerate(VenueMode)}


class Liquidity(StrEnum):
    """Whether the fill's owner had the resting order (MAKER) or the incoming one (TAKER)."""

    MAKER = "MAKER"
    TAKER = "TAKER"


class FillCause(StrEnum):
    """What made the fill happen."""

    NORMAL = "NORMAL"
    LIQUIDATION = "LIQUIDATION"  # an order of the venue's own in the book
    BACKSTOP = "BACKSTOP"  # a backstop provider took the position over at mark
    ADL = "ADL"
    BUST = "BUST"  # the undoing of an earlier fill; same price, opposite side


class RefusalReason(StrEnum):
    """Closed list of the engine's reasons to refuse a command."""

    UNKNOWN_MARKET = "UNKNOWN_MARKET"
    UNKNOWN_ACCOUNT = "UNKNOWN_ACCOUNT"
    TICK = "TICK"
    LOT = "LOT"
    QUANTITY = "QUANTITY"  # zero, negative, or under the market's minimum quantity
    PRICE = "PRICE"  # missing, zero, negative, or outside absolute bounds
    MIN_NOTIONAL = "MIN_NOTIONAL"
    MAX_NOTIONAL = "MAX_NOTIONAL"
    ORDER_LIMIT = "ORDER_LIMIT"  # too many open orders
    MARGIN = "MARGIN"
    POST_ONLY_CROSS = "POST_ONLY_CROSS"
    REDUCE_ONLY_NO_POSITION = "REDUCE_ONLY_NO_POSITION"
    REDUCE_ONLY_SIDE = "REDUCE_ONLY_SIDE"
    REDUCE_ONLY_QUANTITY = "REDUCE_ONLY_QUANTITY"
    PRICE_BAND = "PRICE_BAND"
    NO_LIQUIDITY = "NO_LIQUIDITY"
    FOK_UNFILLED = "FOK_UNFILLED"
    DUPLICATE_CLIENT_ID = "DUPLICATE_CLIENT_ID"
    ORDER_NOT_FOUND = "ORDER_NOT_FOUND"
    ORDER_CLOSED = "ORDER_CLOSED"
    LEVERAGE = "LEVERAGE"
    TRIGGER = "TRIGGER"  # trigger price not above zero, or off tick
    VENUE_MODE = "VENUE_MODE"  # the venue or market takes no such order now; facts["mode"] is the VenueMode
    ACCOUNT_EXISTS = "ACCOUNT_EXISTS"


class Refusal(Exception):
    """The engine refuses a command; nothing was changed.

    `reason` is for the dialect to translate, `text` for people, `facts` holds the numbers of the case
    (for example required and available margin) as decimal strings.
    """

    def __init__(self, reason: RefusalReason, text: str, **facts: str) -> None:
        super().__init__(f"{reason.value}: {text}")
        self.reason = reason
        self.text = text
        self.facts: dict[str, str] = facts


class FundingMode(StrEnum):
    """HOURLY: paid at each full hour. CONTINUOUS: accrues by an index, realised when the position changes."""

    HOURLY = "HOURLY"
    CONTINUOUS = "CONTINUOUS"


class ClientIdScope(StrEnum):
    """How long a client order id stays taken: for ever, or while its order lives."""

    EVER = "EVER"
    LIVE = "LIVE"


class ReduceOnlyMode(StrEnum):
    """STRICT refuses a reduce-only order larger than the position; SHRINK cuts it to the position."""

    STRICT = "STRICT"
    SHRINK = "SHRINK"


@dataclass(frozen=True, slots=True)
class VenueRules:
    """What is the same for all markets of one venue."""

    venue: str
    funding_mode: FundingMode
    funding_period_hours: int
    funding_on_index: bool  # hourly payments use the index price (else the mark price)
    client_id_scope: ClientIdScope
    reduce_only_mode: ReduceOnlyMode
    reduce_only_below_min_notional: bool
    open_orders_max: int
    fee_decimals: int
    funding_rate_cap: Decimal  # absolute, fraction per funding period
    liquidation_fee: Decimal  # fraction of notional, at least
    liquidation_fee_of_maintenance: Decimal  # fraction of the maintenance requirement, at least
    liquidation_share: Decimal | None  # of the position at the start, for each step; None = as much as it takes
    liquidation_chunk_notional: Decimal | None  # below this times max leverage a step closes all; None = never
    liquidation_period_s: int  # between two checks
    backstop_share: Decimal  # of the maintenance requirement; below it the backstop takes over
    cancels_below_initial: bool  # orders that offset nothing are cancelled when equity is under the initial margin
    funding_pro_rata: bool = False  # CONTINUOUS: a reducing fill books only the closed part's share of the funding


@dataclass(frozen=True, slots=True)
class MarketSpec:
    """One perpetual market of one venue. Fees and bands are fractions (0.0004 = 4 bps)."""

    instrument: str  # "ETH/USD"
    symbol: str  # the venue's own name
    base: str
    tick: Decimal
    lot: Decimal
    min_quantity: Decimal
    min_notional: Decimal
    max_notional: Decimal
    max_leverage: int
    imf_base: Decimal
    imf_factor: Decimal  # initial margin fraction = max(imf_base, imf_factor * sqrt(notional), 1/leverage)
    mmf_base: Decimal
    mmf_factor: Decimal  # maintenance fraction = max(mmf_base, mmf_factor * sqrt(notional))
    maker_fee: Decimal
    taker_fee: Decimal
    band_aggressive: Decimal  # a buy above mark*(1+band) or a sell below mark*(1-band) is refused
    band_passive: Decimal | None  # the same on the passive side; None: far resting prices are fine
    max_price: Decimal = Decimal(1_000_000)


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """A command to place one order.

    `bound_price` limits a market order (worst price it may pay); None means the market's aggressive band.
    `inherits_client_id` marks the successor of an edited order, which keeps its client id.
    `tags` are the dialect's own notes, kept on the order untouched (for example its wire spelling).
    """

    account: str
    instrument: str
    side: Side
    kind: OrderKind
    quantity: Decimal
    price: Decimal | None = None
    tif: TimeInForce = TimeInForce.GTC
    reduce_only: bool = False
    client_id: str | None = None
    stp: SelfTradePrevention = SelfTradePrevention.CANCEL_MAKER
    bound_price: Decimal | None = None
    inherits_client_id: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Order:
    """What the venue knows of one order. Only the engine writes it; events carry copies."""

    id: int
    account: str
    instrument: str
    side: Side
    kind: OrderKind
    quantity: Decimal  # as ordered (changes only by amend or a reduce-only cut)
    price: Decimal | None
    tif: TimeInForce
    reduce_only: bool
    client_id: str | None
    stp: SelfTradePrevention
    bound_price: Decimal | None
    created_us: int
    updated_us: int
    seq: int  # the exchange's counter at the last change
    tags: Mapping[str, str]
    status: OrderStatus = OrderStatus.NEW
    filled: Decimal = ZERO
    filled_notional: Decimal = ZERO  # sum of price * quantity over the fills
    fee: Decimal = ZERO  # paid so far; negative would be a rebate
    last_price: Decimal | None = None  # of the last fill
    end_reason: EndReason | None = None
    end_text: str = ""
    trigger: Trigger | None = None
    triggered_us: int | None = None  # when it went off
    triggered_at: Decimal | None = None  # the price that set it off

    @property
    def remaining(self) -> Decimal:
        """Quantity not filled; after the end of the order: the quantity that never filled."""
        return self.quantity - self.filled

    @property
    def average_price(self) -> Decimal | None:
        """Quantity-weighted price of the fills, unrounded; None without a fill."""
        return self.filled_notional / self.filled if self.filled else None

    @property
    def is_live(self) -> bool:
        """Whether the order can still fill."""
        return self.status in LIVE_STATUSES


@dataclass(frozen=True, slots=True)
class Fill:
    """One execution as one of the two accounts sees it. Both sides share `trade_id`."""

    id: int  # unique over the exchange; a fill that flips a position also reserves id + 1
    trade_id: int
    account: str
    order_id: int
    client_id: str | None
    instrument: str
    side: Side
    price: Decimal
    quantity: Decimal
    liquidity: Liquidity
    fee: Decimal  # quote, positive = paid
    realised_pnl: Decimal  # quote, before fee and funding, signed
    realised_funding: Decimal  # quote, signed, + = received; zero on venues that pay hourly
    position_before: Decimal  # signed
    entry_before: Decimal | None  # position's entry price before this fill
    order_remaining: Decimal
    counterparty: str
    counterparty_order_id: int
    cause: FillCause
    time_us: int
    seq: int

    @property
    def position_after(self) -> Decimal:
        """Signed position right after this fill."""
        return self.position_before + self.side.sign * self.quantity


@dataclass(slots=True)
class Position:
    """Net position of one account in one market. quantity > 0 is long. Events carry copies."""

    instrument: str
    quantity: Decimal = ZERO
    cost: Decimal = ZERO  # signed; entry price * quantity
    realised_pnl: Decimal = ZERO  # since opened, before fees, signed
    funding: Decimal = ZERO  # cash effect since opened, signed, + = received
    funding_index: Decimal = ZERO  # CONTINUOUS venues: index at the last realisation
    opened_us: int = 0
    updated_us: int = 0
    seq: int = 0
    id: int = 0  # fresh for every opening from flat
    last_fill_id: int = 0
    funding_paid_at_hour_us: int = 0  # HOURLY venues: last full hour that was paid

    @property
    def entry_price(self) -> Decimal | None:
        """Quantity-weighted entry, unrounded; None when flat."""
        return self.cost / self.quantity if self.quantity else None


@dataclass(frozen=True, slots=True)
class FundingPayment:
    """One booking of funding. `payment` is signed: + = the account received."""

    id: int
    account: str
    instrument: str
    position_quantity: Decimal  # signed, at the booking
    rate: Decimal  # fraction per the venue's period (HOURLY venues: per hour)
    price: Decimal  # price the rate was applied to
    payment: Decimal
    index: Decimal  # CONTINUOUS venues: funding index at the booking
    fill_id: int | None  # CONTINUOUS venues: the fill that caused it
    time_us: int
    seq: int


@dataclass(frozen=True, slots=True)
class FundingPoint:
    """One settled (HOURLY) or sampled (CONTINUOUS) funding rate of a market."""

    instrument: str
    rate: Decimal
    index_price: Decimal
    mark_price: Decimal
    time_us: int


@dataclass(slots=True)
class Account:
    """One funded account. `attributes` belong to the dialect (public key, agents, settings)."""

    id: str
    balance: Decimal
    deposits: Decimal
    is_internal: bool = False  # market makers and background flow: no margin, no private events
    positions: dict[str, Position] = field(default_factory=dict)
    leverage: dict[str, int] = field(default_factory=dict)
    attributes: dict[str, str] = field(default_factory=dict)
    created_us: int = 0
    fees_paid: Decimal = ZERO
    funding_received: Decimal = ZERO
    realised_pnl: Decimal = ZERO
    is_liquidating: bool = False


@dataclass(frozen=True, slots=True)
class MarginSummary:
    """Margin of one account, all in quote currency at mark prices."""

    balance: Decimal
    unrealised_pnl: Decimal
    unrealised_funding: Decimal
    equity: Decimal  # balance + unrealised pnl + unrealised funding
    initial: Decimal  # required for positions and open orders together
    maintenance: Decimal
    free: Decimal  # max(0, equity - initial)
    exposure: Decimal  # sum of |position| * mark


@dataclass(frozen=True, slots=True)
class BookLevel:
    """Total of one price level."""

    price: Decimal
    quantity: Decimal
    orders: int


@dataclass(frozen=True, slots=True)
class BookSnapshot:
    """Both sides, best first, with the market's book counter."""

    instrument: str
    bids: tuple[BookLevel, ...]
    asks: tuple[BookLevel, ...]
    seq: int
    time_us: int
