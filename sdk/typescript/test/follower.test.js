// Following, over scripted sockets: what breaks is made again, what comes twice or too early is not passed on.
import assert from "node:assert/strict";
import test from "node:test";

import { HedgingClient, Retry } from "../src/index.js";

const update = (sequence, more = {}) => ({ type: "metrics_update", channel: "metrics", sequence, previousSequence: sequence - 1, data: {}, ...more });
const snapshots = (sequence, status = "active") => ["status", "metrics"].map((channel) => ({ type: "snapshot", channel, sequence, data: { status } }));
const end = (sequence) => [update(sequence, { type: "session_update", channel: "status", data: { status: "completed" } }),
  update(sequence + 1, { type: "settled", channel: "status" })];

/** A client whose n-th socket plays the n-th act: a function of the wish that returns messages, then "close" codes. */
function playing(...acts) {
  const wishes = [], urls = [];
  class Socket {
    constructor(url) { urls.push(url); setTimeout(() => this.onopen?.({})); }
    send(text) {
      const wish = JSON.parse(text);
      if (wish.type === "ping") return;
      wishes.push(wish);
      for (const message of acts[wishes.length - 1](wish)) {
        if (typeof message === "number") this.onclose?.({ code: message, reason: "" });
        else this.onmessage?.({ data: JSON.stringify(message) });
      }
    }
    close() {}
  }
  const fetch = async () => new Response(JSON.stringify({ success: true, ticket: `t${urls.length}`, expiresAt: "" }), { status: 201 });
  const client = new HedgingClient({ apiKey: "hk_1", baseUrl: "http://service", fetch, WebSocket: Socket, retry: new Retry({ pauseMs: 1 }) });
  return { client, wishes, urls };
}

async function heard(client, options = {}) {
  const found = [];
  for await (const { sequence } of client.subscribe("s1", { channels: ["status", "metrics"], lingerMs: 20, ...options })) found.push(sequence);
  return found;
}

test("snapshots come first, then updates to the settled end", async () => {
  const { client, wishes, urls } = playing(() => [{ type: "subscribed" }, ...snapshots(5), update(6), ...end(7)]);
  assert.deepEqual(await heard(client), [5, 5, 6, 7, 8]);
  assert.deepEqual(wishes, [{ type: "subscribe", sessionId: "s1", channels: ["status", "metrics"] }]);
  assert.deepEqual(urls, ["ws://service/ws/sessions/s1?ticket=t0"]);
});

test("a broken line is resumed where it broke, without loss or double, with a fresh ticket", async () => {
  const { client, wishes, urls } = playing(
    () => [...snapshots(0), update(1), update(2), 1001],
    () => [...snapshots(9), update(2), update(3), 1006],
    (wish) => [...snapshots(9), update(wish.since + 1), ...end(wish.since + 2)]);
  assert.deepEqual(await heard(client), [0, 0, 1, 2, 3, 4, 5, 6]);
  assert.deepEqual(wishes.map(({ since }) => since), [undefined, 2, 3]);
  assert.equal(new Set(urls).size, 3);
});

test("a gap is asked for again and not passed on", async () => {
  const { client } = playing(() => [...snapshots(0), update(1), update(3)], () => [...snapshots(3), update(2), update(3), ...end(4)]);
  assert.deepEqual(await heard(client), [0, 0, 1, 2, 3, 4, 5]);
});

test("with since there are no snapshots", async () => {
  const { client } = playing(() => [...snapshots(4), update(3), ...end(4)]);
  assert.deepEqual(await heard(client, { since: 2 }), [3, 4, 5]);
});

test("a session that was over before ends after its snapshots", async () => {
  const { client } = playing(() => snapshots(4, "completed"));
  assert.deepEqual(await heard(client), [4, 4]);
});

test("a revoked key and a complaint are thrown", async () => {
  const revoked = playing(() => [...snapshots(0), 4401]);
  await assert.rejects(heard(revoked.client), { code: "UNAUTHORIZED" });
  const refused = playing(() => [{ type: "error", error: { code: "VALIDATION_ERROR", message: "since", details: {} } }]);
  await assert.rejects(heard(refused.client), { code: "VALIDATION_ERROR" });
});

test("a subscription is stopped by its caller, and fails with its callback", async () => {
  const { client } = playing(() => snapshots(0), () => snapshots(0));
  const stopped = client.subscribeToSession("s1", () => stopped.stop(), { channels: ["status", "metrics"] });
  await stopped.done;
  const failing = client.subscribeToSession("s1", () => { throw new RangeError("mine"); }, { channels: ["status", "metrics"] });
  await assert.rejects(failing.done, RangeError);
});
