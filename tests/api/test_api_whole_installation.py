"""Calls that look at the whole installation: the kill switch reaches every session, a start minds every other one."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from api_world import Api, code_of
from test_api_naked import with_naked_pair

from api.paging import LIMIT_MAX
from store import CommandKind, NewSession, SessionStatus, reads

PAGE = 40


async def test_kill_switch_reaches_more_sessions_than_a_page_holds(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reads, "PAGE_MAX", PAGE)  # of a thousand in truth, for which this would take half a minute
    at, journal = api.world.clock(), api.store.journal
    names = [f"s{number}" for number in range(PAGE + 5)]
    template = api.store.reads.session(await api.created())
    pending = (SessionStatus.PENDING,)
    for name in names:
        await journal.create_session(
            NewSession(name, name, "ETH/USD", template.strategy, template.accounts, "sandbox", Decimal(1), None, 1, at)
        )
        await journal.set_session_status(name, pending, SessionStatus.ACTIVE, at=at)
    assert len(api.store.reads.sessions(limit=LIMIT_MAX)) == PAGE
    services = api.services
    services.settings = replace(services.settings, stop_wait_s=0)
    answer = await api.post("/flatten")
    assert answer.status_code == 202
    assert len(answer.json()["sessions"]) == len(names)
    told = [api.store.reads.commands(name) for name in names]
    assert all([command.kind for command in commands] == [CommandKind.FLATTEN] for commands in told)


async def test_start_is_refused_while_the_day_is_spent(api: Api) -> None:
    session_id = await api.created()
    api.services.settings = replace(api.services.settings, naked_day_max=Decimal(100))
    await with_naked_pair(api, await api.created(), "100")
    answer = await api.post(f"/sessions/{session_id}/start")
    assert (answer.status_code, code_of(answer)) == (409, "RISK_LIMIT_EXCEEDED")
    assert answer.json()["error"]["details"].items() >= {"limit": "100", "requested": "100"}.items()
    assert "HEDGE_NAKED_DAY_MAX" in answer.json()["error"]["message"]
    api.world.clock.advance(86_400)
    assert (await api.post(f"/sessions/{session_id}/start")).status_code == 200
