// How right the network is on samples with labels: classes, confusion, and the curve of thresholds.

import { axisBottom, axisLeft } from "d3-axis";
import { scaleLinear } from "d3-scale";
import { select } from "d3-selection";
import { copies, element, facts, section, svg, tips } from "./dom.js";
import { table } from "./table.js";
import { fixed, isMissing, percent, plural, real, whole } from "./text.js";

// A matrix of more classes is shown as pairs.
const MATRIX_CLASSES = 40;
const SIDE = 300;
const MARGIN = { left: 46, right: 12, top: 12, bottom: 40 };

/** A row for each label, a column for each answer, coloured by the share of the row. */
function matrix(counts, names) {
  const head = element("tr", {}, element("th", { scope: "col" }, "label \\ answer"), names.map((name) => element("th", { scope: "col" }, name)));
  const rows = counts.map((row, label) => {
    const sum = row.reduce((a, b) => a + b, 0) || 1;
    const cells = row.map((n, answer) => {
      const cell = element("td", { class: `number ${label === answer ? "right" : "wrong"} ${n ? "" : "none"}`, "--part": `${((100 * n) / sum).toFixed(1)}%` }, whole(n));
      return copies(tips(cell, () => [`${names[label]} answered as ${names[answer]}`, `${plural(n, "sample")}, ${percent(n / sum)} of the label`]), String(n));
    });
    return element("tr", {}, element("th", { scope: "row" }, names[label]), cells);
  });
  return element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "confusion matrix" }, element("table", { class: "matrix" }, element("caption", {}, "confusion matrix"), element("thead", {}, head), element("tbody", {}, rows)));
}

/** A curve of points in the unit square. */
function unitCurve(points, { title, x: [xTitle, xOf], y: [yTitle, yOf], chance, best, lines }) {
  const x = scaleLinear([0, 1], [MARGIN.left, SIDE - MARGIN.right]);
  const y = scaleLinear([0, 1], [SIDE - MARGIN.bottom, MARGIN.top]);
  const at = (point) => `${x(xOf(point)).toFixed(1)},${y(yOf(point)).toFixed(1)}`;
  const dot = (point, class_, radius) => tips(svg("circle", { class: class_, cx: x(xOf(point)), cy: y(yOf(point)), r: radius }), () => lines(point));
  const drawing = svg("svg", { class: "plot curve", viewBox: `0 0 ${SIDE} ${SIDE}`, width: SIDE, height: SIDE, role: "img", "aria-label": title });
  for (const [group, made] of [
    [svg("g", { class: "axis", transform: `translate(0,${SIDE - MARGIN.bottom})` }), axisBottom(x).ticks(5)],
    [svg("g", { class: "axis", transform: `translate(${MARGIN.left},0)` }), axisLeft(y).ticks(5)],
  ]) {
    select(group).call(made);
    drawing.append(group);
  }
  if (chance) drawing.append(svg("line", { class: "chance", x1: x(0), y1: y(0), x2: x(1), y2: y(1) }));
  drawing.append(
    svg("path", { class: "line", d: `M${points.map(at).join("L")}` }),
    ...points.map((point) => dot(point, "spot", 5)),
    dot(best, "best", 5),
    svg("text", { class: "legend", x: (MARGIN.left + SIDE - MARGIN.right) / 2, y: SIDE - 6 }, xTitle),
    svg("text", { class: "legend", transform: `translate(12,${(SIDE - MARGIN.bottom) / 2}) rotate(-90)` }, yTitle),
  );
  return element("figure", {}, element("figcaption", {}, title), drawing);
}

function curves(curve) {
  const lines = (point) => [
    `threshold ${real(point.threshold)}`,
    `true positives ${whole(point.true_positives)}, ${percent(point.true_positive_rate)}`,
    `false positives ${whole(point.false_positives)}, ${percent(point.false_positive_rate)}`,
    `precision ${percent(point.precision)}`,
  ];
  const recall = ["true positive rate (recall)", (point) => point.true_positive_rate];
  const { best } = curve;
  const start = { threshold: "Infinity", true_positives: 0, false_positives: 0, true_positive_rate: 0, false_positive_rate: 0, precision: null };
  return element(
    "div",
    { class: "curves" },
    unitCurve([start, ...curve.points], { title: `receiver operating characteristic, area ${fixed(curve.auc, 4)}`, x: ["false positive rate", (point) => point.false_positive_rate], y: recall, chance: true, best, lines }),
    unitCurve(curve.points, { title: `precision and recall, average ${fixed(curve.average_precision, 4)}`, x: recall, y: ["precision", (point) => point.precision], best, lines }),
  );
}

