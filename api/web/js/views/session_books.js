// What each venue shows the session: the top of its book, mark, funding and the position there.

import { fill, h, vary } from "../dom.js";
import { number, price, quantity, sign, time } from "../format.js";

const LEVELS = 6;
const OLD_MS = 3000;
const PICTURE_OLD_MS = 10000;

export class Books {
  constructor(session) {
    this.ended = ["completed", "failed", "pending"].includes(session.status);
    this.grid = h("div.cards");
    this.at = h("span.small");
    this.element = h("section", { "aria-label": "Books", hidden: this.ended }, h("h2", {}, "Books ", this.at), this.grid);
  }

  /** Take a picture; none when the session is over, or has not looked yet. */
  set(data) {
    this.asOf = data.asOf;
    this.element.hidden = false;
    this.at.textContent = `as of ${time(data.asOf)}`;
    fill(this.grid, (data.legs ?? []).map((leg) => this.#card(leg)));
  }

  /** Grey the books out while the connection is away: a picture that does not move must not look live. */
  stale(isStale) {
    this.isCut = isStale;
    this.look(false);
  }

  /** Once a second: books of a session that is over are gone, and those that nobody looks at any more are grey. */
  look(isOver) {
    if (isOver) this.element.hidden = true;
    const age = this.asOf ? Date.now() - Date.parse(this.asOf) : 0;
    this.grid.classList.toggle("stale", Boolean(this.isCut) || age > PICTURE_OLD_MS);
  }

  #card(leg) {
    const bids = (leg.bids ?? []).slice(0, LEVELS), asks = (leg.asks ?? []).slice(0, LEVELS);
    const most = Math.max(...[...bids, ...asks].map(([, size]) => Number(size)), 0) || 1;
    const row = (kind) => ([at, size]) => vary(h("tr", { class: kind }, h("td.num", {}, price(at)), h("td.num", {}, quantity(size))), "--share", Number(size) / most);
    const spread = bids.length && asks.length ? (Number(asks[0][0]) - Number(bids[0][0])) / Number(asks[0][0]) : null;
    const known = bids.length && asks.length;
    return h("article.card.book", { class: leg.bookAgeMs > OLD_MS ? "stale" : "" },
      h("header.row.spread", {}, h("h3", {}, leg.venue), h("span", { class: sign(leg.position) }, `${quantity(leg.position)} held`)),
      known ? h("table", {}, h("caption.hidden", {}, `Book of ${leg.venue}`), h("tbody", {}, [...asks].reverse().map(row("ask")), h("tr.spread", {}, h("td", { colspan: 2 }, `spread ${number(spread * 10_000, 2)} bps`)), bids.map(row("bid"))))
        : h("p.empty", {}, "The book is not proven now; nothing is traded on it."),
      h("p.small", {}, `mark ${price(leg.mark)} · funding ${leg.fundingHourly === null || leg.fundingHourly === undefined ? "–" : `${number(leg.fundingHourly * 10_000, 3)} bps/h`} · ${leg.bookAgeMs === null || leg.bookAgeMs === undefined ? "no book" : `${Math.round(leg.bookAgeMs)} ms old`}`));
  }
}
