"""For every folder of tests: let assertions of the shared contract modules explain themselves, whoever imports them."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite(
    "tests.contract.bench",
    "tests.contract.cards",
    "tests.contract.surface_cards",
    "tests.contract.surface_desk_cards",
    "tests.contract.surface_stream_cards",
)
