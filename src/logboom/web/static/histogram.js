// Records over time, stacked by level. Dragging chooses a span.

import { count, make, moment, records, severityOf } from "./dom.js";

const ORDER = ["debug", "info", "warning", "error", "critical"];

export class Histogram {
  constructor(svg, chosen) {
    this.svg = svg;
    this.values = null;
    this.from = null;
    this.brush = make("svg:rect", { class: "brush", y: 0, height: 100, width: 0 });
    svg.addEventListener("pointerdown", (event) => {
      if (!this.values?.counts.length) return;
      svg.setPointerCapture(event.pointerId);
      this.from = this.place(event);
    });
    svg.addEventListener("pointermove", (event) => {
      if (this.from === null) return;
      const to = this.place(event);
      this.brush.setAttribute("x", Math.min(this.from, to) * 1000);
      this.brush.setAttribute("width", Math.abs(to - this.from) * 1000);
    });
    svg.addEventListener("pointerup", (event) => {
      if (this.from === null) return;
      const [low, high] = [this.from, this.place(event)].sort((a, b) => a - b);
      this.from = null;
      this.brush.setAttribute("width", 0);
      const { start, step, counts } = this.values;
      const length = step * counts.length;
      if (high - low > 0.003) chosen(start + low * length, start + high * length);
    });
    svg.addEventListener("pointercancel", () => (this.from = null));
  }

  place(event) {
    const box = this.svg.getBoundingClientRect();
    return Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1);
  }

  draw(values) {
    this.values = values;
    const { start, step, counts } = values;
    this.svg.setAttribute("viewBox", "0 0 1000 100");
    const most = Math.max(1, ...counts.map((one) => Object.values(one).reduce((a, b) => a + b, 0)));
    const width = 1000 / Math.max(counts.length, 1);
    const parts = [];
    counts.forEach((levels, index) => {
      let bottom = 100;
      const sums = {};
      for (const [name, number] of Object.entries(levels)) {
        sums[severityOf(name)] = (sums[severityOf(name)] ?? 0) + number;
      }
      const group = make("svg:g");
      const text = ORDER.filter((name) => sums[name]).map((name) => `${count(sums[name])} ${name}`).join(", ");
      group.append(make("svg:title", {}, `${moment(start + index * step)}\n${text || "nothing"}`));
      group.append(make("svg:rect", { class: "ground", x: index * width, y: 0, width, height: 100 }));
      for (const name of ORDER) {
        if (!sums[name]) continue;
        const height = Math.max((sums[name] / most) * 96, 1.5);
        bottom -= height;
        const gap = counts.length > 300 ? 0 : Math.min(width * 0.15, 2);
        group.append(make("svg:rect", { class: name, x: index * width + gap / 2, y: bottom, width: Math.max(width - gap, 0.5), height }));
      }
      parts.push(group);
    });
    this.svg.replaceChildren(...parts, this.brush);
    const worst = values.levels.map((one) => `${count(one.records)} ${one.value ?? "without a level"}`).join(", ");
    const span = values.first === null ? "" : ` from ${moment(values.first)} to ${moment(values.last)}`;
    this.svg.setAttribute("aria-label", `${records(values.records)}${span}: ${worst || "none"}`);
  }
}
