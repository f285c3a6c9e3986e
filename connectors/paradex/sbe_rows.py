"""Binary events of the tape in the words of the JSON channels, so that one parser serves both. Pure."""

from __future__ import annotations

from connectors.paradex.sbe import BboEvent, FundingEvent, TradeEvent
from connectors.paradex.wire import shaped
from connectors.paradex.wire_market import BestRow, FundingRow, TradeRow


def trade_row(event: TradeEvent) -> TradeRow:
    """Say a trade in the words of the channel trades."""
    said = {
        "id": event.trade_id,
        "market": event.market,
        "side": event.side.upper(),
        "price": event.price,
        "size": event.size,
        "created_at": event.created_us // 1000,
    }
    return shaped(TradeRow, said, "binary trade")


def best_row(event: BboEvent) -> BestRow:
    """Say the best prices in the words of the channel bbo."""
    top = event.top
    said = {
        "market": event.market,
        "bid": top.bid,
        "bid_size": top.bid_size,
        "ask": top.ask,
        "ask_size": top.ask_size,
        "last_updated_at": event.time_us // 1000,
    }
    return shaped(BestRow, said, "binary best prices")


def funding_row(event: FundingEvent) -> FundingRow:
    """Say a funding observation in the words of the channel funding_data; without rate or index it is a violation."""
    said = {
        "market": event.market,
        "funding_index": event.index,
        "funding_rate": event.rate,
        "funding_period_hours": event.period_hours,
        "created_at": event.created_us // 1000,
    }
    return shaped(FundingRow, said, "binary funding")
