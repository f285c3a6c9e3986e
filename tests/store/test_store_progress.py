"""Reads of a session's progress: heads of many sessions at once, the last event of a channel, what was active when."""

from __future__ import annotations

from store_world import NOW, entry, later, new_pair, new_session, report

from core.order import OrderStatus, Reported, apply
from store import Store


def add(store: Store, channel: str, session_id: str = "s1") -> int:
    return store.journal.append_event.now(session_id, at=NOW, channel=channel, type=f"{channel}_update", payload={})


def test_the_heads_of_several_sessions_come_in_one_answer(store: Store) -> None:
    store.journal.create_session.now(new_session("s2"))
    for _ in range(3):
        add(store, "metrics")
    assert store.reads.event_heads(["s1", "s2", "nobody"]) == {"s1": 3, "s2": 0}
    assert store.reads.event_heads([]) == {}


def test_the_last_event_of_a_channel_can_be_asked_for_as_of_a_sequence(store: Store) -> None:
    for channel in ("metrics", "status", "metrics", "status"):
        add(store, channel)
    found = [store.reads.last_event("s1", "metrics", up_to=n) for n in (None, 2, 0)]
    assert [event and event.sequence for event in found] == [3, 1, None]


def test_an_order_counts_as_active_from_its_intent_to_its_end(store: Store) -> None:
    store.journal.record_pair.now(new_pair())
    store.journal.record_intents.now([entry()])
    assert store.reads.count_active_orders("s1", later(-1)) == 0
    assert store.reads.count_active_orders("s1", later(1)) == 1
    order = store.reads.journal_order("c1").order
    store.journal.record_order.now(apply(order, Reported(report(OrderStatus.CANCELLED, at=later(2)))))
    assert [store.reads.count_active_orders("s1", later(at)) for at in (1, 2)] == [1, 0]
