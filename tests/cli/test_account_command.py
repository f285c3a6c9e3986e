"""`hedge account …`: keys go in by prompt or private file, are sealed, and appear nowhere again."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import pty
import random
import select
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import base58
import pytest
from cli_world import Machine
from nacl.signing import SigningKey
from pydantic import SecretStr

from connectors.settings import Endpoints, Environment, Outside
from core.account import AccountRef
from core.errors import AuthenticationFailed, ConfigurationError, VenueUnreachable
from core.instrument import Venue
from flows.accounts import Account, accounts_for, sandbox_accounts
from flows.looking import in_words, look_at
from flows.roster import NAME, listed
from store.home import Home
from store.keystore import Keystore

SEED = hashlib.sha256(b"a planted key").digest()
ADDRESS = base58.b58encode(bytes(SigningKey(SEED).verify_key)).decode()
PLANTED = base58.b58encode(SEED + bytes(SigningKey(SEED).verify_key)).decode()
PASSPHRASE = "a planted passphrase"


def key_file(folder: Path, text: str = PLANTED, mode: int = 0o600) -> str:
    path = folder / "key"
    path.write_text(text + "\n")
    path.chmod(mode)
    return str(path)


def add(machine: Machine, folder: Path, account_id: str = "main", *more: str) -> tuple[int, str, str]:
    ended = machine.hedge(
        "account", "add", account_id, "--venue", "pacifica", "--environment", "testnet", "--account", ADDRESS,
        "--key-file", key_file(folder), *more,
    )  # fmt: skip
    return ended.code, ended.out, ended.err


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the first test leaves a copy of its data folder: deriving a key takes long, as it must."""
    return tmp_path_factory.mktemp("sealed") / "home"


@pytest.fixture
def sealed(machine: Machine, tmp_path: Path, template: Path) -> Machine:
    """A machine with one account whose key is sealed."""
    machine.set(HEDGE_PASSPHRASE=PASSPHRASE)
    if template.exists():
        shutil.copytree(template, machine.home)
        return machine
    code, _, err = add(machine, tmp_path)
    assert code == 0, err
    shutil.copytree(machine.home, template)
    return machine


def test_an_added_account_is_listed_sealed_and_usable_by_sessions(sealed: Machine) -> None:
    home = Home(sealed.home)
    (entry,) = listed(home.path)
    account = accounts_for(Environment.TESTNET, home, {"HEDGE_PASSPHRASE": PASSPHRASE})["main"]

    assert (entry.id, entry.venue, entry.account, entry.owner) == ("main", Venue.PACIFICA, ADDRESS, "desk")
    assert account.keys.secret_key.get_secret_value() == PLANTED  # type: ignore[union-attr]
    assert (sealed.home / NAME).stat().st_mode & 0o777 == 0o600


def test_no_file_of_the_data_folder_holds_key_or_passphrase(sealed: Machine) -> None:
    for path in sealed.home.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            for secret in (PLANTED, PASSPHRASE, base64.b64encode(SEED).decode()):
                assert secret.encode() not in content, path.name
            assert SEED not in content, path.name


def test_no_command_prints_a_key_or_passphrase(sealed: Machine, tmp_path: Path) -> None:
    ended = [
        sealed.hedge("account", "list"),
        sealed.hedge("account", "list", "--json"),
        sealed.hedge("doctor", "--offline", "--json"),
        sealed.hedge("account", "add", "other", "--venue", "pacifica", "--environment", "testnet", "--account", "0x1",
                     "--key-file", key_file(tmp_path)),
        sealed.hedge("account", "add", PLANTED, "--venue", "pacifica", "--environment", "testnet", "--account", "x y",
                     "--key-file", key_file(tmp_path, "not a key " + PLANTED)),
    ]  # fmt: skip
    for one in ended:
        assert PLANTED not in one.out + one.err
        assert PASSPHRASE not in one.out + one.err


def test_a_sealed_key_without_its_passphrase_says_what_to_set(sealed: Machine) -> None:
    with pytest.raises(ConfigurationError, match="HEDGE_PASSPHRASE"):
        accounts_for(Environment.TESTNET, Home(sealed.home), {})


def test_a_sealed_key_goes_before_one_in_the_environment(sealed: Machine) -> None:
    environ = {"HEDGE_PASSPHRASE": PASSPHRASE, "HEDGE_KEY_TESTNET_MAIN": "another"}
    account = accounts_for(Environment.TESTNET, Home(sealed.home), environ)["main"]
    assert account.keys.secret_key.get_secret_value() == PLANTED  # type: ignore[union-attr]


