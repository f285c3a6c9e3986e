"""Pairs of perpetual futures on two venues with ccxt, as scripts do it. Runs in an environment of its own: it may
import ccxt and nothing of ours.

Reads a JSON job from standard input. Before each order it writes a line: the pair, the leg and the client order id.

Three ways to trade a pair, each as a careful person would write it without a journal:
  retry   both market orders at once; what fails for the network's sake is sent again, with the same client order id;
          a leg that failed for good has the other one taken back
  verify  both market orders at once, nothing is sent again blindly: after each pair the venues' positions are read, and
          what they say is uneven is evened out, by the missing leg first, at last by taking the other one back
  maker   a post-only order at the best price of one venue; whatever its position shows is hedged with a market order
          on the other; after a while the rest is taken with market orders, and positions are believed as in verify
Each ends by closing all positions, reduce-only.
"""

import asyncio
import contextlib
import json
import math
import random
import sys
import uuid

import ccxt.async_support as ccxt

RETRIES = 3
ROUNDS = 4
CLOSING_ROUNDS = 8
REST_S = 4.0
POLL_S = 0.25
CANCEL_S = 1.0  # a fill may cross a cancel
SETTLE_S = 0.3  # a position may show an execution a moment later
SYMBOLS = {"pacifica": "ETH/USDC:USDC", "paradex": "ETH/USD:USDC", "backpack": "ETH/USDC:USDC"}


class Account:
    """One account at one venue: what is read and sent there."""

    def __init__(self, venue, exchange, tell, rng):
        self.venue, self.exchange, self.symbol = venue, exchange, SYMBOLS[venue]
        self._tell, self._rng = tell, rng

    async def best(self):
        """Best bid and ask."""
        book = await again(lambda: self.exchange.fetch_order_book(self.symbol, 5))
        if not (book["bids"] and book["asks"]):
            raise ccxt.ExchangeError(f"{self.venue} shows no quotes")
        return book["bids"][0][0], book["asks"][0][0]

    async def position(self):
        """Signed position in base units."""
        rows = await again(lambda: self.exchange.fetch_positions([self.symbol]), RETRIES * 2)
        return round(sum(float(row["contracts"]) * (1 if row["side"] == "long" else -1) for row in rows), 6)

    async def take(self, pair, leg, side, quantity, *, tries, wanted=None, reduce_only=False):
        """Send a market order; again with the same id after a network error, `tries` times in all."""
        price = None
        if self.venue != "paradex":
            bid, ask = await self.best()
            price = ask if side == "buy" else bid
        params = {"clientOrderId": self._new_id()} | ({"reduceOnly": True} if reduce_only else {})
        self._say(pair, leg, wanted or quantity, params)
        return await again(
            lambda: self.exchange.create_order(self.symbol, "market", side, quantity, price, dict(params)), tries
        )

    async def rest(self, pair, leg, side, quantity):
        """Send a post-only order at the best price of its own side."""
        bid, ask = await self.best()
        params = {"clientOrderId": self._new_id(), "postOnly": True}
        self._say(pair, leg, quantity, params)
        price = bid if side == "buy" else ask
        return await self.exchange.create_order(self.symbol, "limit", side, quantity, price, params)

    async def cancel(self, order_id):
        """Cancel an order; one that is gone already is as good."""
        with contextlib.suppress(ccxt.ExchangeError):
            await again(lambda: self.exchange.cancel_order(order_id, self.symbol))

    async def cancel_what_rests(self):
        """Cancel every open order of the account."""
        for order in await again(lambda: self.exchange.fetch_open_orders(self.symbol)):
            await self.cancel(order["id"])

    def _say(self, pair, leg, quantity, params):
        self._tell(
            {"pair": pair, "venue": self.venue, "side": leg, "quantity": quantity, "id": params["clientOrderId"]}
        )

    def _new_id(self):
        if self.venue == "backpack":
            return self._rng.randrange(1, 2**31)
        return str(uuid.UUID(int=self._rng.getrandbits(128), version=4))


