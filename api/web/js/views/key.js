// The one question before everything else: the API key.

import { api, key } from "../api.js";
import { fill, h } from "../dom.js";

export function askForKey(main, done) {
  const input = h("input", { id: "key", type: "password", autocomplete: "off", spellcheck: "false", required: true, "aria-describedby": "key-help" });
  const problem = h("p.problem", { role: "alert" });
  const button = h("button.primary", { type: "submit" }, "Open");

  async function tryKey(event) {
    event.preventDefault();
    button.disabled = true;
    problem.textContent = "";
    key.set(input.value.trim());
    try {
      await api.sessions({ limit: 1 });
      done();
    } catch (refusal) {
      key.forget();
      problem.textContent = refusal.status === 401 ? "That key is not accepted." : refusal.message;
      input.select();
    } finally {
      button.disabled = false;
    }
  }

  fill(main, h("form.gate", { onsubmit: tryKey },
    h("h1", {}, "Hedging"),
    h("label", { for: "key" }, "API key"),
    input, problem, button,
    h("p.hint", { id: "key-help" },
      "The key that ", h("code", {}, "hedge up"), " made is in the file ", h("code", {}, "api_key"), " of its data folder; ",
      h("code", {}, "hedge key create"), " makes others. It stays in this tab only.")));
  input.focus();
}