def test_the_list_says_where_each_key_comes_from(sealed: Machine) -> None:
    with (sealed.home / NAME).open("a") as file:
        file.write("  - {id: by-env, venue: paradex, environment: testnet, owner: desk, account: '0x2'}\n")
        file.write("  - {id: without, venue: paradex, environment: testnet, owner: desk, account: '0x3'}\n")
    sealed.set(HEDGE_KEY_TESTNET_BY_ENV="0x1")

    rows = {row["accountId"]: row["key"] for row in sealed.hedge("account", "list", "--json").document}

    assert rows == {
        "main": "keystore", "by-env": "environment", "without": "missing",
        "account1": "built in", "account2": "built in", "account3": "built in",
    }  # fmt: skip


def test_an_account_is_listed_once(sealed: Machine, tmp_path: Path) -> None:
    code, _, err = add(sealed, tmp_path)
    assert code == 2
    assert "listed already" in err
    assert len(listed(sealed.home)) == 1
    assert len(Keystore(sealed.home).labels()) == 1, "its sealed key is still there"


def test_a_wrong_passphrase_adds_nothing(sealed: Machine, tmp_path: Path) -> None:
    sealed.set(HEDGE_PASSPHRASE="something else")
    code, _, err = add(sealed, tmp_path, "second")
    assert (code, "does not open" in err) == (2, True)
    assert [entry.id for entry in listed(sealed.home)] == ["main"]


@pytest.mark.parametrize(
    ("text", "sentence"), [("5ecret0OIl", "not base58"), ("abc", "32 or 64 bytes"), ("", "is empty")]
)
def test_what_cannot_be_a_key_is_refused_before_anything_is_written(
    machine: Machine, tmp_path: Path, text: str, sentence: str
) -> None:
    machine.set(HEDGE_PASSPHRASE=PASSPHRASE)
    ended = machine.hedge(
        "account", "add", "main", "--venue", "pacifica", "--environment", "testnet", "--account", ADDRESS,
        "--key-file", key_file(tmp_path, text),
    )  # fmt: skip
    assert (ended.code, sentence in ended.err) == (2, True)
    assert not (machine.home / "keystore.json").exists()
    assert listed(machine.home) == []


def test_a_key_file_that_others_can_read_is_refused(machine: Machine, tmp_path: Path) -> None:
    ended = machine.hedge(
        "account", "add", "main", "--venue", "pacifica", "--environment", "testnet", "--account", ADDRESS,
        "--key-file", key_file(tmp_path, mode=0o644),
    )  # fmt: skip
    assert (ended.code, "chmod 600" in ended.err) == (2, True)


def test_a_venue_without_that_environment_is_refused(machine: Machine, tmp_path: Path) -> None:
    ended = machine.hedge(
        "account", "add", "main", "--venue", "backpack", "--environment", "testnet", "--account", "x",
        "--key-file", key_file(tmp_path),
    )  # fmt: skip
    assert (ended.code, "backpack has no testnet" in ended.err) == (2, True)


def test_what_a_person_wrote_in_the_file_stays(sealed: Machine, tmp_path: Path) -> None:
    file = sealed.home / NAME
    file.write_text("# ours\n" + file.read_text() + "  # the next one is Jo's\n")
    sub = hashlib.sha256(b"another").hexdigest()
    assert sealed.hedge(
        "account", "add", "sub-1", "--venue", "paradex", "--environment", "testnet", "--account", "0x77",
        "--key-file", key_file(tmp_path, "0x0" + sub[:60]),
    ).code == 0  # fmt: skip
    assert sealed.hedge("account", "remove", "main", "--yes").code == 0

    assert file.read_text().startswith("# ours\n")
    assert "Jo's" in file.read_text()
    assert [entry.id for entry in listed(sealed.home)] == ["sub-1"]


def test_removing_forgets_the_key_as_well(sealed: Machine) -> None:
    ended = sealed.hedge("account", "remove", "main", "--yes", "--json")
    assert ended.document == {"accountId": "main", "removed": True, "keyRemoved": True}
    assert listed(sealed.home) == []
    assert Keystore(sealed.home).labels() == []
    assert sealed.hedge("account", "remove", "main", "--yes").code == 2


def typed(machine: Machine, arguments: list[str], answers: list[tuple[bytes, str]]) -> tuple[int, str]:
    """Run a command in a terminal of its own and answer its prompts; returns code and everything it showed."""
    ours, theirs = pty.openpty()
    environ = {**os.environ, "HEDGE_HOME": str(machine.home)}
    process = subprocess.Popen(
        [sys.executable, "-m", "cli.main", *arguments], stdin=theirs, stdout=theirs, stderr=theirs, env=environ
    )
    os.close(theirs)
    shown, waiting = b"", list(answers)
    while select.select([ours], [], [], 60)[0]:
        try:
            chunk = os.read(ours, 4096)
        except OSError:
            break
        if not chunk:
            break
        shown += chunk
        if waiting and waiting[0][0] in shown:
            os.write(ours, waiting.pop(0)[1].encode() + b"\n")
    os.close(ours)
    return process.wait(60), shown.decode()


