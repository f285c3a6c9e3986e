// The hedging API over fetch. The key lives in session storage: it is gone with the tab and never in a URL.

const BASE = "/api/v1/hedging";
const SLOT = "hedging.key";

export const key = {
  get: () => sessionStorage.getItem(SLOT),
  set: (value) => sessionStorage.setItem(SLOT, value),
  forget: () => sessionStorage.removeItem(SLOT),
};

/** A refusal: code and details as the API says them, status 0 when no answer came at all. */
export class Refusal extends Error {
  constructor(code, message, status, details = {}) {
    super(message);
    Object.assign(this, { code, status, details });
  }
}

async function call(method, path, body, { idempotencyKey } = {}) {
  const headers = { Authorization: `Bearer ${key.get() ?? ""}`, Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (idempotencyKey) headers["Idempotency-Key"] = idempotencyKey;
  let answer;
  try {
    answer = await fetch(BASE + path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body), cache: "no-store" });
  } catch {
    throw new Refusal("UNREACHABLE", "The API does not answer; what was asked may or may not have been done", 0);
  }
  const document = await answer.json().catch(() => null);
  if (answer.ok && document) return document;
  const error = document?.error ?? {};
  if (answer.status === 401) window.dispatchEvent(new Event("key-refused"));
  throw new Refusal(error.code ?? "INTERNAL_ERROR", error.message ?? `The API answered ${answer.status}`, answer.status, error.details);
}

const get = (path) => call("GET", path);
// Each press of a button is one intent: its key makes a repeated request harmless.
const post = (path, body = {}) => call("POST", path, body, { idempotencyKey: crypto.randomUUID() });
const query = (parameters) => {
  const given = Object.entries(parameters).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return given.length ? `?${new URLSearchParams(given)}` : "";
};

export const api = {
  sessions: (filter = {}) => get(`/sessions${query(filter)}`),
  session: (id) => get(`/sessions/${encodeURIComponent(id)}`),
  create: (request) => post("/sessions", request),
  estimate: (request) => call("POST", "/sessions/estimate", request),
  act: (id, verb, body) => post(`/sessions/${encodeURIComponent(id)}/${verb}`, body),
  orders: (id, page = {}) => get(`/sessions/${encodeURIComponent(id)}/orders${query(page)}`),
  explain: (id, pair) => get(`/sessions/${encodeURIComponent(id)}/orders/${encodeURIComponent(pair)}/explain`),
  fills: (id, page = {}) => get(`/sessions/${encodeURIComponent(id)}/fills${query(page)}`),
  events: (id, page = {}) => get(`/sessions/${encodeURIComponent(id)}/events${query(page)}`),
  risk: (id) => get(`/sessions/${encodeURIComponent(id)}/risk-status`),
  acknowledge: (id, breach, body) => post(`/sessions/${encodeURIComponent(id)}/risk-breaches/${encodeURIComponent(breach)}/acknowledge`, body),
  accounts: () => get("/accounts"),
  account: (id) => get(`/accounts/${encodeURIComponent(id)}`),
  markets: (filter = {}) => get(`/markets${query(filter)}`),
  flattenAll: () => post("/flatten"),
  ticket: () => call("POST", "/tickets"),
};
