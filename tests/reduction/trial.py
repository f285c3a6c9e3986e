"""One leg of a real session is taken from at a venue twin, over real ports; what follows is judged by the twin's books.

The session is a process of its own (tests/reduction/trial_session.py). What happens to it are the steps of the twins'
own scenarios, or orders that a hand signs and sends with the account's key. Nothing in the store is believed unless the
twins say the same.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any

import httpx

from benchmarks.leg_risk import running_twins
from benchmarks.soak import free_ports
from connectors.registry import open_client
from connectors.venue import PlaceOutcome
from core.account import AccountRef
from core.order import OrderIntent, OrderType, Side, TimeInForce
from deployments.twins import open_sandbox_accounts
from flows.accounts import Account, sandbox_accounts
from flows.wiring import outside
from sandbox.scenarios import load
from store import Store, open_store
from store.home import Home
from store.records import Breach, CommandKind, Session, SessionStatus
from tests.reduction.trial_truth import Aftermath, Holder, aftermath, held, points

SYMBOL = "ETH/USD"
LOOK_S = 0.1
READY_S, HOLD_S, TAKEN_S, FOLLOW_S, STILL_S, END_S = 150.0, 60.0, 30.0, 75.0, 2.0, 240.0
AFTER_S = 3.0  # from the first execution to what happens, as in the scenario of deleveraging
BYSTANDER = Decimal("0.05")


class Cause(StrEnum):
    """What takes from the leg."""

    ADL = "ADL, 37 %"
    LIQUIDATION = "liquidation, book"
    BACKSTOP = "liquidation, backstop"
    BUST = "tradebust"
    HAND = "sold by hand"
    TURNED = "turned round by hand"


SCRIPTS = {Cause.ADL: "adl_37_percent", Cause.LIQUIDATION: "liquidation", Cause.BUST: "tradebust"}
CATEGORIES = {
    Cause.ADL: "adl", Cause.LIQUIDATION: "liquidation", Cause.BACKSTOP: "liquidation", Cause.BUST: "trade_bust",
    Cause.HAND: "manual_trade", Cause.TURNED: "manual_trade",
}  # fmt: skip
# Paradex has one word for all that it forces. Pacifica has none for an undone trade: its twin books it as a settlement.
WORDS = {("paradex", Cause.ADL): "liquidation", ("pacifica", Cause.BUST): "settlement"}
STANDS_STILL = ("trade_bust", "manual_trade")


@dataclass(frozen=True, slots=True)
class Cell:
    """One trial: the venue whose leg is taken from, by what, and whether that account's stream keeps silent."""

    venue: str
    cause: Cause
    is_cut: bool

    @property
    def category(self) -> str:
        """The cause as the venue's words let a session name it; also the breach's category."""
        return WORDS.get((self.venue, self.cause), CATEGORIES[self.cause])

    def __str__(self) -> str:
        return f"{self.venue}, {self.cause}{', stream cut' if self.is_cut else ''}"


@dataclass(slots=True)
class Trial:
    """What one cell left to be judged.

    after: by the twins' books. noticed: the breach. heard: what the streams told of the leg before that.
    met: the session once the legs were even. state: of the twins at the end.
    """

    cell: Cell
    after: Aftermath | None = None
    noticed: Breach | None = None
    heard: list[str] = field(default_factory=list)
    met: Session | None = None
    session: Session | None = None
    summary: dict[str, Any] = field(default_factory=dict)
    failed: str = ""
    bystander: Decimal = Decimal(0)
    holders: tuple[Holder, ...] = ()
    state: dict[str, Any] = field(default_factory=dict)
    taken_at: datetime | None = None


async def run_cell(cell: Cell, *, seed: int) -> Trial:
    """Start the twins, let a session open one pair, take from one leg, look on, stop it, and gather what is left."""
    with tempfile.TemporaryDirectory(prefix="reduction-") as folder:
        place = Home(Path(folder), port_base=free_ports(4))
        async with running_twins(place, seed), httpx.AsyncClient(trust_env=False, timeout=30) as http:
            open_sandbox_accounts(place)
            with open_store(place.path) as store:
                stage = _Stage(cell, place, http, store, seed)
                try:
                    await stage.play()
                except AssertionError as missing:
                    stage.trial.failed = str(missing)
                finally:
                    await stage.clear()
                return stage.trial


