"""Builds and signs given orders with ccxt. Runs in an environment of its own: it may import ccxt and nothing of ours.

Reads a JSON job from standard input, writes seconds and signed requests as JSON to standard output. Nothing is sent.
"""

import json
import sys
import time

import ccxt

clock = time.perf_counter


class Timed:
    """A function with the time spent in it."""

    def __init__(self, function):
        self.function, self.seconds = function, 0.0

    def __call__(self, *args, **kwargs):
        began = clock()
        try:
            return self.function(*args, **kwargs)
        finally:
            self.seconds += clock() - began


def market(venue_symbol):
    """Describe the one market that the orders are for."""
    return {
        "id": venue_symbol, "symbol": "ETH/USD:USD", "base": "ETH", "quote": "USD", "settle": "USD",
        "baseId": "ETH", "quoteId": "USD", "settleId": "USD", "type": "swap", "spot": False, "swap": True,
        "contract": True, "linear": True, "active": True, "contractSize": 1, "info": {},
        "precision": {"price": 0.1, "amount": 0.001}, "limits": {},
    }  # fmt: skip


def pacifica(job):
    """Prepare pacifica; its signature is one method of its own."""
    exchange = ccxt.pacifica({"walletAddress": job["account"], "privateKey": job["secret"]})
    exchange.options["builderFee"] = False
    exchange.set_markets([market("ETH")])
    exchange.sign_message = signing = Timed(exchange.sign_message)

    def make(order):
        params = {"timeInForce": "IOC", "reduceOnly": False, "clientOrderId": order["id"]}
        request, operation = exchange.create_order_request(
            "ETH/USD:USD", "limit", order["side"], order["quantity"], order["price"], params
        )
        assert operation == "create_order"
        return exchange.sign("orders/create", ["private"], "POST", request)

    return make, signing


def paradex(job):
    """Prepare paradex; the message hash counts as signature, as it does for us."""
    exchange = ccxt.paradex()
    exchange.options["paradexAccount"] = {
        "address": job["account"], "privateKey": job["secret"], "publicKey": job["public"]
    }  # fmt: skip
    exchange.options["systemConfig"] = {"starknet_chain_id": job["chain"]}
    exchange.set_markets([market("ETH-USD-PERP")])
    signing = Timed(exchange.sign_order_request)

    def make(order):
        params = {"timeInForce": "IOC", "clientOrderId": order["id"], "stp": "EXPIRE_BOTH"}
        request = exchange.create_order_request(
            "ETH/USD:USD", "limit", order["side"], order["quantity"], order["price"], params
        )
        return {"body": exchange.json(signing(request)), "headers": None}

    return make, signing


def backpack(job):
    """Prepare backpack; its signature is one call of eddsa."""
    exchange = ccxt.backpack({"apiKey": job["account"], "secret": job["secret"]})
    exchange.set_markets([market("ETH_USDC_PERP")])
    exchange.eddsa = signing = Timed(exchange.eddsa)

    def make(order):
        params = {"timeInForce": "IOC", "clientOrderId": order["number"], "selfTradePrevention": "EXPIRE_BOTH"}
        request = exchange.create_order_request(
            "ETH/USD:USD", "limit", order["side"], order["quantity"], order["price"], params
        )
        return exchange.sign("api/v1/order", ["private"], "POST", request)

    return make, signing


def main():
    """Run every slice of the job."""
    job = json.load(sys.stdin)
    make, signing = {"pacifica": pacifica, "paradex": paradex, "backpack": backpack}[job["venue"]](job)
    make(job["slices"][0][0])
    slices = []
    for orders in job["slices"]:
        signing.seconds, began = 0.0, clock()
        signed = [make(order) for order in orders]
        total = clock() - began
        requests = [{"body": one["body"], "headers": one["headers"]} for one in signed]
        slices.append({"total_s": total, "signature_s": signing.seconds, "requests": requests})
    json.dump({"version": ccxt.__version__, "slices": slices}, sys.stdout)


if __name__ == "__main__":
    main()
