"""The Pacifica twin's subaccounts, transfers and balance history."""

from __future__ import annotations

from decimal import Decimal

import httpx
from pacifica_client import Signer, Twin

from sandbox.funding import HOUR_US


async def join(twin: Twin, sub: Signer, **changes: object) -> httpx.Response:
    """Post a subaccount with both signatures, as the documents build them."""
    main, at = twin.signer, twin.now_ms
    sub_signature = sub.signature("subaccount_initiate", at, {"account": main.public})
    body = {
        "main_account": main.public, "subaccount": sub.public, "sub_signature": sub_signature,
        "main_signature": main.signature("subaccount_confirm", at, {"signature": sub_signature}),
        "timestamp": at, "expiry_window": 5000,
    }  # fmt: skip
    return await twin.http.post("/account/subaccount/create", json=body | changes)


async def test_a_subaccount_takes_both_signatures_and_is_listed() -> None:
    twin, sub = Twin(), Signer(7)

    assert (await join(twin, sub)).status_code == 200

    answer = await twin.post("/account/subaccount/list", "list_subaccounts")
    (row,) = answer.json()["data"]["subaccounts"]
    assert (row["address"], row["balance"], row["fee_mode"]) == (sub.public, "0.000000", "auto")


async def test_a_forged_half_is_refused() -> None:
    twin, sub = Twin(), Signer(7)

    answer = await join(twin, sub, main_signature=sub.signature("subaccount_confirm", twin.now_ms, {}))

    assert answer.status_code == 400
    assert answer.json()["error_id"] == "signature_verification_failed"
    assert sub.public not in twin.exchange.accounts


async def test_money_moves_inside_the_family_only_and_shows_in_both_histories() -> None:
    twin, sub = Twin(), Signer(7)
    await join(twin, sub)
    twin.exchange.open_account(Signer(8).public, Decimal(5))

    moved = await twin.post("/account/subaccount/transfer", "transfer_funds", to_account=sub.public, amount="250")
    away = await twin.post("/account/subaccount/transfer", "transfer_funds", to_account=Signer(8).public, amount="1")

    assert moved.json()["data"] == {"success": True, "error": None}
    assert (away.status_code, away.json()["code"]) == (422, 33)
    mine = (await twin.get("/account/balance/history")).json()["data"]
    theirs = (await twin.get("/account/balance/history", account=sub.public)).json()["data"]
    assert [(row["event_type"], row["amount"], row["balance"]) for row in mine] == [
        ("subaccount_transfer", "-250.000000", "9750.000000"),
        ("deposit", "10000.000000", "10000.000000"),
    ]
    assert [(row["event_type"], row["amount"]) for row in theirs] == [("subaccount_transfer", "250.000000")]


async def test_the_balance_history_adds_up_with_trades_and_leaves_them_out_without() -> None:
    twin = Twin()
    await twin.market()
    twin.exchange.set_funding_rate("ETH/USD", Decimal("0.0001"))
    twin.world.advance(HOUR_US)

    whole = (await twin.get("/account/balance/history", include_trades="true")).json()["data"]
    short = (await twin.get("/account/balance/history")).json()["data"]

    assert [row["event_type"] for row in whole] == ["funding", "trade", "deposit"]
    assert [row["event_type"] for row in short] == ["funding", "deposit"]
    balance = twin.exchange.account(twin.signer.public).balance
    assert sum(Decimal(row["amount"]) for row in whole) == Decimal(whole[0]["balance"]) == balance


async def test_the_history_is_paged() -> None:
    twin = Twin()
    twin.exchange.open_account(twin.signer.public, Decimal(1))

    first = (await twin.get("/account/balance/history", limit=1)).json()
    second = (await twin.get("/account/balance/history", limit=1, cursor=first["next_cursor"])).json()

    assert [page["data"][0]["amount"] for page in (first, second)] == ["1.000000", "10000.000000"]
    assert (first["has_more"], second["has_more"]) == (True, False)
