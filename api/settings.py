"""What an operator can set about the API, from environment variables named HEDGE_API_…"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from core.errors import ConfigurationError
from core.limits import NAKED_DAY_MAX_DEFAULT
from flows.day_limit import naked_day_max
from store.home import Home

RATE_DEFAULT = 100
STOP_WAIT_S_MAX = 120.0


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """Where the API's home and database are, and its bounds.

    rate_per_window: calls a key may make in window_s seconds. database_url: None for SQLite in the home.
    command_wait_s: how long a pause or resume is waited for. stop_wait_s: the same for stop and flatten, unless
    the caller says how long (at most STOP_WAIT_S_MAX). keep_answers_s: how long first answers are kept. naked_day_max:
    what legs of all sessions may stand alone in a UTC day, USD x seconds.
    """

    home: Home
    rate_per_window: int = RATE_DEFAULT
    window_s: int = 60
    database_url: str | None = None
    command_wait_s: float = 5.0
    stop_wait_s: float = 30.0
    keep_answers_s: float = 86_400.0
    body_bytes_max: int = 65_536
    naked_day_max: Decimal = NAKED_DAY_MAX_DEFAULT

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> ApiSettings:
        """Read HEDGE_API_RATE (calls a minute and key), HEDGE_DATABASE_URL, the day's limit and the home.

        Raises ConfigurationError.
        """
        text = environ.get("HEDGE_API_RATE") or str(RATE_DEFAULT)
        if not text.isdigit() or not 1 <= int(text) <= 1_000_000:
            raise ConfigurationError(
                f"HEDGE_API_RATE must be a whole number of calls a minute, got {text[:20]!r}", field="HEDGE_API_RATE"
            )
        return cls(
            Home.from_env(environ), int(text), database_url=environ.get("HEDGE_DATABASE_URL") or None,
            naked_day_max=naked_day_max(environ),
        )  # fmt: skip
