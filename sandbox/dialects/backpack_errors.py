"""Refusals in the words of Backpack: JSON ``{"code","message"}`` bodies and plain-text parse failures.

Duty: name each refusal once, with its HTTP status, code and text, so that every route says it alike.
It must not decide when to refuse; that belongs to the routes.

Source of the codes: docs.backpack.exchange, API reference, "ApiErrorCode"; the texts are those which the
exchange's support pages and public recordings show. Parse failures are plain text, not JSON.
"""

from __future__ import annotations


class WireRefusal(Exception):
    """A refusal that ends a request; every subclass knows its HTTP status and body."""

    status: int


class ApiRefusal(WireRefusal):
    """A refusal with the JSON body ``{"code": ..., "message": ...}``."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message

    def body(self) -> dict[str, str]:
        """Return the JSON body."""
        return {"code": self.code, "message": self.message}


class ParseRefusal(WireRefusal):
    """A body or parameter that could not be parsed: HTTP 400 with a plain-text body."""

    status = 400

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


def bad_request(message: str) -> ApiRefusal:
    """Return the general 400 ``INVALID_CLIENT_REQUEST``."""
    return ApiRefusal(400, "INVALID_CLIENT_REQUEST", message)


def request_expired() -> ApiRefusal:
    """Return the refusal of a timestamp older than its window."""
    return bad_request("Request has expired")


def malformed_signature() -> ApiRefusal:
    """Return the refusal of an ``X-Signature`` that is not base64 of 64 bytes."""
    return bad_request("Invalid X-Signature header")


def invalid_signature(code: str = "INVALID_CLIENT_REQUEST") -> ApiRefusal:
    """Return the refusal of a signature that does not verify; two spellings of the code are known."""
    return ApiRefusal(400, code, "Invalid signature")


def unauthorized() -> ApiRefusal:
    """Return the refusal of a well-formed key that belongs to no account."""
    return ApiRefusal(401, "UNAUTHORIZED", "Unauthorized")


def not_found() -> ApiRefusal:
    """Return the 404 of a resting order, position or book that is not there."""
    return ApiRefusal(404, "RESOURCE_NOT_FOUND", "Not Found")


def order_not_found() -> ApiRefusal:
    """Return the 400 spelling of a cancel that came too late."""
    return bad_request("Order not found")


def maintenance() -> ApiRefusal:
    """Return the refusal of everything while the exchange is down for work."""
    return ApiRefusal(503, "MAINTENANCE", "System is under maintenance")


def too_many_requests() -> ApiRefusal:
    """Return the refusal of an account that used up its minute."""
    return ApiRefusal(429, "TOO_MANY_REQUESTS", "Too many requests")


def body_parse_refusal(reason: str, expected: str, schema: str) -> ParseRefusal:
    """Return the plain-text refusal of a JSON body, e.g. ``expected="MarketSymbol"``."""
    return ParseRefusal(
        f'parse request payload error: failed to parse "{expected}": {reason} (occurred while parsing "{schema}")'
    )


def parameter_parse_refusal(name: str, expected: str, reason: str) -> ParseRefusal:
    """Return the plain-text refusal of a query parameter."""
    return ParseRefusal(f'failed to parse parameter `{name}`: failed to parse "{expected}": {reason}')
