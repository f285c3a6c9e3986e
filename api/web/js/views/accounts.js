// The accounts' health as the venues say it now. What could not be read is said to be unknown, never shown as zero.

import { api } from "../api.js";
import { fill, h, meter, table } from "../dom.js";
import { ago, percent, price, quantity, sign, signedUsd, usd } from "../format.js";

const EVERY_MS = 30_000;

function card(account) {
  const lines = [
    ["Equity", usd(account.equity)], ["Available", usd(account.availableMargin)],
    ["Margin used", meter(account.marginRatio, "Margin used")],
    ["Nearest liquidation", account.liquidationDistance === null || account.liquidationDistance === undefined ? "–" : `${percent(account.liquidationDistance)} away`],
  ];
  const positions = account.positions === null || account.positions === undefined ? h("p.empty", {}, "Positions are unknown.") : table([
    { head: "Market", cell: (p) => p.symbol },
    { head: "Position", align: "right", cell: (p) => h("span", { class: sign(p.quantity) }, quantity(p.quantity)) },
    { head: "Entry", align: "right", cell: (p) => price(p.entryPrice) },
    { head: "Unrealised", align: "right", cell: (p) => h("span", { class: sign(p.unrealizedPnl, 2) }, signedUsd(p.unrealizedPnl)) },
    { head: "Liquidation", align: "right", cell: (p) => price(p.liquidationPrice) },
  ], account.positions, { caption: `Positions of ${account.id}`, empty: "Flat." });
  return h("article.card", {},
    h("header.row.spread", {}, h("div", {}, h("h2", {}, account.id), h("p.small", {}, `${account.venue} · ${account.owner ?? ""}`)),
      h("div.row", {}, h("span.environment.small", { class: account.environment }, account.environment), h("span.pill", { class: account.status }, account.status ?? "unknown"))),
    account.reason ? h("p.notice.warn", {}, account.reason) : null,
    h("dl.facts", {}, lines.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])),
    positions,
    h("p.small", {}, account.heldBy ? [`held by session `, h("a", { href: `#/session/${account.heldBy}` }, account.heldBy.slice(0, 8)), " · "] : null, account.asOf ? `as of ${ago(account.asOf)}` : "not read yet"));
}

export async function showAccounts(stage, page) {
  const grid = h("div.cards");
  const note = h("p.small", { role: "status" });
  fill(stage, h("div.row.spread", {}, h("h1", {}, "Accounts"), h("button.quiet", { onclick: () => load() }, "Read again")), note, grid);

  async function load() {
    note.textContent = "Asking the venues…";
    const { accounts } = await api.accounts();
    const worst = ["production", "testnet", "sandbox"].find((name) => accounts.some((a) => a.environment === name));
    page.environment(worst);
    fill(grid, accounts.length ? accounts.map((account) => card(account)) : h("p.empty", {}, "No accounts. hedge account add registers one."));
    const read = await Promise.allSettled(accounts.map((account) => api.account(account.id)));
    fill(grid, accounts.map((account, n) => card(read[n].status === "fulfilled" ? read[n].value.account : { ...account, status: "unknown", reason: read[n].reason.message, positions: null })));
    note.textContent = "";
  }

  await load();
  const timer = setInterval(() => { if (!document.hidden) load().catch(() => page.link("away")); }, EVERY_MS);
  return () => clearInterval(timer);
}
