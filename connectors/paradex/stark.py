"""The Stark curve in plain Python: Pedersen hash, deterministic ECDSA, verification. It signs when no faster library
is installed and checks the faster one in tests. It knows no message formats, and it is not constant-time: it must not
run where others can time it.

Curve, generator and Pedersen's constant points are public: StarkWare, "STARK Curve" and "Pedersen Hash Function"
(docs.starkware.co, StarkEx cryptography).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from functools import cache

Affine = tuple[int, int]
_Jacobian = tuple[int, int, int]
_Windows = tuple[tuple[Affine, ...], ...]

FIELD_PRIME = 2**251 + 17 * 2**192 + 1
CURVE_ORDER = 0x800000000000010FFFFFFFFFFFFFFFFB781126DCAE7B2321E66A241ADC64D2F
HASH_BOUND = 2**251  # message hashes and the r of a signature are below this

_ALPHA = 1
_BETA = 0x6F21413EFBE40DE150E596D72F7A8C5609AD26C15C915C1F4CDFCB99CEE9E89
_GENERATOR: Affine = (
    0x1EF15C18599971B7BECED415A40F0C7DEACFD9B0D1819E03D723D8BC943CFCA,
    0x5668060AA49730B7BE4801DF46EC62DE53ECD11ABE43A32873000C36E8DC1F,
)
_SHIFT: Affine = (
    0x49EE3EBA8C1600700EE1B87EB599F16716B0B1022947733551FDE4050CA6804,
    0x3CA0CFE4B3BC6DDF346D49D06EA0ED34E621062C0E056C1D0405D266E10268A,
)
# One pair of points for each input: the first takes its low 248 bits, the second its high 4 bits.
_PEDERSEN: tuple[tuple[Affine, Affine], tuple[Affine, Affine]] = (
    (
        (
            0x234287DCBAFFE7F969C748655FCA9E58FA8120B6D56EB0C1080D17957EBE47B,
            0x3B056F100F96FB21E889527D41F4E39940135DD7A6C94CC6ED0268EE89E5615,
        ),
        (
            0x4FA56F376C83DB33F9DAB2656558F3399099EC1DE5E3018B7A6932DBA8AA378,
            0x3FA0984C931C9E38113E0C0E47E4401562761F92A7A23B45168F4E80FF5B54D,
        ),
    ),
    (
        (
            0x4BA4CC166BE8DEC764910F75B45F74B40C690C74709E90F3AA372F0BD2D6997,
            0x40301CF5C1751F4B971E46C4EDE85FCAC5C59A5CE5AE7C48151F27B24B219C,
        ),
        (
            0x54302DCB0E6CC1C6E44CCA8F61A63BB2CA65048D53FB325D36FF12C49A58202,
            0x1B77B3E37D13504B348046268D8AE25CE98AD783C25561A879DCC77E99C2426,
        ),
    ),
)
_LOW_BITS = 248
_WINDOW_BITS = 4
_WINDOW_MASK = (1 << _WINDOW_BITS) - 1


def pedersen(first: int, second: int) -> int:
    """Return the Pedersen hash of two field elements; raise ValueError for one outside the field."""
    total: _Jacobian | None = (*_SHIFT, 1)
    for element, (low, high) in zip((first, second), _PEDERSEN, strict=True):
        if not 0 <= element < FIELD_PRIME:
            raise ValueError("a Pedersen input lies outside the field")
        total = _add_multiple(total, element & ((1 << _LOW_BITS) - 1), _windows(low, _LOW_BITS))
        total = _add_multiple(total, element >> _LOW_BITS, _windows(high, _WINDOW_BITS))
    return _affine(total)[0]


def public_key(private_key: int) -> int:
    """Return the x coordinate of the key's point, the form in which public keys are published."""
    _check_private_key(private_key)
    return _affine(_times_generator(private_key))[0]


def sign(private_key: int, message_hash: int) -> tuple[int, int]:
    """Return (r, s) over a message hash below 2^251, with the nonce of RFC 6979 (SHA-256, no extra entropy)."""
    _check_private_key(private_key)
    if not 0 <= message_hash < HASH_BOUND:
        raise ValueError("a message hash must be below 2^251")
    for nonce in _nonces(private_key, message_hash):
        r = _affine(_times_generator(nonce))[0]
        s = (message_hash + r * private_key) * pow(nonce, -1, CURVE_ORDER) % CURVE_ORDER
        if 0 < r < HASH_BOUND and s != 0:
            return r, s
    raise AssertionError("unreachable: nonces do not end")


def verify(key: int, message_hash: int, r: int, s: int) -> bool:
    """Tell whether (r, s) signs the hash under a public key given by its x coordinate (so either y will do).

    Out-of-range parts and keys off the curve are False. As with every ECDSA, N - s verifies as well.
    """
    if not (0 <= message_hash < HASH_BOUND and 1 <= r < HASH_BOUND and 1 <= s < CURVE_ORDER):
        return False
    if not 0 <= key < FIELD_PRIME:
        return False
    y = _square_root((pow(key, 3, FIELD_PRIME) + _ALPHA * key + _BETA) % FIELD_PRIME)
    if y is None:
        return False
    inverse = pow(s, -1, CURVE_ORDER)
    from_hash = _times_generator(message_hash * inverse % CURVE_ORDER)
    from_key = _affine(_multiply((key, y), r * inverse % CURVE_ORDER))
    mirrored = (from_key[0], -from_key[1] % FIELD_PRIME)
    sums = (_add(from_hash, from_key), _add(from_hash, mirrored))
    return any(point is not None and _affine(point)[0] == r for point in sums)


