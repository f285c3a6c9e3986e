"""Orders built and signed per second in one thread, for each venue, beside ccxt for the same orders in the same run.

    python -m benchmarks.signing [--orders 100] [--slices 5] [--without-ccxt]

Every signature, ccxt's too, is checked by the code that checks signatures in the local venue twins. ccxt is put into
an environment of its own under build/benchmarks; where that fails, the table says so and has our figures only.
Keys are made from a seed and belong to nobody. Exits with 1 when one of our signatures does not verify.
"""

from __future__ import annotations

import argparse
import base64
import json
import random
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import base58
from nacl.signing import SigningKey

from benchmarks.machine import machine, table
from connectors.backpack import build as backpack_build
from connectors.backpack.auth import Signer as BackpackSigner
from connectors.backpack.client_ids import uint32_of
from connectors.pacifica import auth as pacifica_auth
from connectors.pacifica import build as pacifica_build
from connectors.paradex import build as paradex_build
from connectors.paradex.auth import PlainCurve, StarkCurve, StarkKey, best_curve
from connectors.paradex.auth import Signer as ParadexSigner
from connectors.settings import BackpackKeys, PacificaKeys, ParadexKeys
from core.instrument import Market, Venue
from core.order import OrderIntent, OrderType, Side, TimeInForce
from sandbox.dialects import backpack_auth, paradex_auth
from sandbox.dialects import pacifica_auth as pacifica_check
from sandbox.dialects.pacifica_errors import ApiError

CCXT_VERSION = "4.5.90"
CCXT_FOLDER = Path("build/benchmarks/ccxt-venv")
INSTALL_S_MAX, PEER_S_MAX = 300, 120
CHAIN = "PRIVATE_SN_POTC_SEPOLIA"
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
NOW_MS = int(NOW.timestamp()) * 1000
SEED = bytes(range(1, 33))
STARK_KEY, STARK_ACCOUNT = 0x3A1F0E5C9B7D42, 0x4638E3041366AA71720BE63E32E53E12
SLOW_ORDERS_MAX = 20  # of one slice, for signers that need many ms an order

Signed = dict[str, object]  # body: text as sent, headers: where the signature stands in them


@dataclass(frozen=True, slots=True)
class Cost:
    """One slice: seconds in all and of these for the signature, and what was signed."""

    orders: int
    total_s: float
    signature_s: float
    requests: list[Signed]
    verified: int = 0


@dataclass(frozen=True, slots=True)
class Contender:
    """A connector's own code: build, sign, write; each call returns the request and the seconds of the signature."""

    name: str
    venue: Venue
    make: Callable[[OrderIntent], tuple[Signed, float]]
    is_slow: bool = False


def main() -> int:
    """Measure, verify, print."""
    options = _options()
    slices = [_intents(number, options.orders) for number in range(options.slices)]
    problem = "left out on request" if options.without_ccxt else install_ccxt()
    rows, unverified = [], 0
    for venue in Venue:
        peer = None if problem else _peer_cost(venue, [part[:SLOW_ORDERS_MAX] for part in slices])
        for contender in (one for one in _contenders() if one.venue is venue):
            costs = [_measure(contender, part[:SLOW_ORDERS_MAX] if contender.is_slow else part) for part in slices]
            unverified += sum(cost.orders - cost.verified for cost in costs)
            rows.append(_row(contender.name, costs, peer))
        if peer:
            rows.append(_row(f"ccxt {venue}", peer, None))
    print(f"{machine()}; one thread, median of {options.slices} slices of {options.orders} orders")
    print(f"(at most {SLOW_ORDERS_MAX} a slice for plain Python and ccxt)")
    print(f"ccxt {CCXT_VERSION}: {problem or 'same orders, same run'}\n")
    print(table(("signer", "orders/s", "build us", "signature us", "times ccxt", "verified"), rows))
    return 1 if unverified else 0


def _contenders() -> list[Contender]:
    return [
        Contender("pacifica", Venue.PACIFICA, _pacifica()),
        Contender("paradex, wheel", Venue.PARADEX, _paradex(best_curve()), is_slow=not best_curve().is_fast),
        Contender("paradex, plain Python", Venue.PARADEX, _paradex(PlainCurve()), is_slow=True),
        Contender("backpack", Venue.BACKPACK, _backpack()),
    ]


def _pacifica() -> Callable[[OrderIntent], tuple[Signed, float]]:
    keys = PacificaKeys(account=_address(), secret_key=base58.b58encode(SEED).decode())
    signer, market = pacifica_auth.Signer(keys), _market(Venue.PACIFICA, "ETH")

    def make(intent: OrderIntent) -> tuple[Signed, float]:
        command = pacifica_build.create_order(intent, market)
        began = time.perf_counter()
        body = signer.signed_body(command.operation, command.payload, timestamp_ms=NOW_MS, expiry_window_ms=5_000)
        signature_s = time.perf_counter() - began
        return {"body": pacifica_auth.encode_body(body).decode(), "headers": None}, signature_s

    return make


