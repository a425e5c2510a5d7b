// The page of one game: reads the session, follows its events, and tells each part what happened.
import { callUntilAnswered, clearNotice, showFailure } from "./api.js";
import { Console } from "./console.js";
import { find, say } from "./dom.js";
import { Events } from "./events.js";
import { Feed } from "./feed.js";
import { Players } from "./players.js";
import { Server } from "./server.js";
import "./theme.js";

const SESSIONS = "/api/cockpit/sessions";
const REFRESH_MS = 10_000; // what another tab selected is in no event
const LIVE = { live: "Live", connecting: "Reconnecting…", waiting: "Waiting" };

const conversation = document.body.dataset.conversation;

function begin(session) {
  const path = `${SESSIONS}/${session.id}`;
  const events = new Events();
  const console = new Console(`${path}/mock-server`, conversation, () => players.known);
  const players = new Players(path, (line) => console.run(line));
  const server = new Server(`${path}/mock-server`, ({ status }) => {
    console.ready = status === "running";
    refresh();
  });
  const feed = new Feed(`${path}/events`);

  let waiting = null;
  /** Reads the players, once for several events in a row. */
  function refresh() {
    waiting ??= setTimeout(() => {
      waiting = null;
      players.refresh().catch(() => {}); // the stream says when the service is back
    }, 100);
  }

  feed.addEventListener("state", ({ detail: { state, reason } }) => {
    const live = find("live");
    live.dataset.state = state;
    say(live, LIVE[state]);
    live.title = reason ?? "";
    if (state === "live") clearNotice();
  });
  feed.addEventListener("broken", async () => {
    // Why: who isn't signed in any more needn't wait.
    try {
      await server.refresh();
    } catch (failure) {
      if (failure.passes) return;
      feed.close();
      find("live").dataset.state = "ended";
      say(find("live"), "Ended");
      showFailure(failure);
    }
  });
  feed.addEventListener("connected", ({ detail }) => server.show(detail));
  feed.addEventListener("status", ({ detail }) => {
    events.statusChanged(detail);
    server.show(detail);
  });
  feed.addEventListener("game", ({ detail }) => {
    events.happened(detail);
    if (detail.eventName === "command-executed") console.executed(detail.meta);
    if (detail.eventName.startsWith("player-")) refresh();
  });
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return;
    feed.hurry();
    refresh();
  });
  addEventListener("online", () => feed.hurry());
  setInterval(() => document.hidden || refresh(), REFRESH_MS);
  feed.open();
  find("game").ariaBusy = "false";
}

try {
  begin(await callUntilAnswered("GET", `${SESSIONS}/${conversation}`));
} catch (failure) {
  find("live").dataset.state = "ended";
  say(find("live"), "Not connected");
  showFailure(failure);
}
