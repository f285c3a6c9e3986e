// Numbers and times for people. Signs are always shown where a number may be a loss.

const LOCALE = "en-US";
const cache = new Map();

function formatter(options) {
  const key = JSON.stringify(options);
  if (!cache.has(key)) cache.set(key, new Intl.NumberFormat(LOCALE, options));
  return cache.get(key);
}

const known = (value) => value !== null && value !== undefined && Number.isFinite(Number(value));

/** A number with fixed decimals; an unknown one is a dash, never zero. */
export function number(value, digits = 2) {
  if (!known(value)) return "–";
  return formatter({ minimumFractionDigits: digits, maximumFractionDigits: digits }).format(Number(value));
}

/** US dollars, e.g. `1,234.50`. */
export const usd = (value, digits = 2) => (known(value) ? `$${number(Math.abs(value), digits)}`.replace(/^/, value < 0 ? "−" : "") : "–");

/** Naked US dollars times seconds, e.g. `1,234 USD·s`. */
export const usdSeconds = (value) => (known(value) ? `${number(value, 0)} USD·s` : "–");

/** Signed US dollars, e.g. `+1.20` or `−0.44`. */
export function signedUsd(value, digits = 2) {
  if (!known(value)) return "–";
  const rounded = Number(Number(value).toFixed(digits));
  return `${rounded > 0 ? "+" : rounded < 0 ? "−" : ""}$${number(Math.abs(rounded), digits)}`;
}

/** Base units, without needless zeros. */
export function quantity(value) {
  if (!known(value)) return "–";
  const text = formatter({ maximumFractionDigits: 8 }).format(Number(value));
  return text.replace("-", "−");
}

export const price = (value) => (known(value) ? formatter({ minimumFractionDigits: 2, maximumFractionDigits: 6 }).format(Number(value)) : "–");
export const percent = (fraction, digits = 1) => (known(fraction) ? `${number(fraction * 100, digits)} %` : "–");
export const bps = (fraction, digits = 2) => (known(fraction) ? `${number(fraction * 10_000, digits)} bps` : "–");

/** Class name for a number's sign, as it shows with that many decimals. */
export function sign(value, digits = 8) {
  const shown = known(value) ? Number(Number(value).toFixed(digits)) : 0;
  return shown === 0 ? "" : shown > 0 ? "up" : "down";
}

/** Local time of day with seconds; the date too when it is not today. */
export function time(iso) {
  if (!iso) return "–";
  const at = new Date(iso);
  const clock = at.toLocaleTimeString("en-GB");
  return at.toDateString() === new Date().toDateString() ? clock : `${at.toLocaleDateString("en-CA")} ${clock}`;
}

/** How long, e.g. `3 min 20 s`. */
export function duration(seconds) {
  if (!known(seconds)) return "–";
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
}

/** How long ago, in one word or two. */
export const ago = (iso) => (iso ? `${duration((Date.now() - new Date(iso)) / 1000)} ago` : "never");
