"""Why a pair was done as it was, over the API: sentences and certificates, for readers only, and nothing invented."""

from __future__ import annotations

from api_world import Api, code_of
from test_api_records import with_pair

from core.certificate import canonical_json, digest
from store import NewPair
from tests.api.test_api_records import VENUES, D


async def test_an_ended_pair_is_explained_with_a_certificate_that_anybody_can_check(api: Api) -> None:
    session_id = await api.started()
    pair_id = await with_pair(api, session_id)
    told = (await api.get(f"/sessions/{session_id}/orders/{pair_id}/explain")).json()["explanation"]
    (certificate,) = told["certificates"]
    assert digest(canonical_json(certificate["document"])) == certificate["sha256"]
    assert (certificate["position"], certificate["kind"], certificate["certificateId"]) == (1, "pair", pair_id)
    text = "\n".join(told["sentences"])
    assert "Pair 1 trades 0.04 ETH: buy on pacifica (account1), sell on paradex (account2)." in text
    assert "it ended filled with 0.04 filled at 2499.5" in text
    assert "It ended filled with 0.04 hedged." in text
    assert (await api.get(f"/sessions/{session_id}/orders/1/explain")).json()["explanation"] == told


async def test_a_pair_in_progress_has_sentences_and_no_certificate(api: Api) -> None:
    session_id = await api.started()
    now = api.world.clock()
    plan = NewPair(
        "p", session_id, 1, VENUES["account1"], "account1", VENUES["account2"], "account2", D("0.04"), None, None, {},
        now,
    )  # fmt: skip
    await api.store.journal.record_pair(plan)
    told = (await api.get(f"/sessions/{session_id}/orders/p/explain")).json()["explanation"]
    assert told["certificates"] == []
    assert told["sentences"][-2:] == ["Nothing was sent.", "It has not ended; it is pending."]


async def test_a_pair_of_another_session_or_of_none_is_not_there(api: Api) -> None:
    session_id, other = await api.started(), await api.created()
    pair_id = await with_pair(api, session_id)
    for path in (f"{session_id}/orders/nope", f"{session_id}/orders/2", f"{other}/orders/{pair_id}"):
        answer = await api.get(f"/sessions/{path}/explain")
        assert (answer.status_code, code_of(answer)) == (404, "NOT_FOUND"), path
    answer = await api.get(f"/sessions/none/orders/{pair_id}/explain")
    assert (answer.status_code, code_of(answer)) == (404, "SESSION_NOT_FOUND")
