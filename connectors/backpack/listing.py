"""Markets and account terms: from the venue's list to core markets and the names both ways. Pure.

Symbols are taken from the list, never cut out of names: "ETH/USD" is the row with marketType PERP, base ETH and
quote USDC. Every perpetual is linear, margined and settled in USDC, which this system shows as USD.
(docs.backpack.exchange, Markets and Account; support.backpack.exchange, Futures specifications)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from connectors.backpack import wire
from core.errors import ProtocolViolation, VenueRejected
from core.instrument import Market, Venue
from core.numbers import BPS, ONE, ZERO

QUOTE_ASSET = "USDC"
QUOTE_SHOWN = "USD"
PERPETUAL = "PERP"
OPEN = "Open"
SQRT = "sqrt"


@dataclass(frozen=True, slots=True)
class AccountTerms:
    """What this account is charged and allowed: fees as fractions of notional, leverage as a multiple."""

    leverage_limit: Decimal
    maker_fee: Decimal
    taker_fee: Decimal
    is_liquidating: bool


@dataclass(frozen=True, slots=True)
class Listing:
    """All perpetuals whose rules could be read. `open_markets` may be traded freely; the others only be left.

    symbol_of maps every perpetual's venue symbol, readable rules or not, to this system's symbol.
    """

    known_markets: Mapping[str, Market]
    open_markets: Mapping[str, Market]
    symbol_of: Mapping[str, str]

    def market(self, symbol: str) -> Market:
        """Return a market by its symbol; raise VenueRejected when the venue has none such."""
        try:
            return self.known_markets[symbol]
        except KeyError:
            raise VenueRejected(
                f"backpack: no perpetual market {symbol}; look at the markets list", venue="backpack", symbol=symbol
            ) from None


def parse_terms(body: bytes) -> AccountTerms:
    """Read GET /api/v1/account. Fees are basis points on the wire, negative for a rebate."""
    row = wire.read(wire.AccountRow, wire.read_json(body, "account"), "account")
    if row.leverage_limit <= 0:
        raise ProtocolViolation("backpack: the account's leverage limit is not positive", venue="backpack")
    return AccountTerms(row.leverage_limit, row.futures_maker_fee * BPS, row.futures_taker_fee * BPS, row.liquidating)


def parse_listing(body: bytes, terms: AccountTerms) -> Listing:
    """Read GET /api/v1/markets for one account.

    A perpetual whose rules cannot be read is not offered (new kinds appear without notice); when that is true of
    all of them the answer is a ProtocolViolation.
    """
    rows = wire.read_json(body, "markets")
    if not isinstance(rows, list):
        raise ProtocolViolation("backpack: markets is not a list", venue="backpack")
    known: dict[str, Market] = {}
    tradable: dict[str, Market] = {}
    symbol_of: dict[str, str] = {}
    for row in rows:
        name = wire.read(wire.MarketName, row, "markets")
        if name.market_type != PERPETUAL or name.quote_symbol != QUOTE_ASSET:
            continue
        symbol = f"{name.base_symbol}/{QUOTE_SHOWN}"
        symbol_of[name.symbol] = symbol
        try:
            full = wire.read(wire.MarketRow, row, "markets")
            market = _market(full, symbol, terms)
        except ProtocolViolation:
            continue
        known[symbol] = market
        if full.order_book_state == OPEN:
            tradable[symbol] = market
    if not known:
        raise ProtocolViolation("backpack: no readable perpetual in the markets list", venue="backpack")
    return Listing(known, tradable, symbol_of)


def _market(row: wire.MarketRow, symbol: str, terms: AccountTerms) -> Market:
    """Margin fractions are the base of the sqrt functions, the initial one floored by 1 / leverage limit.

    Larger positions need more: max(base, factor * sqrt(notional)); what is given here is the smallest requirement.
    """
    imf, mmf = row.imf_function, row.mmf_function
    grid, quantity = row.filters.price, row.filters.quantity
    if imf is None or mmf is None or imf.type != SQRT or mmf.type != SQRT:
        raise ProtocolViolation(f"backpack: {row.symbol} has no margin function of a known type", venue="backpack")
    if not row.funding_interval or row.funding_interval < 1000 or row.funding_interval % 1000:
        raise ProtocolViolation(f"backpack: {row.symbol} has no funding interval in whole seconds", venue="backpack")
    if grid.tick_size <= 0 or quantity.step_size <= 0:
        raise ProtocolViolation(f"backpack: {row.symbol} has no price or quantity grid", venue="backpack")
    return Market(
        venue=Venue.BACKPACK,
        symbol=symbol,
        venue_symbol=row.symbol,
        base=row.base_symbol,
        quote=QUOTE_SHOWN,
        tick=grid.tick_size,
        lot=quantity.step_size,
        min_quantity=quantity.min_quantity,
        min_notional=ZERO,
        max_quantity=quantity.max_quantity,
        max_notional=None,
        initial_margin=max(imf.base, ONE / terms.leverage_limit),
        maintenance_margin=mmf.base,
        maker_fee=terms.maker_fee,
        taker_fee=terms.taker_fee,
        funding_interval_s=row.funding_interval // 1000,
        price_band=_price_band(grid),
    )


def _price_band(grid: wire.PriceFilter) -> Decimal | None:
    """Return the narrower side of the narrowest documented band, as a distance from 1; None without any band.

    The limit band is around the active price, the other around the five-minute mean mark; both are near the mark.
    The impact band of takers refuses nothing: what lies beyond it expires unfilled.
    """
    mean = grid.mean_mark_price_band
    highs = [grid.max_multiplier, mean.max_multiplier if mean else None]
    lows = [grid.min_multiplier, mean.min_multiplier if mean else None]
    distances = [high - ONE for high in highs if high is not None] + [ONE - low for low in lows if low is not None]
    return min(distances) if distances else None
