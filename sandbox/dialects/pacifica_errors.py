"""Pacifica's answers: the success envelope and every way to say no.

Duty: spell results and refusals as the venue does on REST and WebSocket. Must not decide anything.
Sources: docs.pacifica.fi, API Documentation: Error Codes; Websocket: Trading Operations (codes 200..500).
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from starlette.responses import JSONResponse, PlainTextResponse, Response

from sandbox.model import MarketSpec, Refusal, RefusalReason

VERIFICATION_FAILED = "Verification failed: signature does not match signer and canonical payload."

CANNOT_CANCEL = "Failed to cancel order"


class ApiError(Exception):
    """A refusal in the venue's words. `is_bare` answers REST with the text alone, as the venue's edge does."""

    def __init__(
        self,
        status: int,
        text: str,
        *,
        code: int | None = None,
        error_id: str | None = None,
        ws_code: int | None = None,
        is_bare: bool = False,
    ) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.code = status if code is None else code
        self.error_id = error_id
        self.ws_code = ws_code if ws_code is not None else (420 if status == 422 else status)
        self.is_bare = is_bare

    def as_plain_text(self) -> ApiError:
        """The same refusal, answered on REST by its text alone."""
        return ApiError(self.status, self.text, ws_code=self.ws_code, is_bare=True)

    def response(self, headers: Mapping[str, str] | None = None) -> Response:
        """Answer for REST."""
        if self.is_bare:
            return PlainTextResponse(self.text, status_code=self.status, headers=headers)
        body: dict[str, object] = {"success": False, "data": None, "error": self.text, "code": self.code}
        if self.error_id is not None:
            body["error_id"] = self.error_id
        return JSONResponse(body, status_code=self.status, headers=headers)


def success(payload: object, **extra: object) -> dict[str, object]:
    """Envelope of a success; `extra` are top-level members such as last_order_id or next_cursor."""
    return {"success": True, "data": payload, "error": None, "code": None} | extra


def deserialize_error(text: str, raw: bytes | str) -> ApiError:
    """A body that does not parse: serde's wording, before any signature check."""
    where = f" at line 1 column {len(raw)}"
    return ApiError(400, f"Json deserialize error: {text}{where}", is_bare=True)


def invalid_message() -> ApiError:
    """Expired, or too far ahead."""
    return ApiError(400, "Invalid message", ws_code=401)


def invalid_signature() -> ApiError:
    """Not base58 of 64 bytes."""
    return ApiError(400, "Invalid signature", ws_code=401)


def invalid_public_key() -> ApiError:
    """Not base58 of 32 bytes."""
    return ApiError(400, "Invalid public key", ws_code=402)


def verification_failed() -> ApiError:
    """The signature is not the signer's over the message rebuilt from the body."""
    return ApiError(400, VERIFICATION_FAILED, error_id="signature_verification_failed", ws_code=401)


def agent_not_authorized() -> ApiError:
    """The agent wallet is not bound to the account."""
    return ApiError(400, "Agent not authorized for account", ws_code=402)


def post_only_refused() -> ApiError:
    """A post-only order that would cross, where the venue refuses it at the door."""
    return ApiError(400, "PostOnly order would cross the book")


def rate_limited() -> ApiError:
    """No credits left in the window."""
    return ApiError(429, "Rate limit exceeded")


def unsupported() -> ApiError:
    """Business code 51: the twin does not offer this operation."""
    return ApiError(422, "Unsupported operation", code=51)


def cannot_cancel() -> ApiError:
    """Unknown or finished order."""
    return ApiError(422, CANNOT_CANCEL, code=5)


def from_refusal(refusal: Refusal, account: str, spec: MarketSpec | None) -> ApiError:
    """Translate the engine's refusal: form problems 400, business rules 422 with the engine's code table."""
    facts, symbol = refusal.facts, spec.symbol if spec else ""
    match refusal.reason:
        case RefusalReason.TICK | RefusalReason.LOT:
            return ApiError(400, refusal.text)
        case RefusalReason.QUANTITY | RefusalReason.PRICE:
            return ApiError(400, f"Invalid order: {refusal.text}")
        case RefusalReason.MIN_NOTIONAL:
            text = f"Order amount too low for {account}: {facts['notional']} < {facts['minimum']}"
            return ApiError(422, text, code=0, error_id="invalid_amount")
        case RefusalReason.MAX_NOTIONAL:
            text = f"Order amount too high for {account}: {facts['notional']} > {facts['maximum']}"
            return ApiError(422, text, code=8)
        case RefusalReason.MARGIN:
            text = f"Insufficient balance for {account}"
            if "required" in facts:
                text += f": {facts['required']} (account value: {facts['equity']})"
            return ApiError(422, text, code=5)
        case RefusalReason.REDUCE_ONLY_NO_POSITION:
            return ApiError(422, f"No position found for reduce-only order: {account} {symbol}", code=23)
        case RefusalReason.REDUCE_ONLY_SIDE:
            text = "Invalid reduce-only order side: must be opposite to position side"
            return ApiError(422, text, code=21)
        case RefusalReason.REDUCE_ONLY_QUANTITY:
            text = f"Invalid reduce-only order amount: {facts['quantity']} exceeds position amount {facts['position']}"
            return ApiError(422, text, code=22)
        case RefusalReason.DUPLICATE_CLIENT_ID:
            return ApiError(422, refusal.text[:1].upper() + refusal.text[1:], code=36)
        case RefusalReason.PRICE_BAND:
            return ApiError(422, f"Price too far from mark: {facts['price']} {facts['mark']}", code=30)
        case _:
            return _PLAIN.get(refusal.reason, ApiError(422, refusal.text, code=0))


_PLAIN: Mapping[RefusalReason, ApiError] = {
    RefusalReason.NO_LIQUIDITY: ApiError(422, "No reasonable price found", code=25),
    RefusalReason.UNKNOWN_MARKET: ApiError(422, "Book not found", code=3),
    RefusalReason.UNKNOWN_ACCOUNT: ApiError(422, "Account not found", code=1),
    RefusalReason.ORDER_NOT_FOUND: ApiError(422, "Order not found", code=6),
    RefusalReason.ORDER_CLOSED: ApiError(422, "Order not found", code=6),
    RefusalReason.ORDER_LIMIT: ApiError(422, "Open order limit reached", code=10),
    RefusalReason.TRIGGER: ApiError(422, "Invalid stop tick", code=16),
    RefusalReason.VENUE_MODE: ApiError(422, "Trading disabled", code=38),
}


# The shorter table of older documents, by the engine's number; what it does not have is 0, unknown.
_OLD_CODES: Mapping[int, int] = {1: 1, 3: 2, 4: 3, 5: 4, 6: 5, 9: 6, 11: 7, 12: 8, 13: 9, 49: 10}


def with_old_code(error: ApiError) -> ApiError:
    """The same business error, numbered by the older table; errors that are no business errors stay."""
    if error.status != 422:
        return error
    # "Failed to cancel order" carries 5 in both: the older table's "order not found".
    code = 5 if error.text == CANNOT_CANCEL else _OLD_CODES.get(error.code, 0)
    return ApiError(422, error.text, code=code, error_id=error.error_id, ws_code=error.ws_code)


def fault_response(status: int) -> Response:
    """Answer of an armed HTTP fault."""
    if status == 429:
        return rate_limited().response()
    texts = {500: "Internal server error", 503: "Service unavailable", 504: "Request timed out"}
    return ApiError(status, texts.get(status, "Internal server error")).response()


def compact(frame: object) -> str:
    """JSON text without spaces."""
    return json.dumps(frame, separators=(",", ":"))
