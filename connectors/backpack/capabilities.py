"""What the Backpack connector can do today, row by row, and which of the venue's documents says how."""

from __future__ import annotations

from connectors.capabilities import Capabilities, Capability, Entry, Evidence, Support, whole

_WORKS, _NOT_YET, _NEVER = Support.WORKS, Support.NOT_YET, Support.NEVER
_DATED = "2026-10-03"


def _page(section: str) -> Evidence:
    return Evidence(f"docs.backpack.exchange, {section}", _DATED)


CAPABILITIES: Capabilities = whole(
    {
        Capability.MARKETS: Entry(
            _WORKS, _page("Get markets"), "a cache may hold it for 15 min", "no smallest notional; spot is left out"
        ),
        Capability.BOOK_SNAPSHOT: Entry(
            _WORKS, _page("Get depth"), "5 to 1000 levels a side, 50 asked for", "bids come worst first"
        ),
        Capability.BOOK_STREAM: Entry(
            _WORKS,
            _page("Streams, Depth"),
            "",
            "changes bridged to the REST book, which is read again after a gap",
        ),
        Capability.BOOK_CONTINUITY: Entry(_WORKS, _page("Streams, Depth"), "", "each U must follow the last u"),
        Capability.BEST_BID_ASK: Entry(
            _WORKS,
            _page("Streams, Depth; Book ticker"),
            "",
            "the feed shows the book's first level, the tape bookTicker",
        ),
        Capability.TRADES: Entry(
            _WORKS, _page("Get recent trades; Streams, Trade"), "1000 rows a request", "REST may be 5 s old (cache)"
        ),
        Capability.MARK_INDEX: Entry(
            _WORKS, _page("Get all mark prices; Streams, Mark price"), "once a second", "REST may be 4 s old (cache)"
        ),
        Capability.FUNDING_NOW: Entry(
            _WORKS, _page("Get all mark prices"), "", "the interval is the market's own, 1 h since 20 August 2025"
        ),
        Capability.FUNDING_HISTORY: Entry(
            _WORKS,
            _page("Get funding interval rates"),
            "10 000 rows a page",
            "the first row is still an estimate and left out here",
        ),
        Capability.CANDLES: Entry(
            _WORKS,
            _page("Get K-lines; Streams, K-line"),
            "30 requests a minute",
            "how many rows a request gives is not documented: 1000 are asked for; a cache may hold it for 60 s",
        ),
        Capability.STATS_24H: Entry(
            _WORKS,
            _page("Get ticker; Streams, Ticker"),
            "",
            "a cache may hold it for 30 s; the stream is once a second",
        ),
        Capability.OPEN_INTEREST: Entry(
            _WORKS, _page("Get open interest"), "", "in base units; the stream tells it once a minute"
        ),
        Capability.SYSTEM_STATUS: Entry(
            _WORKS, _page("Status"), "", "Ok or Maintenance; a single market's state stands in the markets list"
        ),
        Capability.SERVER_TIME: Entry(_WORKS, _page("Get system time"), "milliseconds", "plain text"),
        Capability.CLOCK_OFFSET: Entry(
            _WORKS, _page("Get system time"), "milliseconds", "the best of three questions; signing follows it"
        ),
        Capability.LIMIT_GTC: Entry(_WORKS, _page("Execute order"), "", "held 100 ms before it reaches the book"),
        Capability.LIMIT_IOC: Entry(
            _WORKS, _page("Execute order"), "", "held 100 ms; the answer already holds what was executed"
        ),
        Capability.POST_ONLY: Entry(_WORKS, _page("Execute order"), "", "one that would cross is refused with 400"),
        Capability.FOK: Entry(_WORKS, _page("Execute order"), "", "ends as Expired when it cannot fill whole"),
        Capability.MARKET_BOUNDED: Entry(
            _WORKS,
            _page("Execute order"),
            "",
            "sent as Limit with IOC at the bound: the venue's own Market has no exact one",
        ),
        Capability.STOP_ORDERS: Entry(
            _WORKS,
            _page("Execute order, trigger fields"),
            "",
            "no field tells a stop from a target: the price is awaited from where it is, so a passed one is not sent; "
            "stops attached to an order are not used",
        ),
        Capability.REDUCE_ONLY: Entry(_WORKS, _page("Execute order"), "", "a resting one may be shrunk by the venue"),
        Capability.BATCH_PLACE: Entry(
            _WORKS,
            _page("Execute orders"),
            "20 a request",
            "the number taken is not documented (50 or 20 are told); the instruction is signed once an order",
        ),
        Capability.BATCH_CANCEL: Entry(
            _NEVER, _page("Cancel open orders"), "", "no call takes several ids; only a whole market can be cancelled"
        ),
        Capability.EDIT: Entry(_NEVER, _page("Order"), "", "the venue has no call that changes an order"),
        Capability.CANCEL_BY_EITHER_ID: Entry(
            _WORKS, _page("Cancel open order"), "", "one id only; may answer 202, which is not the end yet"
        ),
        Capability.CANCEL_ALL: Entry(_WORKS, _page("Cancel open orders"), "", "conditional orders too"),
        Capability.ORDER_LOOKUP: Entry(
            _WORKS, _page("Get open order; Get order history"), "", "ended orders are in the history, which may lag"
        ),
        Capability.UNIQUE_CLIENT_ID: Entry(
            _NEVER,
            _page("Execute order, clientId"),
            "unsigned 32 bits",
            "nothing says that a repeated client id is refused: a second send may be a second order",
        ),
        Capability.ORDER_VALIDITY: Entry(
            _WORKS,
            _page("Authentication, X-Window"),
            "60 s at most",
            "sized from valid_until less the clock's bound; it holds for the arrival, before the 100 ms hold",
        ),
        Capability.LEVERAGE_MARGIN_MODE: Entry(
            _WORKS, _page("Update account"), "", "one leverage limit for the whole account, cross only"
        ),
        Capability.SELF_TRADE_PREVENTION: Entry(
            _WORKS, _page("Execute order, selfTradePrevention"), "", "RejectBoth: neither of two own orders stays"
        ),
        Capability.BALANCES: Entry(
            _WORKS,
            _page("Get balances; Get collateral"),
            "",
            "what is lent stands in the collateral only; both are read",
        ),
        Capability.MARGIN: Entry(_WORKS, _page("Get collateral"), "", "fractions of exposure, turned into USD here"),
        Capability.POSITIONS: Entry(_WORKS, _page("Get open positions"), "", "404 for one market means flat"),
        Capability.LIQUIDATION_PRICE: Entry(
            _WORKS, _page("Get open positions"), "", "computed only when one market is asked for, so each is"
        ),
        Capability.OPEN_ORDERS: Entry(_WORKS, _page("Get open orders")),
        Capability.ORDER_HISTORY: Entry(
            _WORKS, _page("Get order history"), "1000 rows a page", "may lag behind the engine"
        ),
        Capability.FILLS: Entry(
            _WORKS, _page("Get fill history"), "1000 rows a page", "the venue's own executions (ADL) are among them"
        ),
        Capability.FUNDING_PAYMENTS: Entry(
            _WORKS, _page("Get funding payments"), "1000 rows a page", "times without zone are UTC"
        ),
        Capability.TRANSFERS: Entry(
            _WORKS,
            _page("Get deposits; Get withdrawals"),
            "1000 rows a page",
            "whether a withdrawal's fee is inside its quantity is not said",
        ),
        Capability.SUBACCOUNTS: Entry(
            _NEVER,
            Evidence("support.backpack.exchange, Subaccounts; docs.backpack.exchange, all calls", _DATED),
            "10 a user",
            "a key belongs to one subaccount and no call lists them",
        ),
        Capability.ACCOUNT_STATUS: Entry(_WORKS, _page("Get account"), "", "not active while liquidating"),
        Capability.ONBOARDING: Entry(
            _NEVER, _page("all calls"), "", "no call opens an account: do it on the venue's site"
        ),
        Capability.FEE_TIER: Entry(
            _WORKS,
            _page("Get account"),
            "",
            "the rates as charged; the tier's name is not told, so the rates name it",
        ),
        Capability.RATE_QUOTA: Entry(
            _NEVER,
            Evidence("support.backpack.exchange, API FAQ", "2025 to 2026"),
            "2000 requests a minute a subaccount",
            "answers carry no such header; the pace is kept locally",
        ),
        Capability.WITHDRAWALS: Entry(
            _NEVER, _page("Request withdrawal"), "", "this system never moves money off a venue"
        ),
        Capability.KEY_MANAGEMENT: Entry(
            _NEVER, _page("Authentication"), "", "this system never makes or revokes a key; the venue's API cannot"
        ),
        Capability.PRIVATE_ORDERS: Entry(
            _WORKS, _page("Streams, Order update"), "", "no acknowledgement and no snapshot at subscription"
        ),
        Capability.PRIVATE_FILLS: Entry(_WORKS, _page("Streams, Order update"), "", "event orderFill of that stream"),
        Capability.PRIVATE_POSITIONS: Entry(
            _WORKS, _page("Streams, Position update"), "", "the open ones come first; no liquidation price"
        ),
        Capability.PRIVATE_ACCOUNT: Entry(
            _WORKS,
            _page("Streams, Balance update"),
            "",
            "since 1 August 2026; no picture at subscription, lent money is not in it",
        ),
        Capability.PRIVATE_FUNDING: Entry(
            _NEVER, _page("Streams"), "", "no such stream is documented; payments come by REST"
        ),
        Capability.TRADEBUSTS: Entry(_NEVER, _page("Streams"), "", "the documents know no trade that is undone"),
        Capability.FORCED_TRADES: Entry(
            _WORKS,
            _page("Streams, Order update, origin; Get fill history, systemOrderType"),
            "",
            "a kind nobody knows yet counts as the venue's doing; without a trade id they come by REST only",
        ),
    }
)