def test_key_and_passphrase_are_asked_for_and_not_echoed(machine: Machine) -> None:
    arguments = ["account", "add", "main", "--venue", "pacifica", "--environment", "testnet", "--account", ADDRESS]
    answers = [(b"secret key of main", PLANTED), (b"new keystore", PASSPHRASE), (b"the same again", PASSPHRASE)]

    code, shown = typed(machine, arguments, answers)

    assert code == 0, shown
    assert PLANTED not in shown
    assert PASSPHRASE not in shown
    Keystore(machine.home).check(SecretStr(PASSPHRASE))


def test_two_different_passphrases_write_nothing(machine: Machine) -> None:
    arguments = ["account", "add", "main", "--venue", "pacifica", "--environment", "testnet", "--account", ADDRESS]
    answers = [(b"secret key of main", PLANTED), (b"new keystore", PASSPHRASE), (b"the same again", "else entirely")]

    code, shown = typed(machine, arguments, answers)

    assert (code, "differ" in shown) == (2, True)
    assert not (machine.home / "keystore.json").exists()


def test_removing_asks_first(sealed: Machine) -> None:
    code, shown = typed(sealed, ["account", "remove", "main"], [(b"[y/N]", "n")])
    assert code == 1
    assert "forget account main" in shown
    assert len(listed(sealed.home)) == 1


def test_where_nobody_can_type_the_way_out_is_named(machine: Machine) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", "account", "add", "main", "--venue", "pacifica", "--environment", "testnet",
         "--account", ADDRESS],
        capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60, check=False,
        env={**os.environ, "HEDGE_HOME": str(machine.home)},
    )  # fmt: skip
    assert (done.returncode, "--key-file" in done.stderr) == (2, True)


def test_a_venue_that_does_not_answer_is_told_in_words() -> None:
    """Nothing listens on the port of this endpoint; the look ends in a sentence, not in an exception."""
    account = sandbox_accounts()[0]
    nowhere = Account(
        AccountRef("account1", Venue.PACIFICA, "sandbox"), Environment.SANDBOX, account.keys,
        Endpoints("http://127.0.0.1:9", "ws://127.0.0.1:9/ws"),
    )  # fmt: skip

    async def no_wait(_: float) -> None:
        await asyncio.sleep(0)

    outside = Outside(lambda: datetime.now(UTC), no_wait, random.Random(1))
    seen = asyncio.run(look_at(nowhere, outside))

    assert not seen.is_usable
    assert seen.margin is None
    assert seen.problem is not None
    assert "cannot be reached" in seen.problem


def test_each_kind_of_failure_has_its_own_advice() -> None:
    texts = {
        in_words(kind("so said the venue")) for kind in (AuthenticationFailed, VenueUnreachable, ConfigurationError)
    }
    assert len(texts) == 3
    assert all("so said the venue" in text for text in texts)


def test_check_without_venues_fails_with_a_reason_each(machine: Machine) -> None:
    ended = machine.hedge("account", "check", "--json")
    assert ended.code == 1
    assert [row["usable"] for row in ended.document] == [False] * 3
    assert all(row["problem"] and row["equity"] is None for row in ended.document)


@pytest.mark.parametrize(
    ("venue", "address", "said"),
    [(Venue.PARADEX, "0x12", "40 hex digits"), (Venue.BACKPACK, "0x" + "1" * 40, "backpack opens accounts by itself")],
)
def test_onboarding_refuses_what_cannot_be_done_before_it_asks_a_venue(
    machine: Machine, venue: Venue, address: str, said: str
) -> None:
    (name,) = (one.ref.account_id for one in sandbox_accounts() if one.ref.venue is venue)

    ended = machine.hedge("account", "onboard", name, "--ethereum-account", address)

    assert ended.code == 2
    assert said in ended.err


@pytest.mark.parametrize("dies_in", ["flows.roster", "store.keystore"])
def test_a_removal_that_died_in_between_is_finished_by_the_next(
    sealed: Machine, monkeypatch: pytest.MonkeyPatch, dies_in: str
) -> None:
    """Whichever half was not reached: never an entry without its key, which would shut its whole environment."""
    target = "flows.roster.remove" if dies_in == "flows.roster" else "store.keystore.Keystore.remove"

    def killed(*_: object) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr(target, killed)
        assert sealed.hedge("account", "remove", "main", "--yes").code != 0
    entries, labels = listed(sealed.home), Keystore(sealed.home).labels()
    assert {e.id for e in entries} <= {label.account_id for label in labels}
    assert sealed.hedge("account", "remove", "main", "--yes").code == 0
    assert (listed(sealed.home), Keystore(sealed.home).labels()) == ([], [])
    assert sealed.hedge("account", "remove", "main", "--yes").code == 2
