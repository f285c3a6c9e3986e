"""Paradex's public REST paths: system, markets, books, trades, funding, onboarding and sign-in.

Written from docs.paradex.trade (REST API: System, Markets, Auth). Must not touch orders or positions.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Final

from starlette.responses import Response
from starlette.routing import Route

from sandbox.candles import MINUTE_US, CandlePrice
from sandbox.dialects import paradex_bodies as bodies
from sandbox.dialects import paradex_market_rows as market_rows
from sandbox.dialects import paradex_rows as rows
from sandbox.dialects.paradex_auth import ACCOUNT_HASH, ACCOUNT_PROXY_HASH
from sandbox.dialects.paradex_door import Call, Door, Entry, page
from sandbox.dialects.paradex_errors import ApiError, json_response
from sandbox.dialects.paradex_keys import KeyRing, SignIn
from sandbox.dialects.paradex_views import VenueLog, Views
from sandbox.model import VenueMode

DEPTH_DEFAULT: Final = 20
DEPTH_MAX: Final = 1_000
TRADES_PAGE_MAX: Final = 1_000
TRADES_KEPT: Final = 10_000
_ETHEREUM_ADDRESS: Final = re.compile(r"0x[0-9a-fA-F]{40}")
L1_SEPOLIA: Final = "11155111"
RESOLUTIONS: Final = frozenset({"1", "3", "5", "15", "30", "60"})
PRICE_KINDS: Final = {"last": CandlePrice.LAST, "mark": CandlePrice.MARK, "underlying": CandlePrice.INDEX}
STATE_WORDS: Final = {
    VenueMode.OPEN: "ok",
    VenueMode.LIMIT_ONLY: "ok",
    VenueMode.POST_ONLY: "post_only",
    VenueMode.CANCEL_ONLY: "cancel_only",
    VenueMode.MAINTENANCE: "maintenance",
}


class PublicPaths:
    """Handlers that need no token."""

    def __init__(self, views: Views, log: VenueLog, keys: KeyRing, chain_id: str) -> None:
        self._views = views
        self._log = log
        self._keys = keys
        self._chain_id = chain_id

    def routes(self, door: Door) -> list[Route]:
        """Return the routes, most specific first."""
        public = {
            "/v1/system/config": self.config,
            "/v1/system/state": self.state,
            "/v1/system/volume-tiers": self.volume_tiers,
            "/v1/system/time": self.time,
            "/v1/markets": self.markets,
            "/v1/markets/summary": self.summary,
            "/v1/markets/klines": self.klines,
            "/v1/orderbook/{market}": self.book,
            "/v1/orderbook/{market}/interactive": self.book,
            "/v1/bbo/{market}": self.bbo,
            "/v1/bbo/{market}/interactive": self.bbo,
            "/v1/trades": self.trades,
            "/v1/funding/data": self.funding,
        }
        found = [Route(path, door.public(handler), methods=["GET"]) for path, handler in public.items()]
        return [
            *found,
            Route("/v1/onboarding", door.public(self.standing), methods=["GET"]),
            Route("/v1/onboarding", door.auth(self.onboard), methods=["POST"]),
            Route("/v1/auth", door.auth(self.sign_in), methods=["POST"]),
            Route("/v1/auth/{public_key}", door.auth(self.sign_in), methods=["POST"]),
        ]

    def config(self, _call: Call) -> Response:
        """Answer the constants that signing needs."""
        token = {
            "name": "USD Coin",
            "symbol": rows.COLLATERAL,
            "decimals": 6,
            "l1_token_address": "0x29A873159D5e14AcBd63913D4A7E2df04570c666",
            "l1_bridge_address": "0x8586e05adc0C35aa11609023d4Ae6075Cb813b4C",
            "l2_token_address": rows.COLLATERAL_ADDRESS,
            "l2_bridge_address": "0x46e9237f5408b5f899e72125dd69bd55485a287aaf24663d3ebe00d237fc7ef",
        }
        return json_response(
            {
                "starknet_gateway_url": "",
                "starknet_fullnode_rpc_url": "",
                "starknet_chain_id": self._chain_id,
                "block_explorer_url": "",
                "paraclear_address": "0x286003f7c7bfc3f94e8f0af48b48302e7aee2fb13c23b141479ba00832ef2c6",
                "paraclear_decimals": 8,
                "paraclear_account_proxy_hash": hex(ACCOUNT_PROXY_HASH),
                "paraclear_account_hash": hex(ACCOUNT_HASH),
                "oracle_address": "0x2c6a867917ef858d6b193a0ff9e62b46d0dc760366920d631715d58baeaca1f",
                "bridged_tokens": [token],
                "l1_core_contract_address": "0xc5Bc7CFFEF6F7b2D30C1eCd85Ad5fbC5fB1c8Cb2",
                "l1_operator_address": "0x63e762538C70442a0D3Ea5E9B1Be2C4Cf8CE2A6C",
                "l1_chain_id": L1_SEPOLIA,
                "liquidation_fee": rows.text(self._views.exchange.rules.liquidation_fee),
            }
        )

    def time(self, _call: Call) -> Response:
        """Answer the clock that signature windows are judged by."""
        return json_response({"server_time": str(self._views.world.wall_us(rows.VENUE) // 1000)})

    def state(self, _call: Call) -> Response:
        """Answer what the venue takes now."""
        return json_response({"status": STATE_WORDS[self._views.exchange.mode()]})

    def volume_tiers(self, _call: Call) -> Response:
        """Answer the fee tiers of both profiles; this twin keeps everybody in the first."""
        spec = next(iter(self._views.exchange.markets.values()))
        rates = {"maker": rows.text(spec.maker_fee), "taker": rows.text(spec.taker_fee)}
        tiers = [rows.volume_tier_row("pro", rates), rows.volume_tier_row("retail", {"maker": "0", "taker": "0"})]
        return json_response({"results": tiers})

    def markets(self, call: Call) -> Response:
        """Answer the market rules."""
        exchange = self._views.exchange
        symbol = call.query.get("market")
        specs = [self._views.market(symbol)] if symbol else list(exchange.markets.values())
        return json_response({"results": [market_rows.market_row(spec, exchange.rules) for spec in specs]})

    def summary(self, call: Call) -> Response:
        """Answer prices of one market or ALL."""
        symbol = call.required("market")
        all_specs = list(self._views.exchange.markets.values())
        specs = all_specs if symbol == "ALL" else [self._views.market(symbol)]
        return json_response({"results": [self._views.summary(spec) for spec in specs]})

    def klines(self, call: Call) -> Response:
        """Answer candles as [start, open, high, low, close, volume], numbers, oldest first, both ends included.

        Only last prices have a volume; a span without a trade is absent.
        """
        spec = self._views.market(call.required("symbol"))
        resolution, kind = call.required("resolution"), call.query.get("price_kind") or "last"
        if resolution not in RESOLUTIONS or kind not in PRICE_KINDS:
            raise ApiError("VALIDATION_ERROR", "resolution must be 1, 3, 5, 15, 30 or 60, price_kind one of three")
        call.required("start_at"), call.required("end_at")
        candles = self._views.exchange.candles(
            spec.instrument,
            int(resolution) * MINUTE_US,
            by=PRICE_KINDS[kind],
            since_us=call.integer("start_at", 0) * 1000,
            until_us=call.integer("end_at", 0) * 1000,
        )
        return json_response({"results": [market_rows.candle_row(candle) for candle in candles]})

    def book(self, call: Call) -> Response:
        """Answer the book, best prices first."""
        spec = self._views.market(call.path["market"])
        price_tick = call.query.get("price_tick")
        if price_tick and bodies.quantity("price_tick", price_tick) != spec.tick:
            raise ApiError("VALIDATION_ERROR", "this twin groups books by the market's own tick only")
        depth = call.integer("depth", DEPTH_DEFAULT, least=1, most=DEPTH_MAX)
        return json_response(market_rows.book_row(spec, self._views.exchange.book(spec.instrument, depth), depth))

    def bbo(self, call: Call) -> Response:
        """Answer the best prices."""
        return json_response(self._views.bbo(self._views.market(call.path["market"])))

    def trades(self, call: Call) -> Response:
        """Answer public trades, newest first."""
        spec = self._views.market(call.required("market"))
        entries = [
            Entry(trade.time_us, trade.id, partial(market_rows.trade_row, spec, trade, ids=self._views.ids))
            for trade in self._views.exchange.trades(spec.instrument, TRADES_KEPT)
        ]
        return json_response(page(entries, call, size_max=TRADES_PAGE_MAX))

    def funding(self, call: Call) -> Response:
        """Answer observations of the funding index, newest first."""
        spec = self._views.market(call.required("market"))
        entries = [Entry(time_us, time_us, partial(dict, row)) for time_us, row in self._log.funding[spec.instrument]]
        return json_response(page(entries, call))

    def standing(self, call: Call) -> Response:
        """Answer which account a key derives to and whether it is open; Ethereum signers are not offered here."""
        kind = call.required("account_signer_type")
        if kind != "starknet":
            raise ApiError("INVALID_REQUEST_PARAMETER", "account_signer_type must be starknet at this twin")
        standing = self._keys.standing(call.required("public_key"))
        return json_response(
            {
                "address": standing.address,
                "exists": standing.exists,
                "account_signer_type": kind,
                "derivation_info": {"class_hash": hex(ACCOUNT_HASH), "proxy_class_hash": hex(ACCOUNT_PROXY_HASH)},
            }
        )

    def onboard(self, call: Call) -> Response:
        """Register an account with its main key; the answer is empty."""
        if _ETHEREUM_ADDRESS.fullmatch(_header(call, "paradex-ethereum-account")) is None:
            raise ApiError("INVALID_REQUEST_PARAMETER", "PARADEX-ETHEREUM-ACCOUNT must be a 0x address of 20 bytes")
        body = bodies.read(bodies.OnboardingBody, bodies.decode(call.body))
        self._keys.onboard(
            _header(call, "paradex-starknet-account"),
            _header(call, "paradex-starknet-signature"),
            body.public_key,
        )
        return Response(status_code=200)

    def sign_in(self, call: Call) -> Response:
        """Exchange a signed Request for a token."""
        if call.query.get("token_usage"):
            raise ApiError("INVALID_REQUEST_PARAMETER", "interactive tokens are not offered by this twin")
        token = self._keys.sign_in(
            SignIn(
                account=_header(call, "paradex-starknet-account"),
                signature=_header(call, "paradex-starknet-signature"),
                timestamp=_header(call, "paradex-timestamp"),
                expiration=call.headers.get("paradex-signature-expiration", ""),
                public_key=call.path.get("public_key"),
            ),
            now_s=self._views.world.wall_us(rows.VENUE) // 1_000_000,
        )
        return json_response({"jwt_token": token})


def _header(call: Call, name: str) -> str:
    value = call.headers.get(name, "")
    if not value:
        raise ApiError("INVALID_REQUEST_PARAMETER", f"header {name.upper()} is required")
    return value
