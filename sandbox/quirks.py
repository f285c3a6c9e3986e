"""Switches for behaviour on which the venues' public documents are silent, vague or contradict each other.

Duty: name each doubt once (venue, default, values, meaning) and hold the values of now; the dialects read
them at each request, the control door sets them. Must not carry out any behaviour itself.

`confidence` says how well public sources support the default: high, medium, or low.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from sandbox.model import ClientIdScope, VenueRules

Value = str | int | bool


@dataclass(frozen=True, slots=True)
class Bounds:
    """Whole numbers from `least` to `most`, both included."""

    least: int
    most: int


@dataclass(frozen=True, slots=True)
class Quirk:
    """One switch. `values` are the choices, or the bounds of a whole number."""

    venue: str
    name: str
    default: Value
    values: tuple[Value, ...] | Bounds
    meaning: str
    confidence: str

    def allows(self, value: object) -> bool:
        """Whether `value` may be set; true is not 1."""
        if isinstance(self.values, Bounds):
            return type(value) is int and self.values.least <= value <= self.values.most
        return any(type(value) is type(choice) and value == choice for choice in self.values)

    def choices(self) -> str:
        """The permitted values, for people."""
        if isinstance(self.values, Bounds):
            return f"a whole number from {self.values.least} to {self.values.most}"
        return "one of " + ", ".join(str(v).lower() if isinstance(v, bool) else str(v) for v in self.values)


class QuirkError(ValueError):
    """A switch or value that does not exist; `field` is venue, name or value."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(text)
        self.field = field


MINUTE_US = 60_000_000
FLAG: tuple[Value, ...] = (False, True)

