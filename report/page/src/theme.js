// Dark or light: as the system says, until the button is pressed.

import { element } from "./dom.js";

const dark = matchMedia("(prefers-color-scheme: dark)");

export function themeButton() {
  const root = document.documentElement;
  const now = () => root.dataset.theme ?? (dark.matches ? "dark" : "light");
  const press = () => {
    root.dataset.theme = now() === "dark" ? "light" : "dark";
    write();
  };
  const button = element("button", { type: "button", class: "theme", onclick: press });
  const write = () => {
    const other = now() === "dark" ? "light" : "dark";
    button.textContent = other;
    button.title = `change to ${other}`;
  };
  dark.addEventListener("change", write);
  write();
  return button;
}
