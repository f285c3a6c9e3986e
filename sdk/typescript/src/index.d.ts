import type * as api from "./api.js";

export type * from "./api.js";

export type Channel = "status" | "orders" | "risk" | "metrics" | "market";
export const CHANNELS: readonly Channel[];

/** One message of the live stream. `sequence` grows by one per session; snapshots stand at one; pictures have none. */
export interface Update {
  type: string;
  sessionId: string;
  channel: Channel;
  data: Record<string, unknown> | null;
  /** Unix milliseconds. */
  timestamp: number;
  sequence?: number;
  previousSequence?: number;
}

export class HedgingError extends Error {
  /** Stable; the client's own are CONNECTION_FAILED and UNEXPECTED_ANSWER. */
  readonly code: api.ErrorCode | "CONNECTION_FAILED" | "UNEXPECTED_ANSWER" | (string & {});
  readonly details: Record<string, unknown>;
  readonly status: number | null;
  readonly requestId: string | null;
  readonly retryAfterMs: number | null;
}

/** No answer came: what became of the call is unknown, so ask before acting on it. */
export class ConnectionFailed extends HedgingError {}

/** An answer that this client cannot read; nothing is guessed from it. */
export class UnexpectedAnswer extends HedgingError {}

/** When to ask again; only what is safe is. */
export class Retry {
  constructor(options?: {
    tries?: number; pauseMs?: number; pauseMsMax?: number; retryAfterMsMax?: number; random?: () => number;
  });
}

/** Enough of a WebSocket to be followed: the platform's, or that of the package `ws`. */
export interface SocketLike {
  readonly readyState: number;
  onopen: ((event: any) => void) | null;
  onmessage: ((event: any) => void) | null;
  onclose: ((event: any) => void) | null;
  onerror: ((event: any) => void) | null;
  send(text: string): void;
  close(): void;
}

export interface ClientOptions {
  apiKey: string;
  /** The service's root; http://127.0.0.1:8000 when absent. */
  baseUrl?: string;
  /** Bounds each try. */
  timeoutMs?: number;
  retry?: Retry;
  fetch?: typeof globalThis.fetch;
  WebSocket?: new (url: string) => SocketLike;
}

export interface SessionFilter { status?: api.SessionSummary["status"] | "created" | "running" | "stopped"; accountId?: string }
export interface OrderFilter { status?: api.PairDocument["status"]; accountId?: string; side?: "buy" | "sell" }
export interface PageWish { limit?: number; offset?: number }
export interface PageSize { pageSize?: number }
export interface Wait { /** Seconds the service may wait for the end before it answers `pending`. */ waitS?: number }
/** A session after a command, as it stands; `pending` while the command is noted and not carried out yet. */
export type Started = api.StartedSession & { pending: boolean };
export type Steered = api.SteeredSession & { pending: boolean };

export interface SubscribeOptions {
  /** status, orders, risk and metrics when absent; `market` adds pictures of the books. */
  channels?: readonly Channel[];
  /** Replay everything after this sequence instead of beginning with snapshots. */
  since?: number | null;
  /** End when the session has ended and is on record; true when absent. */
  untilEnd?: boolean;
  /** How long to wait for more after a session's end. */
  lingerMs?: number;
  signal?: AbortSignal;
}

/** The hedging API. Every call throws HedgingError. */
export class HedgingClient {
  constructor(options: ClientOptions);
  /** Create a pending session; trades nothing. The same idempotencyKey creates it once. */
  createSession(request: api.SessionRequest, options?: { idempotencyKey?: string }): Promise<api.SessionDocument>;
  getSession(id: string): Promise<api.SessionDocument>;
  /** Newest first. */
  listSessions(filter?: SessionFilter & PageWish): Promise<api.SessionsPage>;
  iterSessions(filter?: SessionFilter & PageSize): AsyncGenerator<api.SessionSummary, void>;
  startSession(id: string): Promise<Started>;
  pauseSession(id: string): Promise<Steered>;
  resumeSession(id: string): Promise<Steered>;
  stopSession(id: string, options?: Wait): Promise<Steered>;
  flatten(id: string, options?: Wait): Promise<Steered>;
  flattenAll(options?: Wait): Promise<api.FlattenAnswer>;
  /** What a session would probably cost and take; creates nothing. */
  estimate(request: api.SessionRequest): Promise<api.EstimateDocument>;
  listOrders(id: string, filter?: OrderFilter & PageWish): Promise<api.PairsPage>;
  explain(id: string, pairId: string | number): Promise<api.ExplanationDocument>;
  iterOrders(id: string, filter?: OrderFilter & PageSize): AsyncGenerator<api.PairDocument, void>;
  listFills(id: string, page?: PageWish): Promise<api.FillsPage>;
  iterFills(id: string, options?: PageSize): AsyncGenerator<api.FillDocument, void>;
  listEvents(id: string, page?: { since?: number; limit?: number }): Promise<api.EventsAnswer>;
  iterEvents(id: string, options?: { since?: number } & PageSize): AsyncGenerator<api.EventDocument, void>;
  riskStatus(id: string): Promise<api.RiskStatus>;
  acknowledgeBreach(id: string, breachId: string, decision?: { action?: "resolve" | "ignore"; comment?: string }): Promise<api.BreachDocument>;
  /** The session's report, a page of HTML. */
  report(id: string): Promise<string>;
  accounts(): Promise<api.AccountDocument[]>;
  /** As its venue tells it now; null stands for what could not be read. */
  account(id: string): Promise<api.AccountHealthDocument>;
  venues(): Promise<api.VenueDocument[]>;
  /** `unread` names venues that are missing. */
  markets(filter?: { symbol?: string }): Promise<api.MarketsAnswer>;
  createTicket(): Promise<api.TicketAnswer>;
  keys(): Promise<api.KeyDocument[]>;
  /** The key's text is in `apiKey`, now and never again. */
  createKey(name: string, scopes: api.Scope[]): Promise<api.NewKeyAnswer>;
  revokeKey(id: string): Promise<api.KeyDocument>;
  /** Updates as they happen, each once and in order, over lost connections too. */
  subscribe(id: string, options?: SubscribeOptions): AsyncGenerator<Update, void>;
  subscribeToSession(id: string, callback: (update: Update) => unknown, options?: Omit<SubscribeOptions, "signal">): { stop(): void; done: Promise<void> };
}
