"""Paradex by REST as this account: budgets, token, clock, signing, pages. It sends and reads; it knows no orders' fate.

docs.paradex.trade: "Rate limits", "API authentication".
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx

from connectors.budgets import HERE, budgets_of
from connectors.clock import ClockOffset, measure
from connectors.http import Answer, HttpVenue
from connectors.paradex import build, outcomes, parse
from connectors.paradex.auth import OrderFields, Signer, StarkCurve, StarkKey, derived_address
from connectors.paradex.tokens import TokenKeeper
from connectors.paradex.wire import (
    OnboardingBody,
    Shape,
    SystemConfig,
    SystemTime,
    TokenBody,
    page,
    read_json,
    shaped,
    violation,
)
from connectors.ratelimit import JointBudget, retry_after_s
from connectors.settings import Endpoints, Outside, Timeouts
from connectors.venue import NotSent, Unknown
from core.account import RequestQuota
from core.credits import Terms
from core.errors import AuthenticationFailed, ProtocolViolation, VenueError, VenueRejected, VenueUnreachable
from core.instrument import Venue
from core.order import OrderIntent

log = logging.getLogger(__name__)

PAGES_MAX = 200

# docs.paradex.trade, "Rate limits", in any minute: 1500 public requests and 1500 private ones of all accounts per
# address, 600 for tokens per address, 600 private reads per account. Orders have 17 250 per account, which the address'
# 1500 never let happen. Each budget's burst and a minute's refill stay within.
ADDRESS_PUBLIC = Terms(capacity=300, per_s=20)
ADDRESS_PRIVATE = Terms(capacity=300, per_s=20, reserve=50)
ADDRESS_AUTH = Terms(capacity=60, per_s=9)
ACCOUNT_READS = Terms(capacity=120, per_s=8)
CLOCK_RESOLUTION = timedelta(milliseconds=1)  # the venue tells its time in whole milliseconds, cut off
PUBLIC, READS, ORDERS = "public, by address", "private reads, by account", "order commands, by account"


class ParadexRest:
    """REST of one account: every private request carries the one current token."""

    def __init__(
        self,
        account_id: str,
        key: StarkKey,
        endpoints: Endpoints,
        outside: Outside,
        timeouts: Timeouts,
        *,
        curve: StarkCurve,
        transport: httpx.AsyncBaseTransport | None,
    ) -> None:
        """Prepare without connecting."""
        self._account_id = account_id
        self._key = key
        self._rest_url = endpoints.rest_url
        self._outside = outside
        self._curve = curve
        self._http = HttpVenue(
            Venue.PARADEX, endpoints.rest_url, outside=outside, timeouts=timeouts, transport=transport
        )
        budgets, url = budgets_of(outside), endpoints.rest_url
        address = budgets.bucket(Venue.PARADEX, url, "address-private", HERE, ADDRESS_PRIVATE)
        account = budgets.bucket(Venue.PARADEX, url, "account-reads", key.account_text, ACCOUNT_READS)
        self._commands = JointBudget(address)
        self._private_reads = JointBudget(account, address)
        self._public_reads = JointBudget(budgets.bucket(Venue.PARADEX, url, "address-public", HERE, ADDRESS_PUBLIC))
        self._auth = JointBudget(budgets.bucket(Venue.PARADEX, url, "address-auth", HERE, ADDRESS_AUTH))
        self.tokens = TokenKeeper(self._fetch_token, outside)
        self._signer: Signer | None = None
        self.clock_offset: ClockOffset | None = None
        self.is_main_key: bool | None = None
        self.quotas: dict[str, RequestQuota] = {}
        self._last_timestamp_ms = 0
        self._renewing: asyncio.Task[None] | None = None

    # --- life ----------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Learn chain and clock, get a token, and keep it fresh from here on; harmless when done again.

        Raises ProtocolViolation when the chain is not this host's, AuthenticationFailed when no token is given.
        """
        await self.prepare()
        if self.is_main_key:
            log.warning(
                "venue=paradex account=%s is signed for with its main key, which can withdraw: use a subkey",
                self._account_id,
            )
        await self.tokens.current()
        if self._renewing is None:
            self._renewing = asyncio.create_task(self.tokens.keep_fresh(), name="paradex-token-renewal")

    async def prepare(self) -> None:
        """Learn the chain and whose key this is, so that messages can be signed; needs no token.

        Raises ProtocolViolation when the chain is not this host's.
        """
        config = await self.fetch(SystemConfig, "/v1/system/config", "system config", public=True)
        chain_id = parse.check_system(config, self._rest_url)
        self._signer = await asyncio.to_thread(Signer, self._key, chain_id, self._curve)
        self.is_main_key = self._derives_to_the_account(config)

    async def aclose(self) -> None:
        """End the renewal, forget the token, close the connections; safe to call twice."""
        if self._renewing is not None:
            self._renewing.cancel()
            await asyncio.gather(self._renewing, return_exceptions=True)
        await self.tokens.aclose()
        await self._http.aclose()

    async def server_time(self) -> datetime:
        """Read the venue's clock."""
        body = await self.fetch(SystemTime, "/v1/system/time", "system time", public=True)
        return parse.moment(body.server_time)

    async def measure_clock(self) -> ClockOffset:
        """Measure how far the venue's clock is from ours; from here on signatures follow it."""
        self.clock_offset = await measure(self.server_time, self._outside.clock, resolution=CLOCK_RESOLUTION)
        return self.clock_offset

    def venue_now(self) -> datetime:
        """The venue's time, by its bound's earlier end: never ahead, so that no timestamp lies in its future.

        A window that begins there also ends no later than it should.
        """
        if self.clock_offset is None:
            return self._outside.clock()
        return self.clock_offset.venue_time(self._outside.clock()) - self.clock_offset.error

    def _derives_to_the_account(self, config: SystemConfig) -> bool | None:
        """Tell whether the key is the account's main one; None where the venue names no class hashes."""
        if not config.paraclear_account_hash or not config.paraclear_account_proxy_hash:
            return None
        derived = derived_address(
            self._curve,
            self._key.public_key,
            proxy_class=parse.address(config.paraclear_account_proxy_hash),
            account_class=parse.address(config.paraclear_account_hash),
        )
        return derived == self._key.account

    # --- commands ------------------------------------------------------------------------------------------------

    async def permit(self, *intents: OrderIntent) -> str:
        """Wait for a place in the order budget and return the token to send with. Raises VenueError kinds.

        Repairs and orders that only reduce may use all of the reserve, other orders a part of it, settings nothing.
        """
        is_urgent = bool(intents) and all(intent.is_urgent for intent in intents)
        await self._commands.take(urgent=is_urgent, order=bool(intents))
        return await self.tokens.current()

    async def send(self, method: str, path: str, content: bytes, token: str) -> Answer | NotSent | Unknown:
        """Send one command exactly once. When the token was refused, have a new one ready for the next."""
        answer = await self._http.command(method, path, content=content, headers=_json_bearer(token))
        if isinstance(answer, Answer):
            self._obey(answer, self._commands, ORDERS)
            if answer.status == 401:
                await self._replace_token(token)
        return answer

    async def delete(self, path: str, content: bytes = b"") -> Answer | NotSent | Unknown:
        """Send a cancel. A refused token proves that it was not taken, so it goes once more with a new one."""
        heads = _json_bearer if content else _bearer
        try:
            await self._commands.take(urgent=True)
            token = await self.tokens.current()
            answer = await self._http.command("DELETE", path, content=content, headers=heads(token))
            if isinstance(answer, Answer) and answer.status == 401:
                token = await self.tokens.renewed(token)
                await self._commands.take(urgent=True)
                answer = await self._http.command("DELETE", path, content=content, headers=heads(token))
        except VenueError as failure:
            return NotSent(failure.message)
        if isinstance(answer, Answer):
            self._obey(answer, self._commands, ORDERS)
        return answer

    async def sign(self, fields: OrderFields) -> str:
        """Sign an order; in a thread where the curve library is slow enough to hold up the loop."""
        signer = self._require_signer()
        if self._curve.is_fast:
            return signer.sign_order(fields)
        return await asyncio.to_thread(signer.sign_order, fields)

    async def sign_modification(self, fields: OrderFields, venue_order_id: str) -> str:
        """Sign an order's change; in a thread where the curve library is slow."""
        signer = self._require_signer()
        if self._curve.is_fast:
            return signer.sign_modification(fields, venue_order_id)
        return await asyncio.to_thread(signer.sign_modification, fields, venue_order_id)

    def next_timestamp_ms(self) -> int:
        """The venue's time in ms, strictly increasing: no two orders share a signed timestamp."""
        now_ms = build.millis(self.venue_now())
        self._last_timestamp_ms = max(now_ms, self._last_timestamp_ms + 1)
        return self._last_timestamp_ms

    # --- reads ---------------------------------------------------------------------------------------------------

    async def read(self, path: str, params: Mapping[str, str] | None = None, *, public: bool = False) -> Answer:
        """GET; a private read refused with 401 is asked once more with a new token."""
        bucket = self._public_reads if public else self._private_reads
        await bucket.take()
        if public:
            answer = await self._http.read(path, params=params)
        else:
            token = await self.tokens.current()
            answer = await self._http.read(path, params=params, headers=lambda: _bearer(token))
            if answer.status == 401:
                renewed = await self.tokens.renewed(token)
                await bucket.take()
                answer = await self._http.read(path, params=params, headers=lambda: _bearer(renewed))
        self._obey(answer, bucket, PUBLIC if public else READS)
        return answer

    async def fetch(
        self, shape: type[Shape], path: str, what: str, params: Mapping[str, str] | None = None, *, public: bool = False
    ) -> Shape:
        body = outcomes.require_ok(await self.read(path, params, public=public), what)
        return shaped(shape, read_json(body, what), what)

    async def results(
        self, path: str, what: str, params: Mapping[str, str] | None = None, *, public: bool = False
    ) -> tuple[dict[str, Any], ...]:
        """Read a list that comes whole."""
        return page(outcomes.require_ok(await self.read(path, params, public=public), what), what).rows

    async def all_pages(
        self, path: str, what: str, params: Mapping[str, str], *, public: bool = False, page_size: int = build.PAGE_SIZE
    ) -> list[dict[str, Any]]:
        """Read a paged list to its end; more pages than the bound, or a cursor that repeats, is a violation."""
        rows: list[dict[str, Any]] = []
        query = {**params, "page_size": str(page_size)}
        seen: set[str] = set()
        for _ in range(PAGES_MAX):
            got = page(outcomes.require_ok(await self.read(path, query, public=public), what), what)
            rows.extend(got.rows)
            if got.next_cursor is None:
                return rows
            if got.next_cursor in seen:
                raise violation(f"{what} repeats its cursor")
            seen.add(got.next_cursor)
            query["cursor"] = got.next_cursor
        raise violation(f"{what} has more than {PAGES_MAX} pages; ask for a shorter time")

    # --- onboarding ----------------------------------------------------------------------------------------------

    async def onboarding(self) -> OnboardingBody | None:
        """Ask about the account of this key; None where the venue refuses the question or answers something else."""
        answer = await self.read("/v1/onboarding", build.onboarding_params(self._key), public=True)
        try:
            body = outcomes.require_ok(answer, "onboarding")
            return shaped(OnboardingBody, read_json(body, "onboarding"), "onboarding")
        except (AuthenticationFailed, ProtocolViolation, VenueRejected) as failure:
            log.warning("venue=paradex does not say whether the account is onboarded: %s", failure)
            return None

    async def onboard(self, ethereum_account: str) -> None:
        """Send the signed wish to have this key's account opened, once; saying it again changes nothing."""
        signature = await asyncio.to_thread(self._require_signer().sign_onboarding)
        await self._auth.take()
        answer = await self._http.command(
            "POST",
            "/v1/onboarding",
            content=build.encoded({"public_key": self._key.public_key_text}),
            headers=build.onboarding_headers(self._key, signature, ethereum_account),
        )
        if isinstance(answer, NotSent | Unknown):
            text = f"paradex: whether the account was opened is not known: {answer.reason}; asking again is harmless"
            raise VenueUnreachable(text, venue=str(Venue.PARADEX))
        outcomes.require_ok(answer, "onboarding")

    # --- token ---------------------------------------------------------------------------------------------------

    async def _fetch_token(self) -> str:
        """Set the clock, sign and ask for a token. Asking twice harms nothing; it still is one request, unretried."""
        signer = self._require_signer()
        await self.measure_clock()
        timestamp_s = int(self.venue_now().timestamp())
        expiration_s = timestamp_s + build.AUTH_SIGNATURE_LIFE_S
        signature = await asyncio.to_thread(signer.sign_auth, timestamp_s, expiration_s)
        await self._auth.take()
        answer = await self._http.command(
            "POST", build.auth_path(self._key), headers=build.auth_headers(self._key, signature, timestamp_s)
        )
        if isinstance(answer, NotSent | Unknown):
            raise VenueUnreachable(f"paradex: no token: {answer.reason}", venue=str(Venue.PARADEX))
        if not 200 <= answer.status < 300:
            opening = outcomes.OPEN_BY_KEY if self.is_main_key else outcomes.OPEN_BY_WALLET
            raise outcomes.auth_failure(answer, self._key.account_text, opening)
        return shaped(TokenBody, read_json(answer.body, "token"), "token").jwt_token

    async def _replace_token(self, refused: str) -> None:
        try:
            await self.tokens.renewed(refused)
        except VenueError as failure:
            log.warning("venue=paradex no new token: %s", failure)

    def _obey(self, answer: Answer, bucket: JointBudget, scope: str) -> None:
        """Slow down when told to, and keep what the venue says of the budget.

        docs.paradex.trade, "Rate limits": X-RateLimit-Limit, -Remaining, -Reset (unix seconds).
        """
        if answer.status == 429:
            bucket.pause(retry_after_s(answer.headers, outcomes.DEFAULT_RETRY_AFTER_S))
        told = [answer.headers.get(f"x-ratelimit-{name}", "") for name in ("limit", "remaining", "reset")]
        if all(text.isascii() and text.isdigit() and len(text) <= 10 for text in told):
            limit, remaining, reset = (int(text) for text in told)
            self.quotas[scope] = RequestQuota(
                venue=Venue.PARADEX,
                account_id=self._account_id,
                scope=scope,
                limit=Decimal(limit),
                remaining=Decimal(remaining),
                resets_at=datetime.fromtimestamp(reset, UTC),
                received_time=answer.received_at,
            )

    def _require_signer(self) -> Signer:
        if self._signer is None:
            raise RuntimeError("paradex: connect() first")
        return self._signer


def _bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def _json_bearer(token: str) -> dict[str, str]:
    return {**_bearer(token), "content-type": "application/json"}
