// The network as a graph: dagre places it, d3-zoom moves it.

import { graphlib, layout } from "@dagrejs/dagre";
import { select } from "d3-selection";
import { zoom, zoomIdentity } from "d3-zoom";
import { isConstant, isState } from "./contents.js";
import { element, presses, svg, tips } from "./dom.js";
import { bytes, count, fixed, isMissing, plural, seconds, shape, visible, whole } from "./text.js";

const WIDTH = 190;
const LETTERS = 25;
const RISE = 58;

const shorter = (text) => (text.length > LETTERS ? `…${text.slice(1 - LETTERS)}` : text);

/** What the colour of a layer can show: its value, and how that is written. */
const OVERLAYS = {
  kind: { title: "kind" },
  time: { title: "time", value: (layer) => layer.time?.seconds, text: seconds },
  cycles: { title: "cycles on the target", value: (layer) => layer.device?.cycles, text: whole },
  macs: { title: "MACs", value: (layer) => layer.macs, text: count },
  bytes: { title: "bytes of parameters", value: (layer) => layer.bytes, text: bytes },
  error: { title: "mean error, LSB", value: (layer) => layer.error?.mean_error, text: (x) => `${fixed(x, 2)} LSB` },
};

/** Nodes and edges, as data: layers, inputs, outputs, and the states that a run begins with. */
function assemble(contents) {
  const nodes = [];
  const edges = [];
  const sources = new Map();
  for (const edge of contents.model.inputs) {
    sources.set(edge.tensor, `in${edge.tensor}`);
    nodes.push({ id: `in${edge.tensor}`, title: "input", lines: [shape(edge.shape), edge.name], kind: "edge" });
  }
  for (const layer of contents.layers) {
    nodes.push({ id: `${layer.index}`, title: `${layer.index}  ${layer.kind}`, lines: [shape(layer.output.shape), layer.name], kind: family(layer.kind), layer });
  }
  for (const [tensor, index] of contents.producers) sources.set(tensor, `${index}`);
  for (const layer of contents.layers) {
    for (const tensor of layer.inputs.filter((given) => !isConstant(given))) {
      const from = sources.get(tensor.index);
      if (from === undefined) continue;
      // What a layer reads before it is written, the run before has left.
      const carried = isState(tensor) && contents.producers.get(tensor.index) >= layer.index;
      edges.push({ from, to: `${layer.index}`, carried, tensor });
    }
  }
  contents.model.outputs.forEach((edge, i) => {
    nodes.push({ id: `out${i}`, title: "output", lines: [shape(edge.shape), edge.name], kind: "edge" });
    const from = sources.get(edge.tensor);
    if (from !== undefined) edges.push({ from, to: `out${i}`, tensor: contents.tensors.get(edge.tensor) });
  });
  return { nodes, edges };
}

const FAMILIES = [
  ["weights", /conv|linear|matmul|svdf|lstm|gru|rnn/],
  ["arithmetic", /^(add|sub|mul|div|square|minimum|maximum|prelu|dot|sum|scale)/],
  ["pool", /pool|mean|reduce|max|min/],
  ["curve", /lut|softmax|clamp|relu|tanh|logistic|requant|quant/],
];
const family = (kind) => FAMILIES.find(([, pattern]) => pattern.test(kind))?.[0] ?? "move";

function place({ nodes, edges }) {
  const graph = new graphlib.Graph({ multigraph: true });
  graph.setGraph({ rankdir: "TB", nodesep: 24, ranksep: 26, marginx: 12, marginy: 12 });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const node of nodes) graph.setNode(node.id, { width: WIDTH, height: RISE });
  edges.forEach((edge, i) => graph.setEdge(edge.from, edge.to, { carried: edge.carried }, `${i}`));
  layout(graph);
  return graph;
}

/** A smooth line through points: from the middle of one piece to the middle of the next. */
function curve(points) {
  const at = ({ x, y }) => `${x.toFixed(1)},${y.toFixed(1)}`;
  const middle = (a, b) => ({ x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 });
  let path = `M${at(points[0])}`;
  for (let i = 1; i < points.length - 1; i++) path += `Q${at(points[i])} ${at(middle(points[i], points[i + 1]))}`;
  return `${path}L${at(points.at(-1))}`;
}

function drawEdge(edge, points) {
  const path = svg("path", { d: curve(points), class: edge.carried ? "carried" : null, "marker-end": "url(#arrow)" });
  return tips(path, () => [edge.tensor.name || `tensor ${edge.tensor.index}`, `${shape(edge.tensor.shape)} ${edge.tensor.dtype}, ${plural(edge.tensor.size, "byte")}`]);
}

function drawNode(node, { x, y }, open) {
  const lines = [node.title, node.lines[0], shorter(visible(node.lines[1]))];
  const group = svg(
    "g",
    { class: `node ${node.kind}`, transform: `translate(${x - WIDTH / 2},${y - RISE / 2})`, "data-layer": node.layer?.index },
    svg("rect", { width: WIDTH, height: RISE, rx: node.layer ? 6 : 18 }),
    lines.map((line, i) => svg("text", { x: 10, y: 18 + 16 * i, class: ["title", "shape", "name"][i] }, line)),
    svg("text", { x: WIDTH - 10, y: 18, class: "figure" }),
  );
  if (!node.layer) return group;
  group.setAttribute("aria-label", `layer ${node.title}, ${node.lines[1]}`);
  return presses(group, () => open(node.layer.index));
}

