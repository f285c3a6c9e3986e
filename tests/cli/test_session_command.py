"""`hedge session …` on a store of its own: what is written, what is refused, what a run is asked and answers."""

from __future__ import annotations

import json
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from cli_world import NOW, FakePrefect, Machine, totals
from test_command_line import GOOD

from cli.picture import Picture, line
from cli.place import now
from cli.steering import ask
from cli.watch import updates
from core.errors import InvalidSessionStatus
from core.risk import Severity
from store import CommandKind, NewBreach, SessionStatus, Store
from store.glance import sessions_at_a_glance
from store.home import Home


def request_file(folder: Path, **changes: Any) -> str:
    path = folder / "request.json"
    path.write_text(json.dumps(GOOD | changes))
    return str(path)


def activate(machine: Machine, *, driven: bool, session_id: str = "s1") -> None:
    """Make a pending session active, with or without a run that holds its lease."""
    with machine.store() as store:
        store.journal.set_session_status.now(session_id, (SessionStatus.PENDING,), SessionStatus.ACTIVE, at=now())
        if driven:
            scope = f"session:{session_id}"
            store.journal.acquire_lease.now(scope, f"{session_id}/run", attempt=1, ttl_s=600, now=now())


def test_create_writes_a_pending_session_and_prints_its_id(machine: Machine, tmp_path: Path) -> None:
    made = machine.hedge("session", "create", request_file(tmp_path))

    shown = machine.hedge("session", "show", made.out.strip(), "--json").document
    assert made.code == 0
    assert (shown["status"], shown["volumeTarget"], shown["flowRunId"]) == ("pending", "1000.00", None)
    assert shown["accounts"] == ["account1", "account2"]


def test_start_asks_prefect_once_and_a_second_start_is_refused(
    machine: Machine, prefect: FakePrefect, tmp_path: Path
) -> None:
    session_id = machine.hedge("session", "create", request_file(tmp_path)).out.strip()

    started = machine.hedge("session", "start", session_id, "--json")
    again = machine.hedge("session", "start", session_id)

    assert (started.code, started.document["flowRunId"]) == (0, "run-1")
    assert [run["idempotency_key"] for run in prefect.created] == [f"{session_id}:1"]
    assert again.code == 2
    assert "a run drives it" in again.err
    assert machine.hedge("session", "show", session_id, "--json").document["status"] == "active"


def test_a_start_that_prefect_does_not_take_leaves_the_session_pending(
    machine: Machine, prefect: FakePrefect, tmp_path: Path
) -> None:
    session_id = machine.hedge("session", "create", request_file(tmp_path)).out.strip()
    prefect.takes_runs = False

    refused = machine.hedge("session", "start", session_id)

    assert refused.code == 3
    assert "is `hedge up` running?" in refused.err
    assert machine.hedge("session", "show", session_id, "--json").document["status"] == "pending"
    prefect.takes_runs = True
    assert machine.hedge("session", "start", session_id).code == 0


def test_starting_a_session_whose_run_died_makes_one_more_run(machine: Machine, prefect: FakePrefect) -> None:
    machine.session()
    assert machine.hedge("session", "start", "s1").code == 0
    prefect.state = "CRASHED"

    assert machine.hedge("session", "start", "s1").code == 0
    assert [run["idempotency_key"] for run in prefect.created] == ["s1:1", "s1:2"]


def test_a_command_to_a_session_whose_run_died_brings_a_new_run(machine: Machine, prefect: FakePrefect) -> None:
    machine.session()
    activate(machine, driven=False)

    asked = machine.hedge("session", "stop", "s1", "--wait", "0", "--json")

    assert asked.document["pending"] is True
    assert asked.document["newFlowRunId"] == "run-1"
    assert len(prefect.created) == 1


def test_a_command_without_any_run_says_so_and_stands(machine: Machine) -> None:
    machine.session()
    activate(machine, driven=False)

    asked = machine.hedge("session", "stop", "s1", "--wait", "0")

    assert asked.code == 3
    assert "no run is there to obey" in asked.err
    with machine.store() as store:
        assert [c.kind for c in store.reads.pending_commands("s1")] == [CommandKind.STOP]


def obeying(store: Store, outcome: str, status: SessionStatus | None = None) -> Any:
    """A run that answers while the command line sleeps."""

    def sleep(_: float) -> None:
        for command in store.reads.pending_commands("s1"):
            assert store.journal.take_command.now(command.command_id, at=now())
            store.journal.finish_command.now(command.command_id, outcome, at=now())
        if status is not None and not store.reads.session("s1").status.is_final:
            live = (SessionStatus.ACTIVE, SessionStatus.PAUSED)
            store.journal.set_session_status.now("s1", live, status, at=now())

    return sleep


