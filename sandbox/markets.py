"""The three venues' rules and markets, with the values their public documents give.

Duty: constants. Lots, ticks and minimums differ between the venues on purpose, as they do in reality.
Sources: docs.pacifica.fi (Market Symbols, Fees, Margin), docs.paradex.trade (GET /markets, Fees, Margin),
docs.backpack.exchange (Markets) and support.backpack.exchange (Futures margin, Fees). Values no document
gives (for example Paradex's SOL lot, Backpack's auto-close fraction) are plausible and marked so.
"""

from __future__ import annotations

from decimal import Decimal

from sandbox.model import ClientIdScope, FundingMode, MarketSpec, ReduceOnlyMode, VenueRules

VENUES = ("pacifica", "paradex", "backpack")
INSTRUMENTS = ("ETH/USD", "BTC/USD", "SOL/USD")


def _d(text: str) -> Decimal:
    return Decimal(text)


RULES: dict[str, VenueRules] = {
    "pacifica": VenueRules(
        venue="pacifica",
        funding_mode=FundingMode.HOURLY,
        funding_period_hours=1,
        funding_on_index=True,
        client_id_scope=ClientIdScope.EVER,
        reduce_only_mode=ReduceOnlyMode.STRICT,
        reduce_only_below_min_notional=True,
        open_orders_max=500,
        fee_decimals=6,
        funding_rate_cap=_d("0.04"),
        liquidation_fee=_d("0.0075"),
        liquidation_fee_of_maintenance=_d("0.4"),
        liquidation_share=_d("0.2"),
        liquidation_chunk_notional=_d("2000"),
        liquidation_period_s=1,
        backstop_share=_d("2") / 3,
        cancels_below_initial=False,
    ),
    "paradex": VenueRules(
        venue="paradex",
        funding_mode=FundingMode.CONTINUOUS,
        funding_period_hours=8,
        funding_on_index=True,
        client_id_scope=ClientIdScope.LIVE,
        reduce_only_mode=ReduceOnlyMode.STRICT,
        reduce_only_below_min_notional=True,
        open_orders_max=100,
        fee_decimals=8,
        funding_rate_cap=_d("0.02"),
        liquidation_fee=_d("0.007"),
        liquidation_fee_of_maintenance=_d("0.7"),
        liquidation_share=None,
        liquidation_chunk_notional=None,
        liquidation_period_s=5,
        backstop_share=_d("0"),
        cancels_below_initial=True,
    ),
    "backpack": VenueRules(
        venue="backpack",
        funding_mode=FundingMode.HOURLY,
        funding_period_hours=1,
        funding_on_index=False,
        client_id_scope=ClientIdScope.LIVE,
        reduce_only_mode=ReduceOnlyMode.SHRINK,
        reduce_only_below_min_notional=True,
        open_orders_max=500,
        fee_decimals=6,
        funding_rate_cap=_d("0.015"),
        liquidation_fee=_d("0.01"),
        liquidation_fee_of_maintenance=_d("0"),
        liquidation_share=_d("0.1"),
        liquidation_chunk_notional=None,
        liquidation_period_s=1,
        backstop_share=_d("0.5"),
        cancels_below_initial=False,
    ),
}


def _pacifica(base: str, tick: str, lot: str, leverage: int) -> MarketSpec:
    """Maintenance margin is half of size * mark / max leverage (docs.pacifica.fi, Margin & Leverage)."""
    return MarketSpec(
        instrument=f"{base}/USD",
        symbol=base,
        base=base,
        tick=_d(tick),
        lot=_d(lot),
        min_quantity=_d(lot),
        min_notional=_d("10"),
        max_notional=_d("5000000"),
        max_leverage=leverage,
        imf_base=_d("1") / leverage,
        imf_factor=_d("0"),
        mmf_base=_d("0.5") / leverage,
        mmf_factor=_d("0"),
        maker_fee=_d("0.00015"),
        taker_fee=_d("0.0004"),
        band_aggressive=_d("0.3"),
        band_passive=_d("0.9"),
    )


def _paradex(base: str, tick: str, lot: str) -> MarketSpec:
    """imf_base 0.02 and mmf_factor 0.5 (docs.paradex.trade, Margin); band width 5 % is a plausible value."""
    return MarketSpec(
        instrument=f"{base}/USD",
        symbol=f"{base}-USD-PERP",
        base=base,
        tick=_d(tick),
        lot=_d(lot),
        min_quantity=_d(lot),
        min_notional=_d("10"),
        max_notional=_d("5000000"),
        max_leverage=50,
        imf_base=_d("0.02"),
        imf_factor=_d("0"),
        mmf_base=_d("0.01"),
        mmf_factor=_d("0"),
        maker_fee=_d("0.00003"),
        taker_fee=_d("0.00045"),
        band_aggressive=_d("0.05"),
        band_passive=None,
    )


def _backpack(base: str, tick: str, lot: str, *, imf: str, mmf: tuple[str, str]) -> MarketSpec:
    """Square-root margin functions (docs.backpack.exchange, Markets: imfFunction, mmfFunction)."""
    return MarketSpec(
        instrument=f"{base}/USD",
        symbol=f"{base}_USDC_PERP",
        base=base,
        tick=_d(tick),
        lot=_d(lot),
        min_quantity=_d(lot),
        min_notional=_d("0"),
        max_notional=_d("5000000"),
        max_leverage=50,
        imf_base=_d("0.02"),
        imf_factor=_d(imf),
        mmf_base=_d(mmf[0]),
        mmf_factor=_d(mmf[1]),
        maker_fee=_d("0.0002"),
        taker_fee=_d("0.0005"),
        band_aggressive=_d("0.075"),
        band_passive=_d("0.75"),
    )


MARKETS: dict[str, dict[str, MarketSpec]] = {
    "pacifica": {
        "ETH/USD": _pacifica("ETH", "0.1", "0.0001", 50),
        "BTC/USD": _pacifica("BTC", "1", "0.00001", 50),
        "SOL/USD": _pacifica("SOL", "0.01", "0.01", 20),
    },
    "paradex": {
        "ETH/USD": _paradex("ETH", "0.01", "0.001"),
        "BTC/USD": _paradex("BTC", "0.1", "0.0001"),
        "SOL/USD": _paradex("SOL", "0.001", "0.1"),
    },
    "backpack": {
        "ETH/USD": _backpack("ETH", "0.01", "0.0001", imf="0.0000935", mmf=("0.0125", "0.0000561")),
        "BTC/USD": _backpack("BTC", "0.1", "0.00001", imf="0.00006", mmf=("0.0125", "0.000036")),
        "SOL/USD": _backpack("SOL", "0.01", "0.01", imf="0.000075", mmf=("0.0135", "0.0000375")),
    },
}
