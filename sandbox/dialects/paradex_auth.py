"""Paradex identities: StarkNet message hashes, Stark signatures, account addresses and bearer tokens.

Written from docs.paradex.trade ("API Authentication", "Order Signing") and the StarkNet legacy typed-data
rules (revision 0: Pedersen, ``StarkNetDomain``). This module decides only whether a signature or a token is
good. It knows nothing of orders, HTTP or the engine, and never holds a private key.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, reduce
from typing import Final

import fast_stark_crypto

FIELD_PRIME: Final = 2**251 + 17 * 2**192 + 1
CURVE_ORDER: Final = 0x800000000000010FFFFFFFFFFFFFFFFB781126DCAE7B2321E66A241ADC64D2F
CURVE_BETA: Final = 0x6F21413EFBE40DE150E596D72F7A8C5609AD26C15C915C1F4CDFCB99CEE9E89
ELEMENT_LIMIT: Final = 2**251
ADDRESS_LIMIT: Final = 2**251 - 256
SHORT_STRING_MAX: Final = 31

# keccak-256 of the type strings, cut to 250 bits (StarkNet `starknet_keccak`).
DOMAIN_TYPE: Final = 0x98D1932052FC5137543DE5ED85B7A88555A4CD1FF5D5BFEDB62ED9B9A1F0DB
ORDER_TYPE: Final = 0xA56D5225B97B257C15AE2CB1CC0EA605381A886CD75463DB45FD2EF9FBC255
MODIFY_ORDER_TYPE: Final = 0x201789BB587C17B251FD38DAF43B14807010EA721C2929A8C2FC33BF15C2E2C
REQUEST_TYPE: Final = 0x186CDEF6B179923C411C13C11B8A825F12BF34203BDDA0A984DA9D6F2313C2
CONSTANT_TYPE: Final = 0xE84BBCB68E0F7C73A9058BA82B6DA9C1FFDC502EFCF034E78B0C003C22ECC9
INITIALIZE_SELECTOR: Final = 0x79DC0DA7C54B95F10AA182AD0A46400DB63156920ADB65ECA2654C0945A463
ACCOUNT_PROXY_HASH: Final = 0x3530CC4759D78042F1B543BF797F5F3D647CDE0388C33734CF91B7F7B9314A9
ACCOUNT_HASH: Final = 0x41CB0280EBADAA75F996D8D92C6F265F6D040BB3BA442E5F86A554F1765244E
TESTNET_CHAIN: Final = "PRIVATE_SN_POTC_SEPOLIA"

TOKEN_LIFE_S: Final = 300

_DECIMAL = re.compile(r"[0-9]{1,78}")
_HEX = re.compile(r"0[xX][0-9a-fA-F]{1,64}")


def short_string(text: str) -> int:
    """Return `text` (at most 31 ASCII characters) as a felt, big-endian; the empty text is 0."""
    if len(text) > SHORT_STRING_MAX or not text.isascii():
        raise ValueError("a short string holds at most 31 ASCII characters")
    return int.from_bytes(text.encode("ascii"), "big")


def felt_of_id(text: str) -> int:
    """Return an order id as a felt: digits alone are a number, anything else a short string."""
    return int(text) if _DECIMAL.fullmatch(text) and text.isascii() else short_string(text)


def felt_of_hex(text: str) -> int:
    """Return a ``0x`` hexadecimal field element; raise ValueError for anything else or out of the field."""
    if not _HEX.fullmatch(text):
        raise ValueError("expected 0x and up to 64 hexadecimal digits")
    value = int(text, 16)
    if value >= FIELD_PRIME:
        raise ValueError("larger than the field")
    return value


def canonical_hex(text: str) -> str:
    """Return a hex felt in its one spelling here: lower case, no leading zeros."""
    return hex(felt_of_hex(text))


def _absorb(state: int, elements: Iterable[int]) -> int:
    return reduce(fast_stark_crypto.pedersen_hash, elements, state)


def list_hash(elements: list[int]) -> int:
    """Return Starknet's Pedersen hash of a list: fold from 0, then absorb the length."""
    return int(fast_stark_crypto.pedersen_hash(_absorb(0, elements), len(elements)))


def account_address(public_key: int) -> int:
    """Return the account address that belongs to a Stark public key (Starknet contract-address rule)."""
    calldata = [ACCOUNT_HASH, INITIALIZE_SELECTOR, 2, public_key, 0]
    elements = [
        short_string("STARKNET_CONTRACT_ADDRESS"),
        0,
        public_key,
        ACCOUNT_PROXY_HASH,
        list_hash(calldata),
    ]
    return list_hash(elements) % ADDRESS_LIMIT


@dataclass(frozen=True, slots=True)
class SignedTerms:
    """The signed part of an order, as felts: milliseconds, short strings, and quantities times 10^8."""

    timestamp: int
    market: int
    side: int
    order_type: int
    size: int
    price: int

    def felts(self) -> list[int]:
        return [self.timestamp, self.market, self.side, self.order_type, self.size, self.price]


