// What an event says, in one line, for people. No access to the page.

/** The kinds that the filters know. */
export const KINDS = {
  chat: "Chat",
  player: "Players",
  command: "Commands",
  hook: "Hooks",
  cronjob: "Cron jobs",
  server: "Server",
};

const CHANNELS = { global: "", team: " (team)", friends: " (friends)", whisper: " (whisper)" };

const REASONS = {
  started: "The server started",
  stopped: "The server stopped",
  moved: "The server moved to another conversation",
  conversation_deleted: "The conversation was deleted",
};

/** A name, whatever form the sender gave it. */
function nameOf(thing, otherwise) {
  if (typeof thing === "string") return thing;
  return thing?.name ?? thing?.gameId ?? otherwise;
}

/** The first line of what a module's run logged. */
function resultOf(meta) {
  const result = meta.result;
  if (result === undefined || result === null) return "";
  if (typeof result === "string") return result;
  return (result.logs ?? []).map((log) => log.msg).join("\n");
}

function successOf(meta) {
  return meta.success ?? meta.result?.success ?? true;
}

/** `{kind, title, text, failed}` of an event of the stream. */
export function describe({ eventName, meta = {} }) {
  switch (eventName) {
    case "chat-message": {
      const who = nameOf(meta.player, "Server");
      return { kind: "chat", title: who + (CHANNELS[meta.channel] ?? ""), text: String(meta.msg ?? "") };
    }
    case "player-connected":
      return { kind: "player", title: nameOf(meta.player, "A player"), text: "connected" };
    case "player-disconnected": {
      const why = meta.reason ? ` (${meta.reason})` : "";
      return { kind: "player", title: nameOf(meta.player, "A player"), text: `disconnected${why}` };
    }
    case "command-executed":
      return run("command", nameOf(meta.command, "command"), meta);
    case "hook-executed":
      return run("hook", nameOf(meta.hook, "hook"), meta);
    case "cronjob-executed":
      return run("cronjob", nameOf(meta.cronjob, "cron job"), meta);
    default:
      return { kind: "server", title: eventName, text: meta.msg ? String(meta.msg) : "" };
  }
}

function run(kind, title, meta) {
  return { kind, title, text: resultOf(meta), failed: !successOf(meta) };
}

/** The same for a change of the server's status. */
export function describeStatus({ status, reason }) {
  const failed = status === "error";
  const title = REASONS[reason] ?? `The server is ${status}`;
  return { kind: "server", title, text: failed && reason && !(reason in REASONS) ? reason : "", failed };
}