PACIFICA = (
    Quirk(
        "pacifica",
        "post_only_cross",
        "accept_then_reject",
        ("accept_then_reject", "refuse"),
        "A created post-only order that would cross gets an id and ends post_only_rejected, or a 400 and no id.",
        "medium",
    ),
    Quirk(
        "pacifica",
        "orders_history_order",
        "newest_first",
        ("newest_first", "oldest_first"),
        "Order of the rows, and direction of the cursor, of /orders/history.",
        "low",
    ),
    Quirk(
        "pacifica",
        "step_error_status",
        400,
        (400, 500),
        "HTTP status of a price off the tick or a quantity off the lot.",
        "medium",
    ),
    Quirk(
        "pacifica",
        "business_codes",
        "engine",
        ("engine", "old"),
        "Numeric codes of business errors: the engine's table, or the shorter one of older documents.",
        "medium",
    ),
    Quirk(
        "pacifica",
        "reduce_only_min_notional",
        "exempt",
        ("exempt", "enforced"),
        "Whether a reduce-only order may be below the minimum notional.",
        "low",
    ),
    Quirk(
        "pacifica",
        "signature_error_form",
        "envelope",
        ("envelope", "plain_text"),
        "REST body of a signature, key or expiry error: the JSON envelope, or the bare text.",
        "medium",
    ),
    Quirk(
        "pacifica",
        "account_shape",
        "object",
        ("object", "list"),
        "`data` of GET /account: one object, or a list that holds it.",
        "medium",
    ),
    Quirk(
        "pacifica",
        "client_order_id_scope",
        "ever",
        ("ever", "live"),
        "A client order id is taken for ever, or while its order lives.",
        "low",
    ),
    Quirk(
        "pacifica",
        "funding_price",
        "oracle",
        ("oracle", "mark"),
        "Price that the hourly funding payment is computed with.",
        "low",
    ),
    Quirk(
        "pacifica",
        "adl_cause",
        "own_word",
        ("own_word", "backstop"),
        "Cause of a deleveraging in trade rows: adl_liquidation as in the balance history, or backstop_liquidation.",
        "low",
    ),
    Quirk(
        "pacifica",
        "stop_trigger_default",
        "mid_price",
        ("mid_price", "mark_price"),
        "Price that sets a stop off when its body names none.",
        "medium",
    ),
    Quirk(
        "pacifica",
        "timestamp_ahead_ms",
        5_000,
        Bounds(0, 600_000),
        "How far in the future a signed timestamp may lie.",
        "low",
    ),
    Quirk(
        "pacifica",
        "speed_bump_us",
        200_000,
        Bounds(0, MINUTE_US),
        "Venue time that orders which may take liquidity are held back.",
        "high",
    ),
    Quirk(
        "pacifica",
        "socket_idle_s",
        60,
        Bounds(1, 86_400),
        "Real seconds without a client frame until a new connection is closed.",
        "high",
    ),
    Quirk(
        "pacifica",
        "socket_life_s",
        86_400,
        Bounds(1, 86_400),
        "Real seconds that a new connection lives at most.",
        "high",
    ),
)
PARADEX = (
    Quirk(
        "paradex",
        "delta_channels",
        "bare",
        ("bare", "parameters", "both"),
        "Name of the book delta channel: order_book.M.deltas, or deltas@15@100ms (sent as changes come), or both.",
        "medium",
    ),
    Quirk(
        "paradex",
        "fill_side",
        "own",
        ("own", "taker"),
        "`side` of a fill row: the account's own side, or the taker's.",
        "low",
    ),
    Quirk(
        "paradex",
        "funding_realisation",
        "whole",
        ("whole", "pro_rata"),
        "A fill that reduces a position books all accrued funding, or the share of the part that it closes.",
        "medium",
    ),
    Quirk(
        "paradex",
        "client_id_scope",
        "live",
        ("live", "ever"),
        "A client_id is refused as duplicate while an order with it lives, or for ever.",
        "low",
    ),
    Quirk(
        "paradex",
        "batch_max",
        10,
        (10, 50),
        "Most entries of one order or cancel batch.",
        "medium",
    ),
    Quirk(
        "paradex",
        "batch_lists",
        "apart",
        ("apart", "aligned"),
        "`orders` and `errors` of a batch's answer: each its own rows, or one place for each entry with nulls.",
        "low",
    ),
    Quirk(
        "paradex",
        "tick_error_code",
        "VALIDATION_ERROR",
        ("VALIDATION_ERROR", "INVALID_PRICE_PRECISION"),
        "Code of a price off the tick.",
        "low",
    ),
    Quirk(
        "paradex",
        "order_signature_error_code",
        "INVALID_ORDER_SIGNATURE",
        ("INVALID_ORDER_SIGNATURE", "STARKNET_SIGNATURE_VERIFICATION_FAILED"),
        "Code of an order whose signature does not match.",
        "low",
    ),
)
BACKPACK = (
    Quirk(
        "backpack",
        "signature_error_code",
        "INVALID_CLIENT_REQUEST",
        ("INVALID_CLIENT_REQUEST", "INVALID_SIGNATURE"),
        "Code of a signature that does not verify.",
        "medium",
    ),
    Quirk(
        "backpack",
        "late_cancel_is_404",
        False,
        FLAG,
        "A cancel of an order that no longer rests answers 404 RESOURCE_NOT_FOUND instead of 400.",
        "medium",
    ),
    Quirk(
        "backpack",
        "cancel_answers_202",
        False,
        FLAG,
        "Cancels answer 202 without a body instead of 200 with the order.",
        "medium",
    ),
    Quirk(
        "backpack",
        "duplicate_client_id",
        "accept",
        ("accept", "refuse"),
        "What happens to an order whose clientId belongs to a live order.",
        "low",
    ),
    Quirk(
        "backpack",
        "post_only_cross",
        "refuse",
        ("refuse", "expire"),
        "A post-only order that would cross is refused with 400, or accepted and at once Expired (PostOnlyTaker).",
        "high",
    ),
    Quirk(
        "backpack",
        "speed_bump_us",
        100_000,
        Bounds(0, MINUTE_US),
        "Venue time that orders which are not post-only are held back.",
        "medium",
    ),
    Quirk(
        "backpack",
        "requests_per_minute",
        2_000,
        Bounds(1, 10_000_000),
        "Signed requests that one account may send in a minute.",
        "medium",
    ),
    Quirk(
        "backpack",
        "historical_requests_per_minute",
        30,
        Bounds(1, 10_000_000),
        "Requests for candles and past trades that are answered in a minute.",
        "medium",
    ),
    Quirk(
        "backpack",
        "depth_lag_us",
        0,
        Bounds(0, MINUTE_US),
        "How old the book of GET /api/v1/depth is.",
        "low",
    ),
)
QUIRKS: tuple[Quirk, ...] = (*PACIFICA, *PARADEX, *BACKPACK)


