// Bundles src/ with its libraries into built/, which is committed: installing qrt needs no node.

import { readFileSync, writeFileSync } from "node:fs";
import { build } from "esbuild";

const made = await build({
  absWorkingDir: import.meta.dirname,
  entryPoints: { page: "src/main.js", style: "src/page.css" },
  outdir: "built",
  bundle: true,
  minify: true,
  format: "iife",
  target: "es2022",
  // The page has them in a section of its own, from licenses.txt.
  legalComments: "none",
  metafile: true,
});

const packages = new Set();
for (const path of Object.keys(made.metafile.inputs)) {
  const found = path.match(/^node_modules\/((?:@[^/]+\/)?[^/]+)\//);
  if (found) packages.add(found[1]);
}
const texts = [];
for (const name of [...packages].sort()) {
  const folder = new URL(`node_modules/${name}/`, import.meta.url);
  const { version, license } = JSON.parse(readFileSync(new URL("package.json", folder), "utf8"));
  texts.push(`${name} ${version}, ${license}\n\n${readFileSync(new URL("LICENSE", folder), "utf8").trim()}\n`);
}
writeFileSync(new URL("built/licenses.txt", import.meta.url), texts.join(`\n${"-".repeat(80)}\n\n`));