/** The graph with its search and buttons. open(index) is called for a layer that is clicked. */
export function graph(contents, open) {
  const data = assemble(contents);
  const placed = place(data);
  const { width, height } = placed.graph();
  const nodes = new Map(data.nodes.map((node) => [node.id, drawNode(node, placed.node(node.id), open)]));
  const inner = svg(
    "g",
    {},
    svg("g", { class: "edges" }, data.edges.map((edge, i) => drawEdge(edge, placed.edge(edge.from, edge.to, `${i}`).points))),
    svg("g", { class: "nodes" }, [...nodes.values()]),
  );
  const arrow = svg("marker", { id: "arrow", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto" }, svg("path", { d: "M0,0L8,4L0,8z" }));
  const drawing = svg("svg", { class: "network", role: "group", "aria-label": "the network as a graph" }, svg("defs", {}, arrow), inner);
  const mover = zoom()
    .scaleExtent([0.05, 4])
    // A wheel scrolls the page, unless Ctrl is held or the graph was clicked.
    .filter((event) => !event.button && (event.type !== "wheel" || event.ctrlKey || drawing.classList.contains("held")))
    .on("zoom", ({ transform }) => inner.setAttribute("transform", transform));
  const canvas = select(drawing).call(mover).on("dblclick.zoom", null);
  drawing.addEventListener("pointerdown", () => drawing.classList.add("held"));
  document.addEventListener("pointerdown", (event) => !drawing.contains(event.target) && drawing.classList.remove("held"));

  document.addEventListener("keydown", (event) => event.key === "Escape" && drawing.classList.remove("held"));

  const size = () => drawing.getBoundingClientRect();
  const move = (x, y, k) => canvas.call(mover.transform, zoomIdentity.translate(size().width / 2, size().height / 2).scale(k).translate(-x, -y));
  const fit = () => move(width / 2, height / 2, Math.min(size().width / width, size().height / height, 1.25));
  /** The width of the graph, from its top. */
  const begin = () => {
    const k = Math.max(Math.min(size().width / width, 1), 0.45);
    move(width / 2, Math.min(size().height / k, height) / 2, k);
  };
  const show = (index) => {
    for (const [id, node] of nodes) node.classList.toggle("chosen", id === String(index));
    const { x, y } = placed.node(String(index));
    move(x, y, Math.max(1, 0));
  };

  return {
    show,
    begin,
    element: element("div", { class: "graph" }, bar(contents, data, nodes, { fit, open, by: (k) => canvas.call(mover.scaleBy, k) }), drawing),
  };
}

function bar(contents, data, nodes, { fit, open, by }) {
  const found = element("output", { class: "found" });
  let hits = [];
  let at = -1;
  const search = () => {
    const words = input.value.toLowerCase().replaceAll("×", "x").split(/\s+/).filter(Boolean);
    hits = words.length ? data.nodes.filter((node) => node.layer && matches(node, words)) : [];
    at = -1;
    for (const node of data.nodes) {
      nodes.get(node.id).classList.toggle("hit", hits.includes(node));
      nodes.get(node.id).classList.toggle("missed", words.length > 0 && !hits.includes(node));
    }
    found.textContent = words.length ? plural(hits.length, "layer") : "";
  };
  const next = (event) => {
    if (event.key !== "Enter" || !hits.length) return;
    at = (at + (event.shiftKey ? hits.length - 1 : 1)) % hits.length;
    open(hits[at].layer.index);
    found.textContent = `${at + 1} of ${hits.length}`;
    input.focus({ preventScroll: true });
  };
  const input = element("input", { type: "search", placeholder: "find: name, kind, number, shape", "aria-label": "find layers", oninput: search, onkeydown: next });
  const offered = Object.entries(OVERLAYS).filter(([, { value }]) => !value || contents.layers.some((layer) => !isMissing(value(layer))));
  const colour = element("select", { "aria-label": "color of the layers", onchange: () => paint(data, nodes, colour.value) }, offered.map(([key, { title }]) => element("option", { value: key }, `color: ${title}`)));
  const button = (text, title, action) => element("button", { type: "button", title, "aria-label": title, onclick: action }, text);
  return element("div", { class: "bar" }, input, found, colour, button("+", "larger", () => by(1.4)), button("−", "smaller", () => by(1 / 1.4)), button("fit", "the whole network", fit));
}

function matches({ layer }, words) {
  const text = [layer.index, layer.kind, layer.name, layer.output.shape.join("x"), layer.output.name].join(" ").toLowerCase();
  return words.every((word) => text.includes(word));
}

function paint(data, nodes, key) {
  const { value, text } = OVERLAYS[key];
  const values = data.nodes.map((node) => (value && node.layer ? value(node.layer) : undefined));
  const largest = Math.max(...values.filter((x) => !isMissing(x)), Number.MIN_VALUE);
  data.nodes.forEach((node, i) => {
    const drawn = nodes.get(node.id);
    const has = !isMissing(values[i]);
    drawn.classList.toggle("heated", has);
    drawn.style.setProperty("--heat", has ? `${(100 * Math.sqrt(values[i] / largest)).toFixed(1)}%` : null);
    drawn.querySelector(".figure").textContent = has ? text(values[i]) : "";
  });
}
