// The list of events: what happened, with filters.
import { KINDS, describe, describeStatus } from "./describe.js";
import { Scrolling, find, make, say, time } from "./dom.js";

const MOST = 500;

export class Events {
  #list = find("events");
  #scrolling = new Scrolling(find("events"), find("newest"));
  #hidden = new Set();
  #sought = "";

  constructor() {
    for (const [kind, label] of Object.entries(KINDS)) find("kinds").append(this.#filter(kind, label));
    find("find").addEventListener("input", (event) => {
      this.#sought = event.target.value.trim().toLowerCase();
      this.#filterAll();
    });
  }

  happened(event) {
    this.#add(describe(event), event.createdAt);
  }

  statusChanged(event) {
    this.#add(describeStatus(event), event.createdAt);
  }

  #add({ kind, title, text, failed = false }, createdAt) {
    const words = make("p", {}, make("strong", { textContent: title }), " ", make("span", { textContent: text }));
    const item = make("li", { data: { kind, failed } }, time(createdAt), make("b", { className: "tag", textContent: KINDS[kind] }), words);
    this.#filterOne(item);
    this.#list.append(item);
    while (this.#list.children.length > MOST) this.#list.firstElementChild.remove();
    this.#count();
    if (!item.hidden) this.#scrolling.added();
  }

  #filter(kind, label) {
    const box = make("input", { type: "checkbox", checked: true, name: "kind", value: kind });
    box.addEventListener("change", () => {
      if (box.checked) this.#hidden.delete(kind);
      else this.#hidden.add(kind);
      this.#filterAll();
    });
    return make("label", { className: "chip", data: { kind } }, box, make("span", { textContent: label }));
  }

  #filterOne(item) {
    const found = item.textContent.toLowerCase().includes(this.#sought);
    item.hidden = this.#hidden.has(item.dataset.kind) || !found;
  }

  #filterAll() {
    for (const item of this.#list.children) this.#filterOne(item);
    this.#count();
    this.#scrolling.toEnd();
  }

  #count() {
    const all = this.#list.children.length;
    const shown = [...this.#list.children].filter((item) => !item.hidden).length;
    find("quiet").hidden = shown > 0;
    say(find("quiet"), all > 0 ? "The filters hide all events." : "Nothing has happened yet.");
    say(find("shown"), shown < all ? `${shown} of ${all}` : "");
  }
}