class MessageHasher:
    """Hashes typed messages for one chain; the prefix of each account is computed once and kept.

    Domain fields come in the order name, chainId, version, and version "1" is the integer 1
    (docs.paradex.trade, "Order Signing"; the order decides the hash).
    """

    ACCOUNTS_CACHED_MAX: Final = 10_000

    def __init__(self, chain_id: str) -> None:
        self.chain_id = chain_id
        self.domain_hash = list_hash([DOMAIN_TYPE, short_string("Paradex"), short_string(chain_id), 1])
        self._start = _absorb(0, [short_string("StarkNet Message"), self.domain_hash])
        self._prefixes: dict[int, int] = {}

    def constant(self, account: int, action: str) -> int:
        """Hash ``Constant(action)``, what onboarding signs."""
        return self._message(account, list_hash([CONSTANT_TYPE, short_string(action)]))

    def request(self, account: int, *, method: str, path: str, timestamp: int, expiration: int) -> int:
        """Hash ``Request`` with an empty body; both times are unix seconds."""
        fields = [short_string(method), short_string(path), 0, timestamp, expiration]
        return self._message(account, list_hash([REQUEST_TYPE, *fields]))

    def order(self, account: int, terms: SignedTerms) -> int:
        """Hash ``Order``."""
        return self._message(account, list_hash([ORDER_TYPE, *terms.felts()]))

    def modify_order(self, account: int, terms: SignedTerms, order_id: str) -> int:
        """Hash ``ModifyOrder``, which is ``Order`` with the id behind it."""
        return self._message(account, list_hash([MODIFY_ORDER_TYPE, *terms.felts(), felt_of_id(order_id)]))

    def _message(self, account: int, struct_hash: int) -> int:
        prefix = self._prefixes.get(account)
        if prefix is None:
            if len(self._prefixes) >= self.ACCOUNTS_CACHED_MAX:
                self._prefixes.clear()
            prefix = self._prefixes[account] = _absorb(self._start, [account])
        return _absorb(prefix, [struct_hash, 4])


@dataclass(frozen=True, slots=True)
class Signature:
    """A Stark-curve ECDSA signature."""

    r: int = field(repr=False)
    s: int = field(repr=False)


def parse_signature(text: object) -> Signature:
    """Read ``["r","s"]``, a JSON list of two texts, each decimal or 0x-hex.

    Raise ValueError for every other shape and for r or s out of range (1 <= r < 2^251, 1 <= s < N), so that
    the curve library is never shown a number it cannot take.
    """
    if not isinstance(text, str) or len(text) > 400:
        raise ValueError("signature must be a text")
    parts = json.loads(text)
    if not isinstance(parts, list) or len(parts) != 2:
        raise ValueError("signature must be a JSON list of two texts")
    r, s = (_scalar(part) for part in parts)
    if not (1 <= r < ELEMENT_LIMIT and 1 <= s < CURVE_ORDER):
        raise ValueError("signature out of range")
    return Signature(r, s)


def _scalar(part: object) -> int:
    if isinstance(part, str) and _DECIMAL.fullmatch(part):
        return int(part)
    if isinstance(part, str) and _HEX.fullmatch(part):
        return int(part, 16)
    raise ValueError("signature parts must be decimal or hexadecimal texts")


@lru_cache(maxsize=4096)
def is_public_key(key: int) -> bool:
    """Tell whether `key` is the x of a point on the Stark curve y^2 = x^3 + x + beta (Euler's criterion)."""
    if not 0 < key < FIELD_PRIME:
        return False
    square = (pow(key, 3, FIELD_PRIME) + key + CURVE_BETA) % FIELD_PRIME
    return pow(square, (FIELD_PRIME - 1) // 2, FIELD_PRIME) == 1


def verify(public_key: int, message_hash: int, signature: Signature) -> bool:
    """Tell whether `signature` over `message_hash` was made by the holder of `public_key`.

    Anyone can sign the message 0 for any key (r = s = the key), so it proves nothing.
    """
    if not (is_public_key(public_key) and 0 < message_hash < ELEMENT_LIMIT):
        return False
    try:
        return bool(fast_stark_crypto.verify(public_key, message_hash, signature.r, signature.s))
    except BaseException as failure:
        # The binding turns Rust panics into a BaseException whose class cannot be imported.
        if type(failure).__name__ == "PanicException":
            return False
        raise


class TokenError(Exception):
    """A bearer token that is not accepted; its text is the venue's ``message``."""


@dataclass(frozen=True, slots=True)
class TokenClaims:
    """What a good token says: the account address and its last second (unix)."""

    account: str
    expires_at_s: int


class TokenMint:
    """Issues and checks bearer tokens that live five minutes and cannot be extended.

    Clients must treat a token as opaque apart from ``exp``, so any algorithm will do: HMAC-SHA256 with a
    secret that is born and dies with the process.
    """

    ISSUER: Final = "Paradex twin"

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def issue(self, account: str, *, now_s: int) -> str:
        """Return a token for `account` that is good until `now_s` + 300."""
        claims = {"exp": now_s + TOKEN_LIFE_S, "iat": now_s, "iss": self.ISSUER, "sub": account}
        body = f"{_pack({'alg': 'HS256', 'typ': 'at+JWT'})}.{_pack(claims)}"
        return f"{body}.{self._seal(body)}"

    def check(self, token: str, *, now_s: int) -> TokenClaims:
        """Return the claims of a good token; raise TokenError with the venue's wording otherwise."""
        body, dot, seal = token.rpartition(".")
        if not dot or body.count(".") != 1 or not token.isascii():
            raise TokenError("missing or malformed jwt: token contains an invalid number of segments")
        if not hmac.compare_digest(seal, self._seal(body)):
            raise TokenError("missing or malformed jwt: signature is invalid")
        claims = json.loads(base64.urlsafe_b64decode(_padded(body.split(".")[1])))
        if now_s >= claims["exp"]:
            raise TokenError(f"missing or malformed jwt: token is expired by {now_s - claims['exp']}s")
        return TokenClaims(account=claims["sub"], expires_at_s=claims["exp"])

    def _seal(self, body: str) -> str:
        return _b64(hmac.new(self._secret, body.encode(), hashlib.sha256).digest())


def _pack(part: Mapping[str, object]) -> str:
    return _b64(json.dumps(part, separators=(",", ":")).encode())


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _padded(text: str) -> str:
    return text + "=" * (-len(text) % 4)
