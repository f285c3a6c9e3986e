"""Pacifica's WebSocket frames, read into rows. Pure; what is not a frame of this venue raises ProtocolViolation.

Source: docs.pacifica.fi, WebSocket: Subscriptions.
"""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import ValidationError

from connectors.pacifica import wire, wire_surface
from connectors.pacifica.reading import json_of, list_of, object_of


@dataclass(frozen=True, slots=True)
class Subscribed:
    """The venue confirmed a subscription."""

    source: str
    symbol: str | None


@dataclass(frozen=True, slots=True)
class Refused:
    """The venue answered a frame with an error."""

    code: int
    text: str


@dataclass(frozen=True, slots=True)
class Unhandled:
    """A frame of no interest here (pong, unsubscribe, a channel that was not asked for)."""

    channel: str


@dataclass(frozen=True, slots=True)
class PositionSet:
    """All positions of the account whose channel it is; an empty set says that it is flat."""

    rows: tuple[wire_surface.PositionFrameRow, ...]


Frame = (
    Subscribed
    | Refused
    | Unhandled
    | PositionSet
    | wire.BookSnapshot
    | wire_surface.AccountInfo
    | wire_surface.BestRow
    | wire_surface.CandleRow
    | tuple[wire_surface.TapeTradeRow, ...]
    | tuple[wire.PriceRow, ...]
    | tuple[wire.OrderUpdateRow, ...]
    | tuple[wire.TradeUpdateRow, ...]
)


def frame(text: str | bytes) -> Frame:
    """Read one WebSocket frame; raises ProtocolViolation for anything that is not a frame of this venue."""
    try:
        outer = wire.FrameEnvelope.model_validate_json(text)
    except ValidationError:
        error = json_of(wire.ErrorFrame, text)
        return Refused(error.code, (error.err or "no text")[:300])
    match outer.channel:
        case "book":
            return object_of(wire.BookSnapshot, outer.data)
        case "prices":
            return tuple(list_of(wire.PriceRow, outer.data))
        case "account_order_updates":
            return tuple(list_of(wire.OrderUpdateRow, outer.data))
        case "account_trades":
            return tuple(list_of(wire.TradeUpdateRow, outer.data))
        case "account_positions":
            return PositionSet(tuple(list_of(wire_surface.PositionFrameRow, outer.data)))
        case "account_info":
            return object_of(wire_surface.AccountInfo, outer.data)
        case "bbo":
            return object_of(wire_surface.BestRow, outer.data)
        case "candle":
            return object_of(wire_surface.CandleRow, outer.data)
        case "trades":
            return tuple(list_of(wire_surface.TapeTradeRow, outer.data))
        case "subscribe":
            echo = object_of(wire.SubscriptionEcho, outer.data)
            return Subscribed(echo.source, echo.symbol)
        case other:
            return Unhandled(other)
