// The calls alone: what is sent, what is asked again, what is never guessed.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import test from "node:test";

import { ConnectionFailed, HedgingClient, HedgingError, Retry, UnexpectedAnswer } from "../src/index.js";

const refused = (code, details = {}) => ({ success: false, error: { code, message: "no", details }, timestamp: "" });
const answer = (status, body, headers = {}) => new Response(typeof body === "string" ? body : JSON.stringify(body), { status, headers });
const session = { success: true, session: { id: "s1", status: "active" } };

function scripted(...answers) {
  const asked = [];
  const fetch = async (url, request) => {
    asked.push({ url, ...request });
    const next = answers.shift();
    if (next instanceof Error) throw next;
    return next;
  };
  const client = new HedgingClient({ apiKey: "hk_1", baseUrl: "http://service/api/v1/hedging/", fetch, retry: new Retry({ pauseMs: 1 }) });
  return { client, asked };
}

test("a command carries one Idempotency-Key over all its tries", async () => {
  const { client, asked } = scripted(answer(503, refused("SERVICE_UNAVAILABLE")), new TypeError("lost"), answer(200, session));
  assert.deepEqual(await client.startSession("s1"), { id: "s1", status: "active", pending: false });
  assert.equal(new Set(asked.map(({ headers }) => headers["Idempotency-Key"])).size, 1);
  assert.equal(asked.length, 3);
  assert.equal(asked[0].url, "http://service/api/v1/hedging/sessions/s1/start");
  assert.equal(asked[0].headers.Authorization, "Bearer hk_1");
});

test("Retry-After is obeyed, and left to the caller when it is too long", async () => {
  const { client, asked } = scripted(
    answer(429, refused("RATE_LIMIT_EXCEEDED"), { "Retry-After": "0.01" }), answer(200, session),
    answer(429, refused("RATE_LIMIT_EXCEEDED"), { "Retry-After": "3600" }));
  await client.getSession("s1");
  await assert.rejects(client.getSession("s1"), ({ code, retryAfterMs }) => code === "RATE_LIMIT_EXCEEDED" && retryAfterMs === 3_600_000);
  assert.equal(asked.length, 3);
});

test("a refusal that will not pass is asked once and told whole", async () => {
  const { client, asked } = scripted(answer(409, refused("INVALID_SESSION_STATUS", { currentStatus: "active" }), { "X-Request-Id": "r1" }));
  await assert.rejects(client.startSession("s1"), (error) => error instanceof HedgingError && error.status === 409
    && error.requestId === "r1" && error.details.currentStatus === "active");
  assert.equal(asked.length, 1);
});

test("no answer at all is unknown and never a refusal", async () => {
  const { client } = scripted(...Array.from({ length: 5 }, () => new TypeError("fetch failed")));
  await assert.rejects(client.getSession("s1"), ConnectionFailed);
});

test("nothing is guessed from another service's answer", async () => {
  const { client } = scripted(answer(200, "<html>"), answer(404, "<html>"));
  await assert.rejects(client.getSession("s1"), UnexpectedAnswer);
  await assert.rejects(client.getSession("s1"), UnexpectedAnswer);
});

test("walking through pages gives everything once though the list grows", async () => {
  const page = (total, ...ids) => answer(200, { sessions: ids.map((id) => ({ id })), total });
  const { client, asked } = scripted(page(4, "d", "c"), page(5, "c", "b"), page(5, "a"));
  const ids = [];
  for await (const { id } of client.iterSessions({ pageSize: 2, status: "pending" })) ids.push(id);
  assert.deepEqual(ids, ["d", "c", "b", "a"]);
  assert.match(asked[1].url, /status=pending&limit=2&offset=2$/);
});

test("a platform without WebSocket is told what to do", () => {
  const { client } = scripted();
  if (globalThis.WebSocket === undefined) assert.throws(() => client.subscribe("s1"), /pass one/);
});

test("the declarations name every method of the client, and no other", async () => {
  const text = await readFile(new URL("../src/index.d.ts", import.meta.url), "utf8");
  const body = text.slice(text.indexOf("export class HedgingClient"));
  const declared = [...body.matchAll(/^ {2}(\w+)\(/gm)].map(([, name]) => name).sort();
  assert.deepEqual(declared, Object.getOwnPropertyNames(HedgingClient.prototype).sort());
});
