"""A session's pairs are written out once for each of their versions, and are never older than the store."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from api_world import Api, ApiWorld
from test_api_naked import with_naked_pair
from test_api_records import with_pair

from api.pair_texts import PairTexts
from api.views.pairs import pair_document
from core.pair import PairStatus
from store import PairOutcome

D = Decimal


async def shown(api: Api, session_id: str) -> list[dict[str, Any]]:
    answer = await api.get(f"/sessions/{session_id}")
    assert answer.headers["content-type"] == "application/json"
    orders: list[dict[str, Any]] = answer.json()["session"]["orders"]
    return orders


async def test_pairs_of_a_session_are_those_of_its_list_newest_first(api: Api) -> None:
    session_id = await api.started()
    for sequence in (1, 2, 3):
        await with_pair(api, session_id, sequence)
    for _ in range(2):
        listed = (await api.get(f"/sessions/{session_id}/orders")).json()["orders"]
        assert await shown(api, session_id) == listed[::-1]


async def test_pair_that_changed_is_shown_as_it_is_now_by_every_process(world: ApiWorld, api: Api) -> None:
    async with world.opened() as other:
        session_id = await api.started()
        await with_pair(api, session_id, 1)
        pair_id = await with_naked_pair(api, session_id, "1", sequence=2, ended=False)
        assert [p["status"] for p in await shown(api, session_id)] == ["partial", "filled"]
        assert [p["status"] for p in await shown(other, session_id)] == ["partial", "filled"]
        outcome = PairOutcome(PairStatus.UNWOUND, naked_usd_seconds=D(5), completed_at=world.clock())
        await other.store.journal.complete_pair(pair_id, outcome)
        for process in (api, other):
            newest = (await shown(process, session_id))[0]
            assert (newest["status"], newest["nakedUsdSeconds"]) == ("unwound", 5)


async def test_news_of_an_order_alone_is_a_new_version(api: Api) -> None:
    session_id = await api.started()
    pair_id = await with_pair(api, session_id)
    before = api.store.reads.paged.versions(session_id, limit=10)[pair_id]
    (fill, _) = api.store.reads.fills_of_pair(pair_id)
    await api.store.journal.bust_fill(fill.venue, fill.account_id, fill.trade_id, at=api.world.clock())
    after = api.store.reads.paged.versions(session_id, limit=10)[pair_id]
    assert after != before
    ((pair, orders),) = api.store.reads.paged.whole([pair_id])
    assert await shown(api, session_id) == [pair_document(pair, orders).model_dump(mode="json", by_alias=True)]


async def test_what_is_kept_is_bounded_and_the_longest_unused_goes_first(api: Api) -> None:
    session_id = await api.started()
    ids = [await with_pair(api, session_id, sequence) for sequence in range(1, 6)]
    texts = PairTexts(kept_max=3)
    for _ in range(2):
        assert len(texts.newest(api.store, session_id, limit=100)) == 5
        assert len(texts._kept) == 3
    assert texts.newest(api.store, session_id, limit=1)[0].startswith(b'{"id":"' + ids[-1].encode())
