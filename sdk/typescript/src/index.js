// The client of the hedging API, for browsers and Node 20+. No dependencies: fetch and WebSocket are the platform's,
// or handed in. Types are in index.d.ts; those of the wire in api.d.ts.

import { ConnectionFailed, HedgingError, UnexpectedAnswer, refusalOf } from "./errors.js";
import { CHANNELS, Follower, follow } from "./live.js";
import { Retry, sleep } from "./retry.js";

export { CHANNELS, ConnectionFailed, HedgingError, Retry, UnexpectedAnswer };

const API = "/api/v1/hedging";
const PAGE = 200;
const at = (id, ...rest) => ["/sessions", encodeURIComponent(id), ...rest].join("/");

export class HedgingClient {
  #apiKey; #root; #fetch; #WebSocket; #retry; #timeoutMs;

  constructor({ apiKey, baseUrl = "http://127.0.0.1:8000", timeoutMs = 10_000, retry = new Retry(), fetch, WebSocket }) {
    this.#apiKey = apiKey;
    this.#root = baseUrl.replace(/\/+$/, "").replace(new RegExp(`${API}$`), "");
    this.#fetch = fetch ?? globalThis.fetch.bind(globalThis);
    this.#WebSocket = WebSocket ?? globalThis.WebSocket;
    this.#retry = retry;
    this.#timeoutMs = timeoutMs;
  }

