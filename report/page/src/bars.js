// A bar for each layer, in the order of the network, with axes.

import { axisBottom, axisLeft } from "d3-axis";
import { scaleBand, scaleLinear } from "d3-scale";
import { select } from "d3-selection";
import { element, presses, svg, tips } from "./dom.js";
import { isMissing } from "./text.js";

const MARGIN = { left: 62, right: 10, top: 10, bottom: 34 };
const HEIGHT = 220;

/** rows: {index, value, lines (of the tip), class}; `tick` writes a number of the axis. */
export function bars(rows, { label, tick, open }) {
  const holder = element("div", { class: "holder" });
  const draw = (width) => {
    const x = scaleBand(rows.map((row) => row.index), [MARGIN.left, width - MARGIN.right]).padding(0.15);
    const values = rows.map((row) => Number(row.value)).filter(Number.isFinite);
    const y = scaleLinear([Math.min(0, ...values), Math.max(...values, 0)], [HEIGHT - MARGIN.bottom, MARGIN.top]).nice();
    const drawing = svg("svg", { class: "plot", viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT, role: "group", "aria-label": label });
    const every = Math.ceil(rows.length / (width / 28));
    for (const [group, made] of [
      [svg("g", { class: "axis x", transform: `translate(0,${HEIGHT - MARGIN.bottom})` }), axisBottom(x).tickValues(x.domain().filter((_, i) => i % every === 0))],
      [svg("g", { class: "axis y", transform: `translate(${MARGIN.left},0)` }), axisLeft(y).ticks(5).tickFormat(tick).tickSizeInner(-(width - MARGIN.left - MARGIN.right))],
    ]) {
      select(group).call(made);
      drawing.append(group);
    }
    for (const row of rows) {
      if (isMissing(row.value)) continue;
      const [from, to] = [y(0), y(Math.min(Number(row.value), y.domain()[1]))];
      // What is pressed reaches over the whole height, so that small bars are found.
      const target = svg("rect", { class: "target", x: x(row.index), width: x.bandwidth(), y: MARGIN.top, height: HEIGHT - MARGIN.top - MARGIN.bottom });
      const bar = svg("rect", { class: row.class ?? "value", x: x(row.index), width: x.bandwidth(), y: Math.min(from, to), height: Math.max(Math.abs(from - to), 1) });
      drawing.append(presses(tips(svg("g", { class: "bar-of-layer", "aria-label": row.lines.join(", ") }, target, bar), () => row.lines), () => open(row.index), -1));
    }
    drawing.append(svg("text", { class: "legend", x: width / 2, y: HEIGHT - 3 }, label));
    holder.replaceChildren(drawing);
  };
  let drawn = 0;
  new ResizeObserver(([entry]) => {
    const width = Math.max(Math.floor(entry.contentRect.width), 280);
    if (width !== drawn) draw((drawn = width));
  }).observe(holder);
  return holder;
}