async def again(call, tries=RETRIES):
    """Do something again after network errors, with growing pauses."""
    for number in range(1, tries + 1):
        try:
            return await call()
        except ccxt.NetworkError:
            if number == tries:
                raise
            await asyncio.sleep(0.25 * 2**number)
    raise AssertionError("tries must be at least 1")


async def pair_with_retries(number, buyer, seller, quantity):
    """Both legs at once; take back the one that stands alone."""
    results = await asyncio.gather(
        buyer.take(number, "buy", "buy", quantity, tries=RETRIES),
        seller.take(number, "sell", "sell", quantity, tries=RETRIES),
        return_exceptions=True,
    )
    bought, sold = (not isinstance(result, BaseException) for result in results)
    for result in results:
        if isinstance(result, BaseException):
            complain(number, result)
    if bought and not sold:
        await buyer.take(number, "buy", "sell", quantity, tries=RETRIES, wanted=quantity)
    elif sold and not bought:
        await seller.take(number, "sell", "buy", quantity, tries=RETRIES, wanted=quantity)


async def pair_with_checks(number, buyer, seller, quantity):
    """Both legs at once; then believe the positions only."""
    before = await asyncio.gather(buyer.position(), seller.position())
    await _take_both(number, buyer, seller, quantity, quantity)
    await _believe_positions(number, buyer, seller, quantity, before)


async def _take_both(number, buyer, seller, quantity, wanted):
    results = await asyncio.gather(
        buyer.take(number, "buy", "buy", quantity, tries=1, wanted=wanted),
        seller.take(number, "sell", "sell", quantity, tries=1, wanted=wanted),
        return_exceptions=True,
    )
    for result in results:
        if isinstance(result, BaseException):
            complain(number, result)


