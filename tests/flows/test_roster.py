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
    assert "accounts.0" in str(refused.value)
