// The lines that were typed in a conversation's console, kept in this browser.

const MOST = 100;

export class History {
  #key;
  #lines;
  #place = null;
  #draft = "";

  constructor(conversation) {
    this.#key = `takaro.play.lines.${conversation}`;
    this.#lines = this.#read();
  }

  add(line) {
    this.#lines = [...this.#read().filter((each) => each !== line), line].slice(-MOST);
    this.leave();
    try {
      localStorage.setItem(this.#key, JSON.stringify(this.#lines));
    } catch {
      // Storage is full or switched off: they last as long as the page.
    }
  }

  /** The line before (-1) or after (1); null at either end. What was being typed comes after the last one. */
  move(way, current) {
    if (this.#place === null) {
      this.#draft = current;
      this.#place = this.#lines.length;
    }
    const place = this.#place + way;
    if (place < 0 || place > this.#lines.length) return null;
    this.#place = place;
    return this.#lines[place] ?? this.#draft;
  }

  /** Somebody types a line of their own. */
  leave() {
    this.#place = null;
  }

  /** Another tab may have added to them. */
  #read() {
    try {
      const kept = JSON.parse(localStorage.getItem(this.#key));
      if (Array.isArray(kept)) return kept.filter((line) => typeof line === "string");
    } catch {
      // Not ours, or storage is switched off.
    }
    return this.#lines ?? [];
  }
}
