// The session's risk now, and breaches a person has to look at.

import { api } from "../api.js";
import { fill, h, meter, table, toast } from "../dom.js";
import { number, percent, quantity, sign, signedUsd, time, usdSeconds } from "../format.js";

/** What of a budget of USD-seconds is spent: bar, share, and both figures. */
const budget = (spent, limit, label) => meter(spent / limit, label, `${usdSeconds(spent)} of ${number(limit, 0)}`);

export class Risk {
  constructor(id, changed) {
    Object.assign(this, { id, changed });
    this.body = h("div");
    this.element = h("section.panel", { "aria-label": "Risk" }, h("h2", {}, "Risk"), this.body);
  }

  async load() {
    const { riskStatus } = await api.risk(this.id);
    const accounts = table([
      { head: "Account", cell: (a) => a.accountId },
      { head: "Position", align: "right", cell: (a) => h("span", { class: sign(a.positionSize) }, quantity(a.positionSize)) },
      { head: "Margin used", align: "right", cell: (a) => percent(a.marginRatio) },
      { head: "To liquidation", align: "right", cell: (a) => percent(a.liquidationDistance) },
      { head: "Risk", cell: (a) => (a.riskLevel ? h("span.pill", { class: a.riskLevel }, a.riskLevel) : h("span", { title: a.reason ?? "" }, "unknown")) },
      { head: "As of", align: "right", cell: (a) => h("span", { title: a.asOf ?? "" }, time(a.asOf)) },
    ], riskStatus.accountRisks ?? [], { caption: "Risk by account", empty: "No account is at risk before the session starts." });
    const { totalPnl, maxDrawdown, var95 } = riskStatus.portfolioRisk ?? {};
    const { naked } = riskStatus;
    fill(this.body,
      h("p", {}, "Overall ", h("span.pill", { class: riskStatus.overallRisk }, riskStatus.overallRisk), " · PnL ", signedUsd(totalPnl), " · drawdown ", percent(maxDrawdown, 2), " · VaR 95 % ", percent(var95, 3)),
      naked ? h("dl.facts.narrow", {}, h("dt", {}, "Legs alone, session"), h("dd", {}, budget(naked.usdSeconds, naked.limit, "Naked budget of the session spent")),
        h("dt", {}, "All sessions today, UTC"), h("dd", {}, budget(naked.dayUsdSeconds, naked.dayLimit, "Naked budget of the day spent"))) : null,
      (riskStatus.activeBreaches ?? []).map((breach) => this.#breach(breach)), accounts);
  }

  #breach(breach) {
    const comment = h("input", { placeholder: "Comment", maxlength: 500, "aria-label": "Comment" });
    const act = async (action) => {
      try {
        await api.acknowledge(this.id, breach.id, comment.value ? { action, comment: comment.value } : { action });
        toast("Breach acknowledged.", "good");
        await Promise.all([this.load(), this.changed()]);
      } catch (refusal) { toast(refusal.message, "bad"); }
    };
    return h("div.notice", { class: breach.severity === "critical" ? "bad" : "warn", role: "alert" },
      h("p", {}, h("strong", {}, breach.category ?? breach.breachType), ` · ${breach.severity} · ${time(breach.timestamp)}`),
      h("p.small", {}, typeof breach.details === "string" ? breach.details : Object.entries(breach.details ?? {}).map(([k, v]) => `${k}: ${typeof v === "object" ? JSON.stringify(v) : v}`).join(" · ")),
      h("div.row", {}, comment, h("button", { onclick: () => act("resolve") }, "Resolved"), h("button.quiet", { onclick: () => act("ignore") }, "Ignore")));
  }
}
