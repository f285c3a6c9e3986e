"""Signing for Paradex: typed messages hashed with Pedersen, signed on the Stark curve. Pure; sends nothing.

Source of the scheme: docs.paradex.trade, "API authentication" and "Order signing"; Starknet typed data, revision 0
(`StarkNetDomain`, Pedersen). Private keys never leave this module: not in reprs, not in errors.
"""

from __future__ import annotations

import base64
import binascii
import json
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from typing import Protocol

from connectors.paradex import stark
from connectors.settings import ParadexKeys
from core.errors import ConfigurationError, PrecisionRefused
from core.numbers import canonical
from core.order import Side

log = logging.getLogger(__name__)

MESSAGE_PREFIX = 0x537461726B4E6574204D657373616765  # "StarkNet Message"
DOMAIN_NAME = 0x50617261646578  # "Paradex"
DOMAIN_VERSION = 1  # the text "1" is encoded as the integer, not as the character

# Keccak-256 of the type's text, cut to 250 bits. The domain's fields stand in this order: name, chainId, version.
DOMAIN_TYPE = 0x98D1932052FC5137543DE5ED85B7A88555A4CD1FF5D5BFEDB62ED9B9A1F0DB
ORDER_TYPE = 0xA56D5225B97B257C15AE2CB1CC0EA605381A886CD75463DB45FD2EF9FBC255
MODIFY_ORDER_TYPE = 0x201789BB587C17B251FD38DAF43B14807010EA721C2929A8C2FC33BF15C2E2C
REQUEST_TYPE = 0x186CDEF6B179923C411C13C11B8A825F12BF34203BDDA0A984DA9D6F2313C2
CONSTANT_TYPE = 0xE84BBCB68E0F7C73A9058BA82B6DA9C1FFDC502EFCF034E78B0C003C22ECC9

CONTRACT_ADDRESS = 0x535441524B4E45545F434F4E54524143545F41444452455353  # "STARKNET_CONTRACT_ADDRESS"
INITIALIZE_SELECTOR = 0x79DC0DA7C54B95F10AA182AD0A46400DB63156920ADB65ECA2654C0945A463
ADDRESS_BOUND = 2**251 - 256

SIGNED_AUTH_PATH = "/v1/auth"  # signed like this even where the URL goes on with the public key
QUANTUM_DECIMALS = 8
_SHORT_STRING_MAX = 31


class StarkCurve(Protocol):
    """What signing needs of a curve library. is_fast says that one order takes well under a millisecond."""

    is_fast: bool

    def pedersen(self, first: int, second: int) -> int:
        """Return the Pedersen hash of two field elements."""

    def sign(self, private_key: int, message_hash: int) -> tuple[int, int]:
        """Return (r, s) over a hash below 2^251."""


class PlainCurve:
    """The fallback in plain Python: some milliseconds for one order, so it belongs in a thread."""

    is_fast = False

    def pedersen(self, first: int, second: int) -> int:
        """Return the Pedersen hash of two field elements."""
        return stark.pedersen(first, second)

    def sign(self, private_key: int, message_hash: int) -> tuple[int, int]:
        """Return (r, s) over a hash below 2^251."""
        return stark.sign(private_key, message_hash)


class CompiledCurve:
    """fast-stark-crypto. Inputs are checked here first, because the library panics past `except Exception`."""

    is_fast = True

    def __init__(
        self, pedersen_hash: Callable[[int, int], int], sign_hash: Callable[[int, int], tuple[int, int]]
    ) -> None:
        self._pedersen_hash = pedersen_hash
        self._sign_hash = sign_hash

    def pedersen(self, first: int, second: int) -> int:
        """Return the Pedersen hash; raise ValueError for an input outside the field."""
        if not (0 <= first < stark.FIELD_PRIME and 0 <= second < stark.FIELD_PRIME):
            raise ValueError("a Pedersen input lies outside the field")
        return self._pedersen_hash(first, second)

    def sign(self, private_key: int, message_hash: int) -> tuple[int, int]:
        """Return (r, s); raise ValueError for a key or a hash out of range."""
        if not (1 <= private_key < stark.CURVE_ORDER and 0 <= message_hash < stark.HASH_BOUND):
            raise ValueError("the key or the message hash is out of range")
        return self._sign_hash(private_key, message_hash)


