"""accounts.yaml as commands change it: what it meant before it still means, plus or minus one account."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.settings import Environment
from core.errors import ConfigurationError
from core.instrument import Venue
from flows.roster import NAME, Listed, add, listed, remove

BLOCK = """# written by hand, in another style
accounts:
- id: first
  venue: pacifica
  environment: testnet
  owner: desk
  account: "0x1"
"""


def entry(account_id: str, account: str = "0x9") -> Listed:
    return Listed(id=account_id, venue=Venue.PARADEX, environment=Environment.TESTNET, owner="desk", account=account)


@pytest.mark.parametrize("text", ["", "accounts: []\n", BLOCK, BLOCK.rstrip("\n"), "accounts: [{id: z, venue: paradex, "
                                  "environment: testnet, owner: o, account: a}]"])  # fmt: skip
def test_an_account_is_added_and_taken_out_of_any_style_of_file(tmp_path: Path, text: str) -> None:
    if text:
        (tmp_path / NAME).write_text(text)
    before = listed(tmp_path)

    add(tmp_path, entry("new"))
    assert listed(tmp_path) == [*before, entry("new")]

    assert remove(tmp_path, "new")
    assert listed(tmp_path) == before
    assert not remove(tmp_path, "new")


@given(texts=st.lists(st.text(min_size=1, max_size=20), min_size=1, max_size=4))
def test_whatever_an_address_holds_is_read_back_as_written(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("home")
    entries = [entry(f"a{n}", text) for n, text in enumerate(texts)]
    for one in entries:
        add(folder, one)
    assert listed(folder) == entries


def test_a_key_in_the_wrong_place_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text("accounts:\n  - {id: a, secret: 5ecret-planted}\n")
    with pytest.raises(ConfigurationError) as refused:
        listed(tmp_path)
    assert "5ecret" not in str(refused.value)
    assert str(refused.value) == "accounts.yaml: accounts[0].venue: is missing; give it"
    assert refused.value.details["field"] == "accounts[0].venue"


ROW = "{id: a, venue: paradex, environment: testnet, owner: o, account: '1'}"


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (ROW.replace("paradex", "5ecret"), "[1].venue: must be 'pacifica', 'paradex' or 'backpack'"),
        (ROW.replace("testnet", "sandbox"), "[1].environment: must be 'testnet' or 'production'"),
        (ROW.replace("'1'", "0x5ec2e7"), "[1].account: give a text, in quotes where it looks like a number or a date"),
        (ROW.replace("'1'", "[5ecret]"), "[1].account: give a text, in quotes where it looks like a number or a date"),
        (ROW.replace("id: a", "id: 'not an id'"), "[1].id: is not of the form ^[A-Za-z0-9_-]+$"),
        (ROW.replace("id: a", "id: ''"), "[1].id: give at least 1 characters"),
        (ROW.replace("owner: o, ", ""), "[1].owner: is missing; give it"),
        (
            ROW.replace("owner", "5: 6, owner"),
            "[1][5]: a field's name must be a text; take it out, or put the name in quotes",
        ),
        (ROW[:-1] + ", private_key: 5ecret}", "[1].private_key: not a known field; leave it out"),
        (ROW[:-1] + ", binary_version: two}", "[1].binary_version: give a whole number"),
        (ROW[:-1] + ", binary_version: 12}", "[1].binary_version: must be at most 9"),
        ("5ecret", "[1]: give an object, { … }"),
    ],
)
def test_a_wrong_field_is_named_by_its_path_with_what_to_give_instead(tmp_path: Path, row: str, told: str) -> None:
    (tmp_path / NAME).write_text(f"accounts:\n  - {ROW.replace('id: a', 'id: b')}\n  - {row}\n")
    with pytest.raises(ConfigurationError) as refused:
        listed(tmp_path)
    assert str(refused.value) == f"{NAME}: accounts{told}"
    assert refused.value.details["field"] == f"accounts{told.split(':', maxsplit=1)[0]}"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "accounts.yaml: the file: give an object, { … }; write a list `accounts:` with a line"),
        ("- a", "accounts.yaml: the file: give an object, { … }; write a list"),
        ("accounts: {id: a}", "accounts.yaml: accounts: give a list, [ … ]; write a list `accounts:`"),
        ("accounts:\n  - {id: 5ecret", "accounts.yaml is not YAML at line 2, column 16; write a list"),
        ("accounts: \x00", "accounts.yaml is not YAML; write a list"),
        (b"accounts: \xff\xfe", "accounts.yaml is not text in UTF-8"),
    ],
)
def test_a_file_that_is_no_list_of_accounts_is_told_what_it_should_be(
    tmp_path: Path, text: str | bytes, told: str
) -> None:
    (tmp_path / NAME).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigurationError) as refused:
        listed(tmp_path)
    assert str(refused.value).startswith(told)
    assert "5ecret" not in str(refused.value)


def test_a_file_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    with pytest.raises(ConfigurationError, match=r"accounts\.yaml cannot be read: Is a directory"):
        listed(tmp_path)
