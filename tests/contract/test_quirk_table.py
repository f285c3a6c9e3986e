"""The table of a campaign counts what passed and names every setting once."""

from __future__ import annotations

from tests.contract.quirk_table import page

CASE = '<testcase name="test_card_under[{}]">{}</testcase>'
JUNIT = "<testsuites><testsuite>{}</testsuite></testsuites>"


def test_a_failed_card_is_not_counted_as_passed() -> None:
    cases = [
        CASE.format("paradex-fill_side=taker-C01-connecting", ""),
        CASE.format("paradex-fill_side=taker-C15-a_fill", "<failure/>"),
        CASE.format("backpack-speed_bump_us=0-C15-a_fill", ""),
        '<testcase name="test_the_rotation"/>',
    ]

    text = page("1 May 2027", JUNIT.format("".join(cases)))

    assert "| paradex | `fill_side = taker` | 1 of 2 |" in text
    assert "| backpack | `speed_bump_us = 0` | 1 of 1 |" in text
    assert "Run of 1 May 2027: 2 of 3 passed." in text


def test_a_card_that_ran_again_counts_by_its_later_outcome() -> None:
    case = "paradex-fill_side=taker-C15-a_fill"

    text = page("today", JUNIT.format(CASE.format(case, "<error/>")), JUNIT.format(CASE.format(case, "")))

    assert "| paradex | `fill_side = taker` | 1 of 1 |" in text
