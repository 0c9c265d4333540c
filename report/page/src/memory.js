// The plan of the memory as a picture: steps to the right, bytes upwards, each tensor a rectangle.

import { axisBottom, axisLeft } from "d3-axis";
import { scaleLinear } from "d3-scale";
import { select } from "d3-selection";
import { isConstant, isState } from "./contents.js";
import { element, facts, link, presses, section, svg, tips } from "./dom.js";
import { table } from "./table.js";
import { bytes, percent, plural, shape, visible, whole } from "./text.js";

const MARGIN = { left: 62, right: 14, top: 16, bottom: 38 };
const HEIGHT = 380;
const TONES = 8;

const label = (tensor) => tensor.name || `tensor ${tensor.index}`;

/** A step as people count: the layer that runs in it, or that inputs are given and outputs are taken. */
const stepText = (step, { model }) => (step === 0 ? "in" : step > model.operators.length ? "out" : String(step - 1));
const isWithin = (band, step) => step > band.first && step <= band.first + band.count;

/** What a rectangle is of, in words. */
function described(contents, tensor) {
  const maker = contents.producers.get(tensor.index);
  const range = `bytes ${whole(tensor.arena_offset)} to ${whole(tensor.arena_offset + tensor.room)}`;
  const life = isState(tensor) ? "a state: it lives from run to run" : `alive from ${stepText(tensor.first, contents)} to ${stepText(tensor.last, contents)}`;
  const whole_size = tensor.room === tensor.size ? "" : ` of a tensor of ${whole(tensor.size)}, row by row`;
  return [
    label(tensor),
    `${shape(tensor.shape)} ${tensor.dtype}, ${plural(tensor.room, "byte")}${whole_size}`,
    `${range}, ${life}`,
    maker === undefined ? "an input" : `made by layer ${maker}, ${contents.layers[maker].kind}`,
  ];
}

const isAlive = (tensor, step) => isState(tensor) || (tensor.first <= step && step <= tensor.last);

/** Bytes of the arena that hold something in a step. */
function live(tensors, step) {
  const spans = tensors.filter((tensor) => isAlive(tensor, step)).map((t) => [t.arena_offset, t.arena_offset + t.room]);
  let [sum, end] = [0, 0];
  for (const [start, stop] of spans.sort((a, b) => a[0] - b[0])) {
    sum += Math.max(0, stop - Math.max(start, end));
    end = Math.max(end, stop);
  }
  return sum;
}

const tall = (y, { arena_offset: start, room }) => y(start) - y(start + room);

/** A tensor's name in so many letters, or else the number of the layer that makes it. */
function shortened(contents, tensor, letters) {
  const text = visible(label(tensor));
  if (text.length <= letters) return text;
  if (letters > 12) return `…${text.slice(1 - letters)}`;
  const maker = contents.producers.get(tensor.index) ?? "";
  return String(maker).length <= letters ? maker : "";
}

