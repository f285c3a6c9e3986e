// Following a session: one socket after the other, resumed where the last one broke. Nothing lost, nothing doubled.
// Each update names the one before it, so continuity is proven here and not hoped for.

import { ConnectionFailed, HedgingError } from "./errors.js";
import { sleep } from "./retry.js";

export const CHANNELS = Object.freeze(["status", "orders", "risk", "metrics"]);
const FINAL = ["completed", "failed"];
const SILENT_TRIES_MAX = 20;
const WAITING_MAX = 10_000;
const PING_MS = 20_000;
const HOPELESS = { 4401: "UNAUTHORIZED", 4403: "FORBIDDEN", 4404: "SESSION_NOT_FOUND" };

class OutOfStep extends Error {}

class Closed extends Error {
  constructor(code, reason, wasOpen) {
    super(reason);
    Object.assign(this, { code, wasOpen });
  }
}

/** Where one subscription stands: what it asks for next, and which messages are news. Does no I/O. */
export class Follower {
  #unshown;

  constructor(sessionId, channels = CHANNELS, since = null) {
    Object.assign(this, { sessionId, channels: [...channels], since, hasEnded: false, isSettled: false });
    this.#unshown = new Set(since === null ? channels : []);
  }

  wish() {
    const wish = { type: "subscribe", sessionId: this.sessionId, channels: this.channels };
    return JSON.stringify(this.since === null ? wish : { ...wish, since: this.since });
  }

  /** A message that is news, null for one that is not; throws what the service complains about. */
  take(text) {
    const message = JSON.parse(text);
    if (message.type === "error") {
      throw new HedgingError(message.error.code, message.error.message, { details: message.error.details });
    }
    if (message.type === "snapshot") return this.#snapshot(message);
    if (message.channel === undefined) return null;
    return message.sequence === undefined ? message : this.#event(message);
  }

  #snapshot(message) {
    this.since ??= message.sequence;
    if (!this.#unshown.delete(message.channel)) return null;
    this.#noteEnd(message);
    return message;
  }

  #event(message) {
    const since = this.since ?? 0;
    if (message.sequence <= since) return null;
    if (message.previousSequence !== since) throw new OutOfStep();
    this.since = message.sequence;
    this.#noteEnd(message);
    return message;
  }

  #noteEnd({ type, channel, data }) {
    if (channel !== "status") return;
    this.hasEnded ||= FINAL.includes(data?.status);
    this.isSettled ||= type === "settled";
  }
}

/** Give every update, over as many sockets as it takes; `connect()` makes one, or throws a HedgingError. */
export async function* follow(follower, { connect, explain, retry, untilEnd, lingerMs, signal }) {
  let silentTries = 0;
  while (!signal?.aborted) {
    try {
      for await (const update of oneSocket(follower, { connect, untilEnd, lingerMs, signal })) {
        silentTries = 0;
        yield update;
      }
      return;
    } catch (error) {
      if (signal?.aborted) return;
      if (error instanceof Closed) {
        if (HOPELESS[error.code]) throw new HedgingError(HOPELESS[error.code], error.message);
        if (!error.wasOpen) await explain(); // a browser does not say why a handshake was refused; ask in plain HTTP
      } else if (!(error instanceof OutOfStep || error instanceof ConnectionFailed)) {
        throw error;
      }
    }
    silentTries += 1;
    if (silentTries >= SILENT_TRIES_MAX) {
      throw new ConnectionFailed(`no update in ${silentTries} connections; ask later with since: ${follower.since}`);
    }
    await sleep(retry.pause(silentTries), signal);
  }
}

async function* oneSocket(follower, { connect, untilEnd, lingerMs, signal }) {
  const wire = new Wire(await connect());
  const stop = () => wire.close();
  signal?.addEventListener("abort", stop);
  try {
    await wire.opened();
    wire.send(follower.wish());
    while (true) {
      const ends = untilEnd && follower.hasEnded;
      if (ends && follower.isSettled) return;
      const text = await wire.next(ends ? lingerMs : null);
      if (text === null) return;
      const update = follower.take(text);
      if (update !== null) yield update;
    }
  } finally {
    signal?.removeEventListener("abort", stop);
    wire.close();
  }
}

/** A WebSocket whose messages are awaited one by one, with a ping so that a dead line is noticed. */
class Wire {
  #socket; #waiting = []; #wake = null; #end = null; #wasOpen = false; #ping; #silentBeats = 0;

  constructor(socket) {
    this.#socket = socket;
    this.#wasOpen = socket.readyState === 1;
    socket.onopen = () => { this.#wasOpen = true; this.#notify(); };
    socket.onmessage = ({ data }) => this.#take(String(data));
    socket.onclose = ({ code, reason }) => this.#finish(new Closed(code, reason || "the connection broke", this.#wasOpen));
    socket.onerror = () => this.#finish(new Closed(1006, "the connection broke", this.#wasOpen));
    this.#ping = setInterval(() => this.#beat(), PING_MS);
    this.#ping.unref?.();
  }

  async opened() {
    while (!this.#wasOpen && this.#end === null) await this.#change(null);
    if (this.#end !== null) throw this.#end;
  }

  send(text) {
    this.#socket.send(text);
  }

  /** The next message; null when none came in time. */
  async next(timeoutMs) {
    while (this.#waiting.length === 0) {
      if (this.#end !== null) throw this.#end;
      if (await this.#change(timeoutMs)) return null;
    }
    return this.#waiting.shift();
  }

  close() {
    clearInterval(this.#ping);
    this.#finish(new Closed(1000, "closed here", true));
    this.#socket.close();
  }

  #take(text) {
    this.#silentBeats = 0;
    if (this.#waiting.length >= WAITING_MAX) return this.close(); // whoever reads this late resumes with since
    this.#waiting.push(text);
    this.#notify();
  }

  #beat() {
    this.#silentBeats += 1;
    if (this.#silentBeats > 2) return this.#finish(new Closed(1006, "the line is dead", this.#wasOpen));
    if (this.#wasOpen && this.#end === null) this.#socket.send('{"type":"ping"}');
  }

  #finish(end) {
    this.#end ??= end;
    this.#notify();
  }

  #notify() {
    this.#wake?.(false);
  }

  #change(timeoutMs) {
    return new Promise((resolve) => {
      const timer = timeoutMs === null ? null : setTimeout(() => resolve(true), timeoutMs);
      this.#wake = (late) => { clearTimeout(timer); this.#wake = null; resolve(late); };
    });
  }
}