@lru_cache(maxsize=1)
def best_curve() -> StarkCurve:
    """Return the compiled library where its wheel is installed, else the plain one (the same signatures, slower)."""
    try:
        import fast_stark_crypto
    except ImportError:
        log.warning("fast-stark-crypto is not installed; Paradex orders are signed in plain Python, some ms each")
        return PlainCurve()
    return CompiledCurve(fast_stark_crypto.pedersen_hash, fast_stark_crypto.sign)


@dataclass(frozen=True, slots=True)
class OrderFields:
    """The signed part of an order. Everything else in the request (flags, stp, client id) is not covered."""

    timestamp_ms: int
    venue_symbol: str
    side: Side
    type: str
    size: Decimal
    price: Decimal


@dataclass(frozen=True, slots=True)
class StarkKey:
    """An account's address and the key (its own or a subkey's) that signs for it."""

    account: int
    private_key: int = field(repr=False)
    public_key: int

    @classmethod
    def of(cls, keys: ParadexKeys) -> StarkKey:
        """Read the configured key; raise ConfigurationError (never showing it) when it cannot be one."""
        private_key = _hex(keys.private_key.get_secret_value())
        account = _hex(keys.account)
        if private_key is None or not 1 <= private_key < stark.CURVE_ORDER:
            raise ConfigurationError("paradex: the private key is not a Stark key; give 0x and up to 64 hex digits")
        if account is None or not 1 <= account < stark.FIELD_PRIME:
            raise ConfigurationError("paradex: the account is not an L2 address; give 0x and up to 64 hex digits")
        return cls(account=account, private_key=private_key, public_key=stark.public_key(private_key))

    @property
    def account_text(self) -> str:
        """The account as the venue's headers want it."""
        return hex(self.account)

    @property
    def public_key_text(self) -> str:
        """The public key as the path of the auth request wants it."""
        return hex(self.public_key)


class Signer:
    """Signs for one account on one chain.

    The hash state after prefix, domain and account, and each type's first step, never change and are kept, which
    leaves nine Pedersen hashes for an order.
    """

    def __init__(self, key: StarkKey, chain_id: str, curve: StarkCurve) -> None:
        """Prepare the cached states. `chain_id` is text as /system/config gives it."""
        self._key = key
        self._curve = curve
        domain = list_hash(curve, (DOMAIN_TYPE, DOMAIN_NAME, short_string(chain_id), DOMAIN_VERSION))
        self._account_state = _absorb(curve, 0, (MESSAGE_PREFIX, domain, key.account))
        kinds = (ORDER_TYPE, MODIFY_ORDER_TYPE, REQUEST_TYPE)
        self._type_states = {type_hash: curve.pedersen(0, type_hash) for type_hash in kinds}

    def message_hash(self, type_hash: int, fields: tuple[int, ...]) -> int:
        """Hash one typed message of this account: H(prefix, domain, account, H(type, fields...))."""
        start = self._type_states.get(type_hash)
        if start is None:
            start = self._curve.pedersen(0, type_hash)
        struct = self._curve.pedersen(_absorb(self._curve, start, fields), len(fields) + 1)
        return self._curve.pedersen(self._curve.pedersen(self._account_state, struct), 4)

    def order_hash(self, order: OrderFields) -> int:
        """Hash an order: timestamp in ms, BUY 1 and SELL 2, size and price times 10^8."""
        return self.message_hash(ORDER_TYPE, _felts(order))

    def modification_hash(self, order: OrderFields, venue_order_id: str) -> int:
        """Hash the change of an order: its new fields and, behind them, its id (digits alone are a number)."""
        return self.message_hash(MODIFY_ORDER_TYPE, (*_felts(order), felt_of_id(venue_order_id)))

    def auth_hash(self, timestamp_s: int, expiration_s: int) -> int:
        """Hash the token request: method, path, empty body (0), and its validity in unix seconds."""
        fields = (short_string("POST"), short_string(SIGNED_AUTH_PATH), 0, timestamp_s, expiration_s)
        return self.message_hash(REQUEST_TYPE, fields)

    def onboarding_hash(self) -> int:
        """Hash what opening an account signs: the one word Onboarding."""
        return self.message_hash(CONSTANT_TYPE, (short_string("Onboarding"),))

    def sign_order(self, order: OrderFields) -> str:
        """Return the signature text of an order; raise PrecisionRefused beyond eight decimals."""
        return self._sign(self.order_hash(order))

    def sign_modification(self, order: OrderFields, venue_order_id: str) -> str:
        """Return the signature text of an order's change; raise PrecisionRefused beyond eight decimals."""
        return self._sign(self.modification_hash(order, venue_order_id))

    def sign_auth(self, timestamp_s: int, expiration_s: int) -> str:
        """Return the signature text of the token request."""
        return self._sign(self.auth_hash(timestamp_s, expiration_s))

    def sign_onboarding(self) -> str:
        """Return the signature text that opens the account; only the account's main key counts."""
        return self._sign(self.onboarding_hash())

    def _sign(self, message_hash: int) -> str:
        return signature_text(*self._curve.sign(self._key.private_key, message_hash))