def _paradex(curve: StarkCurve) -> Callable[[OrderIntent], tuple[Signed, float]]:
    key = StarkKey.of(ParadexKeys(account=hex(STARK_ACCOUNT), private_key=hex(STARK_KEY)))
    signer, market = ParadexSigner(key, CHAIN, curve), _market(Venue.PARADEX, "ETH-USD-PERP")

    def make(intent: OrderIntent) -> tuple[Signed, float]:
        fields = paradex_build.order_fields(intent, market, NOW_MS)
        began = time.perf_counter()
        signature = signer.sign_order(fields)
        signature_s = time.perf_counter() - began
        return {
            "body": paradex_build.order_body(intent, fields, signature, 5_000).decode(),
            "headers": None,
        }, signature_s

    return make


def _backpack() -> Callable[[OrderIntent], tuple[Signed, float]]:
    secret = base64.b64encode(SEED).decode()
    signer = BackpackSigner(BackpackKeys(api_key=_api_key(), api_secret=secret))
    market = _market(Venue.BACKPACK, "ETH_USDC_PERP")

    def make(intent: OrderIntent) -> tuple[Signed, float]:
        request = backpack_build.place_order(intent, market, uint32_of(intent.client_order_id))
        began = time.perf_counter()
        headers = signer.headers(request.instruction, (request.params,), timestamp_ms=NOW_MS)
        signature_s = time.perf_counter() - began
        return {"body": request.body().decode(), "headers": headers}, signature_s

    return make


def _measure(contender: Contender, intents: list[OrderIntent]) -> Cost:
    contender.make(intents[0])
    began = time.perf_counter()
    made = [contender.make(intent) for intent in intents]
    total_s = time.perf_counter() - began
    cost = Cost(len(made), total_s, sum(seconds for _, seconds in made), [request for request, _ in made])
    return _verified(contender.venue, intents, cost)


def _verified(venue: Venue, intents: list[OrderIntent], cost: Cost) -> Cost:
    """Count the requests that are signed by the key, and over the very order that was wanted."""
    check = {Venue.PACIFICA: _check_pacifica, Venue.PARADEX: _check_paradex, Venue.BACKPACK: _check_backpack}[venue]
    good = 0
    for intent, request in zip(intents, cost.requests, strict=True):
        body = json.loads(str(request["body"]))
        size = body.get("amount") or body.get("size") or body.get("quantity")
        is_wanted = (Decimal(body["price"]), Decimal(size)) == (intent.price, intent.quantity)
        good += is_wanted and check(body, request["headers"])
    return replace(cost, verified=good)


def _check_pacifica(body: dict[str, object], _headers: object) -> bool:
    header = pacifica_check.Header(
        str(body["account"]), str(body["signature"]), int(str(body["timestamp"])), int(str(body["expiry_window"])), None
    )
    fields = pacifica_check.signed_fields("create_order", body)
    try:
        pacifica_check.verify("create_order", header, fields, now_ms=header.timestamp, is_agent=lambda _a, _b: False)
    except ApiError:
        return False
    return header.account == _address()


def _check_paradex(body: dict[str, object], _headers: object) -> bool:
    terms = paradex_auth.SignedTerms(
        timestamp=int(str(body["signature_timestamp"])),
        market=paradex_auth.short_string(str(body["market"])),
        side=1 if body["side"] == "BUY" else 2,
        order_type=paradex_auth.short_string(str(body["type"])),
        size=int(Decimal(str(body["size"])) * 10**8),
        price=int(Decimal(str(body["price"])) * 10**8),
    )
    message = paradex_auth.MessageHasher(CHAIN).order(STARK_ACCOUNT, terms)
    return paradex_auth.verify(_stark_public(), message, paradex_auth.parse_signature(body["signature"]))


def _check_backpack(body: dict[str, backpack_auth.SignedValue], headers: object) -> bool:
    assert isinstance(headers, dict)
    credentials = backpack_auth.read_headers({name.lower(): value for name, value in headers.items()})
    text = backpack_auth.signing_text("orderExecute", [body], credentials.timestamp, credentials.window)
    return credentials.api_key == _api_key() and backpack_auth.is_signed_by_key(credentials, text)


def install_ccxt() -> str | None:
    """Put ccxt into its own environment unless it is there; return what went wrong, None when nothing did."""
    python = CCXT_FOLDER / "bin" / "python"
    probe = [str(python), "-c", f"import ccxt, sys; sys.exit(ccxt.__version__ != '{CCXT_VERSION}')"]
    pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", f"ccxt=={CCXT_VERSION}"]
    try:
        if python.exists() and subprocess.run(probe, check=False, capture_output=True, timeout=60).returncode == 0:
            return None
        for command in ([sys.executable, "-m", "venv", str(CCXT_FOLDER)], pip, probe):
            subprocess.run(command, check=True, capture_output=True, timeout=INSTALL_S_MAX)
    except (OSError, subprocess.SubprocessError) as failure:
        return f"could not be installed ({type(failure).__name__}), no comparison"
    return None


