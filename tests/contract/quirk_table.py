"""Turn a campaign's junit file into the table of docs/contract.md: venue, switch, value, cards passed.

Run after the campaign: `python -m tests.contract.quirk_table <date> <junit.xml>...`; prints the page. Where a card ran
again in a later file, the later outcome counts.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

CASE = re.compile(r"test_card_under\[(?P<venue>[a-z]+)-(?P<setting>[a-z0-9_]+=[A-Za-z0-9_]+)-(?P<card>.+)\]")
PAGE = """# The contract under other readings of the documents

Where a venue's documents leave something open, its twin has a switch (`sandbox/quirks.py`), and the connector must
work whichever way the switch stands. `make contract-quirks` runs every contract card that a venue has to pass under
every other value of every switch; `make test` runs the cards a switch can touch, and some others by rotation.

Run of {date}: {passed} of {total} passed.

| venue | switch = value | cards passed |
|---|---|---|
{rows}
"""


def page(date: str, *junits: str) -> str:
    """Return the page that tells of a campaign."""
    outcomes: dict[tuple[str, str, str], bool] = {}
    for junit in junits:
        for case in ElementTree.fromstring(junit).iter("testcase"):
            found = CASE.fullmatch(case.get("name", ""))
            if found is not None:
                is_passed = case.find("failure") is None and case.find("error") is None
                outcomes[found["venue"], found["setting"], found["card"]] = is_passed
    passed: Counter[tuple[str, str]] = Counter()
    total: Counter[tuple[str, str]] = Counter()
    for (venue, setting, _), is_passed in outcomes.items():
        total[venue, setting] += 1
        passed[venue, setting] += is_passed
    rows = [f"| {v} | `{s.replace('=', ' = ')}` | {passed[v, s]} of {n} |" for (v, s), n in total.items()]
    return PAGE.format(date=date, passed=sum(passed.values()), total=sum(total.values()), rows="\n".join(rows))


if __name__ == "__main__":
    sys.stdout.write(page(sys.argv[1], *(Path(name).read_text(encoding="utf-8") for name in sys.argv[2:])))
