"""From what Paradex says to our facts: orders, fills, markets, books, money. Pure.

Every function returns a fact or raises ProtocolViolation; none fills a hole with a number.
Source: docs.paradex.trade, API reference and "Order lifecycle".
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from connectors.paradex.build import Listing
from connectors.paradex.stark import FIELD_PRIME
from connectors.paradex.wire import (
    AccountInfoRow,
    AccountRow,
    BookBody,
    FillRow,
    FundingPaymentRow,
    MarketRow,
    OrderRow,
    PositionRow,
    PriceAndSize,
    SummaryRow,
    SystemConfig,
    shaped,
    violation,
)
from core.account import Margin, Position
from core.errors import ProtocolViolation
from core.instrument import Market, Venue
from core.market import Book, FundingPayment, FundingRate, Level, Mark
from core.order import Fill, FillCause, Liquidity, OrderReport, OrderStatus, Resting, Side

log = logging.getLogger(__name__)

MAINNET_CHAIN = "PRIVATE_SN_PARACLEAR_MAINNET"
_PRODUCTION_HOST = "https://api.prod.paradex.trade"
_CHAIN_PREFIX = "PRIVATE_SN_"
_SIGNED_DECIMALS = 8
_TEXT_MAX = 300
_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")

_SIDES = {"BUY": Side.BUY, "SELL": Side.SELL}
WAITING = "UNTRIGGERED"
_OPEN = frozenset({"NEW", "OPEN", WAITING})

# A closed order's reason. Everything not named here (USER_CANCELED, SELF_TRADE, MMP_..., new ones) is a cancel.
_EXPIRED = frozenset({"REMAINING_IOC_CANCEL", "EMPTY_MARKET", "EXPIRED", "TIMEOUT"})
_REFUSED = frozenset(
    {
        "NOT_ENOUGH_MARGIN", "POST_ONLY_WOULD_CROSS", "PRICE_OUTSIDE_BANDS", "ORDER_EXCEEDS_POSITION_LIMIT",
        "REDUCE_ONLY_WILL_INCREASE", "ORDER_TYPE_INVALID", "PRICE_NOT_AVAILABLE", "MARKET_NOT_OPEN",
        "ASSET_UNAVAILABLE", "ASSET_EXPIRED", "UNEXPECTED_FAILURE",
    }
)  # fmt: skip


# There is no deleveraging here: what liquidation leaves over is socialised (Risk, "Socialized losses").
_CAUSES = {
    "": FillCause.TRADE,
    "FILL": FillCause.TRADE,
    "RPI": FillCause.TRADE,
    "BLOCK_TRADE": FillCause.TRADE,
    "LIQUIDATION": FillCause.LIQUIDATION,
    "UNWIND_TRANSFER": FillCause.BACKSTOP,
    "SETTLE_MARKET": FillCause.SETTLEMENT,
}


def moment(millis: int) -> datetime:
    """Turn unix milliseconds into an aware datetime."""
    return _EPOCH + timedelta(milliseconds=millis)


# --- orders and fills ------------------------------------------------------------------------------------------


def order_report(row: OrderRow, account_id: str, listing: Listing, received: datetime) -> OrderReport:
    """Derive status and filled quantity: filled = size - remaining_size; CLOSED is read by what remains and why."""
    filled = row.size - row.remaining_size
    if row.size <= 0 or not 0 <= filled <= row.size:
        raise violation("an order's remaining size does not fit its size")
    stamp = row.last_updated_at or row.created_at
    return OrderReport(
        venue=Venue.PARADEX,
        account_id=account_id,
        symbol=listing.symbol_of(row.market),
        client_order_id=row.client_id or None,
        venue_order_id=row.id,
        status=_order_status(row, filled),
        filled_quantity=filled,
        average_price=(row.avg_fill_price or None) if filled else None,
        reason=row.cancel_reason[:_TEXT_MAX] or None,
        venue_time=moment(stamp) if stamp else None,
        received_time=received,
        resting=Resting(_SIDES[row.side], row.price) if row.price and row.side in _SIDES else None,
    )


def _order_status(row: OrderRow, filled: Decimal) -> OrderStatus:
    if row.status in _OPEN:
        return OrderStatus.ACCEPTED
    if row.status != "CLOSED":
        raise violation(f"unknown order status {row.status[:20]!r}")
    if row.remaining_size == 0:
        if row.cancel_reason and not row.avg_fill_price:
            raise violation("a closed order with nothing remaining, a cancel reason and no fill price")
        return OrderStatus.FILLED
    if row.cancel_reason in _EXPIRED:
        return OrderStatus.EXPIRED
    if row.cancel_reason in _REFUSED and filled == 0:
        return OrderStatus.REJECTED
    return OrderStatus.CANCELLED


def side_of(text: str) -> Side:
    """Read BUY or SELL; nothing else moves money."""
    if text not in _SIDES:
        raise violation(f"unknown side {text[:20]!r}")
    return _SIDES[text]


def fill(row: FillRow, account_id: str, listing: Listing, own_side: Side | None, received: datetime) -> Fill:
    """Read an execution. own_side, where known, is the own order's and wins over the row's.

    The documents describe a fill's side as the taker's, so a maker's fill is only certain by its order. Fill ids
    are unique within one fill type; for all but plain fills the type stands in front. Fees must be in USDC.
    """
    if row.size <= 0 or row.price <= 0:
        raise violation("a fill without a positive size and price")
    if row.liquidity not in ("TAKER", "MAKER"):
        raise violation(f"unknown liquidity {row.liquidity[:20]!r}")
    if row.fee_currency not in ("USDC", "") and row.fee != 0:
        raise violation("a fee that is not in USDC; switch off paying fees in another token")
    stated = side_of(row.side)
    return Fill(
        venue=Venue.PARADEX,
        account_id=account_id,
        symbol=listing.symbol_of(row.market),
        trade_id=row.id if row.fill_type in ("", "FILL") else f"{row.fill_type}:{row.id}",
        client_order_id=row.client_id or None,
        venue_order_id=row.order_id,
        side=own_side or stated,
        quantity=row.size,
        price=row.price,
        fee=row.fee,
        liquidity=Liquidity.TAKER if row.liquidity == "TAKER" else Liquidity.MAKER,
        venue_time=moment(row.created_at),
        received_time=received,
        cause=_cause(row),
    )


def _cause(row: FillRow) -> FillCause:
    """Read why a fill happened. A type with no word here counts as a trade and is logged; its name is in trade_id."""
    cause = _CAUSES.get(row.fill_type)
    if cause is None:
        log.warning("venue=paradex fill=%s has the unknown type %s", row.id, row.fill_type[:40])
    return cause or FillCause.TRADE


def the_order(rows: Iterable[OrderRow], client_order_id: str, venue_order_id: str | None) -> OrderRow | None:
    """Find one order among rows, by either id.

    Of several under one client order id, all but one must have ended without a fill; else ProtocolViolation,
    because which one the journal means could only be guessed.
    """
    mine = {row.id: row for row in rows if client_order_id == row.client_id or venue_order_id == row.id}
    if venue_order_id in mine:
        return mine[venue_order_id]
    if len(mine) <= 1:
        return next(iter(mine.values()), None)
    telling = [row for row in mine.values() if row.status in _OPEN or row.remaining_size != row.size]
    if len(telling) > 1:
        raise violation(f"{len(telling)} orders under client order id {client_order_id}")
    return telling[0] if telling else max(mine.values(), key=lambda row: row.last_updated_at or 0)


# --- markets and prices ----------------------------------------------------------------------------------------


def check_system(config: SystemConfig, rest_url: str) -> str:
    """Return the chain id to sign for, after checking that it is this host's.

    A signature for the production chain is worth money, so it is made for the production host only; and the
    production host never gets one for another chain.
    """
    chain = config.starknet_chain_id
    if config.paraclear_decimals != _SIGNED_DECIMALS:
        raise violation(f"the system signs {config.paraclear_decimals} decimals, this connector {_SIGNED_DECIMALS}")
    if not chain.startswith(_CHAIN_PREFIX) or len(chain) > 31 or not chain.isascii():
        raise violation(f"{chain[:40]!r} is no Paradex chain id")
    if (chain == MAINNET_CHAIN) != (rest_url.rstrip("/") == _PRODUCTION_HOST):
        raise violation(f"{rest_url} says its chain is {chain}; refusing to sign for it: check the account's endpoint")
    return chain


def own_fees(rows: Iterable[dict[str, Any]], account: int) -> tuple[Decimal, Decimal] | None:
    """Return this account's (maker, taker) fee fractions from /account/info, None where it does not say."""
    for raw in rows:
        row = shaped(AccountInfoRow, raw, "account info")
        if address(row.account) == account and row.fees is not None:
            if row.fees.maker_rate is None or row.fees.taker_rate is None:
                return None
            return row.fees.maker_rate, row.fees.taker_rate
    return None


