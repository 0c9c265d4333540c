// One layer: what it reads and writes, its integers, its formulas, and its channels.

import { channels, isConstant, isState } from "./contents.js";
import { copies, element, facts } from "./dom.js";
import { histogram } from "./errors.js";
import { table } from "./table.js";
import { fixed, isMissing, percent, plain, plural, real, seconds, shape, value, whole } from "./text.js";

const SHOWN = 64;

const tensorText = (tensor) => [
  element("span", { class: "code" }, `${shape(tensor.shape)} ${tensor.dtype}`),
  isConstant(tensor) ? ", constant" : `, ${isState(tensor) ? "a state, " : ""}${codes(tensor)}`,
  element("small", {}, tensor.name || `tensor ${tensor.index}`),
];

/** The formula of the real values of codes. */
export function codes({ scale, zero_point: zero, dtype }) {
  if (dtype === "int32") return "int32 accumulators";
  if (!scale) return `zero point ${zero}, no scale stated`;
  return `real = ${real(scale, 7)} · ${zero ? `(code ${zero > 0 ? "−" : "+"} ${Math.abs(zero)})` : "code"}`;
}

const COLUMNS = {
  channel: { title: "c" },
  w_scale: { show: (x) => real(x) },
  bias_float: { show: (x) => real(x) },
  bias: { title: "bias (int32)", show: whole },
  bias_error: { show: (x) => real(x, 3) },
  bias_error_codes: { title: "its error, LSB", show: (x) => real(x, 3) },
  real_multiplier: { show: (x) => real(x, 9) },
  multiplier: { show: whole },
  addend: { show: whole },
  acc_min: { title: "acc min", show: whole },
  acc_max: { title: "acc max", show: whole },
  all_zero: { title: "all weights 0", show: (x) => (x ? "yes" : "") },
};

function channelTable(rows) {
  const names = [...new Set([...Object.keys(COLUMNS), ...Object.keys(rows[0])])].filter((name) => rows.some((row) => !isMissing(row[name]) && row[name] !== false));
  const columns = names.map((name) => ({
    title: COLUMNS[name]?.title ?? name.replaceAll("_", " "),
    value: (row) => row[name],
    show: (row) => (COLUMNS[name]?.show ?? value)(row[name]),
    number: true,
  }));
  return table(columns, rows, { caption: plural(rows.length, "channel"), limit: SHOWN });
}

function numbers(given) {
  const pairs = Object.entries(given).map(([name, x]) => {
    const long = Array.isArray(x) && x.length > 16;
    const text = copies(element("span", { class: "code" }, value(x)), plain(x));
    return [name, long ? element("details", {}, element("summary", {}, plural(x.length, "number")), text) : text];
  });
  return facts(pairs);
}

const formulas = (lines) => copies(element("pre", {}, lines.join("\n")), lines.join("\n"));

function measured(layer) {
  const { time, device, error } = layer;
  return facts([
    ["MACs", whole(layer.macs)],
    ["weights", layer.weight_bytes ? plural(layer.weight_bytes, "byte") : ""],
    ["multipliers, shifts, biases", layer.parameter_bytes ? plural(layer.parameter_bytes, "byte") : ""],
    ["time here", time && `${seconds(time.seconds)}, ${percent(time.share)} of all`],
    ["on the target", device && `${plural(device.instructions, "instruction")}, ${plural(device.cycles, "cycle")}, ${percent(device.share)} of all`],
    ["against the float source", error && `SQNR ${error.sqnr === null ? "∞" : fixed(error.sqnr, 1)} dB, mean error ${fixed(error.mean_error, 2)} LSB, largest ${fixed(error.max_error, 1)}`],
    ["errors, −4 to 4 LSB", error && histogram(error)],
    ["codes that differ from the quantized source", error && !isMissing(error.differing) ? `${whole(error.differing)} of ${whole(error.size)}` : ""],
  ]);
}

/** The panel beside the graph. */
export function layerPanel(contents) {
  const place = element("div", { class: "layer", "aria-live": "polite" }, element("p", { class: "hint" }, "Click a layer to see its integers and formulas. Drag to move, pinch or use Ctrl and the wheel to zoom."));

  async function show(index) {
    const layer = contents.layers[index];
    const { explained } = layer;
    const head = element("h3", {}, `${index}  ${layer.kind}`, element("small", {}, layer.name));
    const parts = [
      head,
      facts([
        ...layer.inputs.map((tensor, i) => [layer.inputs.length > 1 ? `input ${i}` : "input", tensorText(tensor)]),
        ["output", tensorText(layer.output)],
      ]),
      element("h4", {}, "Measured"),
      measured(layer),
    ];
    if (explained) {
      const { channels_left_out: left } = explained;
      parts.push(element("h4", {}, "Formulas"), formulas(explained.formulas), element("h4", {}, "Numbers"), numbers({ ...explained.numbers, ...layer.parameters }));
      if (explained.derivation.length) parts.push(element("details", {}, element("summary", {}, "Derivation"), formulas(explained.derivation)));
      const rows = await channels(index, explained.numbers);
      if (rows.length) parts.push(element("h4", {}, "Channels"), channelTable(rows));
      if (left) parts.push(element("p", { class: "hint" }, `${plural(left, "more channel")}: qrt explain --all`));
    } else {
      parts.push(element("h4", {}, "Numbers"), numbers(layer.parameters));
    }
    place.replaceChildren(...parts.filter(Boolean));
    place.scrollTop = 0;
  }
  return { element: place, show };
}
