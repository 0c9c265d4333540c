// How right the network is on samples with labels.

import { element, facts, section } from "./dom.js";
import { value } from "./text.js";

export function evaluation({ evaluation: found }) {
  const pairs = Object.entries(found).filter(([, x]) => typeof x !== "object" || x === null);
  return section("evaluation", "Evaluation", facts(pairs.map(([name, x]) => [name.replaceAll("_", " "), value(x)])), element("div"));
}
