// The error of each layer against the float source.

import { bars } from "./bars.js";
import { facts, link, section, svg, tips } from "./dom.js";
import { layerColumns } from "./speed.js";
import { table } from "./table.js";
import { fixed, isMissing, percent, plural, value, whole } from "./text.js";

/** How many differences round to each number of codes, as columns. */
export function histogram(row) {
  const middle = (row.histogram.length - 1) / 2;
  const most = Math.max(...row.histogram, 1);
  const [step, height] = [9, 22];
  const columns = row.histogram.map((n, i) => {
    const tall = n ? Math.max(1, (height * n) / most) : 0;
    return svg("rect", { x: i * step, y: height - tall, width: step - 2, height: tall, class: i === middle ? "zero" : "off" });
  });
  const drawing = svg("svg", { class: "histogram", viewBox: `0 0 ${step * row.histogram.length} ${height}`, width: step * row.histogram.length, height, role: "img" }, columns);
  const lines = row.histogram.map((n, i) => `${i === 0 ? "≤ " : i === 2 * middle ? "≥ " : ""}${i - middle} LSB: ${percent(n / row.size, 2)}`);
  drawing.setAttribute("aria-label", lines.join(", "));
  return tips(drawing, () => ["float − integer", ...lines]);
}

const far = (row) => {
  const middle = (row.histogram.length - 1) / 2;
  return row.histogram.reduce((sum, n, i) => (Math.abs(i - middle) > 1 ? sum + n : sum), 0) / row.size;
};

export function errors({ compare, model }, open) {
  const rows = compare.layers;
  const worst = rows.reduce((a, b) => (a === undefined || (b.sqnr ?? Infinity) < (a.sqnr ?? Infinity) ? b : a), undefined);
  const named = (name) => {
    const at = model.operators.findIndex((operator) => operator.name === name);
    return at < 0 ? name : link(`${at}  ${name}`, () => open(at));
  };
  const quantized = rows.some((row) => !isMissing(row.differing));
  const numbers = facts([
    ["source", compare.source],
    ["samples", whole(compare.samples)],
    ["worst layer", worst && [named(worst.name), ` ${worst.sqnr === null ? "exact" : `${fixed(worst.sqnr, 1)} dB`}`]],
    ["first that differs from the quantized source", quantized && (compare.first_differing ? named(compare.first_differing) : "none: every code is the same")],
    ["TFLite Micro", isMissing(compare.engine_differing) ? "" : compare.engine_differing ? `${plural(compare.engine_differing, "code")} of the outputs differ` : "the same outputs"],
    ...Object.entries(compare.accuracy ?? {}).map(([name, right]) => [`accuracy of ${name}`, percent(right, 2)]),
    ["not found in the source", compare.missing?.length ? value(compare.missing) : ""],
  ]);
  const chart = bars(
    rows.map((row) => ({ index: row.index, value: row.sqnr, class: row === worst ? "worst" : "value", lines: [`${row.index}  ${row.kind}`, row.name, `SQNR ${fixed(row.sqnr, 1)} dB`, `mean error ${fixed(row.mean_error, 2)} LSB`] })),
    { label: "SQNR of each layer, dB: higher is better", tick: (x) => `${x} dB`, open },
  );
  const columns = [
    ...layerColumns(open),
    { title: "SQNR, dB", value: (row) => row.sqnr ?? "Infinity", show: (row) => (row.sqnr === null ? "∞" : fixed(row.sqnr, 1)), number: true },
    { title: "mean LSB", value: (row) => row.mean_error, show: (row) => fixed(row.mean_error, 2), number: true, descends: true },
    { title: "max LSB", value: (row) => row.max_error, show: (row) => fixed(row.max_error, 1), number: true, descends: true },
    { title: "errors, −4 to 4", value: far, show: histogram, descends: true, hint: "float − integer in codes; sorts by the share beyond 1" },
    { title: "cosine", value: (row) => row.cosine, show: (row) => fixed(row.cosine, 5), number: true },
    { title: "differ", value: (row) => row.differing, show: (row) => (isMissing(row.differing) ? "–" : whole(row.differing)), number: true, descends: true, hint: "codes that differ from the quantized source" },
    { title: "of", value: (row) => row.size, show: (row) => whole(row.size), number: true, descends: true },
  ];
  const biases = compare.biases?.length > 0 && table(
    [
      { title: "biases", value: (row) => row.bias },
      { title: "SQNR of the output, dB", value: (row) => row.sqnr ?? "Infinity", show: (row) => (row.sqnr === null ? "∞" : fixed(row.sqnr, 2)), number: true },
      { title: "accuracy", value: (row) => row.accuracy, show: (row) => percent(row.accuracy, 2), number: true },
    ],
    compare.biases,
    { caption: "how biases are kept" },
  );
  return section("error", "Error against the source", numbers, chart, table(columns, rows, { caption: "error of each layer, worst first", sorted: [3, "ascending"] }), biases);
}
