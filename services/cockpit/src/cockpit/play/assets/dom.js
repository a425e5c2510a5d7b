// Makes and finds elements. What players and servers say becomes text nodes, never HTML.

export const find = (id) => document.getElementById(id);

/** An element with properties (`data` goes to its dataset, `aria…` and `role` are attributes) and children. */
export function make(tag, { data = {}, ...properties } = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("aria") || name === "role") {
      element.setAttribute(name.replace(/^aria(?=[A-Z])/, "aria-").toLowerCase(), value);
    } else {
      element[name] = value;
    }
  }
  Object.assign(element.dataset, data);
  element.append(...children);
  return element;
}

/** The text of an element, written only when it changes: screen readers read each change aloud. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Hours, minutes and seconds of a time, and the whole of it for who points at it. */
export function time(iso) {
  const at = new Date(iso);
  return make("time", {
    dateTime: iso,
    title: at.toLocaleString(),
    textContent: at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false }),
  });
}

/** Keeps `list` at its end while new items come, unless the reader has scrolled up. */
export class Scrolling {
  constructor(list, newest = null) {
    this.list = list;
    this.newest = newest;
    this.atEnd = true;
    list.addEventListener("scroll", () => {
      this.atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 24;
      if (this.atEnd) this.#show(false);
    });
    // What stands beside it may grow, so that it shrinks.
    new ResizeObserver(() => this.atEnd && this.toEnd()).observe(list);
    newest?.addEventListener("click", () => {
      this.toEnd();
      list.focus();
    });
  }

  added() {
    if (this.atEnd) this.toEnd();
    else this.#show(true);
  }

  toEnd() {
    this.list.scrollTop = this.list.scrollHeight;
    this.atEnd = true;
    this.#show(false);
  }

  #show(shown) {
    if (this.newest) this.newest.hidden = !shown;
  }
}
