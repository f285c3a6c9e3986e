// Against a running service: HEDGE_URL and HEDGE_KEY say where; DONE, LIVE and RESTARTED are sessions whose record is
// whole, is written once somebody listens, and is written across a restart of the service.
import assert from "node:assert/strict";
import test from "node:test";

import { HedgingClient, Retry } from "../src/index.js";

const { HEDGE_URL, HEDGE_KEY, DONE, LIVE, RESTARTED, REQUEST } = process.env;
const options = { apiKey: HEDGE_KEY, baseUrl: HEDGE_URL, retry: new Retry({ pauseMs: 20, pauseMsMax: 200 }) };
const client = new HedgingClient(options);
const request = JSON.parse(REQUEST);

test("a session is created once, found, and not steered where it cannot be", async () => {
  const [one, again] = [await client.createSession(request, { idempotencyKey: "ts" }), await client.createSession(request, { idempotencyKey: "ts" })];
  assert.equal(one.id, again.id);
  assert.equal(one.status, "pending");
  const ids = [];
  for await (const { id } of client.iterSessions({ pageSize: 2 })) ids.push(id);
  assert.ok(ids.includes(one.id) && ids.includes(DONE));
  await assert.rejects(client.pauseSession(one.id), ({ code, details }) => code === "INVALID_SESSION_STATUS" && details.currentStatus === "pending");
  const started = await client.startSession(one.id);
  assert.deepEqual([started.status, started.pending], ["active", false]);
  assert.equal((await client.flatten(one.id, { waitS: 0 })).pending, true);
});

test("what a session left behind can be read", async () => {
  const session = await client.getSession(DONE);
  assert.deepEqual([session.status, session.volumeGenerated], ["completed", 250]);
  const pairs = (await client.listOrders(DONE)).orders;
  assert.equal(pairs[0].orderPair.buyOrder.filledQuantity, 0.1);
  const fills = [];
  for await (const fill of client.iterFills(DONE, { pageSize: 1 })) fills.push(fill.accountId);
  assert.deepEqual(fills.sort(), ["account1", "account2"]);
  const events = [];
  for await (const { sequence } of client.iterEvents(DONE, { pageSize: 3 })) events.push(sequence);
  assert.deepEqual(events, [1, 2, 3, 4, 5, 6, 7, 8]);
  const told = await client.explain(DONE, 1);
  assert.equal(told.certificates[0].kind, "pair");
  assert.ok(told.sentences.length > 2);
  const risk = await client.riskStatus(DONE);
  assert.equal(risk.overallRisk, "high");
  assert.equal((await client.acknowledgeBreach(DONE, risk.activeBreaches[0].id, { comment: "seen" })).resolved, true);
});

test("accounts, venues, markets, keys and an estimate", async () => {
  assert.equal((await client.accounts()).length, 3);
  assert.equal(typeof (await client.account("account1")).equity, "number");
  assert.equal((await client.venues()).length, 3);
  assert.equal((await client.markets({ symbol: "ETH/USD" })).markets.length, 3);
  assert.ok((await client.estimate(request)).volume.p50 > 0);
  const made = await client.createKey("reader", ["read"]);
  const reader = new HedgingClient({ ...options, apiKey: made.apiKey });
  await assert.rejects(reader.createSession(request), { code: "FORBIDDEN", status: 403 });
  await client.revokeKey(made.key.id);
  await assert.rejects(reader.keys(), { code: "UNAUTHORIZED" });
  await assert.rejects(reader.subscribe(DONE).next(), { code: "UNAUTHORIZED" });
});

test("refusals have the codes of the contract", async () => {
  await assert.rejects(client.getSession("nobody"), { code: "SESSION_NOT_FOUND", status: 404 });
  await assert.rejects(client.createSession({ ...request, accounts: ["account1"] }), { code: "INSUFFICIENT_ACCOUNTS" });
  await assert.rejects(client.report(DONE), { status: 404 });
  await assert.rejects(client.subscribe("nobody").next(), { code: "SESSION_NOT_FOUND" });
});

test("a session is followed to its settled end", async () => {
  const heard = [];
  for await (const { sequence } of client.subscribe(LIVE)) heard.push(sequence);
  assert.deepEqual(heard, [0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
});

test("a restart of the service loses and doubles nothing", async () => {
  const heard = [];
  for await (const { sequence } of client.subscribe(RESTARTED)) heard.push(sequence);
  assert.deepEqual(heard, [0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7]);
});