def _check_private_key(private_key: int) -> None:
    if not 1 <= private_key < CURVE_ORDER:
        raise ValueError("a private key must lie between 1 and the curve's order")


def _nonces(private_key: int, message_hash: int) -> Iterator[int]:
    """Yield RFC 6979 (section 3.2) candidates; the order has 252 bits, so four bits of each block are dropped."""
    seed = private_key.to_bytes(32, "big") + message_hash.to_bytes(32, "big")
    value, key = b"\x01" * 32, b"\x00" * 32
    for separator in (b"\x00", b"\x01"):
        key = hmac.digest(key, value + separator + seed, hashlib.sha256)
        value = hmac.digest(key, value, hashlib.sha256)
    while True:
        value = hmac.digest(key, value, hashlib.sha256)
        nonce = int.from_bytes(value, "big") >> 4
        if 1 <= nonce < CURVE_ORDER:
            yield nonce
        key = hmac.digest(key, value + b"\x00", hashlib.sha256)
        value = hmac.digest(key, value, hashlib.sha256)


def _times_generator(scalar: int) -> _Jacobian | None:
    return _add_multiple(None, scalar, _windows(_GENERATOR, 252))


@cache
def _windows(point: Affine, bits: int) -> _Windows:
    """Precompute d * 16^w * point for every digit d of every window w: a multiplication is then only additions."""
    rows = []
    base = point
    for _ in range(0, bits, _WINDOW_BITS):
        row = [base]
        for _ in range(_WINDOW_MASK - 1):
            row.append(_affine(_add((*row[-1], 1), base)))
        rows.append(tuple(row))
        base = _affine(_add((*row[-1], 1), base))
    return tuple(rows)


def _add_multiple(total: _Jacobian | None, scalar: int, windows: _Windows) -> _Jacobian | None:
    for row in windows:
        digit = scalar & _WINDOW_MASK
        if digit:
            total = _add(total, row[digit - 1])
        scalar >>= _WINDOW_BITS
    return total


def _multiply(point: Affine, scalar: int) -> _Jacobian | None:
    total: _Jacobian | None = None
    for bit in bin(scalar)[2:]:
        if total is not None:
            total = _double(total)
        if bit == "1":
            total = _add(total, point)
    return total


def _add(left: _Jacobian | None, right: Affine) -> _Jacobian | None:
    """Add an affine point to a Jacobian one; None is the point at infinity."""
    if left is None:
        return (*right, 1)
    x1, y1, z1 = left
    zz = z1 * z1 % FIELD_PRIME
    h = (right[0] * zz - x1) % FIELD_PRIME
    d = (right[1] * zz * z1 - y1) % FIELD_PRIME
    if h == 0:
        return _double(left) if d == 0 else None
    hh = h * h % FIELD_PRIME
    hhh = hh * h % FIELD_PRIME
    v = x1 * hh % FIELD_PRIME
    x3 = (d * d - hhh - 2 * v) % FIELD_PRIME
    return x3, (d * (v - x3) - y1 * hhh) % FIELD_PRIME, z1 * h % FIELD_PRIME


def _double(point: _Jacobian) -> _Jacobian | None:
    x, y, z = point
    if y == 0:
        return None
    yy = y * y % FIELD_PRIME
    s = 4 * x * yy % FIELD_PRIME
    m = (3 * x * x + _ALPHA * pow(z, 4, FIELD_PRIME)) % FIELD_PRIME
    x3 = (m * m - 2 * s) % FIELD_PRIME
    return x3, (m * (s - x3) - 8 * yy * yy) % FIELD_PRIME, 2 * y * z % FIELD_PRIME


def _affine(point: _Jacobian | None) -> Affine:
    if point is None:
        raise ValueError("the point at infinity has no coordinates")
    x, y, z = point
    inverse = pow(z, -1, FIELD_PRIME)
    squared = inverse * inverse % FIELD_PRIME
    return x * squared % FIELD_PRIME, y * squared * inverse % FIELD_PRIME


def _square_root(value: int) -> int | None:
    """Return a square root in the field by Tonelli and Shanks, None when there is none."""
    if value == 0:
        return 0
    if pow(value, (FIELD_PRIME - 1) // 2, FIELD_PRIME) != 1:
        return None
    odd, twos = (FIELD_PRIME - 1) >> 192, 192  # the prime is 1 + 2^192 * (2^59 + 17)
    factor = pow(3, odd, FIELD_PRIME)  # 3 is no square in this field
    root, rest = pow(value, (odd + 1) // 2, FIELD_PRIME), pow(value, odd, FIELD_PRIME)
    while rest != 1:
        squarings, probe = 0, rest
        while probe != 1:
            probe, squarings = probe * probe % FIELD_PRIME, squarings + 1
        step = pow(factor, 1 << (twos - squarings - 1), FIELD_PRIME)
        root, factor, twos = root * step % FIELD_PRIME, step * step % FIELD_PRIME, squarings
        rest = rest * factor % FIELD_PRIME
    return root