def asked(machine: Machine, kind: CommandKind, outcome: str, status: SessionStatus | None = None) -> Any:
    machine.session()
    activate(machine, driven=True)
    with machine.store() as store:
        ticks = iter(range(1000))
        return ask(
            store, Home(machine.home), "s1", kind, wait_s=50, sleep=obeying(store, outcome, status),
            monotonic=lambda: float(next(ticks)),
        )  # fmt: skip


def test_pause_waits_for_the_runs_own_word(machine: Machine) -> None:
    found = asked(machine, CommandKind.PAUSE, "paused", SessionStatus.PAUSED)

    assert (found.outcome, found.session.status, found.revived) == ("paused", SessionStatus.PAUSED, None)


def test_stop_waits_until_the_session_has_ended(machine: Machine) -> None:
    assert asked(machine, CommandKind.STOP, "winding down").is_pending


def test_stop_is_done_when_the_session_is_completed(machine: Machine) -> None:
    found = asked(machine, CommandKind.STOP, "winding down", SessionStatus.COMPLETED)

    assert (found.is_pending, found.session.status) == (False, SessionStatus.COMPLETED)


@pytest.mark.parametrize("verb", ["pause", "resume", "stop", "flatten"])
def test_a_pending_session_obeys_no_command_and_nothing_is_written(machine: Machine, verb: str) -> None:
    machine.session()

    refused = machine.hedge("session", verb, "s1")

    assert refused.code == 2
    assert "s1 is pending" in refused.err
    with machine.store() as store:
        assert store.reads.commands("s1") == []


def test_the_status_that_was_needed_is_in_the_details(machine: Machine) -> None:
    machine.session()
    with machine.store() as store, pytest.raises(InvalidSessionStatus) as refused:
        ask(store, Home(machine.home), "s1", CommandKind.PAUSE, wait_s=0)
    assert refused.value.details["requiredStatus"] == "active"


def test_flatten_asks_every_live_session_and_is_not_clean_while_one_is_open(machine: Machine) -> None:
    for session_id in ("s1", "s2"):
        machine.session(session_id)
        activate(machine, driven=True, session_id=session_id)
    machine.session("s3")

    done = machine.hedge("flatten", "--wait", "0", "--json")

    assert done.code == 1
    assert {row["sessionId"] for row in done.document} == {"s1", "s2"}
    with machine.store() as store:
        assert all(store.reads.pending_commands(s)[0].kind is CommandKind.FLATTEN for s in ("s1", "s2"))
        assert store.reads.commands("s3") == []


def test_flatten_with_nothing_running_is_done(machine: Machine) -> None:
    assert machine.hedge("flatten").out == "no session is running or paused\n"
    assert machine.hedge("flatten", "--json").document == []


def test_the_quick_list_and_the_store_tell_the_same(machine: Machine) -> None:
    for number in range(3):
        machine.session(f"s{number}", created_at=NOW + timedelta(seconds=number), name=f"number {number}")
    activate(machine, driven=False, session_id="s1")
    with machine.store() as store:
        store.journal.update_session_totals.now("s1", totals("1234.5"))

    quick = machine.hedge("session", "list", "--json").document
    machine.set(HEDGE_DATABASE_URL=f"sqlite:///{machine.home / 'hedge.db'}")
    slow = machine.hedge("session", "list", "--json").document

    assert [row["sessionId"] for row in quick] == ["s2", "s1", "s0"]
    assert quick == slow
    assert (quick[1]["volume"], quick[1]["pnl"], quick[1]["status"]) == ("1234.50", "-1.5000", "active")


def test_the_list_is_filtered_by_status_in_old_and_new_words(machine: Machine) -> None:
    machine.session("s1")
    machine.session("s2")
    activate(machine, driven=False, session_id="s2")

    def listed(*words: str) -> list[str]:
        arguments = [part for word in words for part in ("--status", word)]
        return sorted(row["sessionId"] for row in machine.hedge("session", "list", "--json", *arguments).document)

    assert listed("running") == listed("active") == ["s2"]
    assert listed("created", "active") == ["s1", "s2"]
    refused = machine.hedge("session", "list", "--status", "flying")
    assert (refused.code, "flying is none of" in refused.err) == (2, True)


