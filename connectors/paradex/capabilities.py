"""What the Paradex connector can do today, row by row, and which of the venue's documents says how."""

from __future__ import annotations

from connectors.capabilities import Capabilities, Capability, Entry, Evidence, Support, whole

_WORKS, _NOT_YET, _NEVER = Support.WORKS, Support.NOT_YET, Support.NEVER
_DATED = "2026-08-20"


def _page(section: str) -> Evidence:
    return Evidence(f"docs.paradex.trade, {section}", _DATED)


CAPABILITIES: Capabilities = whole(
    {
        Capability.MARKETS: Entry(
            _WORKS, _page("API 1.132.1, List markets"), "", "options and spot share the list and are left out"
        ),
        Capability.BOOK_SNAPSHOT: Entry(
            _WORKS, _page("API 1.132.1, Get market orderbook"), "", "without retail quotes, which the API cannot take"
        ),
        Capability.BOOK_STREAM: Entry(
            _WORKS,
            _page("WebSocket, order_book.{market}.deltas"),
            "",
            "changes; after a gap it subscribes anew, for the REST book is no bridge",
        ),
        Capability.BOOK_CONTINUITY: Entry(
            _WORKS, _page("WebSocket, order_book.{market}.deltas"), "", "seq_no rises by exactly 1"
        ),
        Capability.BEST_BID_ASK: Entry(
            _WORKS, _page("WebSocket, order_book"), "", "first level of the streamed book; channel bbo is not used"
        ),
        Capability.TRADES: Entry(_NOT_YET, _page("API 1.132.1, Trade tape"), "1000 rows a page"),
        Capability.MARK_INDEX: Entry(
            _WORKS, _page("API 1.132.1, Market summary"), "", "the index is underlying_price; speaks on change only"
        ),
        Capability.FUNDING_NOW: Entry(
            _WORKS, _page("Funding mechanism"), "", "accrues without pause; the rate is for the market's own period"
        ),
        Capability.FUNDING_HISTORY: Entry(
            _NOT_YET, _page("API 1.132.1, Funding data"), "5000 rows a page", "rows are seconds: never to be summed"
        ),
        Capability.CANDLES: Entry(_NOT_YET, _page("API 1.132.1, OHLCV"), "public 1500 requests a minute"),
        Capability.STATS_24H: Entry(_NOT_YET, _page("API 1.132.1, Market summary")),
        Capability.OPEN_INTEREST: Entry(_NOT_YET, _page("API 1.132.1, Market summary")),
        Capability.SYSTEM_STATUS: Entry(
            _NOT_YET,
            _page("API 1.132.1, System state"),
            "",
            "ok, maintenance, cancel_only, post_only; on weekdays about 15 min from 04:30 UTC",
        ),
        Capability.SERVER_TIME: Entry(_WORKS, _page("API 1.132.1, System time"), "milliseconds"),
        Capability.CLOCK_OFFSET: Entry(_NOT_YET, _page("API 1.132.1, System time")),
        Capability.LIMIT_GTC: Entry(
            _WORKS, _page("API 1.132.1, Create order"), "100 open orders a market", "201 means queued, not accepted"
        ),
        Capability.LIMIT_IOC: Entry(_WORKS, _page("API 1.132.1, Create order"), "", "201 means queued, not accepted"),
        Capability.POST_ONLY: Entry(
            _WORKS, _page("API 1.132.1, Create order"), "", "one that would cross is queued, then closed with a reason"
        ),
        Capability.FOK: Entry(
            _NEVER, _page("API 1.132.1, Create order"), "", "instruction is GTC, IOC, POST_ONLY or RPI"
        ),
        Capability.MARKET_BOUNDED: Entry(
            _WORKS,
            _page("API 1.132.1, Create order; Price bands"),
            "",
            "sent as LIMIT with IOC at the bound: the venue's own MARKET carries no price",
        ),
        Capability.STOP_ORDERS: Entry(
            _NOT_YET, _page("API 1.132.1, Create order"), "", "triggers pause in maintenance"
        ),
        Capability.REDUCE_ONLY: Entry(
            _WORKS, _page("API 1.132.1, Create order"), "", "a flag outside the signature; ended, never shrunk"
        ),
        Capability.BATCH_PLACE: Entry(
            _NOT_YET, _page("API 1.132.1, Create batch"), "10 by the reference, 50 elsewhere", "one rate unit a batch"
        ),
        Capability.BATCH_CANCEL: Entry(_NOT_YET, _page("API 1.132.1, Cancel batch"), "", "a DELETE with a body"),
        Capability.EDIT: Entry(
            _NOT_YET, _page("API 1.132.1, Modify order"), "", "signed as its own type; keeps the venue id"
        ),
        Capability.CANCEL_BY_EITHER_ID: Entry(
            _WORKS, _page("API 1.132.1, Cancel order"), "800/s or 17 250/min", "204 means queued; a fill may cross it"
        ),
        Capability.CANCEL_ALL: Entry(_WORKS, _page("API 1.132.1, Cancel all open orders"), "", "queued as well"),
        Capability.ORDER_LOOKUP: Entry(
            _WORKS, _page("API 1.132.1, Order history"), "", "closed orders are in the history only"
        ),
        Capability.UNIQUE_CLIENT_ID: Entry(
            _WORKS, _page("API 1.132.1, error DUPLICATED_CLIENT_ID"), "64 characters", "closed orders: not documented"
        ),
        Capability.ORDER_VALIDITY: Entry(_WORKS, _page("API 1.132.1, Create order")),
        Capability.LEVERAGE_MARGIN_MODE: Entry(_NOT_YET, _page("API 1.132.1, Set margin configuration")),
        Capability.SELF_TRADE_PREVENTION: Entry(
            _WORKS, _page("API 1.132.1, Create order, stp"), "", "EXPIRE_BOTH: neither of two own orders stays"
        ),
        Capability.BALANCES: Entry(_NOT_YET, _page("API 1.132.1, List balances"), "", "margin() has the USDC total"),
        Capability.MARGIN: Entry(_WORKS, _page("API 1.132.1, Get account")),
        Capability.POSITIONS: Entry(
            _WORKS, _page("API 1.132.1, List open positions"), "", "unrealised profit includes running funding"
        ),
        Capability.LIQUIDATION_PRICE: Entry(_WORKS, _page("API 1.132.1, List open positions"), "", "may be empty"),
        Capability.OPEN_ORDERS: Entry(_WORKS, _page("API 1.132.1, Get open orders")),
        Capability.ORDER_HISTORY: Entry(
            _NOT_YET, _page("API 1.132.1, Order history"), "5000 rows a page", "read inside order(), not as a list"
        ),
        Capability.FILLS: Entry(
            _WORKS, _page("API 1.132.1, List fills"), "5000 rows a page", "side is taken from the own order"
        ),
        Capability.FUNDING_PAYMENTS: Entry(
            _WORKS, _page("Funding mechanism"), "", "booked only when a position changes, not by the hour"
        ),
        Capability.TRANSFERS: Entry(_NOT_YET, _page("API 1.132.1, List transfers")),
        Capability.SUBACCOUNTS: Entry(_NOT_YET, _page("API 1.132.1, List subaccounts")),
        Capability.ACCOUNT_STATUS: Entry(
            _WORKS, _page("API 1.132.1, Get account"), "", "anything but ACTIVE counts as not active"
        ),
        Capability.FEE_TIER: Entry(
            _NOT_YET,
            _page("API 1.132.1, Account info"),
            "",
            "the rates as charged are on every market; the tier's name is not offered",
        ),
        Capability.RATE_QUOTA: Entry(
            _NOT_YET,
            _page("Rate limits"),
            "private reads 120/s or 600/min an account; all private 1500/min an address",
            "answers carry X-RateLimit headers",
        ),
        Capability.WITHDRAWALS: Entry(
            _NEVER, _page("Withdrawals"), "", "this system never moves money off a venue; here it is a chain call"
        ),
        Capability.KEY_MANAGEMENT: Entry(
            _NEVER, _page("Subkeys"), "", "this system never makes or revokes a key; L1 keys are not taken"
        ),
        Capability.PRIVATE_ORDERS: Entry(_WORKS, _page("WebSocket, orders.{market}"), "", "changes only, no snapshot"),
        Capability.PRIVATE_FILLS: Entry(_WORKS, _page("WebSocket, fills.{market}"), "", "changes only, no snapshot"),
        Capability.PRIVATE_POSITIONS: Entry(_NOT_YET, _page("WebSocket, positions")),
        Capability.PRIVATE_ACCOUNT: Entry(_NOT_YET, _page("WebSocket, account; balance_events")),
        Capability.PRIVATE_FUNDING: Entry(_NOT_YET, _page("WebSocket, funding_payments.{market}")),
        Capability.TRADEBUSTS: Entry(
            _NOT_YET, _page("Tradebusts"), "", "a match may be undone on chain: positions are compared meanwhile"
        ),
        Capability.FORCED_TRADES: Entry(
            _NOT_YET, _page("API 1.132.1, List fills"), "", "their fills are read; fill_type is not passed on"
        ),
    }
)
