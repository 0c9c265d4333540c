// The page: reads the document and builds a section for each part of it that is there.

import { connect, original, readDocument } from "./contents.js";
import { element, section } from "./dom.js";
import { errors } from "./errors.js";
import { evaluation } from "./evaluation.js";
import { graph } from "./graph.js";
import { layerPanel } from "./layer.js";
import { memory } from "./memory.js";
import { notes } from "./notes.js";
import { overview, tiles, verdict } from "./overview.js";
import { device, layerColumns, time } from "./speed.js";
import { table } from "./table.js";
import { themeButton } from "./theme.js";
import { fixed, seconds, shape, whole } from "./text.js";

function layerTable(contents, open) {
  const columns = [
    ...layerColumns(open),
    { title: "output", value: (layer) => layer.output.shape.reduce((a, b) => a * b, 1), show: (layer) => shape(layer.output.shape), hint: "sorts by size" },
    { title: "MACs", value: (layer) => layer.macs, show: (layer) => whole(layer.macs), number: true, descends: true },
    { title: "bytes", value: (layer) => layer.bytes, show: (layer) => whole(layer.bytes), number: true, descends: true, hint: "weights, multipliers, shifts and biases" },
    contents.profile && { title: "time", value: (layer) => layer.time?.seconds, show: (layer) => seconds(layer.time?.seconds), number: true, descends: true },
    contents.device?.operators && { title: "cycles", value: (layer) => layer.device?.cycles, show: (layer) => whole(layer.device?.cycles), number: true, descends: true },
    contents.compare && { title: "SQNR, dB", value: (layer) => (layer.error ? (layer.error.sqnr ?? "Infinity") : null), show: (layer) => (layer.error ? fixed(layer.error.sqnr ?? "Infinity", 1) : "–"), number: true },
  ].filter(Boolean);
  return table(columns, contents.layers, { caption: "layers", sorted: [0, "ascending"] });
}

/** A button that gives the document as the JSON file that the page was made from. */
function download(given) {
  const save = async () => {
    const url = URL.createObjectURL(new Blob([JSON.stringify(await original(given))], { type: "application/json" }));
    element("a", { href: url, download: "report.json" }).click();
    URL.revokeObjectURL(url);
  };
  return element("button", { type: "button", onclick: save, title: "all numbers of this page as a file" }, "JSON");
}

async function build() {
  const given = await readDocument();
  const contents = connect(given);
  const panel = layerPanel(contents);
  const narrow = matchMedia("(max-width: 60rem)");
  const open = (index) => {
    drawn.show(index);
    panel.show(index);
    // So that an address leads to a layer.
    history.replaceState(null, "", `#layer-${index}`);
    const target = narrow.matches ? panel.element : document.getElementById("network");
    target.scrollIntoView({ block: "start", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
  };
  const drawn = graph(contents, open);
  const parts = [
    overview(contents),
    section("network", "Network", element("div", { class: "pair" }, drawn.element, panel.element)),
    section("layers", "Layers", layerTable(contents, open)),
    memory(contents, open),
    contents.profile && time(contents, open),
    contents.device && device(contents, open),
    contents.compare && errors(contents, open),
    contents.evaluation && evaluation(contents),
    notes(contents, open),
    section("licenses", "Licenses", element("details", {}, element("summary", {}, "of the libraries inside of this page"), element("pre", {}, document.getElementById("licenses-text").textContent.trim()))),
  ].filter(Boolean);
  const links = parts.map((part) => element("a", { href: `#${part.id}` }, part.querySelector("h2").textContent));
  document.body.append(
    element("header", {}, element("div", { class: "title" }, element("h1", {}, contents.model.name || "network"), verdict(contents), element("span", { class: "buttons" }, download(given), themeButton())), tiles(contents)),
    element("nav", { "aria-label": "sections" }, links),
    element("main", {}, parts),
    element("footer", {}, `made by qrt ${given.qrt ?? ""} from ${contents.model.file}`),
    element("div", { id: "tip", hidden: true }),
    element("div", { id: "said", role: "status" }),
  );
  drawn.begin();
  const asked = location.hash.match(/^#layer-(\d+)$/)?.[1];
  if (asked in contents.layers) open(Number(asked));
  document.documentElement.dataset.ready = "yes";
}

build();