class QuirkBoard:
    """Values of now. `on_change(venue)` is told after each change."""

    def __init__(self, on_change: Callable[[str], None]) -> None:
        self._on_change = on_change
        self._quirks: Mapping[tuple[str, str], Quirk] = {(q.venue, q.name): q for q in QUIRKS}
        self._values: dict[tuple[str, str], Value] = {key: q.default for key, q in self._quirks.items()}

    def set(self, venue: str, name: str, value: Value | None) -> Quirk:
        """Change one switch, None restores its default; raise QuirkError."""
        quirk = self._quirks.get((venue, name))
        if quirk is None:
            known = [q.name for q in QUIRKS if q.venue == venue]
            if not known:
                raise QuirkError("venue", f"no venue {venue}")
            raise QuirkError("name", f"{venue} has no switch {name}; it has {', '.join(known)}")
        if value is not None and not quirk.allows(value):
            raise QuirkError("value", f"{name} must be {quirk.choices()}, or null for its default")
        self._values[venue, name] = quirk.default if value is None else value
        self._on_change(venue)
        return quirk

    def value(self, venue: str, name: str) -> Value:
        """Value of now."""
        return self._values[venue, name]

    def text(self, venue: str, name: str) -> str:
        """Value of a switch between words."""
        value = self._values[venue, name]
        assert isinstance(value, str)
        return value

    def number(self, venue: str, name: str) -> int:
        """Value of a whole number."""
        value = self._values[venue, name]
        assert isinstance(value, int)
        return value

    def flag(self, venue: str, name: str) -> bool:
        """Value of an on-off switch."""
        value = self._values[venue, name]
        assert isinstance(value, bool)
        return value

    def rows(self) -> list[dict[str, object]]:
        """All switches with their values, JSON-ready."""
        return [self.row(quirk) for quirk in self._quirks.values()]

    def row(self, quirk: Quirk) -> dict[str, object]:
        """One switch with its value; `values` is a list, or {least, most}."""
        bounds = quirk.values
        return {
            "venue": quirk.venue,
            "name": quirk.name,
            "value": self._values[quirk.venue, quirk.name],
            "default": quirk.default,
            "values": {"least": bounds.least, "most": bounds.most} if isinstance(bounds, Bounds) else list(bounds),
            "meaning": quirk.meaning,
            "confidence": quirk.confidence,
        }


def rules_under(rules: VenueRules, board: QuirkBoard) -> VenueRules:
    """The engine's rules of a venue as its switches want them."""
    match rules.venue:
        case "pacifica":
            return replace(
                rules,
                client_id_scope=_scope(board.text("pacifica", "client_order_id_scope")),
                reduce_only_below_min_notional=board.text("pacifica", "reduce_only_min_notional") == "exempt",
                funding_on_index=board.text("pacifica", "funding_price") == "oracle",
            )
        case "paradex":
            return replace(
                rules,
                client_id_scope=_scope(board.text("paradex", "client_id_scope")),
                funding_pro_rata=board.text("paradex", "funding_realisation") == "pro_rata",
            )
        case _:
            return rules


def _scope(word: str) -> ClientIdScope:
    return ClientIdScope.EVER if word == "ever" else ClientIdScope.LIVE
