// What the network is, and whether its test vectors pass.

import { codes } from "./layer.js";
import { copies, element, facts, section } from "./dom.js";
import { table } from "./table.js";
import { bytes, count, fixed, isMissing, percent, plural, seconds, shape, whole } from "./text.js";

/** Whether every kernel set gives the outputs of the test vectors. */
export function verdict({ checks }) {
  const word = (text, kind) => element("span", { class: `verdict ${kind}` }, text);
  if (!checks) return word("test vectors not run", "");
  if (!checks.test_vectors) return word("no test vectors", "");
  const pass = checks.valid && (checks.kernels ?? []).every((set) => set.agree);
  return pass ? word("test vectors pass", "good") : word("test vectors differ", "bad");
}

export function tiles(contents) {
  const { model, profile, device, compare, evaluation } = contents;
  const macs = model.operators.reduce((sum, operator) => sum + operator.macs, 0);
  const worst = compare && Math.min(...compare.layers.map((layer) => layer.sqnr ?? Infinity));
  const accuracy = evaluation?.accuracy ?? compare?.accuracy?.qrt;
  const samples = evaluation ? evaluation.samples : compare?.samples;
  const pairs = [
    ["file", bytes(model.size), plural(model.size, "byte")],
    ["arena", bytes(model.arena_size), plural(model.arena_size, "byte")],
    ["layers", whole(model.operators.length), plural(new Set(model.operators.map(({ kind }) => kind)).size, "kind")],
    ["MACs", count(macs), whole(macs)],
    profile && ["here", seconds(profile.seconds), `${profile.kernels} kernels`],
    device?.cycles && [device.target, `${count(device.cycles)}`, "cycles"],
    typeof accuracy === "number" && ["accuracy", percent(accuracy, 2), samples ? `of ${plural(samples, "sample")}` : ""],
    worst !== undefined && ["worst layer", Number.isFinite(worst) ? `${fixed(worst, 1)} dB` : "exact", "SQNR"],
  ].filter(Boolean);
  return element("div", { class: "tiles" }, pairs.map(([term, text, more]) => element("div", {}, element("span", {}, term), element("strong", {}, text), element("small", {}, more))));
}

const quantized = (edge) =>
  [
    edge.source_layout === "NCHW" && "NCHW",
    edge.quantize_rule === "MULTIPLY_RECIPROCAL" && "quantized by the reciprocal",
    edge.source_dtype === "UINT8" && "uint8, 128 higher",
    edge.source_dtype === "UINT16" && "uint16, 32768 higher",
  ]
    .filter(Boolean)
    .join(", ");

export function overview(contents) {
  const { model, checks, compile } = contents;
  const match = contents.match ?? compile?.match;
  const deviations = compile?.deviations?.length;
  const run = model.test_vectors ? (checks?.kernels ?? []).map((set) => `${set.name}${set.agree ? "" : " (differs)"}`) : [];
  const copied = (text) => copies(element("span", { class: "code" }, text), text);
  const numbers = facts([
    ["file", copied(model.file)],
    ["size", plural(model.size, "byte")],
    ["CRC-32", copied(model.crc32.toString(16).padStart(8, "0"))],
    ["SHA-256", model.sha256 && copied(model.sha256)],
    ["matches", match && (deviations ? `${match}, but for ${plural(deviations, "operator")}, see Notes` : match)],
    ["compiled again", isMissing(compile?.same_bytes) ? "" : compile.same_bytes ? "gives the same file" : "gives another file: other options, or another version"],
    ["made from", compile?.source && `${compile.source}, ${plural(compile.source_size, "byte")}`],
    ["made by", `${model.producer || "unknown"}, format version ${model.format_version}`],
    ["test vectors", `${whole(model.test_vectors)}${run.length ? `, run by ${run.join(", ")}` : ""}`],
    ["weights", plural(model.operators.reduce((sum, op) => sum + op.weight_bytes, 0), "byte")],
    ["preprocessing", model.preprocessing && element("pre", {}, model.preprocessing)],
  ]);
  const edges = [...model.inputs.map((edge) => ({ ...edge, way: "input" })), ...model.outputs.map((edge) => ({ ...edge, way: "output" }))];
  const columns = [
    { title: "edge", value: (edge) => edge.way },
    { title: "name", value: (edge) => edge.name },
    { title: "shape", value: (edge) => shape(edge.shape) },
    { title: "type", value: (edge) => edge.dtype },
    { title: "scale", value: (edge) => edge.scale || null, show: (edge) => (edge.scale ? Number(edge.scale.toPrecision(9)) : "–"), number: true },
    { title: "zero point", value: (edge) => edge.zero_point, number: true },
    { title: "real value", value: codes },
    { title: "in the source", value: quantized },
    { title: "labels", value: (edge) => edge.labels.length, show: (edge) => labels(edge.labels) },
  ].filter((column) => edges.some((edge) => !isMissing(column.value(edge)) && column.value(edge) !== 0) || column.title === "zero point");
  return section("model", "Model", numbers, table(columns, edges, { caption: "inputs and outputs" }));
}

function labels(names) {
  if (names.length <= 12) return names.join(", ");
  return element("details", {}, element("summary", {}, plural(names.length, "label")), names.join(", "));
}
