// Three curves of a session over time: volume against target, the parts of its result, and what stood unhedged.

import { api } from "../api.js";
import { Chart } from "../charts.js";
import { h } from "../dom.js";
import { number, signedUsd, usd } from "../format.js";

const POINTS_MAX = 4000;
const EVENTS_A_PAGE = 1000;
const PAGES_MAX = 10;
const value = (x) => (x === undefined || x === null ? null : Number(x));

export class Curves {
  constructor() {
    this.times = [];
    this.rows = [];
    this.frames = { volume: h("div.chart"), result: h("div.chart"), naked: h("div.chart") };
    this.element = h("section.charts", { "aria-label": "Curves" },
      h("figure.panel", {}, h("figcaption", {}, "Volume against target"), this.frames.volume),
      h("figure.panel", {}, h("figcaption", {}, "Result and its parts"), this.frames.result),
      h("figure.panel", {}, h("figcaption", {}, "Net delta, and most unhedged in each pair"), this.frames.naked));
  }

  /** Draw what has happened so far, from the session's events; each is handed on to onEvent. */
  async load(session, onEvent) {
    this.target = session.volumeTarget ?? null;
    this.charts = [
      new Chart(this.frames.volume, { label: "Hedged volume over time", format: (v) => usd(v, 0), series: [{ label: "volume", colour: "accent", fill: true }, { label: "target", colour: "muted", dash: [4, 4] }] }),
      new Chart(this.frames.result, { label: "Profit and loss, fees and funding over time", format: (v) => signedUsd(v), series: [{ label: "PnL", colour: "accent", width: 2.25 }, { label: "fees", colour: "bad", dash: [4, 3] }, { label: "funding", colour: "violet" }] }),
      new Chart(this.frames.naked, { label: "Net delta over time", format: (v) => number(v, 2), series: [{ label: "most unhedged, USD", colour: "warn", step: true, fill: true }, { label: "net delta, base", colour: "accent", step: true }] }),
    ];
    let since = 0;
    for (let page = 0; page < PAGES_MAX; page += 1) {
      const { events } = await api.events(session.id, { since, limit: EVENTS_A_PAGE });
      for (const event of events) {
        if (event.type === "metrics_update") this.#keep(Date.parse(event.timestamp) / 1000, event.data);
        onEvent(event);
      }
      if (events.length < EVENTS_A_PAGE) break;
      since = events.at(-1).sequence;
    }
    this.#draw();
  }

  /** Take one more point; time in seconds since 1970. */
  add(seconds, metrics) {
    this.#keep(seconds, metrics);
    this.due ??= requestAnimationFrame(() => { this.due = null; this.#draw(); });
  }

  destroy() {
    cancelAnimationFrame(this.due);
    this.charts?.forEach((chart) => chart.destroy());
  }

  #keep(seconds, m) {
    if (this.times.length && seconds <= this.times.at(-1)) seconds = this.times.at(-1) + 0.001;
    this.times.push(seconds);
    this.rows.push([value(m.totalVolume), value(m.pnl), m.fees === undefined ? null : -Number(m.fees), value(m.fundingPnl), value(m.netPeakUsd), value(m.netPosition)]);
    if (this.times.length > POINTS_MAX) {
      // Halve the older part: the shape stays, the memory is bounded.
      const keep = (_, n) => n >= POINTS_MAX / 2 || n % 2 === 0;
      this.times = this.times.filter(keep);
      this.rows = this.rows.filter(keep);
    }
  }

  #draw() {
    if (!this.charts) return;
    const column = (n) => this.rows.map((row) => row[n]);
    this.charts[0].set([this.times, column(0), this.times.map(() => this.target)]);
    this.charts[1].set([this.times, column(1), column(2), column(3)]);
    this.charts[2].set([this.times, column(4), column(5)]);
  }
}
