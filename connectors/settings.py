"""What a connector is given: where the venue is, which account, its keys, and the outside world as parameters."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from connectors.tls import is_private
from core.errors import ConfigurationError
from core.instrument import Venue

if TYPE_CHECKING:
    from connectors.budgets import Budgets

Clock = Callable[[], datetime]
Sleep = Callable[[float], Awaitable[None]]


class Environment(StrEnum):
    """Where an account lives. Only URLs and keys differ; no code branches on it."""

    SANDBOX = "sandbox"
    TESTNET = "testnet"
    PRODUCTION = "production"


@dataclass(frozen=True, slots=True)
class Outside:
    """Clock, sleep and randomness as the composition root hands them in.

    budgets: request budgets shared with other clients and processes; None: every client has its own.
    """

    clock: Clock
    sleep: Sleep
    rng: random.Random = field(repr=False)
    budgets: Budgets | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Base URLs without trailing slash: rest_url up to and without the version path, ws_url complete.

    binary_version: where a venue offers its public stream in a binary encoding too (Paradex: SBE), the version to ask
    for at first; None asks for JSON, and so does every venue without such an encoding.
    Clear text goes to this machine only: any other http or ws URL is a ConfigurationError.
    """

    rest_url: str
    ws_url: str
    binary_version: int | None = None

    def __post_init__(self) -> None:
        for url in (self.rest_url, self.ws_url):
            if not is_private(url):
                raise ConfigurationError(f"{url} is not on this machine and needs TLS: https or wss", field="endpoints")


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Bounds of every wait, in seconds: connect, one read, one command's answer, a stream's start and its silence."""

    connect_s: float = 5.0
    read_s: float = 10.0
    command_s: float = 5.0
    stream_start_s: float = 15.0
    stream_silence_s: float = 30.0


class PacificaKeys(BaseModel):
    """Account address and the Ed25519 secret that signs: the account's own, or an agent key's with agent_wallet set.

    secret_key is base58 of the 64-byte form (seed + public key) or of the 32-byte seed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
    venue: Literal[Venue.PACIFICA] = Venue.PACIFICA
    account: str
    secret_key: SecretStr
    agent_wallet: str | None = None
    config_key: SecretStr | None = None


class ParadexKeys(BaseModel):
    """L2 account address and the Stark key (main or, better, a trade-only subkey) as 0x hex. L1 keys are not taken."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
    venue: Literal[Venue.PARADEX] = Venue.PARADEX
    account: str
    private_key: SecretStr


class BackpackKeys(BaseModel):
    """API key (base64 public key) and API secret (base64 of the 32-byte Ed25519 seed)."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
    venue: Literal[Venue.BACKPACK] = Venue.BACKPACK
    api_key: str
    api_secret: SecretStr


Keys = Annotated[PacificaKeys | ParadexKeys | BackpackKeys, Field(discriminator="venue")]
