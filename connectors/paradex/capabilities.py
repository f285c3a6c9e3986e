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
            _WORKS, _page("WebSocket, order_book"), "", "first level of the streamed book; the tape has bbo besides"
        ),
        Capability.TRADES: Entry(
            _WORKS,
            _page("API 1.132.1, Trade tape; WebSocket, trades.{market}"),
            "1000 rows a page",
            "before binary version 2 a streamed trade has only the low 64 bits of its id",
        ),
        Capability.MARK_INDEX: Entry(
            _WORKS, _page("API 1.132.1, Market summary"), "", "the index is underlying_price; speaks on change only"
        ),
        Capability.FUNDING_NOW: Entry(
            _WORKS, _page("Funding mechanism"), "", "accrues without pause; the rate is for the market's own period"
        ),
        Capability.FUNDING_HISTORY: Entry(
            _WORKS, _page("API 1.132.1, Funding data"), "5000 rows a page", "rows are seconds: never to be summed"
        ),
        Capability.CANDLES: Entry(
            _WORKS,
            _page("API 1.132.1, OHLCV"),
            "public 1500 requests a minute",
            "1 to 60 minutes, by REST only; the venue streams none",
        ),
        Capability.STATS_24H: Entry(
            _WORKS, _page("API 1.132.1, Market summary"), "", "turnover in USD and change; no base volume, high or low"
        ),
        Capability.OPEN_INTEREST: Entry(_WORKS, _page("API 1.132.1, Market summary"), "", "in base units"),
        Capability.SYSTEM_STATUS: Entry(
            _WORKS,
            _page("API 1.132.1, System state"),
            "",
            "ok, maintenance, cancel_only, post_only; on weekdays about 15 min from 04:30 UTC",
        ),
        Capability.SERVER_TIME: Entry(_WORKS, _page("API 1.132.1, System time"), "milliseconds"),
        Capability.CLOCK_OFFSET: Entry(
            _WORKS,
            _page("API 1.132.1, System time"),
            "milliseconds",
            "measured with every new token; signatures follow the bound's earlier end",
        ),
        Capability.LIMIT_GTC: Entry(
            _WORKS, _page("API 1.132.1, Create order"), "100 open orders a market", "201 means queued, not accepted"
        ),
        Capability.LIMIT_IOC: Entry(_WORKS, _page("API 1.132.1, Create order"), "", "201 means queued, not accepted"),
        Capability.POST_ONLY: Entry(
            _WORKS, _page("API 1.132.1, Create order"), "", "one that would cross is queued, then closed with a reason"
        ),
        Capability.FOK: Entry(
            _NEVER,
            _page("API 1.132.1, Create order"),
            "",
            "instruction is GTC, IOC, POST_ONLY or RPI; such an order is not sent",
        ),
        Capability.MARKET_BOUNDED: Entry(
            _WORKS,
            _page("API 1.132.1, Create order; Price bands"),
            "",
            "sent as LIMIT with IOC at the bound: the venue's own MARKET carries no price",
        ),
        Capability.STOP_ORDERS: Entry(
            _WORKS,
            _page("API 1.132.1, Create order"),
            "",
            "as the venue's limit kind: what the bound does not fill rests there; by mark price, which is not written; "
            "paused in maintenance",
        ),
        Capability.REDUCE_ONLY: Entry(
            _WORKS, _page("API 1.132.1, Create order"), "", "a flag outside the signature; ended, never shrunk"
        ),
        Capability.BATCH_PLACE: Entry(
            _WORKS,
            _page("API 1.132.1, Create batch"),
            "10 by the reference, 50 elsewhere; one rate unit a batch",
            "refusals do not name their order: orders refused together carry all the texts",
        ),
        Capability.BATCH_CANCEL: Entry(
            _WORKS, _page("API 1.132.1, Cancel batch"), "10 a batch", "a DELETE with a body; queued, not cancelled"
        ),
        Capability.EDIT: Entry(
            _WORKS,
            _page("API 1.132.1, Modify order"),
            "",
            "price and total quantity; keeps both ids; has no window, so a late one may still be taken",
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
        Capability.ORDER_VALIDITY: Entry(
            _WORKS,
            _page("API 1.132.1, Create order, recv_window"),
            "10 ms to 300 s",
            "counted from the signed time, by the venue's clock",
        ),
        Capability.LEVERAGE_MARGIN_MODE: Entry(
            _WORKS,
            _page("API 1.132.1, Set margin configuration"),
            "whole numbers",
            "isolated margin was switched off in November 2025: the venue may refuse it",
        ),
        Capability.SELF_TRADE_PREVENTION: Entry(
            _WORKS, _page("API 1.132.1, Create order, stp"), "", "EXPIRE_BOTH: neither of two own orders stays"
        ),
        Capability.BALANCES: Entry(
            _WORKS, _page("API 1.132.1, List balances"), "", "what margin holds is told for the account as a whole"
        ),
        Capability.MARGIN: Entry(_WORKS, _page("API 1.132.1, Get account")),
        Capability.POSITIONS: Entry(
            _WORKS, _page("API 1.132.1, List open positions"), "", "unrealised profit includes running funding"
        ),
        Capability.LIQUIDATION_PRICE: Entry(_WORKS, _page("API 1.132.1, List open positions"), "", "may be empty"),
        Capability.OPEN_ORDERS: Entry(_WORKS, _page("API 1.132.1, Get open orders")),
        Capability.ORDER_HISTORY: Entry(
            _WORKS, _page("API 1.132.1, Order history"), "5000 rows a page", "open orders stand in the same list"
        ),
        Capability.FILLS: Entry(
            _WORKS, _page("API 1.132.1, List fills"), "5000 rows a page", "side is taken from the own order"
        ),
        Capability.FUNDING_PAYMENTS: Entry(
            _WORKS, _page("Funding mechanism"), "", "booked only when a position changes, not by the hour"
        ),
        Capability.TRANSFERS: Entry(
            _WORKS, _page("API 1.132.1, List transfers"), "5000 rows a page", "vault moves and airdrops count as other"
        ),
        Capability.SUBACCOUNTS: Entry(
            _WORKS, _page("API 1.132.1, List subaccounts; Account info"), "", "the main account comes from account info"
        ),
        Capability.ACCOUNT_STATUS: Entry(
            _WORKS, _page("API 1.132.1, Get account"), "", "anything but ACTIVE counts as not active"
        ),
        Capability.ONBOARDING: Entry(
            _WORKS,
            _page("API 1.132.1, Onboarding"),
            "600 a minute an address",
            "with the account's main key and the wallet's public address; a subkey cannot, and L1 keys are not taken",
        ),
        Capability.FEE_TIER: Entry(
            _WORKS,
            _page("API 1.132.1, Account info"),
            "",
            "rates as charged; the tier is that of orders by API (pro), its shape is not documented",
        ),
        Capability.RATE_QUOTA: Entry(
            _WORKS,
            _page("Rate limits"),
            "private reads 120/s or 600/min an account; all private 1500/min an address",
            "read from X-RateLimit headers, the tightest budget of the last answer",
        ),
        Capability.WITHDRAWALS: Entry(
            _NEVER, _page("Withdrawals"), "", "this system never moves money off a venue; here it is a chain call"
        ),
        Capability.KEY_MANAGEMENT: Entry(
            _NEVER, _page("Subkeys"), "", "this system never makes or revokes a key; L1 keys are not taken"
        ),
        Capability.PRIVATE_ORDERS: Entry(_WORKS, _page("WebSocket, orders.{market}"), "", "changes only, no snapshot"),
        Capability.PRIVATE_FILLS: Entry(_WORKS, _page("WebSocket, fills.{market}"), "", "changes only, no snapshot"),
        Capability.PRIVATE_POSITIONS: Entry(_WORKS, _page("WebSocket, positions"), "", "changes only, no snapshot"),
        Capability.PRIVATE_ACCOUNT: Entry(
            _WORKS,
            _page("WebSocket, account; balance_events"),
            "",
            "balances come with executions, margin as it changes",
        ),
        Capability.PRIVATE_FUNDING: Entry(
            _WORKS, _page("WebSocket, funding_payments.{market}"), "", "only when a position changes"
        ),
        Capability.TRADEBUSTS: Entry(
            _WORKS,
            _page("Tradebusts"),
            "",
            "names the fill and no market: one never seen by this client has an empty symbol",
        ),
        Capability.FORCED_TRADES: Entry(
            _WORKS,
            _page("API 1.132.1, List fills; Socialized losses"),
            "",
            "told by fill_type; there is no deleveraging here, what liquidation leaves is socialised",
        ),
    }
)