def markets(rows: Iterable[dict[str, Any]], fees: tuple[Decimal, Decimal] | None) -> dict[str, Market]:
    """Read the open perpetuals of the general order book by our symbol; options, spot and RFQ markets are left out.

    Fees are the account's own where it has them, else the market's published ones. A perpetual whose rules cannot
    be read is left out with a warning: it is then not tradable here, and no other one suffers. Raises
    ProtocolViolation when none is left.
    """
    found: dict[str, Market] = {}
    for raw in rows:
        if raw.get("asset_kind") != "PERP" or raw.get("trading_mode", "STANDARD") != "STANDARD":
            continue
        try:
            market = _market(shaped(MarketRow, raw, "market"), fees)
        except ProtocolViolation as unreadable:
            log.warning("venue=paradex market left out: %s", unreadable)
            continue
        if market.symbol not in found or market.venue_symbol == f"{market.base}-{market.quote}-PERP":
            found[market.symbol] = market
    if not found:
        raise violation("the list of markets holds no perpetual that can be read")
    return found


def _market(row: MarketRow, own: tuple[Decimal, Decimal] | None) -> Market:
    margins = row.delta1_cross_margin_params
    fees = own or _published_fees(row)
    interval_s = int(row.funding_period_hours * 3600)
    steps = (row.price_tick_size, row.order_size_increment, margins.imf_base)
    if interval_s <= 0 or any(step <= 0 for step in steps):
        raise violation(f"market {row.symbol} has a tick, size step, funding period or margin that is not positive")
    return Market(
        venue=Venue.PARADEX,
        symbol=f"{row.base_currency}/{row.quote_currency}",
        venue_symbol=row.symbol,
        base=row.base_currency,
        quote=row.quote_currency,
        tick=row.price_tick_size,
        lot=row.order_size_increment,
        min_quantity=row.order_size_increment,
        min_notional=row.min_notional,
        max_quantity=row.max_order_size or None,
        max_notional=None,
        initial_margin=margins.imf_base,
        maintenance_margin=margins.imf_base * margins.mmf_factor,
        maker_fee=fees[0],
        taker_fee=fees[1],
        funding_interval_s=interval_s,
        continuous_funding=True,
        price_band=row.price_bands_width or None,
        # Below the minimum the venue takes a reduce-only order that closes the whole position.
        reduce_only_ignores_min_notional=True,
    )


