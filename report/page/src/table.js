// Tables that sort by a click on a heading; numbers are copied by a click.

import { copies, element } from "./dom.js";
import { isMissing, plain } from "./text.js";

function compare(a, b) {
  if (isMissing(a) || isMissing(b)) return isMissing(a) - isMissing(b);
  const [x, y] = [Number(a), Number(b)];
  if (!Number.isNaN(x) && !Number.isNaN(y)) {
    if (x !== y) return x - y;
    // Beyond 2^53 only the digits tell them apart.
    if (Number.isSafeInteger(x) || !Number.isInteger(x)) return 0;
    const [m, n] = [BigInt(a), BigInt(b)];
    return m < n ? -1 : m > n ? 1 : 0;
  }
  return String(a).localeCompare(String(b), undefined, { numeric: true });
}

/**
 * A table.
 *
 * columns: {title, value(row), show(row), number, hint}: `value` is sorted by and copied, `show` is text or an element.
 * options: caption; sorted: [number of a column, "ascending" or "descending"]; limit: rows shown at first; open(row):
 * what a row's first column does on a click.
 */
export function table(columns, rows, { caption, sorted, limit = Infinity, marks } = {}) {
  const body = element("tbody");
  const heads = columns.map((column, i) => {
    const press = () => sort(i, head.getAttribute("aria-sort") === first(column) ? other(first(column)) : first(column));
    const head = element(
      "th",
      { scope: "col", class: column.number && "number", "aria-sort": "none", title: column.hint },
      element("button", { type: "button", onclick: press }, column.title),
    );
    return head;
  });
  const more = element("button", { type: "button", class: "more", onclick: () => show((limit = Infinity)) });
  let order = [...rows];

  function sort(i, direction) {
    const sign = direction === "ascending" ? 1 : -1;
    const { value } = columns[i];
    // What is missing stays last in both directions.
    order = [...rows].sort((a, b) => {
      const [x, y] = [value(a), value(b)];
      return compare(x, y) * (isMissing(x) || isMissing(y) ? 1 : sign);
    });
    heads.forEach((head, n) => head.setAttribute("aria-sort", n === i ? direction : "none"));
    show();
  }

  function show() {
    body.replaceChildren(...order.slice(0, limit).map((row) => line(row)));
    more.textContent = `show all ${rows.length} rows`;
    more.hidden = order.length <= limit;
  }

  function line(row) {
    const cells = columns.map((column) => {
      const cell = element("td", { class: column.number && "number" }, column.show ? column.show(row) : column.value(row));
      const value = column.value(row);
      return column.number && !isMissing(value) ? copies(cell, plain(value)) : cell;
    });
    return element("tr", { class: marks?.(row) }, cells);
  }

  if (sorted) sort(...sorted);
  else show();
  return element(
    "div",
    { class: "table" },
    element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption }, element("table", {}, caption && element("caption", {}, caption), element("thead", {}, element("tr", {}, heads)), body)),
    more,
  );
}

const first = (column) => (column.descends ? "descending" : "ascending");
const other = (direction) => (direction === "ascending" ? "descending" : "ascending");
