// One session, live: what it has done, what it holds, what it sees, and the buttons to steer it.

import { api } from "../api.js";
import { confirmed, fill, h, toast } from "../dom.js";
import { ago, bps, duration, quantity, sign, signedUsd, time, usd, usdSeconds } from "../format.js";
import { Live } from "../live.js";
import { progress, pill } from "./sessions.js";
import { Curves } from "./session_charts.js";
import { Books } from "./session_books.js";
import { Logs } from "./session_logs.js";
import { Risk } from "./session_risk.js";

const RISK_EVERY_MS = 15_000;
const FILLS_PAUSE_MS = 3000;

const ACTIONS = [
  { verb: "start", text: "Start", from: ["pending"], kind: "primary", ask: (s) => ({ title: "Start this session?", verb: `Start on ${s.environment}`, text: [`${s.accounts.join(", ")} will trade ${s.strategy.symbol} on ${s.environment}.`, "Funds are checked first; the session ends flat."] }) },
  { verb: "pause", text: "Pause", from: ["active"], kind: "", ask: () => ({ title: "Pause?", verb: "Pause", text: "Nothing new is opened after the pair in progress. What is open stays hedged." }) },
  { verb: "resume", text: "Resume", from: ["paused"], kind: "primary", ask: () => ({ title: "Resume?", verb: "Resume", text: "The session goes on trading toward its target." }) },
  { verb: "stop", text: "Stop", from: ["active", "paused"], kind: "", ask: () => ({ title: "Stop and settle?", verb: "Stop", text: "Resting orders are cancelled, positions closed in pairs to flat, the session is settled. It cannot be resumed." }) },
  { verb: "flatten", text: "Flatten", from: ["active", "paused"], kind: "danger", ask: () => ({ title: "Flatten now?", verb: "Flatten", danger: true, text: "Orders are cancelled and positions closed at market at once. Use it when something is wrong." }) },
];

export async function showSession(stage, page, id) {
  const { session } = await api.session(id);
  const view = new SessionView(stage, page, session);
  await view.open();
  return () => view.close();
}

class SessionView {
  constructor(stage, page, session) {
    Object.assign(this, { stage, page, session, timers: [], fillsDue: null });
    this.head = h("div");
    this.tiles = h("div.tiles");
    this.curves = new Curves();
    this.books = new Books(session);
    this.risk = new Risk(session.id, () => this.refresh());
    this.logs = new Logs(session.id);
  }

  async open() {
    this.page.environment(this.session.environment);
    fill(this.stage, h("p.small", {}, h("a", { href: "#/sessions" }, "← All sessions")), this.head, this.tiles, this.curves.element,
      this.books.element, this.risk.element, this.logs.element);
    this.#draw();
    const past = (event) => this.#note({ ...event, timestamp: Date.parse(event.timestamp) }, false);
    await Promise.all([this.curves.load(this.session, past), this.logs.load(), this.risk.load()]);
    this.live = new Live(this.session.id, { onMessage: (message) => this.#take(message), onState: (state) => this.#linked(state), extra: ["market"] });
    this.live.open();
    this.timers.push(setInterval(() => { if (!document.hidden && !this.#ended()) this.risk.load().catch(() => {}); }, RISK_EVERY_MS));
    this.timers.push(setInterval(() => this.#draw(), 1000));
  }

  close() {
    this.live?.close();
    this.timers.forEach(clearInterval);
    clearTimeout(this.fillsDue);
    this.curves.destroy();
  }

  async refresh() {
    this.session = (await api.session(this.session.id)).session;
    this.#draw();
  }

  #ended() {
    return ["completed", "failed"].includes(this.session.status);
  }

  #linked(state) {
    this.page.link(state);
    this.books.stale(state !== "live");
  }

  #take({ type, channel, data, timestamp }) {
    if (!data) return;
    if (channel === "market") return this.books.set(data);
    if (type === "session_update" || (type === "snapshot" && channel === "status")) this.#status(data);
    if (channel === "metrics") this.#metrics(data, timestamp, type === "snapshot");
    if (type === "order_update") {
      this.logs.pair(data);
      this.#fillsSoon();
    }
    if (channel === "risk" && type !== "snapshot") this.risk.load().catch(() => {});
    if (type !== "snapshot") this.#note({ type, channel, data, timestamp });
  }

  #note(event, draw = true) {
    if (event.type === "settled") {
      this.isOnRecord = true;
      if (draw) this.#draw();
    }
    this.logs.event(event, draw);
  }

  #status(data) {
    const before = this.session.status;
    const { status, volumeGenerated, reason } = data;
    if (status) this.session.status = status;
    if (volumeGenerated !== undefined) this.session.volumeGenerated = volumeGenerated;
    if (reason !== undefined) this.session.statusReason = reason;
    if (status && status !== before) this.refresh().catch(() => {});
    this.#draw();
  }

  #metrics(metrics, timestamp, isSnapshot) {
    this.session.metrics = { ...this.session.metrics, ...metrics };
    if (metrics.totalVolume !== undefined) this.session.volumeGenerated = metrics.totalVolume;
    if (!isSnapshot) this.curves.add(timestamp / 1000, metrics);
    this.#draw();
  }

  #fillsSoon() {
    // Many pairs in a burst are one read: the API's budget is for people.
    this.fillsDue ??= setTimeout(() => { this.fillsDue = null; this.logs.loadFills().catch(() => {}); }, FILLS_PAUSE_MS);
  }

  async #act(action) {
    if (!await confirmed(action.ask(this.session))) return;
    const buttons = this.head.querySelectorAll("button");
    buttons.forEach((button) => { button.disabled = true; });
    try {
      const answer = await api.act(this.session.id, action.verb);
      toast(answer.pending ? `${action.text}: asked; it acts after the pair in progress.` : `${action.text}: done.`, "good");
    } catch (refusal) {
      toast(refusal.message, "bad");
    }
    await this.refresh().catch(() => {});
  }

