"""Who may act for a Paradex account: onboarding, sign-in with a Stark signature, subkeys.

Written from docs.paradex.trade (REST API: Onboarding, Auth, Subkeys). Times here are wall-clock seconds.
Must not know HTTP routing or orders. A subkey may trade for its main account and is named by its public key.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from sandbox.dialects.paradex_auth import (
    MessageHasher,
    Signature,
    SignedTerms,
    TokenMint,
    account_address,
    canonical_hex,
    felt_of_hex,
    is_public_key,
    list_hash,
    parse_signature,
    verify,
)
from sandbox.dialects.paradex_errors import ApiError
from sandbox.exchange import Exchange

PUBLIC_KEY_ATTRIBUTE: Final = "public_key"
SUBKEYS_ATTRIBUTE: Final = "subkeys"
AUTH_PATH: Final = "/v1/auth"
DEFAULT_EXPIRATION_S: Final = 1800
LONGEST_EXPIRATION_S: Final = 7 * 24 * 3600
CLOCK_TOLERANCE_S: Final = 60
SUBKEY_PROOF_LIFE_S: Final = 600
SUBKEYS_MAX: Final = 20


@dataclass(frozen=True, slots=True)
class Subkey:
    """A trade-only key registered under a main account; revoked_ns 0 = in force."""

    number: int
    name: str
    public_key: str
    created_ns: int
    revoked_ns: int = 0

    def row(self, account: str) -> dict[str, object]:
        """Render for the list of subkeys; its times are nanoseconds."""
        return {
            "id": self.number,
            "account_id": account,
            "name": self.name,
            "public_key": self.public_key,
            "state": "revoked" if self.revoked_ns else "active",
            "created_at": self.created_ns,
            "updated_at": self.revoked_ns or self.created_ns,
            "revoked_at": self.revoked_ns,
            "allowed_cidrs": [],
        }


@dataclass(frozen=True, slots=True)
class SignIn:
    """The headers of POST /auth as received; `public_key` comes from the path when it names one."""

    account: str
    signature: str
    timestamp: str
    expiration: str
    public_key: str | None


@dataclass(frozen=True, slots=True)
class Standing:
    """The account a public key derives to."""

    address: str
    exists: bool


class KeyRing:
    """All keys of all accounts. Keys live in the engine's account attributes, spelled in canonical hex."""

    def __init__(self, exchange: Exchange, hasher: MessageHasher, mint: TokenMint) -> None:
        self._exchange = exchange
        self._hasher = hasher
        self._mint = mint

    def onboard(self, account: str, signature: str, public_key: str) -> None:
        """Register an account with its main key; saying it twice changes nothing."""
        address, key = _address(account), _key(public_key)
        known = self._main_key(address)
        if known is None and account_address(key) != felt_of_hex(address):
            raise ApiError("INVALID_STARKNET_ADDRESS", "the account is not the one of this public key")
        if known is not None and known != hex(key):
            raise ApiError("PUBLIC_KEY_INVALID", "the account was onboarded with another public key")
        digest = self._hasher.constant(felt_of_hex(address), "Onboarding")
        _require(verify(key, digest, _signature(signature)))
        if known is None:
            attributes = {PUBLIC_KEY_ATTRIBUTE: hex(key)}
            self._exchange.open_account(address, Decimal(0), attributes=attributes)

    def standing(self, public_key: str) -> Standing:
        """Tell which account a main key derives to, and whether it is open."""
        address = hex(account_address(_key(public_key)))
        try:
            self.onboarded(address)
        except ApiError:
            return Standing(address, exists=False)
        return Standing(address, exists=True)

    def sign_in(self, request: SignIn, *, now_s: int) -> str:
        """Check the signed Request and return a fresh token for the account."""
        address = self.onboarded(request.account)
        timestamp = _seconds(request.timestamp, "PARADEX-TIMESTAMP")
        expiration = timestamp + DEFAULT_EXPIRATION_S
        if request.expiration:
            expiration = _seconds(request.expiration, "PARADEX-SIGNATURE-EXPIRATION")
        _check_auth_window(timestamp, expiration, now_s)
        key = self._signing_key(address, request.public_key)
        digest = self._hasher.request(
            felt_of_hex(address), method="POST", path=AUTH_PATH, timestamp=timestamp, expiration=expiration
        )
        _require(verify(key, digest, _signature(request.signature)))
        return self._mint.issue(address, now_s=now_s)

    def onboarded(self, account: str) -> str:
        """Return the engine's name of an account that may sign in, or refuse.

        An account opened from outside may be spelled with capitals or leading zeros; the number decides.
        """
        address = _address(account)
        names = [address, *(name for name, a in self._exchange.accounts.items() if not a.is_internal)]
        found = next((name for name in names if _is_address(name, address) and self._main_key(name)), None)
        if found is None:
            raise ApiError("NOT_ONBOARDED", "the account has not been onboarded")
        return found

    def signed_order(
        self, account: str, terms: SignedTerms, signature: Signature, *, modified_id: str | None = None
    ) -> bool:
        """Tell whether any key of the account signed these order terms."""
        owner = felt_of_hex(account)
        if modified_id is None:
            digest = self._hasher.order(owner, terms)
        else:
            digest = self._hasher.modify_order(owner, terms, modified_id)
        return any(verify(key, digest, signature) for key in self._keys(account))

    def subkeys(self, account: str) -> list[Subkey]:
        """Return the subkeys of an account, revoked ones too, oldest first."""
        text = self._exchange.account(account).attributes.get(SUBKEYS_ATTRIBUTE, "[]")
        return [Subkey(**entry) for entry in json.loads(text)]

    def register_subkey(
        self,
        account: str,
        *,
        name: str,
        public_key: str,
        signature: Signature,
        timestamp: int,
        expiry: int,
        now_us: int,
    ) -> Subkey:
        """Add a subkey. The main key or the subkey itself signs [account, subkey, timestamp, expiry]."""
        key, present = _key(public_key), self.subkeys(account)
        if not timestamp <= now_us // 1_000_000 + CLOCK_TOLERANCE_S:
            raise ApiError("INVALID_TIMESTAMP", "timestamp lies in the future")
        if not (now_us // 1_000_000 < expiry <= timestamp + SUBKEY_PROOF_LIFE_S):
            raise ApiError("INVALID_SIGNATURE_EXPIRATION", "expiry must be within 10 minutes of the timestamp")
        if any(subkey.public_key == hex(key) for subkey in present) or len(present) >= SUBKEYS_MAX:
            raise ApiError("INVALID_SUBKEY", "already registered, or too many subkeys")
        digest = list_hash([felt_of_hex(account), key, timestamp, expiry])
        main = self._main_key(account)
        _require(any(verify(k, digest, signature) for k in (key, felt_of_hex(main or "0x0"))))
        subkey = Subkey(len(present) + 1, name, hex(key), now_us * 1000)
        self._write_subkeys(account, [*present, subkey])
        return subkey

    def revoke_subkey(self, account: str, public_key: str, *, now_us: int) -> None:
        """End a subkey; its orders stay."""
        wanted, present = hex(_key(public_key)), self.subkeys(account)
        if not any(subkey.public_key == wanted and not subkey.revoked_ns for subkey in present):
            raise ApiError("INVALID_SUBKEY", "no such subkey")
        self._write_subkeys(
            account,
            [
                Subkey(s.number, s.name, s.public_key, s.created_ns, now_us * 1000) if s.public_key == wanted else s
                for s in present
            ],
        )

    def _write_subkeys(self, account: str, subkeys: list[Subkey]) -> None:
        rows = [
            {
                "number": s.number,
                "name": s.name,
                "public_key": s.public_key,
                "created_ns": s.created_ns,
                "revoked_ns": s.revoked_ns,
            }
            for s in subkeys
        ]
        self._exchange.account(account).attributes[SUBKEYS_ATTRIBUTE] = json.dumps(rows)

    def _main_key(self, address: str) -> str | None:
        account = self._exchange.accounts.get(address)
        if account is None or account.is_internal:
            return None
        spelled = account.attributes.get(PUBLIC_KEY_ATTRIBUTE)
        return None if spelled is None else canonical_hex(spelled)

    def _keys(self, address: str) -> list[int]:
        keys = [felt_of_hex(s.public_key) for s in self.subkeys(address) if not s.revoked_ns]
        main = self._main_key(address)
        return keys if main is None else [felt_of_hex(main), *keys]

    def _signing_key(self, address: str, public_key: str | None) -> int:
        keys = self._keys(address)
        if public_key is None:
            return keys[0]
        key = _key(public_key)
        if key not in keys:
            raise ApiError("INVALID_SUBKEY", "the public key does not belong to the account")
        return key


def _check_auth_window(timestamp: int, expiration: int, now_s: int) -> None:
    if timestamp > now_s + CLOCK_TOLERANCE_S:
        raise ApiError("INVALID_TIMESTAMP", "PARADEX-TIMESTAMP lies in the future")
    if not timestamp < expiration <= timestamp + LONGEST_EXPIRATION_S:
        raise ApiError("INVALID_SIGNATURE_EXPIRATION", "expiration must be at most one week after timestamp")
    if expiration <= now_s:
        raise ApiError("INVALID_SIGNATURE_EXPIRATION", "the signature has expired")


def _address(text: str) -> str:
    try:
        return canonical_hex(text)
    except ValueError:
        raise ApiError("INVALID_STARKNET_ADDRESS", "PARADEX-STARKNET-ACCOUNT must be a 0x address") from None


def _is_address(name: str, address: str) -> bool:
    try:
        return canonical_hex(name) == address
    except ValueError:
        return False


def _key(text: str) -> int:
    try:
        key = felt_of_hex(text)
    except ValueError:
        raise ApiError("PUBLIC_KEY_INVALID", "public key must be 0x and hexadecimal digits") from None
    if not is_public_key(key):
        raise ApiError("PUBLIC_KEY_INVALID", "not a key of the Stark curve")
    return key


def _signature(text: str) -> Signature:
    try:
        return parse_signature(text)
    except ValueError as problem:
        raise ApiError("INVALID_STARKNET_SIGNATURE", str(problem)) from None


def _seconds(text: str, header: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise ApiError("INVALID_TIMESTAMP", f"{header} must be unix seconds")
    return int(text)


def _require(is_good: bool) -> None:
    if not is_good:
        raise ApiError("STARKNET_SIGNATURE_VERIFICATION_FAILED", "the signature does not match the account's key")