function picture(contents, tensors, open, width) {
  const { model } = contents;
  const steps = model.operators.length + 2;
  const x = scaleLinear([0, steps], [MARGIN.left, width - MARGIN.right]);
  const y = scaleLinear([0, Math.max(model.arena_size, model.lower_bound, 1)], [HEIGHT - MARGIN.bottom, MARGIN.top]).nice();
  const [low, high] = [y.range()[0], y.range()[1]];
  const bands = model.bands.map((band) =>
    tips(svg("rect", { class: "band", x: x(band.first + 1), width: x(band.first + 1 + band.count) - x(band.first + 1), y: high, height: low - high }), () => [
      `layers ${band.first} to ${band.first + band.count - 1} take turns, row by row`,
      `${plural(band.turns, "turn")}, ${whole(band.live_bytes)} bytes live, ${whole(band.moved_bytes)} moved`,
    ]),
  );
  const rects = tensors.map((tensor, i) => {
    const [first, last] = isState(tensor) ? [0, steps - 1] : [tensor.first, tensor.last];
    const rect = svg("rect", { x: x(first), width: x(last + 1) - x(first), y: y(tensor.arena_offset + tensor.room), height: Math.max(tall(y, tensor), 0.5) });
    const caption = tall(y, tensor) > 13 && svg("text", { x: x(first) + 4, y: y(tensor.arena_offset + tensor.room) + 12 }, shortened(contents, tensor, (x(last + 1) - x(first)) / 6.2 - 1));
    const kind = isState(tensor) ? "state" : tensor.room !== tensor.size ? "rows" : `tone${i % TONES}`;
    const group = svg("g", { class: `tensor ${kind}`, "data-tensor": tensor.index, "aria-label": described(contents, tensor).join(", ") }, rect, caption);
    return presses(tips(group, () => described(contents, tensor)), () => open(tensor), -1);
  });
  const bound = svg("g", { class: "bound" }, svg("line", { x1: x(0), x2: x(steps), y1: y(model.lower_bound), y2: y(model.lower_bound) }), svg("text", { x: width - MARGIN.right, y: y(model.lower_bound) - 4 }, `lower bound ${whole(model.lower_bound)}`));
  const drawing = svg("svg", { class: "plot memory", viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT, role: "group", "aria-label": "the memory plan" }, bands, rects, bound);
  const axis = (class_, place, made) => {
    const group = svg("g", { class: `axis ${class_}`, transform: place });
    select(group).call(made);
    drawing.append(group);
  };
  const every = Math.ceil((steps * 28) / (width - MARGIN.left));
  const ticks = [0, ...[...Array(steps - 2).keys()].filter((i) => i % every === 0).map((i) => i + 1)];
  axis("x", `translate(0,${low})`, axisBottom(x).tickValues(ticks.map((step) => step + 0.5)).tickFormat((middle) => stepText(middle - 0.5, contents)));
  axis("y", `translate(${MARGIN.left},0)`, axisLeft(y).ticks(6).tickFormat((n) => (n % 1 ? "" : bytes(n))));
  drawing.append(svg("text", { class: "legend", x: (x(0) + x(steps)) / 2, y: HEIGHT - 4 }, "layer that runs; in: inputs are given"));
  return drawing;
}

/** Layers that take turns: for each, how many rows of its output are held. */
function bandTable(band, contents, openLayer) {
  const rows = [band.feed && { ...band.feed, kind: "rows that are fed" }, ...band.operators].filter(Boolean);
  const columns = [
    { title: "#", value: (row) => row.operator, number: true },
    { title: "kind", value: (row) => row.kind ?? contents.layers[row.operator].kind, show: (row) => row.kind ?? link(contents.layers[row.operator].kind, () => openLayer(row.operator)) },
    { title: "rows held", value: (row) => row.capacity, number: true, descends: true },
    { title: "of", value: (row) => row.height, number: true, descends: true },
    { title: "kept for the next turn", value: (row) => row.kept, number: true, descends: true },
    { title: "bytes", value: (row) => row.size, show: (row) => whole(row.size), number: true, descends: true },
    { title: "whole tensor", value: (row) => row.whole_size, show: (row) => whole(row.whole_size), number: true, descends: true },
  ];
  const last = band.first + band.count - 1;
  const caption = `layers ${band.first} to ${last} take ${plural(band.turns, "turn")}: ${whole(band.live_bytes)} bytes live, ${whole(band.moved_bytes)} moved`;
  return table(columns, rows, { caption });
}