  async #report() {
    try {
      const { ticket } = await api.ticket();
      window.open(`/report/${encodeURIComponent(this.session.id)}?ticket=${encodeURIComponent(ticket)}`, "_blank", "noopener");
    } catch (refusal) { toast(refusal.message, "bad"); }
  }

  #draw() {
    const s = this.session;
    this.books.look(this.#ended());
    const sentence = this.#ended() ? s.statusReason : s.metrics?.lastDecision ?? s.statusReason;
    const key = JSON.stringify([s.status, s.name, sentence, this.isOnRecord]);
    if (key !== this.drawn) {
      this.drawn = key;
      fill(this.head, h("div.row.spread", {},
        h("div", {}, h("h1", {}, s.name, " ", pill(s.status)), h("p.small", {}, `${s.strategy.symbol} · ${s.accounts.join(" × ")} · ${s.id}`)),
        h("div.row", {}, ACTIONS.filter((a) => a.from.includes(s.status)).map((a) => h("button", { class: a.kind, onclick: () => this.#act(a) }, a.text)),
          this.isOnRecord ? h("button.quiet", { onclick: () => this.#report() }, "Report") : null)),
        sentence ? h("p.sentence", {}, sentence) : null);
    }
    const m = s.metrics ?? {};
    const end = s.endTime ? new Date(s.endTime) : new Date();
    const running = s.status === "pending" ? null : (end - new Date(s.startTime)) / 1000;
    fill(this.tiles,
      tile("Volume", progress(s)),
      tile("Net delta", h("span.big", { class: Number(m.netPosition) === 0 ? "good" : "warn" }, quantity(m.netPosition)), `most between legs ${usd(m.maxNetExposure)}, ${usdSeconds(m.nakedUsdSeconds)} in all`),
      tile("PnL", h("span.big", { class: sign(m.pnl, 2) }, signedUsd(m.pnl)), `realised ${signedUsd(m.realizedPnl)} · open ${signedUsd(m.unrealizedPnl)}`),
      tile("Fees · funding", h("span.big", {}, usd(m.fees)), `funding ${signedUsd(m.fundingPnl, 4)}`),
      tile("Slippage", h("span.big", {}, bps(m.slippage)), "against arrival mid"),
      s.ledger ? tile("Unexplained", h("span.big", { class: s.ledger.isBalanced ? "good" : "bad" }, signedUsd(s.ledger.residual, 4)), `of ${signedUsd(s.ledger.equityChange)} change of equity`) : null,
      tile("Pairs", h("span.big", {}, String(m.pairsFilled ?? 0)), `${m.pairsUnwound ?? 0} taken back`),
      tile("Time", h("span.big", {}, duration(running)), s.status === "pending" ? `created ${ago(s.createdAt ?? s.startTime)}` : `since ${time(s.startTime)}`));
  }
}

const tile = (name, value, note) => h("div.tile", {}, h("h3", {}, name), value, note ? h("p.small", {}, note) : null);
