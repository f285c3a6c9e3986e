"""The sealed keystore: opened by its passphrase only, every alteration noticed, nothing readable in the file."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from core.errors import ConfigurationError
from store.keystore import NAME, Cost, Keystore, KeystoreDamaged, Label, WrongPassphrase, passphrase_from

# The least that a file may ask for, so that tests are quick.
CHEAP = Cost(passes=2, memory_bytes=64 * 2**20)
RIGHT, WRONG = SecretStr("correct horse battery"), SecretStr("incorrect horse")
MAIN = Label("testnet", "pacifica", "main")
OTHER = Label("testnet", "paradex", "sub-1")
SECRET = "5ecret-of-main-5ecret"


@pytest.fixture
def keystore(tmp_path: Path) -> Keystore:
    """A keystore with two secrets."""
    made = Keystore(tmp_path, cost=CHEAP)
    made.put(MAIN, SecretStr(SECRET), RIGHT)
    made.put(OTHER, SecretStr("another"), RIGHT)
    return made


def change(folder: Path, alter: Any) -> None:
    """Alter the file as somebody who can write it would."""
    document = json.loads((folder / NAME).read_text())
    alter(document)
    (folder / NAME).write_text(json.dumps(document))


def revealed(found: SecretStr | None) -> str | None:
    return None if found is None else found.get_secret_value()


def test_a_secret_comes_back_with_the_passphrase_it_was_sealed_with(keystore: Keystore) -> None:
    assert revealed(keystore.get(MAIN, RIGHT)) == SECRET
    assert revealed(keystore.get(OTHER, RIGHT)) == "another"
    assert keystore.get(Label("production", "pacifica", "main"), RIGHT) is None
    keystore.check(RIGHT)


def test_a_wrong_passphrase_is_told_as_such_and_changes_nothing(keystore: Keystore, tmp_path: Path) -> None:
    before = (tmp_path / NAME).read_bytes()
    with pytest.raises(WrongPassphrase):
        keystore.get(MAIN, WRONG)
    with pytest.raises(WrongPassphrase):
        keystore.put(MAIN, SecretStr("new"), WRONG)
    with pytest.raises(WrongPassphrase):
        keystore.check(WRONG)
    assert (tmp_path / NAME).read_bytes() == before


def test_nothing_secret_stands_in_the_file_and_only_its_owner_may_read_it(keystore: Keystore, tmp_path: Path) -> None:
    assert SECRET not in (tmp_path / NAME).read_text()
    assert RIGHT.get_secret_value() not in (tmp_path / NAME).read_text()
    assert stat.S_IMODE((tmp_path / NAME).stat().st_mode) == 0o600
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(f".{NAME}")] == []


def test_whose_secrets_there_are_can_be_asked_without_a_passphrase(keystore: Keystore) -> None:
    assert keystore.labels() == [MAIN, OTHER]


def test_an_altered_entry_is_damaged_and_not_a_wrong_passphrase(keystore: Keystore, tmp_path: Path) -> None:
    def flip(document: dict[str, Any]) -> None:
        sealed = document["entries"][0]["sealed"]
        sealed["text"] = ("A" if sealed["text"][0] != "A" else "B") + sealed["text"][1:]

    change(tmp_path, flip)

    with pytest.raises(KeystoreDamaged, match="account main"):
        keystore.get(MAIN, RIGHT)
    with pytest.raises(KeystoreDamaged, match="account main"):
        keystore.check(RIGHT)
    assert revealed(keystore.get(OTHER, RIGHT)) == "another"


@pytest.mark.parametrize("field", ["environment", "venue", "account_id"])
def test_a_sealed_text_works_for_no_other_account(keystore: Keystore, tmp_path: Path, field: str) -> None:
    """Production's key in testnet's place, one venue's in another's: the associated data does not fit."""
    change(tmp_path, lambda document: document["entries"][0].update({field: "other"}))
    moved = Label(**{"environment": "testnet", "venue": "pacifica", "account_id": "main", field: "other"})

    with pytest.raises(KeystoreDamaged):
        keystore.get(moved, RIGHT)


def test_swapped_entries_are_noticed(keystore: Keystore, tmp_path: Path) -> None:
    def swap(document: dict[str, Any]) -> None:
        one, two = document["entries"]
        one["sealed"], two["sealed"] = two["sealed"], one["sealed"]

    change(tmp_path, swap)
    with pytest.raises(KeystoreDamaged):
        keystore.get(MAIN, RIGHT)


@pytest.mark.parametrize(
    "alter",
    [
        lambda d: d["derivation"].update(passes=1),
        lambda d: d["derivation"].update(memory_bytes=2**40),
        lambda d: d["derivation"].update(memory_bytes=8192),
        lambda d: d["derivation"].update(name="md5"),
        lambda d: d["derivation"].update(salt="AAAA"),
        lambda d: d["word"].update(nonce="AAAA"),
        lambda d: d["word"].update(text="not base64!"),
        lambda d: d.update(version=9),
        lambda d: d.update(more=1),
        lambda d: d["entries"].append(d["entries"][0]),
    ],
)
def test_a_file_we_never_wrote_is_refused_before_anything_is_derived(
    keystore: Keystore, tmp_path: Path, alter: Any
) -> None:
    change(tmp_path, alter)
    with pytest.raises((KeystoreDamaged, WrongPassphrase)):
        keystore.check(RIGHT)


def test_a_cut_off_file_is_damaged(keystore: Keystore, tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes((tmp_path / NAME).read_bytes()[:100])
    with pytest.raises(KeystoreDamaged):
        keystore.labels()


def test_a_file_that_others_can_read_is_refused_with_the_remedy(keystore: Keystore, tmp_path: Path) -> None:
    (tmp_path / NAME).chmod(0o644)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        keystore.labels()


def test_sealing_again_replaces_and_removing_forgets(keystore: Keystore) -> None:
    keystore.put(MAIN, SecretStr("new"), RIGHT)
    assert revealed(keystore.get(MAIN, RIGHT)) == "new"
    assert len(keystore.labels()) == 2
    assert keystore.remove(MAIN)
    assert not keystore.remove(MAIN)
    assert keystore.labels() == [OTHER]
    assert keystore.get(MAIN, RIGHT) is None


def test_the_same_secret_sealed_twice_looks_different(tmp_path: Path) -> None:
    texts = set()
    for folder in ("one", "two"):
        Keystore(tmp_path / folder, cost=CHEAP).put(MAIN, SecretStr(SECRET), RIGHT)
        texts.add(json.loads((tmp_path / folder / NAME).read_text())["entries"][0]["sealed"]["text"])
    assert len(texts) == 2


def test_an_empty_folder_has_no_secrets_and_a_short_passphrase_makes_no_keystore(tmp_path: Path) -> None:
    empty = Keystore(tmp_path, cost=CHEAP)
    assert (empty.exists, empty.labels(), empty.get(MAIN, RIGHT), empty.remove(MAIN)) == (False, [], None, False)
    with pytest.raises(ConfigurationError, match="at least 8"):
        empty.put(MAIN, SecretStr(SECRET), SecretStr("short"))
    assert not empty.exists


def test_the_passphrase_comes_from_the_environment_or_a_private_file(tmp_path: Path) -> None:
    file = tmp_path / "passphrase"
    file.write_text("from the file\n")
    file.chmod(0o600)
    by_file = {"HEDGE_PASSPHRASE_FILE": str(file)}
    assert passphrase_from({}) is None
    assert revealed(passphrase_from({"HEDGE_PASSPHRASE": "direct"} | by_file)) == "direct"
    assert revealed(passphrase_from(by_file)) == "from the file"


def test_an_unusable_passphrase_file_is_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / "passphrase"
    with pytest.raises(ConfigurationError, match=r"HEDGE_PASSPHRASE_FILE.*No such file"):
        passphrase_from({"HEDGE_PASSPHRASE_FILE": str(file)})
    file.write_text("")
    os.chmod(file, 0o600)
    with pytest.raises(ConfigurationError, match="is empty"):
        passphrase_from({"HEDGE_PASSPHRASE_FILE": str(file)})
    file.write_text("open to all")
    file.chmod(0o604)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        passphrase_from({"HEDGE_PASSPHRASE_FILE": str(file)})


def test_errors_and_representations_never_hold_a_secret(keystore: Keystore) -> None:
    with pytest.raises(WrongPassphrase) as refused:
        keystore.get(MAIN, WRONG)
    shown = f"{refused.value!r} {refused.value} {refused.value.details} {keystore!r} {keystore.get(MAIN, RIGHT)!r}"
    for secret in (SECRET, RIGHT.get_secret_value(), WRONG.get_secret_value()):
        assert secret not in shown