async def _believe_positions(number, buyer, seller, quantity, before):
    """Read what both legs hold and even them out, a few times."""
    for attempt in range(ROUNDS):
        await asyncio.sleep(SETTLE_S)
        try:
            after = await asyncio.gather(buyer.position(), seller.position())
            bought = round(after[0] - before[0], 6)
            sold = round(before[1] - after[1], 6)
            if bought == sold:
                return
            await _even_out(number, (buyer, bought), (seller, sold), quantity, take_back=attempt >= ROUNDS // 2)
        except ccxt.BaseError as error:
            complain(number, error)
            await asyncio.sleep(0.5)


async def _even_out(number, buyer, seller, quantity, *, take_back):
    (buying, bought), (selling, sold) = buyer, seller
    gap = round(abs(bought - sold), 6)
    is_buy_behind = bought < sold
    if take_back:
        if is_buy_behind:
            await selling.take(number, "sell", "buy", gap, tries=1, wanted=quantity)
        else:
            await buying.take(number, "buy", "sell", gap, tries=1, wanted=quantity)
    elif is_buy_behind:
        await buying.take(number, "buy", "buy", gap, tries=1, wanted=quantity)
    else:
        await selling.take(number, "sell", "sell", gap, tries=1, wanted=quantity)


async def pair_maker_first(number, buyer, seller, quantity):
    """Rest the buying leg, hedge what fills, take the rest after a while; at the end believe the positions only."""
    before = await asyncio.gather(buyer.position(), seller.position())
    try:
        await _rest_and_hedge(number, buyer, seller, quantity, before[0])
    except ccxt.BaseError as error:
        complain(number, error)
        with contextlib.suppress(ccxt.BaseError):
            await buyer.cancel_what_rests()
    await _believe_positions(number, buyer, seller, quantity, before)


async def _rest_and_hedge(number, buyer, seller, quantity, before):
    hedged = 0.0

    async def hedge():
        nonlocal hedged
        fresh = round(await buyer.position() - before - hedged, 6)
        if fresh > 0:
            hedged = round(hedged + fresh, 6)
            await seller.take(number, "sell", "sell", fresh, tries=1, wanted=quantity)

    order = None
    try:
        order = await buyer.rest(number, "buy", "buy", quantity)
    except ccxt.ExchangeError as error:  # refused for certain: it would have crossed, or the venue takes none
        complain(number, error)
    loop = asyncio.get_running_loop()
    until = loop.time() + REST_S
    while order and hedged < quantity and loop.time() < until:
        await asyncio.sleep(POLL_S)
        await hedge()
    if order and hedged < quantity:
        await buyer.cancel(order["id"])
        await asyncio.sleep(CANCEL_S)
        await hedge()
    rest = round(quantity - hedged, 6)
    if rest > 0:
        await _take_both(number, buyer, seller, rest, quantity)


async def close_all(accounts):
    """Close every position, reduce-only, until the venues say that there is none."""
    for account in accounts:
        try:
            await account.cancel_what_rests()
        except ccxt.BaseError as error:
            complain(0, error)
    for _ in range(CLOSING_ROUNDS):
        try:
            held = await asyncio.gather(*(account.position() for account in accounts))
            open_ones = [(account, position) for account, position in zip(accounts, held, strict=True) if position]
            if not open_ones:
                return
            await asyncio.gather(*(_close(account, position) for account, position in open_ones))
        except ccxt.BaseError as error:
            complain(0, error)
        await asyncio.sleep(0.5)


async def _close(account, position):
    side = "sell" if position > 0 else "buy"
    await account.take(0, side, side, abs(position), tries=1, reduce_only=True)


async def trade(job, accounts):
    """Open and close pairs in turn, each two venues after the next two; then close what is left."""
    way = {"retry": pair_with_retries, "verify": pair_with_checks, "maker": pair_maker_first}[job["style"]]
    names = list(accounts)
    quantity = 0.0
    for number in range(1, job["pairs"] + 1):
        turn = (number - 1) // 2
        opener, other = accounts[names[turn % 3]], accounts[names[(turn + 1) % 3]]
        is_opening = number % 2 == 1
        try:
            if is_opening:
                bid, ask = await opener.best()
                quantity = math.floor(job["notional"] / ((bid + ask) / 2) * 1000) / 1000
            await way(number, *((opener, other) if is_opening else (other, opener)), quantity)
        except ccxt.BaseError as error:
            complain(number, error)
        await asyncio.sleep(job["pause_s"])
    await close_all(list(accounts.values()))
    tell({"traded": True})


def complain(pair, error):
    """Say on standard error what went wrong; the loop goes on."""
    print(f"pair {pair}: {type(error).__name__}: {str(error)[:200]}", file=sys.stderr)


def tell(line):
    """Write one line of what is about to be sent."""
    print(json.dumps(line), flush=True)


def connect(job):
    """Make the three clients; only addresses differ from the real venues."""
    keys, port = job["keys"], job["port_base"]
    # The pace of the library itself is off: it is meant for other limits and would delay legs; the job is slow enough.
    common = {"enableRateLimit": False, "timeout": 5000}
    pacifica = ccxt.pacifica(
        common | {"walletAddress": keys["pacifica"]["account"], "privateKey": keys["pacifica"]["secret"]}
    )
    pacifica.options["builderFee"] = False
    pacifica.urls["api"] = dict.fromkeys(("public", "private"), f"http://127.0.0.1:{port + 1}")
    paradex = ccxt.paradex(common)
    paradex.options["paradexAccount"] = keys["paradex"]
    paradex.urls["api"] = {version: f"http://127.0.0.1:{port + 2}/{version}" for version in ("v1", "v2")}
    backpack = ccxt.backpack(common | {"apiKey": keys["backpack"]["account"], "secret": keys["backpack"]["secret"]})
    backpack.urls["api"] = dict.fromkeys(("public", "private"), f"http://127.0.0.1:{port + 3}")
    return {"pacifica": pacifica, "paradex": paradex, "backpack": backpack}


async def main():
    """Load the markets, log in, say ready, wait for a line, trade."""
    job = json.loads(sys.stdin.readline())
    exchanges = connect(job)
    rng = random.Random(job["seed"])
    accounts = {venue: Account(venue, exchange, tell, rng) for venue, exchange in exchanges.items()}
    try:
        for account in accounts.values():
            await account.exchange.load_markets()
            await account.position()
        tell({"ready": ccxt.__version__})
        await asyncio.to_thread(sys.stdin.readline)
        await trade(job, accounts)
    finally:
        for exchange in exchanges.values():
            await exchange.close()


if __name__ == "__main__":
    asyncio.run(main())