def _peer_cost(venue: Venue, slices: list[list[OrderIntent]]) -> list[Cost]:
    secrets = {
        Venue.PACIFICA: {"account": _address(), "secret": base58.b58encode(SEED).decode()},
        Venue.PARADEX: {"account": hex(STARK_ACCOUNT), "secret": hex(STARK_KEY), "public": hex(_stark_public())},
        Venue.BACKPACK: {"account": _api_key(), "secret": base64.b64encode(SEED).decode()},
    }[venue]
    orders = [[_plain(intent) for intent in part] for part in slices]
    job = {"venue": str(venue), "chain": CHAIN, "slices": orders, **secrets}
    command = [str(CCXT_FOLDER / "bin" / "python"), str(Path(__file__).with_name("ccxt_peer.py"))]
    done = subprocess.run(
        command, input=json.dumps(job), text=True, capture_output=True, timeout=PEER_S_MAX, check=False
    )
    if done.returncode:
        raise SystemExit(f"ccxt failed on {venue}: {done.stderr.strip().splitlines()[-1]}")
    answer = json.loads(done.stdout)
    assert answer["version"] == CCXT_VERSION
    costs = [Cost(len(s["requests"]), s["total_s"], s["signature_s"], s["requests"]) for s in answer["slices"]]
    return [_verified(venue, part, cost) for part, cost in zip(slices, costs, strict=True)]


def _plain(intent: OrderIntent) -> dict[str, object]:
    return {
        "id": intent.client_order_id,
        "number": uint32_of(intent.client_order_id),
        "side": str(intent.side),
        "quantity": float(intent.quantity),
        "price": float(intent.price),
    }


def _row(name: str, costs: list[Cost], peer: list[Cost] | None) -> tuple[str, ...]:
    rate = statistics.median(cost.orders / cost.total_s for cost in costs)
    sign_us = statistics.median(1e6 * cost.signature_s / cost.orders for cost in costs)
    build_us = statistics.median(1e6 * (cost.total_s - cost.signature_s) / cost.orders for cost in costs)
    ratio = "" if peer is None else f"{rate / statistics.median(cost.orders / cost.total_s for cost in peer):,.1f}"
    return (
        name,
        f"{rate:,.0f}",
        f"{build_us:,.0f}",
        f"{sign_us:,.0f}",
        ratio,
        f"{sum(cost.verified for cost in costs)}/{sum(cost.orders for cost in costs)}",
    )


def _intents(seed: int, count: int) -> list[OrderIntent]:
    rng = random.Random(seed)
    return [
        OrderIntent(
            client_order_id=str(uuid.UUID(int=rng.getrandbits(128), version=4)),
            session_id="s", pair_id="p", account_id="a", venue=Venue.PARADEX, symbol="ETH/USD",
            side=rng.choice((Side.BUY, Side.SELL)), type=OrderType.LIMIT, time_in_force=TimeInForce.IOC,
            quantity=Decimal(rng.randint(10, 9999)).scaleb(-3), price=Decimal(rng.randint(29_000, 31_000)).scaleb(-1),
            reference_price=Decimal(3000), reduce_only=False,
            created_at=NOW, valid_until=NOW + timedelta(seconds=5),
        )
        for _ in range(count)
    ]  # fmt: skip


def _market(venue: Venue, venue_symbol: str) -> Market:
    return Market(
        venue=venue, symbol="ETH/USD", venue_symbol=venue_symbol, base="ETH", quote="USD",
        tick=Decimal("0.1"), lot=Decimal("0.001"), min_quantity=Decimal("0.001"), min_notional=Decimal(10),
        max_quantity=None, max_notional=None, initial_margin=Decimal("0.02"), maintenance_margin=Decimal("0.01"),
        maker_fee=Decimal(0), taker_fee=Decimal(0), funding_interval_s=3600,
    )  # fmt: skip


def _address() -> str:
    return base58.b58encode(bytes(SigningKey(SEED).verify_key)).decode()


def _api_key() -> str:
    return base64.b64encode(bytes(SigningKey(SEED).verify_key)).decode()


def _stark_public() -> int:
    return StarkKey.of(ParadexKeys(account=hex(STARK_ACCOUNT), private_key=hex(STARK_KEY))).public_key


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=100, help="orders of one slice")
    parser.add_argument("--slices", type=int, default=5, help="slices; the table has medians")
    parser.add_argument("--without-ccxt", action="store_true", help="do not install or run ccxt")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