def _published_fees(row: MarketRow) -> tuple[Decimal, Decimal]:
    """Fees for orders by API; the market's list also has those of other doors."""
    if row.fee_config is None or row.fee_config.api_fee is None:
        raise violation(f"neither the account nor market {row.symbol} says what fees are charged")
    published = row.fee_config.api_fee
    return published.maker_fee.fee, published.taker_fee.fee


def book(body: BookBody, symbol: str, received: datetime) -> Book:
    """Read a whole book as REST gives it."""
    return Book(
        venue=Venue.PARADEX,
        symbol=symbol,
        bids=_levels(body.bids, best_first=True),
        asks=_levels(body.asks, best_first=False),
        sequence=body.seq_no,
        venue_time=moment(body.last_updated_at),
        received_time=received,
    )


def _levels(pairs: list[PriceAndSize], *, best_first: bool) -> tuple[Level, ...]:
    if any(price <= 0 or size <= 0 for price, size in pairs):
        raise violation("a book level without a positive price and size")
    return tuple(Level(price, size) for price, size in sorted(pairs, reverse=best_first))


def mark(row: SummaryRow, symbol: str, received: datetime) -> Mark:
    """Read the mark price; the index is the venue's underlying spot price."""
    if not row.mark_price or row.mark_price < 0:
        raise violation(f"the summary of {row.symbol} has no mark price")
    return Mark(Venue.PARADEX, symbol, row.mark_price, row.underlying_price, moment(row.created_at), received)


