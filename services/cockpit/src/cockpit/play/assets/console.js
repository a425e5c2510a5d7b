// The console: a line, its completion, its history, and the answers.
import { call } from "./api.js";
import { completions } from "./complete.js";
import { Scrolling, find, make, say } from "./dom.js";
import { History } from "./history.js";

const MOST = 300;

export class Console {
  #path;
  #players;
  #words;
  #history;
  #input = find("line");
  #scrolling = new Scrolling(find("output"));
  #offered = null;
  #tabLeaves = false;
  #balance = new Map();

  /** `players` gives those that are known, for their names. */
  constructor(path, conversation, players) {
    this.#path = path;
    this.#players = players;
    this.#history = new History(conversation);
    this.ready = false;
    this.#words = [...document.querySelectorAll("#commands dt")].map((each) => each.textContent);
    this.#input.addEventListener("keydown", (event) => this.#pressed(event));
    this.#input.addEventListener("input", () => this.#typed());
    this.#input.addEventListener("blur", () => (this.#tabLeaves = false));
    find("console").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    for (const button of find("quick").children) {
      button.addEventListener("click", () => this.run(button.dataset.command));
    }
    document.addEventListener("keydown", (event) => {
      const typing = event.target.closest?.("input:not([type=radio], [type=checkbox]), textarea");
      if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      this.#input.focus();
    });
  }

  /** Whether lines can be run now. */
  set ready(ready) {
    find("run").disabled = !ready;
    for (const button of find("quick").children) button.disabled = !ready;
  }

  /** Runs a line, and shows its answer once, whether it comes from here or from the stream first. */
  async run(line) {
    const shown = this.#show(line, "…", "pending");
    try {
      const { result, success } = await call("POST", `${this.#path}/command`, { command: line });
      if (this.#settle(line, result, +1)) shown.remove();
      else this.#answer(shown, result, success);
    } catch (failure) {
      this.#answer(shown, failure.message, false);
    }
    this.#scrolling.added();
  }

  /** A line that was run here or elsewhere, as the stream tells it. */
  executed({ command, success, result }) {
    if (typeof command !== "string" || this.#settle(command, result, -1)) return;
    this.#answer(this.#show(command, "", "pending"), result, success);
  }

  /** Whether the other of the two ways has shown this answer. */
  #settle(line, result, way) {
    const key = JSON.stringify([line, result]);
    const before = this.#balance.get(key) ?? 0;
    if (before + way) this.#balance.set(key, before + way);
    else this.#balance.delete(key);
    return before * way < 0;
  }

  #submit() {
    const line = this.#input.value.trim();
    if (!line) return;
    if (find("run").disabled) {
      this.#answer(this.#show(line, "", "pending"), "The server doesn't run: start it first.", false);
      return;
    }
    this.#history.add(line);
    this.#input.value = "";
    this.#typed();
    this.run(line);
  }

  #show(line, answer, state) {
    const item = make("li", { data: { state } }, make("code", { textContent: line }), make("pre", { textContent: answer }));
    find("output").append(item);
    while (find("output").children.length > MOST) find("output").firstElementChild.remove();
    this.#scrolling.added();
    return item;
  }

  #answer(item, text, success) {
    item.dataset.state = success ? "done" : "failed";
    item.querySelector("pre").textContent = text;
    this.#scrolling.added();
  }

  #pressed(event) {
    if (event.key === "Escape") {
      this.#tabLeaves = true;
      this.#offer([]);
    } else if (event.key === "ArrowUp" || event.key === "ArrowDown") {
      const line = this.#history.move(event.key === "ArrowUp" ? -1 : 1, this.#input.value);
      if (line === null) return;
      event.preventDefault();
      this.#input.value = line;
      this.#offer([]);
    } else if (event.key === "Tab" && !event.shiftKey && !this.#tabLeaves && this.#input.value) {
      this.#complete(event);
    }
  }

  /** The next of what the line may become; Tab leaves the line when there is nothing. */
  #complete(event) {
    let offered = this.#offered;
    if (offered === null) {
      const lines = completions(this.#input.value, this.#words, this.#players());
      if (!lines.length) return;
      offered = this.#offered = { lines, place: -1 };
    }
    event.preventDefault();
    offered.place = (offered.place + 1) % offered.lines.length;
    this.#input.value = offered.lines[offered.place];
    this.#offer(offered.lines, offered.place);
    // One way only: it is taken, and the next Tab completes what follows.
    if (offered.lines.length === 1) this.#offered = null;
  }

  #typed() {
    this.#tabLeaves = false;
    this.#history.leave();
    this.#offered = null;
    const lines = completions(this.#input.value, this.#words, this.#players());
    this.#offer(lines[0]?.trim() === this.#input.value.trim() ? [] : lines);
  }

  #offer(lines, chosen = -1) {
    const buttons = lines.slice(0, 8).map((line, place) => {
      const button = make("button", { type: "button", className: "quiet", tabIndex: -1, textContent: line.trim(), data: { chosen: place === chosen } });
      button.addEventListener("click", () => {
        this.#input.value = line;
        this.#input.focus();
        this.#typed();
      });
      return button;
    });
    find("offers").replaceChildren(...buttons);
    if (!lines.length) this.#offered = null;
    say(find("completed"), chosen < 0 ? "" : lines[chosen]);
  }
}
