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
        Capability.TRADES: Entry(
            _WORKS,
            _page("Get recent trades; WebSocket, Trades"),
            "",
            "by REST without a trade id and without a limit; by stream with one",
        ),
        Capability.MARK_INDEX: Entry(_WORKS, _page("Get prices"), "", "the index is the venue's oracle price"),
        Capability.FUNDING_NOW: Entry(
            _WORKS, _page("Funding rates"), "interval 1 h, at most 4 % an hour", "next_funding, the coming settlement"
        ),
        Capability.FUNDING_HISTORY: Entry(
            _WORKS,
            _page("Get historical funding"),
            "4000 rows a page, hourly",
            "the settled rate, without a mark price",
        ),
        Capability.CANDLES: Entry(
            _WORKS,
            _page("Get candle data; WebSocket, Candle"),
            "about 4000 a request",
            "minutes without trades are left out",
        ),
        Capability.STATS_24H: Entry(
            _WORKS,
            _page("Get prices"),
            "",
            "volume in USD, and the change of the mark; no high, low or volume in base units",
        ),
        Capability.OPEN_INTEREST: Entry(
            _WORKS, _page("Get prices"), "", "base units by the venue's own examples, although its text says USD"
        ),
        Capability.SYSTEM_STATUS: Entry(
            _NEVER, _page("REST API"), "", "no such endpoint is documented; a halt shows as a refusal (code 38)"
        ),
        Capability.SERVER_TIME: Entry(
            _WORKS, _page("REST API"), "1 s resolution", "no such endpoint: Date header, refined by price stamps"
        ),
        Capability.CLOCK_OFFSET: Entry(
            _WORKS,
            _page("REST API"),
            "half a second and half a round trip",
            "by the Date header, which cuts off fractions",
        ),
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
            _WORKS,
            _page("Create stop order; Position TP/SL"),
            "",
            "a take-profit gets no id at once; what goes off is a limit order at the bound, judged only then",
        ),
        Capability.REDUCE_ONLY: Entry(_WORKS, _page("Create limit order"), "", "refused with 422 when flat"),
        Capability.BATCH_PLACE: Entry(
            _WORKS,
            _page("Batch order"),
            "10 actions",
            "each action is signed alone; one bad signature or field fails all",
        ),
        Capability.BATCH_CANCEL: Entry(
            _WORKS, _page("Batch order"), "10 actions", "refused one by one inside a 200 answer"
        ),
        Capability.EDIT: Entry(
            _WORKS,
            _page("Edit order"),
            "",
            "ends the order and makes a new post-only one with a new venue id; one that would cross loses both",
        ),
        Capability.CANCEL_BY_EITHER_ID: Entry(_WORKS, _page("Cancel order"), "costs half a credit"),
        Capability.CANCEL_ALL: Entry(_WORKS, _page("Cancel all orders"), "", "takes stops and reduce-only ones too"),
        Capability.ORDER_LOOKUP: Entry(
            _WORKS, _page("Get order history"), "", "history filters neither by client id nor market: it is paged"
        ),
        Capability.UNIQUE_CLIENT_ID: Entry(
            _WORKS, _page("Error codes"), "", "refused as duplicate; how long an id stays used is not documented"
        ),
        Capability.ORDER_VALIDITY: Entry(
            _WORKS,
            _page("Signing"),
            "30 s at most",
            "timestamp and expiry_window; shortened by the clock's own bound of error",
        ),
        Capability.LEVERAGE_MARGIN_MODE: Entry(
            _WORKS,
            _page("Update leverage; Update margin mode"),
            "whole numbers from 1",
            "with a position, leverage can only go up and the mode not change; defaults are not listed",
        ),
        Capability.SELF_TRADE_PREVENTION: Entry(
            _WORKS, _page("Order types"), "", "fixed: the resting order is cancelled; not selectable"
        ),
        Capability.BALANCES: Entry(
            _WORKS,
            _page("Get account info"),
            "",
            "USDC is cash before unrealised profit; available is what may be withdrawn",
        ),
        Capability.MARGIN: Entry(_WORKS, _page("Get account info"), "", "cross_mmr is USD, not a ratio"),
        Capability.POSITIONS: Entry(
            _WORKS, _page("Get positions"), "one row a symbol", "the row has no profit: reckoned from the feed's mark"
        ),
        Capability.LIQUIDATION_PRICE: Entry(
            _WORKS, _page("Get positions"), "", "may be negative, which cannot be reached and is None here"
        ),
        Capability.OPEN_ORDERS: Entry(_WORKS, _page("Get open orders"), "", "untriggered stops are among them"),
        Capability.ORDER_HISTORY: Entry(
            _WORKS,
            _page("Get order history"),
            "4000 rows a page",
            "filters neither by market nor time: it is paged and sorted here",
        ),
        Capability.FILLS: Entry(
            _WORKS, _page("Get trade history"), "30 days a request", "price is the execution's, entry_price is not"
        ),
        Capability.FUNDING_PAYMENTS: Entry(_WORKS, _page("Get funding history"), "", "payout is positive if received"),
        Capability.TRANSFERS: Entry(
            _WORKS,
            _page("Get account balance history"),
            "",
            "rows have no id: time, kind and balance name one; trading and funding are left out",
        ),
        Capability.SUBACCOUNTS: Entry(
            _WORKS,
            _page("List subaccounts"),
            "",
            "the list is a signed POST of the main account; an agent key is enough",
        ),
        Capability.ACCOUNT_STATUS: Entry(
            _WORKS, _page("Liquidations"), "", "no flag: active means equity is not below maintenance margin"
        ),
        Capability.ONBOARDING: Entry(
            _NEVER, _page("REST API"), "", "no call that opens an account is documented: do it on the venue's site"
        ),
        Capability.FEE_TIER: Entry(
            _WORKS, _page("Fees"), "", "tiers are numbers, 0 is the first; rates as charged are on every market too"
        ),
        Capability.RATE_QUOTA: Entry(
            _WORKS,
            _page("Rate limits"),
            "125 credits a minute, 300 and more with a config key",
            "from the headers of every answer, which count in tenths of a credit",
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
            _WORKS,
            _page("WebSocket, Account positions"),
            "",
            "full set at every change, so a missing row is a closed position; may lag behind fills",
        ),
        Capability.PRIVATE_ACCOUNT: Entry(
            _WORKS, _page("WebSocket, Account info"), "", "equity, margin and cash in one message"
        ),
        Capability.PRIVATE_FUNDING: Entry(
            _NEVER,
            _page("WebSocket subscriptions"),
            "",
            "no such channel is in the list of channels; payments come by REST, their effect on cash by account info",
        ),
        Capability.TRADEBUSTS: Entry(
            _NEVER,
            _page("WebSocket subscriptions; Get trade history"),
            "",
            "neither channels nor causes of fills know a trade that is undone",
        ),
        Capability.FORCED_TRADES: Entry(
            _WORKS,
            _page("Get trade history; Get account balance history"),
            "",
            "by the cause of a fill; its word for deleveraging is only documented for the balance history",
        ),
    }
)