  async createSession(request, { idempotencyKey } = {}) { return (await this.#post("/sessions", request, { idempotencyKey })).session; }
  async getSession(id) { return (await this.#get(at(id))).session; }
  listSessions(filter = {}) { return this.#get("/sessions", filter); }
  iterSessions({ pageSize = PAGE, ...filter } = {}) { return this.#walk("/sessions", "sessions", pageSize, filter, (s) => s.id); }
  startSession(id) { return this.#act(id, "start"); }
  pauseSession(id) { return this.#act(id, "pause"); }
  resumeSession(id) { return this.#act(id, "resume"); }
  stopSession(id, { waitS } = {}) { return this.#act(id, "stop", waitS); }
  flatten(id, { waitS } = {}) { return this.#act(id, "flatten", waitS); }
  flattenAll({ waitS } = {}) { return this.#post("/flatten", {}, { query: { wait: waitS }, waitS: waitS ?? 120 }); }
  async estimate(request) { return (await this.#post("/sessions/estimate", request, { waitS: 30 })).estimate; }
  listOrders(id, filter = {}) { return this.#get(at(id, "orders"), filter); }
  iterOrders(id, { pageSize = PAGE, ...filter } = {}) { return this.#walk(at(id, "orders"), "orders", pageSize, filter, (pair) => pair.id); }
  async explain(id, pairId) { return (await this.#get(at(id, "orders", encodeURIComponent(pairId), "explain"))).explanation; }
  listFills(id, page = {}) { return this.#get(at(id, "fills"), page); }
  iterFills(id, { pageSize = PAGE } = {}) {
    return this.#walk(at(id, "fills"), "fills", pageSize, {}, (f) => `${f.venue} ${f.accountId} ${f.tradeId}`);
  }
  listEvents(id, page = {}) { return this.#get(at(id, "events"), page); }
  async *iterEvents(id, { since = 0, pageSize = PAGE } = {}) {
    for (let last = since; ;) {
      const { events } = await this.listEvents(id, { since: last, limit: pageSize });
      if (events.length === 0) return;
      yield* events;
      last = events.at(-1).sequence;
    }
  }
  async riskStatus(id) { return (await this.#get(at(id, "risk-status"))).riskStatus; }
  async acknowledgeBreach(id, breachId, { action = "resolve", comment } = {}) {
    const path = at(id, "risk-breaches", encodeURIComponent(breachId), "acknowledge");
    return (await this.#post(path, comment === undefined ? { action } : { action, comment })).breach;
  }
  report(id) { return this.#call("GET", at(id, "report"), { read: (response) => response.text() }); }
  async accounts() { return (await this.#get("/accounts")).accounts; }
  async account(id) { return (await this.#get(`/accounts/${encodeURIComponent(id)}`)).account; }
  async venues() { return (await this.#get("/venues")).venues; }
  markets({ symbol } = {}) { return this.#get("/markets", { symbol }); }
  createTicket() { return this.#post("/tickets", {}); }
  async keys() { return (await this.#get("/keys")).keys; }
  createKey(name, scopes) { return this.#post("/keys", { name, scopes }); }
  async revokeKey(id) { return (await this.#call("DELETE", `/keys/${encodeURIComponent(id)}`)).key; }

  /** A session's updates as they happen: `for await (const update of client.subscribe(id))`. */
  subscribe(id, { channels = CHANNELS, since = null, untilEnd = true, lingerMs = 2000, signal } = {}) {
    if (!this.#WebSocket) throw new TypeError("this platform has no WebSocket: pass one as `WebSocket`, e.g. that of `ws`");
    return follow(new Follower(id, channels, since), {
      connect: () => this.#connect(id), explain: () => this.getSession(id),
      retry: this.#retry, untilEnd, lingerMs, signal,
    });
  }

  /** Call back for each update; `stop()` ends it, `done` settles at the end or with what went wrong. */
  subscribeToSession(id, callback, options = {}) {
    const stopping = new AbortController();
    const updates = this.subscribe(id, { ...options, signal: stopping.signal });
    const listen = async () => { for await (const update of updates) await callback(update); };
    return { stop: () => stopping.abort(), done: listen() };
  }

  /** A socket with a fresh single-use ticket: a key in an address would end up in logs. */
  async #connect(id) {
    const { ticket } = await this.createTicket();
    const root = this.#root.replace(/^http/, "ws");
    return new this.#WebSocket(`${root}/ws/sessions/${encodeURIComponent(id)}?ticket=${encodeURIComponent(ticket)}`);
  }

  async #act(id, verb, waitS) {
    const answer = await this.#post(at(id, verb), {}, { query: { wait: waitS }, waitS: waitS ?? 30 });
    return { ...answer.session, pending: answer.pending ?? false };
  }

  async *#walk(path, name, pageSize, filter, identity) {
    const seen = new Set();
    for (let offset = 0, total = 1; offset < total;) {
      const page = await this.#get(path, { ...filter, limit: pageSize, offset });
      const items = page[name];
      if (items.length === 0) return;
      offset += items.length;
      total = page.total;
      // A list that grows while it is read moves its items to later pages.
      for (const item of items) if (!seen.has(identity(item))) { seen.add(identity(item)); yield item; }
    }
  }

  #get(path, query) { return this.#call("GET", path, { query }); }

  #post(path, body, { idempotencyKey = crypto.randomUUID(), ...more } = {}) {
    const headers = { "Content-Type": "application/json", "Idempotency-Key": idempotencyKey };
    return this.#call("POST", path, { body: JSON.stringify(body), headers, ...more });
  }

  async #call(method, path, { query = {}, body, headers = {}, waitS = 0, read = (response) => response.json() } = {}) {
    const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null);
    const url = `${this.#root}${API}${path}${given.length ? `?${new URLSearchParams(given)}` : ""}`;
    const sent = { Authorization: `Bearer ${this.#apiKey}`, Accept: "application/json", ...headers };
    for (let attempt = 1; ; attempt++) {
      const [answer, pause] = await this.#try(url, { method, body, headers: sent }, waitS, { read, attempt });
      if (pause === null) return answer;
      await sleep(pause);
    }
  }

  async #try(url, request, waitS, { read, attempt }) {
    let response;
    try {
      const signal = AbortSignal.timeout(this.#timeoutMs + waitS * 1000);
      response = await this.#fetch(url, { ...request, signal, redirect: "error", cache: "no-store" });
      if (response.ok) return [await read(response), null];
    } catch (failure) {
      if (failure instanceof SyntaxError) throw new UnexpectedAnswer("the answer is not JSON");
      const pause = this.#retry.afterSilence(attempt);
      if (pause === null) throw new ConnectionFailed(`no answer came (${failure.name}); what became of the call is unknown`);
      return [null, pause];
    }
    const error = await refusalOf(response);
    const pause = this.#retry.afterRefusal(error, attempt);
    if (pause === null) throw error;
    return [null, pause];
  }
}
