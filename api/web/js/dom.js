// Building elements without innerHTML: what a server sends is only ever text.

/** Make an element: `h("button.quiet", {onclick, disabled}, "text", child, [more])`. null and false are left out. */
export function h(what, attributes = {}, ...children) {
  const [tag, ...classes] = what.split(".");
  const element = document.createElement(tag || "div");
  if (classes.length) element.className = classes.join(" ");
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || (value === false && !name.startsWith("aria-"))) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class") element.className = `${element.className} ${value}`.trim();
    else if (name === "value" || name === "checked" || name === "selected") element[name] = value;
    else element.setAttribute(name, value === true && !name.startsWith("aria-") ? "" : String(value));
  }
  append(element, children);
  return element;
}

/** Append children, arrays flattened, nothing for null, undefined and false. */
export function append(element, children) {
  for (const child of [children].flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return element;
}

/** Put new children in place of the old ones. */
export function fill(element, ...children) {
  element.replaceChildren();
  return append(element, children);
}

/** Set a CSS custom property (the style attribute is barred by the content security policy, the object is not). */
export function vary(element, name, value) {
  element.style.setProperty(name, value);
  return element;
}

/** How much of something is used, as a bar with its share and, if there are some, the figures; unknown is a dash. */
export function meter(fraction, label, figures) {
  if (!Number.isFinite(fraction ?? NaN)) return h("span", {}, "–");
  const level = fraction > 0.8 ? "bad" : fraction > 0.5 ? "warn" : "good", percent = `${(fraction * 100).toFixed(1)} %`;
  return h("div.progress", {}, h("div.bar", { class: level, role: "meter", "aria-valuemin": 0, "aria-valuemax": 100, "aria-valuenow": Math.min(100, Math.round(fraction * 100)), "aria-label": label }, vary(h("span"), "--share", Math.min(fraction, 1))), h("span.small", {}, figures ? `${figures} · ${percent}` : percent));
}

/** A table from columns `{head, cell(row), align?, label?}`; on a phone each row becomes a card with the heads as labels. */
export function table(columns, rows, { caption, empty = "Nothing yet.", onrow } = {}) {
  if (!rows.length) return h("p.empty", {}, empty);
  const head = h("tr", {}, columns.map((c) => h("th", { scope: "col", class: c.align === "right" ? "num" : null }, c.head)));
  const body = rows.map((row) => {
    const cells = columns.map((c) => h("td", { class: c.align === "right" ? "num" : null, "data-label": c.head }, c.cell(row)));
    return h("tr", onrow ? { class: "opens", onclick: () => onrow(row) } : {}, cells);
  });
  return h("div.scroll", { tabindex: "0", role: "region", "aria-label": caption ?? "Table" },
    h("table", {}, caption ? h("caption.hidden", {}, caption) : null, h("thead", {}, head), h("tbody", {}, body)));
}

/** A short message at the edge of the page, gone after a while; kind: "good", "bad" or "". */
export function toast(text, kind = "") {
  const note = h("div.toast", { class: kind }, text);
  document.getElementById("toasts").append(note);
  setTimeout(() => note.remove(), kind === "bad" ? 9000 : 4000);
}

/** Show lines of text until they are closed. */
export function shown({ title, lines }) {
  const dialog = h("dialog.wide", { "aria-labelledby": "shown-title" },
    h("form", { method: "dialog" }, h("h2", { id: "shown-title" }, title), lines.map((line) => h("p", {}, line)),
      h("div.row.end", {}, h("button", { type: "submit", autofocus: true }, "Close"))));
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

/** Ask before something is done; resolves to true only when the button was pressed. */
export function confirmed({ title, text, verb, danger = false }) {
  return new Promise((resolve) => {
    const dialog = h("dialog", { "aria-labelledby": "ask-title" },
      h("form", { method: "dialog" },
        h("h2", { id: "ask-title" }, title),
        [text].flat().map((line) => h("p", {}, line)),
        h("div.row.end", {},
          h("button.quiet", { value: "no", type: "submit", autofocus: true }, "Leave it"),
          h("button", { value: "yes", type: "submit", class: danger ? "danger" : "primary" }, verb))));
    dialog.addEventListener("close", () => { dialog.remove(); resolve(dialog.returnValue === "yes"); });
    document.body.append(dialog);
    dialog.showModal();
  });
}
