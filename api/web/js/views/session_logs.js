// Pairs, fills and events of a session, each newest first.

import { api } from "../api.js";
import { fill, h, shown, table, toast } from "../dom.js";
import { bps, number, price, quantity, time, usd } from "../format.js";
import { pill } from "./sessions.js";

const PAIRS = 50, FILLS = 50, EVENTS = 200;

export class Logs {
  constructor(id) {
    this.id = id;
    this.pairs = new Map();
    this.lines = [];
    this.panes = { pairs: h("div", { id: "pane-pairs", role: "tabpanel" }), fills: h("div", { id: "pane-fills", role: "tabpanel", hidden: true }), events: h("div", { id: "pane-events", role: "tabpanel", hidden: true }) };
    this.tabs = Object.entries({ pairs: "Pairs", fills: "Fills", events: "Events" }).map(([name, text], n) =>
      h("button.tab", { role: "tab", id: `tab-${name}`, "aria-controls": `pane-${name}`, "aria-selected": n === 0, onclick: () => this.#open(name) }, text));
    this.element = h("section.panel", { "aria-label": "Records" }, h("div.tabs", { role: "tablist", onkeydown: (event) => this.#step(event) }, this.tabs), Object.values(this.panes));
  }

  async load() {
    const first = await api.orders(this.id, { limit: PAIRS });
    const offset = Math.max(0, first.total - PAIRS);
    const { orders } = offset ? await api.orders(this.id, { limit: PAIRS, offset }) : first;
    orders.forEach((order) => this.pairs.set(order.id, order));
    await this.loadFills();
    this.#draw();
  }

  async loadFills() {
    const { fills } = await api.fills(this.id, { limit: FILLS, newestFirst: true });
    fill(this.panes.fills, table([
      { head: "Time", cell: (f) => time(f.venueTime) }, { head: "Venue", cell: (f) => f.venue }, { head: "Account", cell: (f) => f.accountId },
      { head: "Side", cell: (f) => h("span", { class: f.side }, f.side) }, { head: "Quantity", align: "right", cell: (f) => quantity(f.quantity) },
      { head: "Price", align: "right", cell: (f) => price(f.price) }, { head: "Fee", align: "right", cell: (f) => usd(f.fee, 4) }, { head: "As", cell: (f) => f.liquidity },
    ], fills, { caption: "Fills, newest first", empty: "No fills yet." }));
  }

  /** Take a new or changed pair. */
  pair(order) {
    if (!order.orderPair) return;
    this.pairs.set(order.id, order);
    if (this.pairs.size > PAIRS) this.pairs.delete(this.pairs.keys().next().value);
    this.#draw();
  }

  /** Take one event, of the record or of the stream. */
  event({ type, data, timestamp }, draw = true) {
    const text = data.text ?? data.reason ?? data.outcome ?? (type === "risk_update" ? `${data.breach?.category ?? ""} ${data.riskLevel ?? ""}` : null);
    if (type === "metrics_update" || (type === "order_update" && !text)) return;
    this.lines.unshift({ at: new Date(timestamp).toISOString(), type, text: text ?? data.status ?? "" });
    this.lines.length = Math.min(this.lines.length, EVENTS);
    if (draw) this.#drawEvents();
  }

  #draw() {
    const newest = [...this.pairs.values()].reverse();
    const leg = (o) => h("span", {}, h("span", { class: o.side }, o.side), ` ${o.venue}`);
    fill(this.panes.pairs, table([
      { head: "Time", cell: (p) => time(p.executedAt ?? p.createdAt) }, { head: "Long", cell: (p) => leg(p.orderPair.buyOrder) }, { head: "Short", cell: (p) => leg(p.orderPair.sellOrder) },
      { head: "Status", cell: (p) => pill(p.status) }, { head: "Volume", align: "right", cell: (p) => usd(p.volume) }, { head: "Price", align: "right", cell: (p) => price(p.price) },
      { head: "Slippage", align: "right", cell: (p) => bps(p.slippage) }, { head: "Fees", align: "right", cell: (p) => usd(p.fees, 4) }, { head: "Legs alone, USD·s", align: "right", cell: (p) => number(p.nakedUsdSeconds, 1) },
      { head: "Why", cell: (p) => h("button.quiet", { "aria-label": `Why pair ${p.sequence}`, onclick: () => this.#explain(p) }, "Why") },
    ], newest, { caption: "Pairs, newest first", empty: "No pairs yet." }));
    this.#drawEvents();
  }

  async #explain(pair) {
    try {
      const { explanation } = await api.explain(this.id, pair.id);
      const last = explanation.certificates.at(-1);
      shown({ title: `Pair ${pair.sequence}`, lines: [...explanation.sentences, last ? `Certificate ${last.position}, SHA-256 ${last.sha256}` : "Not certified yet: it has not ended."] });
    } catch (refusal) { toast(refusal.message, "bad"); }
  }

  #drawEvents() {
    fill(this.panes.events, this.lines.length ? h("ol.events", {}, this.lines.map((line) => h("li", {}, h("time", { datetime: line.at }, time(line.at)), h("span.pill", {}, line.type.replace("_", " ")), h("span", {}, line.text))))
      : h("p.empty", {}, "No events yet."));
  }

  #open(name) {
    for (const tab of this.tabs) {
      const isOpen = tab.id === `tab-${name}`;
      tab.setAttribute("aria-selected", isOpen);
      tab.tabIndex = isOpen ? 0 : -1;
    }
    for (const [key, pane] of Object.entries(this.panes)) pane.hidden = key !== name;
  }

  #step(event) {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    const now = this.tabs.findIndex((tab) => tab.getAttribute("aria-selected") === "true");
    const next = this.tabs[(now + by + this.tabs.length) % this.tabs.length];
    this.#open(next.id.replace("tab-", ""));
    next.focus();
  }
}
