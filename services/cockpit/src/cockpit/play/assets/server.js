// The mock server: what it does, whether Takaro knows it, and the buttons for that.
import { call, clearNotice, showFailure } from "./api.js";
import { find, say } from "./dom.js";

const LABELS = { stopped: "Stopped", starting: "Starting…", running: "Running", stopping: "Stopping…", error: "Error" };
const TAKARO = {
  stopped: "not connected",
  starting: "connecting…",
  running: "connected",
  stopping: "disconnecting…",
  error: "refused",
};

export class Server {
  #path;
  #changed;
  #status = null;
  #busy = false;

  /** `changed` is told each new status. */
  constructor(path, changed) {
    this.#path = path;
    this.#changed = changed;
    find("start").addEventListener("click", () => this.#ask("start"));
    find("stop").addEventListener("click", () => this.#ask("stop"));
  }

  get running() {
    return this.#status?.status === "running";
  }

  async refresh() {
    this.show(await call("GET", `${this.#path}/status`));
  }

  /** A status as the API and the stream have it. */
  show(status) {
    this.#status = status;
    this.#draw();
    this.#changed(status);
  }

  async #ask(what) {
    this.#busy = true;
    this.#draw();
    try {
      this.show(await call("POST", `${this.#path}/${what}`));
      clearNotice();
    } catch (failure) {
      showFailure(failure);
    } finally {
      this.#busy = false;
      this.#draw();
      // The button that was pressed is disabled now: the keyboard goes on from the other one.
      if (document.activeElement === document.body) find(this.running ? "stop" : "start").focus();
    }
  }

  #draw() {
    const { status = "stopped", gameServerId = null, reason = null } = this.#status ?? {};
    const shown = find("status");
    shown.dataset.status = status;
    say(shown, LABELS[status] ?? status);
    say(find("server-id"), gameServerId?.slice(0, 8) ?? "–");
    find("server-id").title = gameServerId ?? "";
    find("reason").hidden = status !== "error";
    say(find("reason"), status === "error" ? (this.#status.error ?? reason ?? "Takaro gave no reason.") : "");
    const takaro = this.#takaro(status);
    find("takaro").parentElement.hidden = takaro === null;
    say(find("takaro"), takaro ?? "");
    const up = status === "running" || status === "starting" || status === "stopping";
    find("start").disabled = this.#busy || up;
    find("stop").disabled = this.#busy || status === "stopped" || status === "stopping";
    find("start").parentElement.ariaBusy = String(this.#busy);
  }

  /** What is known of the connection to Takaro; null if nothing is. */
  #takaro(status) {
    const known = this.#status?.takaro;
    if (known === undefined) return status === "starting" || status === "error" ? TAKARO[status] : null;
    return known === null ? "runs on its own" : (TAKARO[known.status ?? known] ?? String(known.status ?? known));
  }
}
