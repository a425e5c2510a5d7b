// The reader's conversations, each with its game. They are chat's, which answers on the same origin.
import { Failure, call, callUntilAnswered, showFailure } from "./api.js";
import { find, make } from "./dom.js";
import "./theme.js";

const SHOWN = 50;

function draw(conversations) {
  const items = conversations.map(({ id, title, agentId, updatedAt }) =>
    make("li", {}, make("a", { href: `/play/${id}` },
      make("strong", { textContent: title || "Untitled" }),
      make("small", { textContent: `${agentId} · ${new Date(updatedAt).toLocaleString()}` }))));
  if (!items.length) items.push(make("li", { className: "hint", textContent: "You have none yet." }));
  find("games").replaceChildren(...items);
  find("games").ariaBusy = "false";
}

find("begin").addEventListener("click", async () => {
  find("begin").disabled = true;
  try {
    const { id } = await call("POST", "/api/conversations", { agentId: "module-writer" });
    location.assign(`/play/${id}`);
  } catch (failure) {
    showFailure(failure);
    find("begin").disabled = false;
  }
});

try {
  draw(await callUntilAnswered("GET", `/api/conversations?limit=${SHOWN}`));
} catch (failure) {
  find("games").ariaBusy = "false";
  if (failure.status === 404) failure = new Failure("Open /play where all services share one address.", 400);
  showFailure(failure);
}
