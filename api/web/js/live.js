// One session's WebSocket: a fresh ticket for each connection, resumed by sequence, reconnected with growing pauses.

import { api } from "./api.js";

const PAUSE_MS = { first: 500, most: 15_000 };
const CHANNELS = ["status", "orders", "risk", "metrics"];

export class Live {
  #id; #onMessage; #onState; #socket = null; #since = null; #pause = PAUSE_MS.first; #timer = null; #closed = false;

  /** onMessage(update) for each message of the server, in order; onState("live" | "connecting" | "away"). */
  constructor(id, { onMessage, onState, extra = [] }) {
    this.#id = id;
    this.#onMessage = onMessage;
    this.#onState = onState;
    this.channels = [...CHANNELS, ...extra];
  }

  async open() {
    if (this.#closed) return;
    this.#onState("connecting");
    try {
      const { ticket } = await api.ticket();
      if (this.#closed) return;
      const scheme = location.protocol === "https:" ? "wss:" : "ws:";
      const socket = new WebSocket(`${scheme}//${location.host}/ws/sessions/${encodeURIComponent(this.#id)}?ticket=${encodeURIComponent(ticket)}`);
      this.#socket = socket;
      socket.onopen = () => this.#subscribe(socket);
      socket.onmessage = (event) => this.#take(JSON.parse(event.data));
      socket.onclose = () => this.#again();
    } catch (refusal) {
      if (refusal.status === 401) return this.#onState("away");
      this.#again();
    }
  }

  close() {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#socket?.close();
  }

  #subscribe(socket) {
    const wanted = { type: "subscribe", sessionId: this.#id, channels: this.channels };
    if (this.#since !== null) wanted.since = this.#since;
    socket.send(JSON.stringify(wanted));
  }

  #take(message) {
    if (message.type === "subscribed") {
      this.#pause = PAUSE_MS.first;
      this.#onState("live");
    }
    if (Number.isInteger(message.sequence)) {
      // A snapshot stands at a sequence; an update that is not newer has been seen.
      const isSnapshot = message.type === "snapshot";
      const isEvent = !isSnapshot && message.channel !== "market";
      if (isEvent && this.#since !== null && message.sequence <= this.#since) return;
      if (isEvent || (isSnapshot && this.#since === null)) this.#since = message.sequence;
    }
    this.#onMessage(message);
  }

  #again() {
    if (this.#closed) return;
    this.#onState("away");
    this.#timer = setTimeout(() => this.open(), this.#pause * (0.75 + Math.random() / 2));
    this.#pause = Math.min(this.#pause * 2, PAUSE_MS.most);
  }
}
