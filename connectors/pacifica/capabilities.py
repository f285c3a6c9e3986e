"""What the Pacifica connector can do today, row by row, and which of the venue's documents says how."""

from __future__ import annotations

from connectors.capabilities import Capabilities, Capability, Entry, Evidence, Support, whole

_WORKS, _NOT_YET, _NEVER = Support.WORKS, Support.NOT_YET, Support.NEVER
_DATED = "2026-07"


def _page(section: str) -> Evidence:
    return Evidence(f"docs.pacifica.fi, {section}", _DATED)


CAPABILITIES: Capabilities = whole(
    {
        Capability.MARKETS: Entry(
            _WORKS,
            _page("Get market info"),
            "smallest order 10 USD; limit orders up to ten times the largest market order",
            "spot rows share the list and are left out; symbols are case-sensitive (kBONK)",
        ),
        Capability.BOOK_SNAPSHOT: Entry(_WORKS, _page("Get orderbook"), "10 levels a side"),
        Capability.BOOK_STREAM: Entry(
            _WORKS,
            _page("WebSocket, Orderbook"),
            "10 levels a side, every 250 ms",
            "every frame replaces the book, so one that is lost leaves no gap: only time may not run backwards",
        ),
        Capability.BOOK_CONTINUITY: Entry(
            _NEVER,
            _page("WebSocket, Orderbook"),
            "",
            "frames are not numbered one by one; the next one heals whatever a lost one left",
        ),
        Capability.BEST_BID_ASK: Entry(
            _WORKS, _page("WebSocket, Orderbook"), "", "first level of the streamed book; channel bbo is not used"
        ),
        Capability.TRADES: Entry(_NOT_YET, _page("Get recent trades"), "", "rows carry no trade id"),
        Capability.MARK_INDEX: Entry(_WORKS, _page("Get prices"), "", "the index is the venue's oracle price"),
        Capability.FUNDING_NOW: Entry(
            _WORKS, _page("Funding rates"), "interval 1 h, at most 4 % an hour", "next_funding, the coming settlement"
        ),
        Capability.FUNDING_HISTORY: Entry(_NOT_YET, _page("Get historical funding"), "4000 rows a page, hourly"),
        Capability.CANDLES: Entry(
            _NOT_YET, _page("Get candle data"), "about 4000 a request", "minutes without trades are left out"
        ),
        Capability.STATS_24H: Entry(_NOT_YET, _page("Get prices"), "", "volume in USD and yesterday's price only"),
        Capability.OPEN_INTEREST: Entry(_NOT_YET, _page("Get prices"), "", "unit is not clear: base or USD"),
        Capability.SYSTEM_STATUS: Entry(
            _NEVER, _page("REST API"), "", "no such endpoint is documented; a halt shows as a refusal (code 38)"
        ),
        Capability.SERVER_TIME: Entry(
            _WORKS, _page("REST API"), "1 s resolution", "no such endpoint: Date header, refined by price stamps"
        ),
        Capability.CLOCK_OFFSET: Entry(_NOT_YET, _page("REST API")),
        Capability.LIMIT_GTC: Entry(_WORKS, _page("Create limit order"), "", "waits about 200 ms before matching"),
        Capability.LIMIT_IOC: Entry(_WORKS, _page("Create limit order"), "", "waits about 200 ms before matching"),
        Capability.POST_ONLY: Entry(
            _WORKS, _page("Create limit order"), "", "ALO; one that would cross may be taken and ended afterwards"
        ),
        Capability.FOK: Entry(
            _NEVER, _page("Create limit order"), "", "the venue has GTC, IOC, ALO and TOB, no fill or kill"
        ),
        Capability.MARKET_BOUNDED: Entry(
            _WORKS,
            _page("Create market order"),
            "",
            "sent as IOC limit at the bound: the venue's own takes a slippage from mark, not a price",
        ),
        Capability.STOP_ORDERS: Entry(
            _NOT_YET, _page("Create stop order; Position TP/SL"), "", "trigger type has to be sent: defaults disagree"
        ),
        Capability.REDUCE_ONLY: Entry(_WORKS, _page("Create limit order"), "", "refused with 422 when flat"),
        Capability.BATCH_PLACE: Entry(
            _NOT_YET, _page("Batch order"), "10 actions", "each action is signed alone; one bad signature fails all"
        ),
        Capability.BATCH_CANCEL: Entry(_NOT_YET, _page("Batch order"), "10 actions"),
        Capability.EDIT: Entry(
            _NOT_YET, _page("Edit order"), "", "ends the order and makes a new post-only one with a new venue id"
        ),
        Capability.CANCEL_BY_EITHER_ID: Entry(_WORKS, _page("Cancel order"), "costs half a credit"),
        Capability.CANCEL_ALL: Entry(_WORKS, _page("Cancel all orders"), "", "takes stops and reduce-only ones too"),
        Capability.ORDER_LOOKUP: Entry(
            _WORKS, _page("Get order history"), "", "history filters neither by client id nor market: it is paged"
        ),
        Capability.UNIQUE_CLIENT_ID: Entry(
            _WORKS, _page("Error codes"), "", "refused as duplicate; how long an id stays used is not documented"
        ),
        Capability.ORDER_VALIDITY: Entry(_WORKS, _page("Signing")),
        Capability.LEVERAGE_MARGIN_MODE: Entry(
            _NOT_YET, _page("Update leverage; Update margin mode"), "", "with a position, leverage can only go up"
        ),
        Capability.SELF_TRADE_PREVENTION: Entry(
            _WORKS, _page("Order types"), "", "fixed: the resting order is cancelled; not selectable"
        ),
        Capability.BALANCES: Entry(_NOT_YET, _page("Get account info"), "", "margin() has the USD total"),
        Capability.MARGIN: Entry(_WORKS, _page("Get account info"), "", "cross_mmr is USD, not a ratio"),
        Capability.POSITIONS: Entry(
            _WORKS, _page("Get positions"), "one row a symbol", "the row has no profit: reckoned from the feed's mark"
        ),
        Capability.LIQUIDATION_PRICE: Entry(
            _WORKS, _page("Get positions"), "", "may be negative, which cannot be reached and is None here"
        ),
        Capability.OPEN_ORDERS: Entry(_WORKS, _page("Get open orders"), "", "untriggered stops are among them"),
        Capability.ORDER_HISTORY: Entry(
            _NOT_YET, _page("Get order history"), "4000 rows a page", "read inside order(), not offered as a list"
        ),
        Capability.FILLS: Entry(
            _WORKS, _page("Get trade history"), "30 days a request", "price is the execution's, entry_price is not"
        ),
        Capability.FUNDING_PAYMENTS: Entry(_WORKS, _page("Get funding history"), "", "payout is positive if received"),
        Capability.TRANSFERS: Entry(_NOT_YET, _page("Get account balance history")),
        Capability.SUBACCOUNTS: Entry(_NOT_YET, _page("List subaccounts"), "", "the list is a signed POST"),
        Capability.ACCOUNT_STATUS: Entry(
            _WORKS, _page("Liquidations"), "", "no flag: active means equity is not below maintenance margin"
        ),
        Capability.FEE_TIER: Entry(
            _NOT_YET, _page("Fees"), "", "the rates as charged are on every market; the tier's number is not offered"
        ),
        Capability.RATE_QUOTA: Entry(
            _NOT_YET,
            _page("Rate limits"),
            "125 credits a minute, 300 and more with a config key",
            "the headers steer the local pace but are not offered; they count in tenths of a credit",
        ),
        Capability.WITHDRAWALS: Entry(
            _NEVER, _page("Request withdrawal"), "", "this system never moves money off a venue"
        ),
        Capability.KEY_MANAGEMENT: Entry(
            _NEVER, _page("API agent keys"), "20 agents an account", "this system never makes or revokes a key"
        ),
        Capability.PRIVATE_ORDERS: Entry(_WORKS, _page("WebSocket, Account order updates"), "", "no snapshot"),
        Capability.PRIVATE_FILLS: Entry(
            _WORKS, _page("WebSocket, Account trades"), "", "may come seconds after the order update"
        ),
        Capability.PRIVATE_POSITIONS: Entry(
            _NOT_YET, _page("WebSocket, Account positions"), "", "full set at every change; may lag behind fills"
        ),
        Capability.PRIVATE_ACCOUNT: Entry(_NOT_YET, _page("WebSocket, Account info")),
        Capability.PRIVATE_FUNDING: Entry(
            _NEVER, _page("WebSocket subscriptions"), "", "no such channel is documented; payments come by REST"
        ),
        Capability.TRADEBUSTS: Entry(
            _NEVER, _page("WebSocket subscriptions"), "", "the documents know no trade that is undone"
        ),
        Capability.FORCED_TRADES: Entry(
            _NOT_YET, _page("Get trade history"), "", "their fills are read; the venue's cause is not passed on"
        ),
    }
)
