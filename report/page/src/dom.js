// Elements of the page. Text becomes text nodes only, so that names of a file are never read as markup.

import { visible } from "./text.js";

const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name.startsWith("--")) node.style.setProperty(name, value);
    else node.setAttribute(name, value === true ? "" : visible(value));
  }
  for (const child of children.flat()) {
    if (child === undefined || child === null || child === false) continue;
    node.append(child instanceof Node ? child : visible(child));
  }
  return node;
}

export function element(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

/** A section with a heading, which the navigation lists. */
export function section(id, title, ...children) {
  return element("section", { id, "aria-labelledby": `${id}-title` }, element("h2", { id: `${id}-title` }, title), ...children);
}

/** Pairs of a term and what it is, as a list; pairs without a value are left out. */
export function facts(pairs) {
  const given = pairs.filter(([, value]) => value !== undefined && value !== null && value !== "");
  return element(
    "dl",
    { class: "facts" },
    given.map(([term, value]) => element("div", {}, element("dt", {}, term), element("dd", {}, value))),
  );
}

/** A button that looks like a link. */
export const link = (text, action) => element("button", { type: "button", class: "link", onclick: action }, element("span", {}, text));

let said;

/** Says something shortly at the bottom of the window, to screen readers too. */
export function say(text) {
  const place = document.getElementById("said");
  place.textContent = visible(text);
  place.classList.add("shown");
  clearTimeout(said);
  said = setTimeout(() => place.classList.remove("shown"), 1500);
}

/** Makes a click on an element copy text, unless it ended a selection. */
export function copies(node, text) {
  node.classList.add("copies");
  node.title ||= "click to copy";
  node.addEventListener("click", async () => {
    if (!getSelection().isCollapsed) return;
    try {
      await navigator.clipboard.writeText(text);
      say(`copied ${text.length > 60 ? `${text.slice(0, 60)}…` : text}`);
    } catch {
      getSelection().selectAllChildren(node);
      say("selected; copy it with Ctrl+C");
    }
  });
  return node;
}

const tip = () => document.getElementById("tip");

/** Shows lines of text beside the pointer while it is over an element. */
export function tips(node, lines) {
  node.addEventListener("pointermove", (event) => {
    const place = tip();
    place.replaceChildren(...lines().map((line, i) => element(i ? "div" : "strong", {}, line)));
    place.hidden = false;
    const { width, height } = place.getBoundingClientRect();
    place.style.left = `${Math.max(4, Math.min(event.clientX + 14, innerWidth - width - 4))}px`;
    place.style.top = `${event.clientY + 18 + height > innerHeight ? event.clientY - height - 12 : event.clientY + 18}px`;
  });
  node.addEventListener("pointerleave", () => (tip().hidden = true));
  return node;
}

/** Makes an element work as a button; `tabindex` is -1 where a table has the same for the keyboard. */
export function presses(node, action, tabindex = 0) {
  node.setAttribute("tabindex", tabindex);
  node.setAttribute("role", "button");
  node.addEventListener("click", action);
  node.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    action(event);
  });
  return node;
}
