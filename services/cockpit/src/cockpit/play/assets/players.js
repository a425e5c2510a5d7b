// The players of the game, and the one that the reader tests as.
import { call, showFailure } from "./api.js";
import { find, make, say } from "./dom.js";

export class Players {
  #path;
  #run;
  #players = [];
  #selected = null;
  #asked = 0;
  #drawn = "";

  /** `run` runs a line of the console. */
  constructor(path, run) {
    this.#path = path;
    this.#run = run;
    find("nobody").addEventListener("click", () => this.#select(null));
  }

  get known() {
    return this.#players;
  }

  /** Reads them again. Answers that were overtaken by a later question don't count. */
  async refresh() {
    const asked = (this.#asked += 1);
    const told = await call("GET", `${this.#path}/players`);
    if (asked !== this.#asked) return;
    this.#players = told.players;
    this.#selected = told.selectedPlayerId;
    this.#draw();
  }

  async #select(id) {
    this.#asked += 1;
    this.#selected = id;
    this.#draw();
    try {
      await call("POST", `${this.#path}/select-player`, { playerId: id });
    } catch (failure) {
      showFailure(failure);
    }
    await this.refresh().catch(showFailure);
  }

  #draw() {
    const online = this.#players.filter((player) => player.online !== false).length;
    say(find("online"), this.#players.length ? `${online} of ${this.#players.length}` : "–");
    find("players-hint").hidden = this.#players.length > 0;
    find("nobody").disabled = this.#selected === null || !this.#players.length;
    const drawn = JSON.stringify([this.#players, this.#selected]);
    if (drawn === this.#drawn) return;
    this.#drawn = drawn;
    const focused = document.activeElement?.closest?.("#players [data-focus]")?.dataset.focus;
    find("players").replaceChildren(...this.#players.map((player, place) => this.#row(player, place)));
    if (focused) find("players").querySelector(`[data-focus="${CSS.escape(focused)}"]`)?.focus();
  }

  #row(player, place) {
    const online = player.online !== false;
    const radio = make("input", {
      type: "radio",
      name: "player",
      value: player.id,
      checked: player.id === this.#selected,
      data: { focus: `select-${player.id}` },
    });
    radio.addEventListener("change", () => this.#select(player.id));
    const face = make("span", { className: "face", data: { hue: place % 5 }, ariaHidden: "true", textContent: player.name.slice(0, 1) });
    const name = make("span", { className: "name" }, make("strong", { textContent: player.name }), make("small", { textContent: `id ${player.gameId} · ${online ? "online" : "offline"}` }));
    const toggle = make("button", {
      type: "button",
      className: "quiet",
      textContent: online ? "Disconnect" : "Connect",
      ariaLabel: `${online ? "Disconnect" : "Connect"} ${player.name}`,
      data: { focus: `toggle-${player.id}` },
    });
    toggle.addEventListener("click", () => this.#run(`${online ? "disconnectPlayer" : "connectPlayer"} ${player.gameId}`));
    return make("div", { className: "player", data: { online } }, make("label", {}, radio, face, name), toggle);
  }
}
