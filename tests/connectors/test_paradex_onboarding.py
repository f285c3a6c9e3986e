"""Opening a Paradex account: asked for, signed with its main key, said once, and never done by connecting."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from paradex_fakes import ACCOUNT, CHAIN, ENDPOINTS, TIMEOUTS, VECTORS, ScriptedVenue, ShortSleeps, keys, refuses, says
from pydantic import SecretStr

from connectors.paradex.auth import Signer, StarkKey, best_curve
from connectors.paradex.client import ParadexClient
from connectors.paradex.onboarding import Standing
from connectors.settings import Environment, ParadexKeys
from core.account import AccountRef
from core.errors import (
    AuthenticationFailed,
    ConfigurationError,
    NotOffered,
    NotOnboarded,
    VenueError,
    VenueUnavailable,
    VenueUnreachable,
)
from core.instrument import Venue
from flows.accounts import Account
from flows.looking import in_words
from flows.onboarding import onboard
from sandbox.dialects.paradex_auth import ACCOUNT_HASH, ACCOUNT_PROXY_HASH
from tests.contract.bench import new_keys

WALLET = "0x" + ACCOUNT["l1_address"].removeprefix("0x")
QUESTION, WISH, TOKEN = "GET /v1/onboarding", "POST /v1/onboarding", f"POST /v1/auth/{ACCOUNT['l2_public_key']}"
CONFIG = {
    "starknet_chain_id": CHAIN,
    "paraclear_decimals": 8,
    "paraclear_account_proxy_hash": hex(ACCOUNT_PROXY_HASH),
    "paraclear_account_hash": hex(ACCOUNT_HASH),
}


@pytest.fixture
def venue() -> ScriptedVenue:
    scripted = ScriptedVenue()
    scripted.on("GET /v1/system/config", CONFIG)
    scripted.on(WISH, lambda _: httpx.Response(200))
    return scripted


@pytest.fixture
async def client(venue: ScriptedVenue) -> AsyncIterator[ParadexClient]:
    client = client_of(venue, keys())
    yield client
    await client.aclose()


def client_of(venue: ScriptedVenue, chosen: ParadexKeys) -> ParadexClient:
    return ParadexClient("par-1", chosen, ENDPOINTS, ShortSleeps().outside(), TIMEOUTS, transport=venue.transport)


def subkey() -> ParadexKeys:
    return ParadexKeys(account=ACCOUNT["l2_address"], private_key=SecretStr(VECTORS["subkey"]["l2_private_key"]))


async def test_the_wish_is_the_published_message_of_the_main_key(client: ParadexClient, venue: ScriptedVenue) -> None:
    (vector,) = (v for v in VECTORS["vectors"] if v["name"] == "onboarding_testnet")

    await client.onboarding.register(WALLET)

    (sent,) = venue.asked(WISH)
    assert sent.headers["paradex-starknet-signature"] == vector["signature_rfc6979_str"]
    assert sent.headers["paradex-starknet-account"] == vector["account"]
    assert sent.headers["paradex-ethereum-account"] == WALLET
    assert json.loads(sent.content) == {"public_key": ACCOUNT["l2_public_key"]}
    assert hex(Signer(StarkKey.of(keys()), CHAIN, best_curve()).onboarding_hash()) == vector["message_hash"]
    assert not venue.asked(TOKEN)


async def test_a_subkey_opens_nothing_and_sends_nothing(venue: ScriptedVenue) -> None:
    client = client_of(venue, subkey())

    with pytest.raises(ConfigurationError, match="a subkey cannot open an account"):
        await client.onboarding.register(WALLET)

    await client.aclose()
    assert not venue.asked(WISH)


@pytest.mark.parametrize("address", ["", "0x12", WALLET.removeprefix("0x"), WALLET + "\n", "0x" + "0" * 64])
async def test_what_is_no_address_is_refused_by_name_and_never_repeated(
    client: ParadexClient, venue: ScriptedVenue, address: str
) -> None:
    with pytest.raises(ConfigurationError, match="40 hex digits") as caught:
        await client.onboarding.register(address)

    assert caught.value.details["field"] == "ethereum_account"
    assert len(address) < 4 or address not in str(caught.value)
    assert not venue.requests


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (refuses(400, "INVALID_STARKNET_ADDRESS"), AuthenticationFailed),
        (refuses(400, "STARKNET_SIGNATURE_VERIFICATION_FAILED"), AuthenticationFailed),
        (says(503), VenueUnavailable),
    ],
)
async def test_a_refused_wish_says_so(
    client: ParadexClient, venue: ScriptedVenue, answer: Any, kind: type[VenueError]
) -> None:
    venue.on(WISH, answer)

    with pytest.raises(kind, match="onboarding was answered"):
        await client.onboarding.register(WALLET)


async def test_a_wish_without_an_answer_is_unknown_and_sent_once(client: ParadexClient, venue: ScriptedVenue) -> None:
    def lost(_: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("no answer")

    venue.on(WISH, lost)

    with pytest.raises(VenueUnreachable, match="is not known"):
        await client.onboarding.register(WALLET)
    assert len(venue.asked(WISH)) == 1


@pytest.mark.parametrize(
    ("answer", "standing"),
    [
        ({"address": ACCOUNT["l2_address"], "exists": True}, Standing(ACCOUNT["l2_address"], True, True)),
        ({"address": ACCOUNT["l2_address"], "exists": False}, Standing(ACCOUNT["l2_address"], False, True)),
        ({"address": "0x1234", "exists": True}, Standing("0x1234", True, False)),
        ({"address": ACCOUNT["l2_address"]}, Standing(ACCOUNT["l2_address"], None, True)),
        ({}, Standing(None, None, None)),
        (refuses(404, "NOT_FOUND"), Standing(None, None, None)),
        (refuses(400, "INVALID_REQUEST_PARAMETER"), Standing(None, None, None)),
        (lambda _: httpx.Response(200, text="<html>"), Standing(None, None, None)),
    ],
)
async def test_what_the_venue_does_not_say_of_an_account_is_unknown_never_no(
    client: ParadexClient, venue: ScriptedVenue, answer: Any, standing: Standing
) -> None:
    venue.on(QUESTION, answer)

    assert await client.onboarding.standing() == standing

    (asked,) = venue.asked(QUESTION)
    assert dict(asked.url.params) == {"account_signer_type": "starknet", "public_key": ACCOUNT["l2_public_key"]}


async def test_connecting_opens_no_account_and_names_the_command_that_does(
    client: ParadexClient, venue: ScriptedVenue
) -> None:
    venue.on(TOKEN, refuses(400, "NOT_ONBOARDED"))

    with pytest.raises(NotOnboarded, match="hedge account onboard") as caught:
        await client.connect()

    assert not venue.asked(WISH)
    assert in_words(caught.value).startswith("the venue has no such account yet")


async def test_a_subkey_is_sent_to_the_venues_site(venue: ScriptedVenue) -> None:
    client = client_of(venue, subkey())
    venue.on(f"POST /v1/auth/{VECTORS['subkey']['l2_public_key']}", refuses(400, "NOT_ONBOARDED"))

    with pytest.raises(NotOnboarded, match="log in with its wallet on the venue's site"):
        await client.connect()
    await client.aclose()


async def test_a_venue_that_opens_accounts_itself_says_so() -> None:
    chosen, _ = new_keys(Venue.PACIFICA, 1)
    pacifica = Account(AccountRef("pac-1", Venue.PACIFICA, "desk"), Environment.SANDBOX, chosen, ENDPOINTS)

    with pytest.raises(NotOffered, match="pacifica opens accounts by itself only"):
        await onboard(pacifica, WALLET, ShortSleeps().outside())