class _Stage:
    """One trial's twins, session and hand."""

    def __init__(self, cell: Cell, place: Home, http: httpx.AsyncClient, store: Store, seed: int) -> None:
        self.trial = Trial(cell)
        self._cell, self._place, self._http, self._store, self._seed = cell, place, http, store, seed
        self._session_id = str(uuid.uuid4())
        accounts = {a.ref.venue.value: a for a in sandbox_accounts(place.port_base)}
        self._victim = accounts[cell.venue]
        others = [a for venue, a in accounts.items() if venue != cell.venue]
        self._other, self._third = others if seed % 2 else others[::-1]
        self._process: asyncio.subprocess.Process | None = None
        self._lines: list[dict[str, Any]] = []
        self._chores: list[asyncio.Task[None]] = []

    async def play(self) -> None:
        """Tell the trial from beginning to end."""
        trial = self.trial
        await self._post("limits", venue="pacifica", per_minute=100_000)
        await self._trade_by_hand(self._third, BYSTANDER)
        await self._start_session()
        await self._let_it_happen()
        story = await self._wait(self._aftermath, TAKEN_S, "the leg was not taken from")
        trial.taken_at = datetime.fromtimestamp(story.taken_us / 1_000_000, UTC)
        await self._wait(self._is_even, FOLLOW_S, "the legs were not even again")
        await self._wait(self._is_noticed, FOLLOW_S, "nothing was noticed")
        await asyncio.sleep(STILL_S)
        trial.met = self._store.reads.session(self._session_id)
        if not self._is_over():
            add = self._store.journal.add_command
            await add(self._session_id, CommandKind.STOP, created_by="trial", created_at=datetime.now(UTC))
        await self._end()

    async def clear(self) -> None:
        """Gather what the stores and the twins say, whatever happened, and leave no process behind."""
        trial = self.trial
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
        for chore in self._chores:
            chore.cancel()
        await asyncio.gather(*self._chores, return_exceptions=True)
        trial.state = await self._state()
        trial.holders = self._holders()
        trial.after = aftermath(trial.state, points(trial.state, trial.holders, SYMBOL))
        trial.bystander = held(trial.state, self._third.ref.venue.value, SYMBOL)
        for line in self._lines:
            trial.summary = line.get("summary", trial.summary)
            trial.failed = line.get("failed", trial.failed)
        with_row = self._store.reads.session_ids(tuple(SessionStatus))
        if self._session_id in with_row:
            trial.session = self._store.reads.session(self._session_id)
            trial.noticed = self._is_noticed()
        if trial.noticed is not None and trial.taken_at is not None:
            trial.heard = self._heard(trial.taken_at, trial.noticed.created_at)

    # --- the session's process --------------------------------------------------------------------
    async def _start_session(self) -> None:
        names = [self._victim.ref.account_id, self._other.ref.account_id]
        job = {"session_id": self._session_id, "accounts": names, "pause_s": [50, 60], "seed": self._seed}
        self._process = process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.reduction.trial_session", env=self._environ(),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert process.stdin is not None
        process.stdin.write(json.dumps(job | {"bound_s": END_S}).encode() + b"\n")
        self._chores = [asyncio.create_task(self._listen()), asyncio.create_task(self._complaints())]
        await self._wait(lambda: any("ready" in line for line in self._lines), READY_S, "the session did not start")
        await self._play_script()
        process.stdin.write(b"go\n")

    async def _listen(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self._lines.append(json.loads(line))

    async def _complaints(self) -> None:
        assert self._process is not None
        assert self._process.stderr is not None
        said = (await self._process.stderr.read()).decode()
        self._lines.append({"complaints": said})

    async def _end(self) -> None:
        assert self._process is not None
        try:
            async with asyncio.timeout(END_S):
                await self._process.wait()
                await asyncio.gather(*self._chores)
        except TimeoutError:
            self.trial.failed = f"the session did not end within {END_S:.0f} s"

    def _is_over(self) -> bool:
        assert self._process is not None
        return self._process.returncode is not None

    # --- what happens -----------------------------------------------------------------------------
    async def _play_script(self) -> None:
        """Let the twins' own script begin, at the venue of this trial and upon its first execution there."""
        cell = self._cell
        begin = {"venue": cell.venue, "upon": "fill", "nth": 1}
        steps = [begin | {"kind": "account_silence", "after_s": AFTER_S - 1}] if cell.is_cut else []
        if cell.cause in (*SCRIPTS, Cause.BACKSTOP):
            script = load(SCRIPTS.get(cell.cause, "liquidation"))
            step = script.steps[1 if cell.cause is Cause.BACKSTOP else 0]
            steps.append(step.model_dump(mode="json", exclude_unset=True) | begin | {"after_s": AFTER_S})
        if steps:
            await self._post("scenario", steps=steps)

    async def _let_it_happen(self) -> None:
        """A hand waits for the pair as the scripts do; a script needs nobody."""
        if self._cell.cause not in (Cause.HAND, Cause.TURNED):
            return
        quantity = await self._wait(self._pair_is_there, HOLD_S, "no pair was opened")
        await asyncio.sleep(AFTER_S)
        await self._trade_by_hand(self._victim, -quantity * (2 if self._cell.cause is Cause.TURNED else 1))

    async def _trade_by_hand(self, account: Account, change: Decimal) -> None:
        """Send a marketable order over the account's own wire, as its owner would from another screen."""
        client = open_client(account.ref.account_id, account.keys, account.endpoints, outside(self._seed))
        try:
            await client.connect()
            book = await client.book(SYMBOL)
            side = Side.BUY if change > 0 else Side.SELL
            best = book.asks[0].price if side is Side.BUY else book.bids[0].price
            market = (await client.markets())[SYMBOL]
            bound = best * (1 + side.sign * Decimal("0.01"))
            price = (bound / market.tick).to_integral_value() * market.tick
            outcome = await client.place(_by_hand(account.ref, side, abs(change), price))
            await self._wait(lambda: self._has_traded(account, outcome), HOLD_S, f"the hand's order: {outcome}")
        finally:
            await client.aclose()

    async def _has_traded(self, account: Account, outcome: PlaceOutcome) -> bool:
        state = await self._state()
        orders = [o for a in state["venues"][account.ref.venue.value]["accounts"].values() for o in a["orders"]]
        return any(o["status"] == "FILLED" for o in orders[-1:])

    # --- looking on -------------------------------------------------------------------------------
    async def _pair_is_there(self) -> Decimal | None:
        state = await self._state()
        mine, theirs = (held(state, a.ref.venue.value, SYMBOL) for a in (self._victim, self._other))
        return mine if mine and mine + theirs == 0 else None

    async def _aftermath(self) -> Aftermath | None:
        state = await self._state()
        return aftermath(state, points(state, self._holders(), SYMBOL))

    async def _is_even(self) -> bool:
        found = await self._aftermath()
        return found is not None and found.followed_s is not None

    def _is_noticed(self) -> Breach | None:
        found = self._store.reads.breaches(self._session_id)
        return next(
            (b for b in found if b.category in (*CATEGORIES.values(), *WORDS.values(), "position_mismatch")), None
        )

    def _heard(self, since: datetime, until: datetime) -> list[str]:
        """What the victim's stream told of the leg between the event and its being noticed."""
        told = [line for line in self._lines if line.get("account") == self._victim.ref.account_id]
        return [
            line["heard"] for line in told
            if line.get("symbol") == SYMBOL and since - timedelta(seconds=0.2) <= datetime.fromisoformat(line["at"])
            and datetime.fromisoformat(line["at"]) <= until
        ]  # fmt: skip

    def _holders(self) -> tuple[Holder, ...]:
        reads = self._store.reads
        orders = reads.orders_of_session(self._session_id)
        names = {o.intent.client_order_id: reads.journal_order(o.intent.client_order_id) for o in orders}
        return tuple(
            Holder(
                a.ref.account_id, a.ref.venue.value,
                frozenset(
                    str(names[o.intent.client_order_id].wire_client_id) for o in orders
                    if o.intent.account_id == a.ref.account_id
                ),
            )
            for a in (self._victim, self._other)
        )  # fmt: skip

    async def _state(self) -> dict[str, Any]:
        answer = await self._http.get(f"{self._place.sandbox_url}/control/state")
        return dict(answer.json())

    async def _post(self, door: str, **body: Any) -> None:
        answer = await self._http.post(f"{self._place.sandbox_url}/control/{door}", json=body)
        assert answer.is_success, answer.text

    async def _wait(self, look: Callable[[], Any], timeout_s: float, what: str) -> Any:
        """Look again and again until there is something; raises AssertionError with what did not happen."""
        end = asyncio.get_running_loop().time() + timeout_s
        while asyncio.get_running_loop().time() < end:
            found = look()
            found = await found if asyncio.iscoroutine(found) else found
            if found:
                return found
            if self._process is not None and self._process.returncode is not None:
                break
            await asyncio.sleep(LOOK_S)
        said = [line for line in self._lines if {"failed", "complaints"} & line.keys()]
        raise AssertionError(f"{self._cell}: {what} within {timeout_s:.0f} s; {said}")

    def _environ(self) -> dict[str, str]:
        off = {"PREFECT_HOME": str(self._place.prefect), "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
        return {**self._place.environ(), **off}


def _by_hand(account: AccountRef, side: Side, quantity: Decimal, price: Decimal) -> OrderIntent:
    now = datetime.now(UTC)
    return OrderIntent(
        client_order_id=str(uuid.uuid4()), session_id="by hand", pair_id="by hand", account_id=account.account_id,
        venue=account.venue, symbol=SYMBOL, side=side, type=OrderType.MARKET, time_in_force=TimeInForce.IOC,
        quantity=quantity, price=price, reference_price=price, reduce_only=False, created_at=now,
        valid_until=now + timedelta(seconds=30),
    )  # fmt: skip
