// Light, dark, or as the system has it. The choice stays in this browser.
import { find, say } from "./dom.js";

const KEY = "takaro.play.theme";
const NAMES = { auto: "Auto", light: "Light", dark: "Dark" };
const button = find("theme");

function read() {
  try {
    const kept = localStorage.getItem(KEY);
    return kept in NAMES ? kept : "auto";
  } catch {
    return "auto"; // storage can be switched off
  }
}

function show(theme) {
  document.documentElement.dataset.theme = theme;
  say(button, NAMES[theme]);
  button.ariaLabel = `Theme: ${theme === "auto" ? "automatic" : theme}`;
}

button.addEventListener("click", () => {
  const themes = Object.keys(NAMES);
  const next = themes[(themes.indexOf(document.documentElement.dataset.theme) + 1) % themes.length];
  show(next);
  try {
    localStorage.setItem(KEY, next);
  } catch {
    // It counts until the page is left.
  }
});
show(read());
