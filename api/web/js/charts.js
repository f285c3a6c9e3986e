// Time series with uPlot, in the page's own colours, redrawn when the theme or the width changes.

import uPlot from "../vendor/uplot/uPlot.esm.js";

const HEIGHT = 190;

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

const clock = (seconds) => new Date(seconds * 1000).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

function axis(values) {
  return {
    stroke: () => colour("muted"), font: "11px system-ui, sans-serif", size: values ? 64 : 26, space: values ? 30 : 76,
    grid: { stroke: () => colour("line"), width: 1 }, ticks: { show: false },
    values: values ? (_, ticks) => ticks.map(values) : (_, ticks) => ticks.map(clock),
  };
}

/** A chart of `series` ({label, colour, dash?, step?, fill?, format}) over seconds since 1970; `set(columns)` renews it. */
export class Chart {
  constructor(element, { label, series, format }) {
    this.element = element;
    element.setAttribute("role", "img");
    element.setAttribute("aria-label", label);
    const lines = series.map((line) => ({
      label: line.label,
      stroke: () => colour(line.colour),
      width: line.width ?? 1.75,
      dash: line.dash,
      points: { show: false },
      paths: line.step ? uPlot.paths.stepped({ align: 1 }) : undefined,
      fill: line.fill ? () => `color-mix(in srgb, ${colour(line.colour)} 14%, transparent)` : undefined,
      value: (_, value) => (value === null || value === undefined ? "–" : format(value)),
    }));
    this.columns = [[], ...series.map(() => [])];
    const options = {
      width: this.#width(), height: HEIGHT, padding: [8, 8, 0, 0], series: [{ label: "time", value: (_, s) => (s === null || s === undefined ? "–" : clock(s)) }, ...lines],
      axes: [axis(), axis(format)], legend: { live: true }, cursor: { drag: { x: true, y: false } },
      scales: { x: { time: true } },
    };
    this.plot = new uPlot(options, this.columns, element);
    this.observer = new ResizeObserver(() => this.plot.setSize({ width: this.#width(), height: HEIGHT }));
    this.observer.observe(element);
    this.repaint = () => this.plot.redraw(false, true);
    window.addEventListener("theme", this.repaint);
  }

  #width() {
    return Math.max(this.element.clientWidth, 200);
  }

  set(columns) {
    this.columns = columns;
    this.plot.setData(columns);
  }

  destroy() {
    window.removeEventListener("theme", this.repaint);
    this.observer.disconnect();
    this.plot.destroy();
  }
}