def test_the_list_for_people_has_a_row_each_and_no_control_characters(machine: Machine) -> None:
    machine.session("s1", name="evil\x1b[2Jname")

    shown = machine.hedge("session", "list").out

    assert shown.splitlines()[0].split() == ["session", "name", "status", "volume", "of", "PnL", "created"]
    assert "evil·[2Jname" in shown
    assert "\x1b" not in shown


def test_a_glance_at_a_file_that_is_none_leaves_it_to_the_store(tmp_path: Path) -> None:
    assert sessions_at_a_glance(tmp_path) is None
    (tmp_path / "hedge.db").write_bytes(b"this is no database at all, and long enough to be looked at" * 20)
    assert sessions_at_a_glance(tmp_path) is None


def test_breaches_are_listed_and_acknowledged(machine: Machine) -> None:
    machine.session()
    with machine.store() as store:
        breach = NewBreach("b1", "s1", None, "naked_leg", Severity.CRITICAL, {"net": "0.1"}, NOW)
        store.journal.record_breach.now(breach)

    assert machine.hedge("session", "show", "s1", "--json").document["openBreaches"] == 1
    assert "naked_leg" in machine.hedge("session", "breaches", "s1").out
    assert machine.hedge("session", "acknowledge", "s1", "b1", "--comment", "seen").code == 0
    (row,) = machine.hedge("session", "breaches", "s1", "--json").document
    assert (row["breachId"], row["open"], row["details"]) == ("b1", False, {"net": "0.1"})
    assert machine.hedge("session", "acknowledge", "s1", "nope").code == 2


def test_watch_as_json_prints_every_event_and_tells_by_its_code_how_it_ended(machine: Machine) -> None:
    machine.session()
    activate(machine, driven=True)
    with machine.store() as store:
        for text in ("one", "two"):
            store.journal.append_event.now("s1", at=NOW, channel="decision", type="refused", payload={"text": text})
        store.journal.set_session_status.now("s1", (SessionStatus.ACTIVE,), SessionStatus.FAILED, at=now(), reason="x")

    watched = machine.hedge("session", "watch", "s1", "--json")

    lines = [json.loads(line) for line in watched.out.splitlines()]
    assert [(line["sequence"], line["data"]["text"]) for line in lines] == [(1, "one"), (2, "two")]
    assert watched.code == 1


@pytest.mark.parametrize("is_started", [True, False])
def test_watch_calls_a_session_abandoned_only_when_no_run_is_on_its_way(
    machine: Machine, prefect: FakePrefect, tmp_path: Path, is_started: bool
) -> None:
    session_id = machine.hedge("session", "create", request_file(tmp_path)).out.strip()
    if is_started:
        machine.hedge("session", "start", session_id)
    else:
        activate(machine, driven=False, session_id=session_id)

    with machine.store() as store:
        picture, seconds = Picture(store.reads.session(session_id)), count(0, 6)
        beats = updates(store, picture, 25, sleep=lambda _: None, monotonic=lambda: float(next(seconds)))
        assert len(list(beats)) > 1

    assert bool(prefect.created) == is_started
    assert ("ended without an end" in line(picture)) == (not is_started)


def test_watch_gives_up_when_its_time_is_up(machine: Machine) -> None:
    machine.session()
    assert machine.hedge("session", "watch", "s1", "--timeout", "0").code == 1


def test_estimate_without_venues_says_that_they_do_not_answer(machine: Machine, tmp_path: Path) -> None:
    refused = machine.hedge("session", "estimate", request_file(tmp_path))

    assert refused.code == 3
    assert refused.err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments", [("session", "show", "nope"), ("session", "report", "nope"), ("key", "revoke", "x")]
)
def test_what_is_not_there_is_one_sentence_and_code_2(machine: Machine, arguments: tuple[str, ...]) -> None:
    ended = machine.hedge(*arguments)

    assert ended.code == 2
    assert ended.err.startswith("hedge: ")
    assert ended.err.count("\n") == 1


def test_start_minds_who_holds_the_accounts_as_the_api_does(
    machine: Machine, prefect: FakePrefect, tmp_path: Path
) -> None:
    session_id = machine.hedge("session", "create", request_file(tmp_path)).out.strip()
    with machine.store() as store:
        store.journal.acquire_lease.now("account:account2", "other/run", attempt=1, ttl_s=60, now=now())
    refused = machine.hedge("session", "start", session_id)
    assert refused.code == 2
    assert "account account2 is held by the running session other; stop it or wait for its end" in refused.err
    assert prefect.created == []
    assert machine.hedge("session", "show", session_id, "--json").document["status"] == "pending"
