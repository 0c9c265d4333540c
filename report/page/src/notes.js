// What compiling did: channels removed, biases rescued, and other notes.

import { element, facts, link, section } from "./dom.js";
import { table } from "./table.js";
import { percent, plural, seconds, value, whole } from "./text.js";

const TITLES = {
  removals: "channels removed",
  rescues: "biases rescued",
  deviations: "codes that can differ from the engine's, by 1",
  int16_steps: "layers kept in int16",
};

/** A table of rows that are dicts, with a column for each key. */
function rowsTable(rows, caption, open, contents) {
  const keys = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const columns = keys.map((key) => ({
    title: key.replaceAll("_", " "),
    value: (row) => (Array.isArray(row[key]) ? row[key].length : row[key]),
    show: (row) => (key === "op" ? layerLink(row[key], open, contents) : value(row[key])),
    number: rows.every((row) => typeof row[key] === "number"),
  }));
  return table(columns, rows, { caption, limit: 50 });
}

function layerLink(name, open, { layers }) {
  const at = layers.findIndex((layer) => layer.name === name);
  return at < 0 ? name : link(name, () => open(at));
}

export function notes(contents, open) {
  const compile = contents.compile ?? {};
  const list = [
    ...(compile.notes ?? []).map(([pass, text]) => element("li", {}, element("strong", {}, pass), ` ${text}`)),
    ...(contents.missing ?? []).map(([part, reason]) => element("li", {}, element("strong", {}, part), ` is not here: ${reason}`)),
  ];
  const tables = Object.entries(TITLES).filter(([key]) => compile[key]?.length).map(([key, title]) => rowsTable(compile[key], title, open, contents));
  const numbers = facts([
    ["channels removed", contents.compile && `${(compile.removals ?? []).reduce((sum, { channels }) => sum + channels.length, 0)}`],
    ["biases rescued", contents.compile && whole((compile.rescues ?? []).length)],
    ["time to compile", compile.seconds && seconds(compile.seconds)],
    ["accuracy", compile.accuracy && Object.entries(compile.accuracy).map(([name, x]) => `${name} ${typeof x === "number" ? percent(x, 2) : value(x)}`).join(", ")],
    ["row by row", compile.row_by_row && `${plural(compile.row_by_row.bands.length, "band")}, ${whole(compile.row_by_row.moved_bytes)} bytes moved`],
  ]);
  return section("notes", "Notes", numbers, list.length > 0 && element("ul", {}, list), tables);
}
