"""Pacifica's WebSocket frames, read into rows. Pure; what is not a frame of this venue raises ProtocolViolation.

Source: docs.pacifica.fi, WebSocket: Subscriptions.
"""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import ValidationError

from connectors.pacifica import wire, wire_surface
from connectors.pacifica.reading import json_of, list_of, object_of
from core.errors import ProtocolViolation


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


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A frame about positions or money whose shape is new: nothing is known from it, and REST still answers."""

    channel: str
    why: str


Frame = (
    Subscribed
    | Refused
    | Unhandled
    | Unreadable
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
    """Read one WebSocket frame; raises ProtocolViolation for anything that is not a frame of this venue.

    What is new about positions or money must not end the stream that orders and fills come by: it is Unreadable.
    """
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
        case "account_positions" | "account_info":
            return _account_frame(outer)
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


def _account_frame(outer: wire.FrameEnvelope) -> PositionSet | wire_surface.AccountInfo | Unreadable:
    try:
        if outer.channel == "account_info":
            return object_of(wire_surface.AccountInfo, outer.data)
        return PositionSet(tuple(list_of(wire_surface.PositionFrameRow, outer.data)))
    except ProtocolViolation as wrong:
        return Unreadable(outer.channel, wrong.message)
