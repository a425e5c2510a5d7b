// Follows a session's events, and comes back by itself after whatever ends the stream.
//
// A browser's own reconnecting gives up for good on any status but 200, and a new EventSource sends no
// Last-Event-ID; so each connection here is a new one, which names the last event in its query.

const SILENCE_MS = 75_000; // two heartbeats and a half
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 5_000;

/** Dispatches `state` (live, connecting, waiting), `connected`, `status`, `game` and `broken`. */
export class Feed extends EventTarget {
  #path;
  #source = null;
  #lastId = null;
  #attempts = 0;
  #timer = null;
  #silence = null;

  constructor(path) {
    super();
    this.#path = path;
  }

  open() {
    this.close();
    const query = this.#lastId === null ? "" : `?lastEventId=${encodeURIComponent(this.#lastId)}`;
    const source = new EventSource(this.#path + query);
    this.#source = source;
    this.#listen();
    source.addEventListener("connected", (event) => {
      this.#attempts = 0;
      this.#tell("state", { state: "live" });
      this.#received("connected", event);
    });
    for (const [name, told] of [["event", "game"], ["status", "status"], ["heartbeat", null]]) {
      source.addEventListener(name, (event) => this.#received(told, event));
    }
    source.addEventListener("error", (event) => {
      if (event.data === undefined) this.#comeBack("connecting");
      else this.#comeBack("waiting", JSON.parse(event.data).error);
    });
  }

  close() {
    clearTimeout(this.#timer);
    clearTimeout(this.#silence);
    this.#source?.close();
    this.#source = null;
  }

  /** Now, and not when the wait is over. */
  hurry() {
    if (this.#timer !== null && this.#source === null) this.open();
  }

  #received(told, event) {
    this.#listen();
    if (event.lastEventId) this.#lastId = event.lastEventId;
    if (told !== null) this.#tell(told, JSON.parse(event.data));
  }

  #listen() {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#comeBack("connecting"), SILENCE_MS);
  }

  #comeBack(state, reason = null) {
    this.close();
    this.#tell("state", { state, reason });
    const wait = state === "waiting" ? LONGEST_WAIT_MS : FIRST_WAIT_MS * 2 ** this.#attempts;
    this.#attempts = Math.min(this.#attempts + 1, 10);
    // Not all tabs at the same moment.
    const milliseconds = Math.min(LONGEST_WAIT_MS, wait) * (0.75 + Math.random() / 2);
    this.#timer = setTimeout(() => this.open(), milliseconds);
    this.#tell("broken", {});
  }

  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
