// Bundles src/ with its libraries into built/, which is committed: installing qrt needs no node.

import { readFileSync, writeFileSync } from "node:fs";
import { build } from "esbuild";

await build({
  absWorkingDir: import.meta.dirname,
  entryPoints: { page: "src/main.js", style: "src/page.css" },
  outdir: "built",
  bundle: true,
  minify: true,
  format: "iife",
  target: "es2022",
  // The page has them in a section of its own, from licenses.txt.
  legalComments: "none",
});

const described = (folder) => JSON.parse(readFileSync(new URL("package.json", folder), "utf8"));
const here = new URL("./", import.meta.url);

// Libraries contain or import what they depend on.
const texts = new Map();
const pending = Object.keys(described(here).dependencies);
while (pending.length) {
  const name = pending.pop();
  if (texts.has(name)) continue;
  const folder = new URL(`node_modules/${name}/`, here);
  const { version, license, dependencies = {} } = described(folder);
  texts.set(name, `${name} ${version}, ${license}\n\n${readFileSync(new URL("LICENSE", folder), "utf8").trim()}\n`);
  pending.push(...Object.keys(dependencies));
}
const sorted = [...texts.keys()].sort().map((name) => texts.get(name));
writeFileSync(new URL("built/licenses.txt", here), sorted.join(`\n${"-".repeat(80)}\n\n`));
