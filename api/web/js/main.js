// The page: which view is shown, the key, the theme and the sign of the environment.

import { key } from "./api.js";
import { fill, h, toast } from "./dom.js";
import { askForKey } from "./views/key.js";
import { showSessions } from "./views/sessions.js";
import { showSession } from "./views/session.js";
import { showAccounts } from "./views/accounts.js";
import { showNew } from "./views/new.js";

const main = document.getElementById("main");
const views = { sessions: showSessions, session: showSession, accounts: showAccounts, new: showNew };
let leave = null;
let isAtGate = false;

/** Say where the money is: the strip above everything, and the page's title. */
function environment(name) {
  const strip = document.getElementById("environment");
  const texts = { sandbox: "SANDBOX: local twins of the venues, no real money", testnet: "TESTNET: real venues, play money", production: "PRODUCTION: real venues, real money" };
  strip.hidden = !name;
  strip.className = `environment ${name ?? ""}`;
  strip.textContent = name ? (texts[name] ?? name.toUpperCase()) : "";
}

function link(state) {
  const text = { live: "live", connecting: "connecting…", away: "not connected" };
  const element = document.getElementById("link");
  element.className = `link ${state ?? ""}`;
  element.textContent = state ? text[state] : "";
}

const page = { environment, link, go: (hash) => { location.hash = hash; } };

/** Which view an address means, and of what; no view where it means nothing. An empty address is the list of sessions. */
function route(hash) {
  const [name, text, ...rest] = hash.replace(/^#?\/?/, "").split("/");
  if (!name && !text) return { view: "sessions" };
  let argument;
  try { argument = text && decodeURIComponent(text); } catch { return {}; }
  const isWhole = name === "session" ? argument : !argument;
  return Object.hasOwn(views, name) && isWhole && !rest.length ? { view: name, argument } : {};
}

function nothingHere(stage) {
  fill(stage, h("h1", {}, "Nothing is here"),
    h("p", { role: "alert" }, "There is no page at ", h("code", {}, location.hash.slice(0, 80)), "."),
    h("p", {}, h("a", { href: "#/sessions" }, "Go to the sessions")));
}

async function show() {
  leave?.();
  leave = null;
  environment(null);
  link(null);
  document.getElementById("forget").hidden = !key.get();
  isAtGate = !key.get();
  if (isAtGate) return askForKey(main, show);
  const { view, argument } = route(location.hash);
  for (const anchor of document.querySelectorAll("[data-nav]")) {
    if (anchor.dataset.nav === (view === "session" ? "sessions" : view)) anchor.setAttribute("aria-current", "page");
    else anchor.removeAttribute("aria-current");
  }
  const stage = h("div.stage");
  fill(main, stage);
  if (!view) return nothingHere(stage);
  try {
    leave = await views[view](stage, page, argument) ?? null;
  } catch (refusal) {
    if (refusal.status === 401) return;
    fill(stage, h("div.notice.bad", { role: "alert" }, h("strong", {}, refusal.code ?? "Error"), " ", refusal.message),
      h("p", {}, h("button", { onclick: show }, "Try again")));
  }
}

function theme(wanted) {
  if (wanted) document.documentElement.dataset.theme = wanted;
  window.dispatchEvent(new Event("theme"));
}

theme(localStorage.getItem("hedging.theme"));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => theme());
document.getElementById("theme").addEventListener("click", () => {
  const dark = getComputedStyle(document.documentElement).colorScheme.includes("dark");
  localStorage.setItem("hedging.theme", dark ? "light" : "dark");
  theme(dark ? "light" : "dark");
});
document.getElementById("forget").addEventListener("click", () => { key.forget(); show(); });
window.addEventListener("key-refused", () => {
  if (isAtGate || !key.get()) return; // at the gate the form itself says so
  key.forget();
  toast("That key is not accepted (any more).", "bad");
  show();
});
window.addEventListener("hashchange", show);
show();
