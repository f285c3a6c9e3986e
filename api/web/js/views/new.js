// A new session: the request, an estimate of what it will cost, and the creation. Creating never trades.

import { api } from "../api.js";
import { fill, h, toast } from "../dom.js";
import { bps, duration, signedUsd, usd, usdSeconds } from "../format.js";

const field = (label, control, hint) => h("label.field", {}, h("span", {}, label), control, hint ? h("small", {}, hint) : null);
const range = (label, from, to, hint) => h("div.field", { role: "group", "aria-label": label }, h("span", {}, label), h("div.range", {}, from, h("span.small", {}, "to"), to), hint ? h("small", {}, hint) : null);
const numeric = (name, value, attributes = {}) => h("input", { name, type: "number", inputmode: "decimal", step: "any", required: true, value, ...attributes });
const choice = (name, options) => h("select", { name }, options.map(([value, text]) => h("option", { value }, text)));

export async function showNew(stage, page) {
  const { accounts } = await api.accounts();
  page.environment(null);
  const boxes = accounts.map((a) => h("label.check", {},
    h("input", { type: "checkbox", name: "accounts", value: a.id, checked: a.environment === "sandbox", onchange: sign }), ` ${a.id} `, h("small", {}, `${a.venue} · ${a.environment}`)));
  const problem = h("p.problem", { role: "alert" });
  const outcome = h("div", { "aria-live": "polite" });
  const form = h("form.panel", { onsubmit: create },
    h("fieldset", {}, h("legend", {}, "Accounts (at least two, on different venues)"), boxes.length ? boxes : h("p.empty", {}, "No accounts yet: hedge account add.")),
    h("div.grid", {},
      field("Name", h("input", { name: "name", maxlength: 50, placeholder: "made up when empty" })),
      field("Market", h("input", { name: "symbol", value: "ETH/USD", required: true, pattern: "[A-Za-z0-9]{1,20}/[A-Z]{3,5}" })),
      field("Volume target, USD", numeric("volumeTarget", 10000, { min: 0, required: false })),
      field("Duration, minutes", numeric("minutes", "", { min: 0, required: false }), "either or both"),
      range("Size of a leg, USD", numeric("sizeMin", 100, { min: 0, "aria-label": "Smallest leg, USD" }), numeric("sizeMax", 500, { min: 0, "aria-label": "Largest leg, USD" })),
      range("Seconds between pairs", numeric("intervalMin", 1, { min: 0, "aria-label": "Shortest pause, seconds" }), numeric("intervalMax", 4, { min: 0, "aria-label": "Longest pause, seconds" })),
      field("Largest position, base units", numeric("maxPositionSize", 0.5, { min: 0 }), "per account"),
      field("Stop loss, %", numeric("stopLoss", 5, { min: 0, max: 99 }), "of the accounts' equity at the start"),
      field("Largest slippage, %", numeric("maxSlippage", 2, { min: 0, max: 99 }), "of a pair's notional, both legs"),
      range("Resting price, % from mid", numeric("rangeMin", 0.1, { min: 0, max: 99, "aria-label": "Nearest resting price, %" }), numeric("rangeMax", 1, { min: 0, max: 99, "aria-label": "Farthest resting price, %" }), "limit legs only"),
      field("Legs go first as", choice("primary", [["market", "market, at once"], ["limit", "limit, resting"]]), "market legs carry a bound too"),
      field("What hedges the rest", choice("fallback", [["market", "market"], ["limit", "limit"]])),
      field("Share of volume", choice("distribution", [["equal", "equal"], ["weighted", "by free margin"]]))),
    problem,
    h("div.row.end", {}, h("button.quiet", { type: "button", onclick: estimate }, "Estimate"), h("button.primary", { type: "submit" }, "Create session")));

  function sign() {
    const chosen = accounts.filter((a) => form.querySelector(`input[value="${CSS.escape(a.id)}"]`).checked);
    page.environment(["production", "testnet", "sandbox"].find((name) => chosen.some((a) => a.environment === name)) ?? null);
  }

  function request() {
    const values = new FormData(form);
    const n = (name) => (values.get(name) === "" ? undefined : Number(values.get(name)));
    const share = (name) => Number((n(name) / 100).toPrecision(12));
    const document = {
      accounts: values.getAll("accounts"),
      strategy: {
        symbol: values.get("symbol"), volumeDistribution: values.get("distribution"),
        priceRange: { min: share("rangeMin"), max: share("rangeMax") },
        timing: { minInterval: n("intervalMin"), maxInterval: n("intervalMax"), orderSize: { min: n("sizeMin"), max: n("sizeMax") } },
        riskLimits: { maxPositionSize: n("maxPositionSize"), stopLossThreshold: share("stopLoss"), maxSlippage: share("maxSlippage") },
        orderTypes: { primary: values.get("primary"), fallback: values.get("fallback") },
      },
    };
    if (values.get("name")) document.name = values.get("name");
    if (n("volumeTarget") !== undefined) document.volumeTarget = n("volumeTarget");
    if (n("minutes") !== undefined) document.duration = Math.round(n("minutes") * 60_000);
    return document;
  }

  async function estimate() {
    problem.textContent = "";
    if (!form.reportValidity()) return;
    fill(outcome, h("p.small", {}, "Reckoning with the books of now…"));
    try {
      fill(outcome, picture((await api.estimate(request())).estimate));
    } catch (refusal) {
      fill(outcome);
      problem.textContent = refusal.message;
    }
  }

  async function create(event) {
    event.preventDefault();
    problem.textContent = "";
    try {
      const { session } = await api.create(request());
      toast("Created. It trades when you start it.", "good");
      page.go(`#/session/${session.id}`);
    } catch (refusal) {
      problem.textContent = refusal.message;
      problem.scrollIntoView({ block: "center" });
    }
  }

  fill(stage, h("h1", {}, "New session"), form, outcome);
  sign();
  return null;
}

/** The estimate's quantiles as a small table. */
function picture(estimate) {
  const rows = [
    ["Fees", estimate.fees, usd], ["Spread and slippage", estimate.spreadCost, usd], ["Slippage", estimate.slippage, bps], ["Funding", estimate.funding, signedUsd],
    ["Time to finish", estimate.durationSeconds, duration], ["Worst naked exposure", estimate.worstNakedUsd, usd], ["Legs alone", estimate.nakedUsdSeconds, usdSeconds],
  ].filter(([, quantiles]) => quantiles);
  return h("section.panel", {}, h("h2", {}, "What to expect"),
    h("div.scroll", {}, h("table", {}, h("thead", {}, h("tr", {}, ["", "good case (p10)", "middle (p50)", "bad case (p90)"].map((text, n) => h("th", { class: n ? "num" : null, scope: "col" }, text)))),
      h("tbody", {}, rows.map(([name, quantiles, format]) => h("tr", {}, h("th", { scope: "row" }, name), ["p10", "p50", "p90"].map((p) => h("td.num", {}, format(quantiles[p])))))))),
    (estimate.warnings ?? []).map((warning) => h("p.notice.warn", {}, warning)),
    h("p.small", {}, "From the books, fees and funding of this moment, run through the same planner many times. The market will move."));
}
