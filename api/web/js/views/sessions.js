// All sessions, newest first.

import { api } from "../api.js";
import { confirmed, fill, h, table, toast, vary } from "../dom.js";
import { signedUsd, sign, time, usd } from "../format.js";

const EVERY_MS = 5000;
const PAGE = 25;

export const pill = (status) => h("span.pill", { class: status }, status);

export function progress(session) {
  const { volumeGenerated: volume, volumeTarget: target } = session;
  if (!target) return h("span", {}, usd(volume, 0));
  const share = Math.min(volume / target, 1);
  const bar = h("div.bar", { role: "progressbar", "aria-valuemin": 0, "aria-valuemax": 100, "aria-valuenow": Math.round(share * 100), "aria-label": "Volume against target" }, vary(h("span"), "--share", share));
  return h("div.progress", {}, bar, h("span.small", {}, `${usd(volume, 0)} of ${usd(target, 0)}`));
}

export async function showSessions(stage, page) {
  const state = { status: "", offset: 0 };
  const list = h("div");
  const pager = h("div.row.end");
  const filter = h("select", { "aria-label": "Status", onchange: () => { state.status = filter.value; state.offset = 0; load(); } },
    [["", "All"], ["pending", "Pending"], ["active", "Active"], ["paused", "Paused"], ["completed", "Completed"], ["failed", "Failed"]]
      .map(([value, text]) => h("option", { value }, text)));

  const columns = [
    { head: "Session", cell: (s) => h("a.strong", { href: `#/session/${s.id}` }, s.name) },
    { head: "Market", cell: (s) => s.strategy.symbol },
    { head: "On", cell: (s) => h("span.environment.small", { class: s.environment }, s.environment) },
    { head: "Status", cell: (s) => pill(s.status) },
    { head: "Volume", cell: progress },
    { head: "PnL", align: "right", cell: (s) => h("span", { class: sign(s.metrics?.pnl, 2) }, signedUsd(s.metrics?.pnl)) },
    { head: "Fees", align: "right", cell: (s) => usd(s.metrics?.fees) },
    { head: "Pairs", align: "right", cell: (s) => String(s.metrics?.pairsFilled ?? "–") },
    { head: "Started", align: "right", cell: (s) => time(s.startTime) },
  ];

  async function load() {
    const answer = await api.sessions({ status: state.status, limit: PAGE, offset: state.offset });
    fill(list, table(columns, answer.sessions, {
      caption: "Sessions", empty: "No sessions yet. Make one with New session, or run one with hedge session run.",
      onrow: (s) => page.go(`#/session/${s.id}`),
    }));
    const last = Math.min(state.offset + PAGE, answer.total);
    fill(pager, answer.total > PAGE ? [
      h("button.quiet", { disabled: state.offset === 0, onclick: () => turn(-PAGE) }, "Newer"),
      h("span.small", {}, `${state.offset + 1}–${last} of ${answer.total}`),
      h("button.quiet", { disabled: last >= answer.total, onclick: () => turn(PAGE) }, "Older"),
    ] : []);
    const worst = ["production", "testnet", "sandbox"].find((name) => answer.sessions.some((s) => s.environment === name));
    page.environment(worst);
  }

  function turn(by) {
    state.offset = Math.max(0, state.offset + by);
    load().catch(complain);
  }

  function complain(refusal) {
    if (refusal.status !== 401) toast(refusal.message, "bad");
  }

  async function flattenAll() {
    const sure = await confirmed({ title: "Flatten everything?", verb: "Flatten all sessions", danger: true,
      text: ["Every active or paused session cancels its orders, closes its positions at market and ends.", "Use it when something is wrong; it cannot be undone."] });
    if (!sure) return;
    try {
      await api.flattenAll();
      toast("All sessions are winding down.", "good");
      await load();
    } catch (refusal) { complain(refusal); }
  }

  fill(stage,
    h("div.row.spread", {}, h("h1", {}, "Sessions"),
      h("div.row", {}, filter, h("a.button.primary", { href: "#/new" }, "New session"), h("button.danger", { onclick: flattenAll }, "Flatten all"))),
    list, pager);
  await load();
  const timer = setInterval(() => { if (!document.hidden) load().catch(() => page.link("away")); }, EVERY_MS);
  return () => clearInterval(timer);
}
