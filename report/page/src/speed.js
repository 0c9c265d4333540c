// Time on this machine, and instructions on a target.

import { bars } from "./bars.js";
import { element, facts, link, section } from "./dom.js";
import { table } from "./table.js";
import { count, percent, seconds, value, whole } from "./text.js";

/** The columns that say which layer a row is of. */
export function layerColumns(open) {
  return [
    { title: "#", value: (row) => row.index, number: true },
    { title: "kind", value: (row) => row.kind },
    { title: "name", value: (row) => row.name, show: (row) => link(row.name || "(no name)", () => open(row.index)) },
  ];
}

export const share = (part) => element("span", { class: "share", "--share": `${(100 * part).toFixed(2)}%` }, percent(part));

export function time({ profile }, open) {
  const rows = profile.operators;
  const numbers = facts([
    ["all layers", `${seconds(profile.seconds)} (fastest run ${seconds(profile.fastest)})`],
    ["Model.run", `${seconds(profile.run_seconds)} (fastest ${seconds(profile.run_fastest)})`],
    ["MACs", `${whole(profile.macs)}, ${count(profile.macs / profile.seconds)} a second`],
    ["peak of this machine", `${count(profile.peak)} MACs a second`],
    ["kernels", `${profile.kernels}, ${profile.threads} thread${profile.threads === 1 ? "" : "s"}`],
    ["measured", `${whole(profile.repeats)} runs on ${profile.input}`],
  ]);
  const chart = bars(
    rows.map((row) => ({ index: row.index, value: row.seconds, lines: [`${row.index}  ${row.kind}`, row.name, `${seconds(row.seconds)}, ${percent(row.share)}`, `${count(row.macs)} MACs`] })),
    { label: "time of each layer", tick: (x) => seconds(x), open },
  );
  const columns = [
    ...layerColumns(open),
    { title: "time", value: (row) => row.seconds, show: (row) => seconds(row.seconds), number: true, descends: true },
    { title: "share", value: (row) => row.share, show: (row) => share(row.share), number: true, descends: true },
    { title: "MACs", value: (row) => row.macs, show: (row) => whole(row.macs), number: true, descends: true },
    { title: "MACs/s", value: (row) => row.rate, show: (row) => count(row.rate), number: true, descends: true },
    { title: "of peak", value: (row) => row.peak_share, show: (row) => percent(row.peak_share), number: true, descends: true },
    { title: "bytes", value: (row) => row.bytes, show: (row) => whole(row.bytes), number: true, descends: true },
    { title: "limit", value: (row) => row.limit_seconds, show: (row) => (row.limit ? `${seconds(row.limit_seconds)}, ${row.limit}` : "–"), number: true, descends: true, hint: "the least time by the machine's rates, and which rate it is" },
    { title: "kernels", value: (row) => row.kernels },
  ];
  return section("time", "Time on this machine", numbers, chart, table(columns, rows, { caption: "time of each layer", sorted: [3, "descending"] }));
}

/** Bytes against a limit, as words and a meter. */
function against(used, limit) {
  if (!limit) return `${whole(used)} bytes`;
  const fits = used <= limit;
  return [
    `${whole(used)} of ${whole(limit)} bytes, ${percent(used / limit)} `,
    element("span", { class: fits ? "verdict good" : "verdict bad" }, fits ? "fits" : "too large"),
    element("meter", { min: 0, max: limit, value: Math.min(used, limit), "aria-label": "used" }),
  ];
}

export function device({ device, model }, open) {
  const limits = device.limits ?? {};
  const rows = device.operators ?? [];
  const numbers = facts([
    ["target", device.target ?? model.device?.title],
    ["instructions", device.instructions && whole(device.instructions)],
    ["cycles", device.cycles && `${whole(device.cycles)}, at ${device.flash_wait_states} wait states of the flash`],
    ["flash", device.flash && against(device.flash, limits.flash)],
    ["of which", device.flash && `code ${whole(device.code)}, constants ${whole(device.constants)}`],
    ["RAM", device.ram && against(device.ram, limits.ram)],
    ["of which ", device.ram && `memory ${whole(device.memory)}, stack ${whole(device.stack)}`],
    ["over the limit", device.over_budget?.length ? value(device.over_budget) : ""],
    ["bytes that differ from this machine's", device.differing_bytes === undefined ? "" : whole(device.differing_bytes)],
    ["compiler", device.compiler && `${device.compiler}, -O${device.optimize}, kernels ${device.kernels}`],
  ]);
  const chart = bars(
    rows.map((row) => ({ index: row.index, value: row.cycles, lines: [`${row.index}  ${row.kind}`, row.name, `${whole(row.cycles)} cycles, ${whole(row.instructions)} instructions`, percent(row.share)] })),
    { label: "cycles of each layer", tick: (x) => count(x), open },
  );
  const columns = [
    ...layerColumns(open),
    { title: "instructions", value: (row) => row.instructions, show: (row) => whole(row.instructions), number: true, descends: true },
    { title: "cycles", value: (row) => row.cycles, show: (row) => whole(row.cycles), number: true, descends: true },
    { title: "share", value: (row) => row.share, show: (row) => share(row.share), number: true, descends: true },
    { title: "MACs", value: (row) => row.macs, show: (row) => whole(row.macs), number: true, descends: true },
    { title: "cycles/MAC", value: (row) => (row.macs ? row.cycles / row.macs : null), show: (row) => (row.macs ? (row.cycles / row.macs).toFixed(2) : "–"), number: true, descends: true },
    { title: "constants", value: (row) => row.constants, show: (row) => whole(row.constants), number: true, descends: true },
    { title: "kernels", value: (row) => row.kernels },
  ];
  return section("device", "On the target", numbers, rows.length > 0 && chart, rows.length > 0 && table(columns, rows, { caption: "instructions of each layer", sorted: [4, "descending"] }));
}