def funding_rate(row: SummaryRow, market: Market, received: datetime) -> FundingRate:
    """Read the running rate, per the market's own period. It accrues continuously, so there is no next time."""
    if row.funding_rate is None:
        raise violation(f"the summary of {row.symbol} has no funding rate")
    return FundingRate(
        venue=Venue.PARADEX,
        symbol=market.symbol,
        rate=row.funding_rate,
        interval_s=market.funding_interval_s,
        next_at=None,
        venue_time=moment(row.created_at),
        received_time=received,
    )


# --- money -----------------------------------------------------------------------------------------------------


def margin(row: AccountRow, account_id: str, received: datetime) -> Margin:
    """Read the account's money; any status but ACTIVE (liquidation, resync, new ones) is not active."""
    return Margin(
        venue=Venue.PARADEX,
        account_id=account_id,
        equity=row.account_value,
        available=row.free_collateral,
        initial=row.initial_margin_requirement,
        maintenance=row.maintenance_margin_requirement,
        active=row.status == "ACTIVE",
        received_time=received,
    )


def positions(
    rows: Iterable[dict[str, Any]], account_id: str, listing: Listing, received: datetime
) -> tuple[Position, ...]:
    """Read the open positions; closed rows and empty ones are left out."""
    read = (shaped(PositionRow, raw, "position") for raw in rows)
    return tuple(
        Position(
            venue=Venue.PARADEX,
            account_id=account_id,
            symbol=listing.symbol_of(row.market),
            quantity=_signed_size(row),
            entry_price=_entry_price(row),
            unrealized_pnl=row.unrealized_pnl,
            liquidation_price=row.liquidation_price or None,
            received_time=received,
        )
        for row in read
        if row.status != "CLOSED" and row.size != 0
    )


def _signed_size(row: PositionRow) -> Decimal:
    """The side's word gives the sign. A short may come with or without its minus; a long with one is nonsense."""
    if row.side == "LONG" and row.size > 0:
        return row.size
    if row.side == "SHORT":
        return -abs(row.size)
    raise violation(f"a position of side {row.side[:20]!r} and size {row.size}")


def _entry_price(row: PositionRow) -> Decimal:
    if row.average_entry_price is None:
        raise violation(f"the position in {row.market} has no entry price")
    return row.average_entry_price


def funding_payment(row: FundingPaymentRow, account_id: str, symbol: str, received: datetime) -> FundingPayment:
    """Read one realised funding payment (positive received). It belongs to an index step, so it has no rate."""
    return FundingPayment(
        venue=Venue.PARADEX,
        account_id=account_id,
        symbol=symbol,
        payment_id=row.id,
        payment=row.payment,
        rate=None,
        paid_at=moment(row.created_at),
        received_time=received,
    )


def address(text: str) -> int:
    """Read an account address as the number it is; spellings differ in case and leading zeros."""
    digits = text.strip().lower().removeprefix("0x")
    try:
        number = int(digits, 16)
    except ValueError:
        raise violation("an account address that is not hex") from None
    if not 0 <= number < FIELD_PRIME:
        raise violation("an account address outside the field")
    return number