function thresholdTable(curve) {
  const columns = [
    { title: "threshold", value: (point) => point.threshold, show: (point) => real(point.threshold), number: true },
    { title: "true positives", value: (point) => point.true_positives, show: (point) => whole(point.true_positives), number: true },
    { title: "false positives", value: (point) => point.false_positives, show: (point) => whole(point.false_positives), number: true },
    { title: "true positive rate", value: (point) => point.true_positive_rate, show: (point) => percent(point.true_positive_rate, 2), number: true },
    { title: "false positive rate", value: (point) => point.false_positive_rate, show: (point) => percent(point.false_positive_rate, 2), number: true },
    { title: "precision", value: (point) => point.precision, show: (point) => percent(point.precision, 2), number: true },
  ];
  return element("details", {}, element("summary", {}, plural(curve.points.length, "threshold")), table(columns, curve.points, { caption: "thresholds", limit: 100 }));
}

const rate = (title, key) => ({ title, value: (row) => row[key], show: (row) => percent(row[key], 2), number: true });

function classTable(classes) {
  const counted = (title, key) => ({ title, value: (row) => row[key], show: (row) => whole(row[key]), number: true, descends: true });
  const columns = [
    { title: "#", value: (row) => row.index, number: true },
    { title: "class", value: (row) => row.name },
    counted("samples", "support"),
    counted("answers", "predicted"),
    counted("right", "right"),
    rate("precision", "precision"),
    rate("recall", "recall"),
    rate("F1", "f1"),
  ];
  return table(columns, classes.map((row, index) => ({ ...row, index })), { caption: "classes", limit: 100 });
}

function pairTable(pairs, names) {
  const columns = [
    { title: "label", value: ([label]) => names[label] },
    { title: "answer", value: ([, answer]) => names[answer] },
    { title: "samples", value: ([, , n]) => n, show: ([, , n]) => whole(n), number: true, descends: true },
  ];
  return table(columns, pairs, { caption: "wrong pairs", limit: 20 });
}

function wrongTable(wrong, names) {
  const columns = [
    { title: "sample", value: (row) => row.sample, number: true },
    { title: "file", value: (row) => row.name },
    { title: "label", value: (row) => names[row.label] },
    { title: "answer", value: (row) => names[row.predicted] },
  ];
  return table(columns, wrong, { caption: "first wrong samples", limit: 20 });
}

export function evaluation({ evaluation: found }) {
  const classes = found.classes ?? [];
  const names = classes.map(({ name }) => name);
  const tops = Object.entries(found.top ?? {}).filter(([k]) => k !== "1");
  const numbers = facts([
    ["data", found.data],
    ["samples", whole(found.samples)],
    ["accuracy", isMissing(found.accuracy) ? "" : percent(found.accuracy, 2)],
    ...tops.slice(-1).map(([k, right]) => [`top-${k} accuracy`, percent(right, 2)]),
    ["balanced accuracy", isMissing(found.balanced_accuracy) ? "" : percent(found.balanced_accuracy, 2)],
    ["macro F1", isMissing(found.macro_f1) ? "" : fixed(found.macro_f1, 4)],
    ["threshold", isMissing(found.threshold) ? "" : real(found.threshold)],
    ["mean squared error", isMissing(found.mse) ? "" : real(found.mse)],
    ...Object.entries(found.mse_of ?? {}).map(([name, x]) => [`mean squared error, ${name}`, real(x)]),
    ["area under the ROC", found.curve && fixed(found.curve.auc, 4)],
  ]);
  return section(
    "evaluation",
    "Evaluation",
    numbers,
    found.confusion && names.length <= MATRIX_CLASSES && matrix(found.confusion, names),
    found.curve && curves(found.curve),
    found.curve && thresholdTable(found.curve),
    classes.length > 0 && classTable(classes),
    found.confused?.length > 0 && pairTable(found.confused, names),
    found.wrong?.length > 0 && wrongTable(found.wrong, names),
  );
}