/** The section of the memory. openLayer(index) is called for the maker of a tensor. */
export function memory(contents, openLayer) {
  const { model } = contents;
  const tensors = [...contents.tensors.values()].filter((tensor) => !isConstant(tensor));
  const chosen = element("p", { class: "chosen-tensor hint" }, "Click a rectangle to keep its words here.");
  const holder = element("div", { class: "holder" });
  const open = (tensor) => {
    for (const group of holder.querySelectorAll(".tensor")) group.classList.toggle("chosen", group.dataset.tensor === String(tensor.index));
    const maker = contents.producers.get(tensor.index);
    const [name, ...lines] = described(contents, tensor);
    chosen.replaceChildren(element("strong", {}, name), element("span", {}, ` ${lines.join("; ")}. `), maker === undefined ? "" : element("button", { type: "button", onclick: () => openLayer(maker) }, `open layer ${maker}`));
  };
  const draw = () => {
    const width = Math.max(Math.floor(holder.clientWidth), 300);
    holder.replaceChildren(picture(contents, tensors, open, width));
  };
  let drawn = 0;
  new ResizeObserver(([entry]) => {
    const width = Math.floor(entry.contentRect.width);
    if (width !== drawn) draw((drawn = width));
  }).observe(holder);

  const steps = [...Array(model.operators.length + 2).keys()].map((step) => ({ step, bytes: live(tensors, step), within: model.bands.some((band) => isWithin(band, step)) }));
  const gap = model.arena_size - model.lower_bound;
  const numbers = facts([
    ["arena", `${whole(model.arena_size)} bytes`],
    ["lower bound", `${whole(model.lower_bound)} bytes`],
    ["gap", gap ? `${whole(gap)} bytes, ${percent(gap / model.lower_bound)}` : "none: the plan is the smallest that there is"],
    ["without bands", model.bands.length ? `${whole(model.whole_arena_size)} bytes` : ""],
    ["state", model.state_size ? `${whole(model.state_size)} bytes survive from run to run` : ""],
    ["fullest at", fullest(steps, tensors, contents)],
  ]);
  const columns = [
    { title: "tensor", value: label },
    { title: "shape", value: (t) => t.shape.reduce((a, b) => a * b, 1), show: (t) => shape(t.shape) },
    { title: "type", value: (t) => t.dtype },
    { title: "bytes", value: (t) => t.room, show: (t) => whole(t.room), number: true, descends: true },
    { title: "first byte", value: (t) => t.arena_offset, show: (t) => whole(t.arena_offset), number: true },
    { title: "end", value: (t) => t.arena_offset + t.room, show: (t) => whole(t.arena_offset + t.room), number: true },
    { title: "alive from", value: (t) => (isState(t) ? 0 : t.first), show: (t) => stepText(isState(t) ? 0 : t.first, contents), number: true, hint: "the layer that makes it" },
    { title: "to", value: (t) => (isState(t) ? steps.length - 1 : t.last), show: (t) => stepText(isState(t) ? steps.length - 1 : t.last, contents), number: true, hint: "the layer that reads it last" },
    { title: "scale", value: (t) => t.scale || null, show: (t) => (t.scale ? Number(t.scale.toPrecision(7)) : "–"), number: true },
    { title: "zero point", value: (t) => t.zero_point, number: true },
  ];
  const bands = model.bands.map((band) => bandTable(band, contents, openLayer));
  return section("memory", "Memory", numbers, holder, chosen, bands, element("details", {}, element("summary", {}, plural(tensors.length, "tensor")), table(columns, tensors, { caption: "tensors in the arena", limit: 100 })));
}

/** Where most bytes are live, and the largest tensors there: what the bound is of. */
function fullest(steps, tensors, contents) {
  const outside = steps.filter(({ within }) => !within);
  const most = Math.max(...outside.map((step) => step.bytes), 0);
  const band = [...contents.model.bands].sort((a, b) => b.live_bytes - a.live_bytes).find((one) => one.live_bytes > most);
  if (band) return `layers ${band.first} to ${band.first + band.count - 1}, row by row: ${whole(band.live_bytes)} bytes live`;
  if (!most) return "";
  const { step } = outside.find(({ bytes }) => bytes === most);
  const there = tensors.filter((tensor) => isAlive(tensor, step)).sort((a, b) => b.room - a.room);
  const names = there.slice(0, 3).map((tensor) => `${label(tensor)} ${whole(tensor.room)}`);
  return `layer ${stepText(step, contents)}: ${whole(most)} bytes live: ${names.join(", ")}${there.length > 3 ? `, and ${there.length - 3} more` : ""}`;
}