def derived_address(curve: StarkCurve, public_key: int, *, proxy_class: int, account_class: int) -> int:
    """Return the address of the account whose main key this is, by Starknet's contract-address rule.

    Both class hashes are the venue's (GET /system/config). A subkey derives to no account that exists.
    """
    calldata = list_hash(curve, (account_class, INITIALIZE_SELECTOR, 2, public_key, 0))
    return list_hash(curve, (CONTRACT_ADDRESS, 0, public_key, proxy_class, calldata)) % ADDRESS_BOUND


def _felts(order: OrderFields) -> tuple[int, ...]:
    return (
        order.timestamp_ms,
        short_string(order.venue_symbol),
        1 if order.side is Side.BUY else 2,
        short_string(order.type),
        quantums(order.size),
        quantums(order.price),
    )


def felt_of_id(venue_order_id: str) -> int:
    """Encode an order id: digits alone are a number, anything else a short string."""
    if venue_order_id.isascii() and venue_order_id.isdigit() and len(venue_order_id) <= 75:
        return int(venue_order_id)
    return short_string(venue_order_id)


def list_hash(curve: StarkCurve, elements: tuple[int, ...]) -> int:
    """Hash a list the Starknet way: fold from 0, then absorb the length."""
    return curve.pedersen(_absorb(curve, 0, elements), len(elements))


def signature_text(r: int, s: int) -> str:
    """Write a signature as the venue wants it: a text that holds a JSON list of two decimal texts."""
    return json.dumps([str(r), str(s)], separators=(",", ":"))


@lru_cache(maxsize=4096)
def short_string(text: str) -> int:
    """Encode up to 31 ASCII characters as a field element (big-endian); raise ValueError for anything else."""
    if not text or len(text) > _SHORT_STRING_MAX or not text.isascii():
        raise ValueError("a short string has 1 to 31 ASCII characters")
    return int.from_bytes(text.encode("ascii"), "big")


def quantums(value: Decimal) -> int:
    """Scale by 10^8 exactly. A ninth decimal would be sent but not signed, so it raises PrecisionRefused."""
    scaled = value.scaleb(QUANTUM_DECIMALS)
    if value < 0 or scaled != scaled.to_integral_value():
        raise PrecisionRefused(
            f"paradex: {canonical(value)} has more than {QUANTUM_DECIMALS} decimals and cannot be signed",
            venue="paradex",
        )
    return int(scaled)


def token_lifetime_s(token: str) -> int | None:
    """Read how long a token lives (exp - iat) from its own text, None where it does not say; it is not verified."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        lifetime = int(claims["exp"]) - int(claims["iat"])
    except (IndexError, KeyError, TypeError, ValueError, binascii.Error, RecursionError):
        return None
    return lifetime if lifetime > 0 else None


def _absorb(curve: StarkCurve, state: int, elements: Iterable[int]) -> int:
    for element in elements:
        state = curve.pedersen(state, element)
    return state


def _hex(text: str) -> int | None:
    """Read hex digits as an integer: leading zeros may be missing, as venues and wallets drop them."""
    digits = text.strip().lower().removeprefix("0x")
    if not 1 <= len(digits) <= 64 or any(digit not in "0123456789abcdef" for digit in digits):
        return None
    return int(digits, 16)
