// A runtime in Node, with fetch and ioredis: it counts your words with a tool, and says them back one by one.
//   npm install && node echo.mjs     # beside `make run`; NAME=second node echo.mjs is another instance
import { EventEmitter, once } from "node:events";
import { setTimeout as pause } from "node:timers/promises";
import { Redis } from "ioredis";

const env = process.env;
const api = `${env.CHAT_URL ?? env.TAKARO_URL ?? "http://127.0.0.1:3100"}/api/conversations`;
const agent = env.AGENT ?? "echo-node", name = env.NAME ?? "first", group = `runtime-${agent}`;
const ttlSeconds = Number(env.TTL_SECONDS ?? 6), paceMs = 1000 * Number(env.PACE_SECONDS ?? 0.2);
const dev = { "x-user-id": "echo-agent", "x-scope": "agent", "x-agents": agent };
const who = env.TAKARO_TOKEN ? { authorization: `Bearer ${env.TAKARO_TOKEN}` } : dev;
const commands = new Redis(env.EVENT_BUS_URL ?? "redis://127.0.0.1:6379"), events = commands.duplicate();

// {data} or {error}; asks again while chat is away. A POST keeps its key, so it has one effect.
async function ask(method, path, body, more) {
  const headers = { ...who, "content-type": "application/json", "idempotency-key": crypto.randomUUID(), ...more };
  for (;; await pause(500)) {
    const answer = await fetch(`${api}/${path}`, { method, headers, body: JSON.stringify(body) }).catch(() => null);
    if (answer && answer.status < 500 && answer.status !== 429) return answer.json();
  }
}

function announce() {
  const data = JSON.stringify({ agentId: agent, model: "echo", description: "Says what you said", ttlSeconds: 15 });
  commands.xadd("chat.commands", "*", "type", "chat.agent.announce.v1", "source", name, "data", data);
}

async function* facts() {
  await commands.xgroup("CREATE", "chat.events", group, "0", "MKSTREAM").catch(() => "it is there already");
  for (;;) {
    const asked = ["GROUP", group, name, "COUNT", 20, "BLOCK", 1000, "STREAMS", "chat.events", ">"];
    const [[, fresh]] = (await events.xreadgroup(...asked)) ?? [[null, []]];
    // And what an instance that died, or this one before, was given and hasn't acknowledged.
    const [, left] = await commands.xautoclaim("chat.events", group, name, 5000, "0", "COUNT", 20);
    for (const [id, fields] of [...left, ...fresh]) {
      const at = (key) => fields[fields.indexOf(key) + 1];
      yield { type: at("type"), data: JSON.parse(at("data")) };
      await commands.xack("chat.events", group, id);
    }
  }
}

// The turn that a fact asks for. 409: another instance was faster; 403: it is another agent's.
async function take({ type, data }) {
  const turns = `${data.conversationId}/turns`;
  if (type === "chat.turn.requested.v1" && data.agentId === agent)
    return (await ask("POST", turns, { turnId: data.turnId, ttlSeconds })).data;
  if (type !== "chat.turn.interrupted.v1") return null;
  const newest = (await ask("GET", `${turns}?limit=1`)).data?.[0]; // nobody has gone on yet
  return newest?.turnId === data.turnId ? (await ask("POST", turns, { ttlSeconds })).data : null;
}

// One long request: each line is shown as it comes. If it breaks off, all is sent again; chat knows what it has.
async function send(turn, url, headers) {
  async function* lines() {
    for (let at = 0; !turn.over; at++) {
      while (at === turn.pieces.length && !turn.done && !turn.over) await once(turn.news, "piece");
      if (at === turn.pieces.length || turn.over) return;
      yield Buffer.from(JSON.stringify({ number: at + 1, ...turn.pieces[at] }) + "\n");
    }
  }
  for (; !turn.over; await pause(500)) {
    const answer = await fetch(url, { method: "POST", headers, body: lines(), duplex: "half" }).catch(() => null);
    if (answer?.ok) return;
    if (answer && answer.status < 500) turn.over = (await answer.json()).error;
  }
}

async function work(taken) {
  if (!taken) return;
  const path = `${taken.conversationId}/turns/${taken.turnId}`, proof = { "x-turn-token": taken.token };
  const say = (what) => console.log(`${name}: conversation ${taken.conversationId}, turn ${taken.number}: ${what}`);
  const turn = { pieces: [], news: new EventEmitter(), done: false, over: null };
  const show = (piece) => turn.news.emit("piece", turn.pieces.push(piece));
  const renewing = setInterval(async () => {
    const { error, data } = await ask("PUT", path, { ttlSeconds }, proof);
    if (error || data.cancelled) turn.news.emit("piece", (turn.over ??= error ?? "cancelled"));
  }, (ttlSeconds * 1000) / 3);
  const sending = send(turn, `${api}/${path}/chunks`, { ...who, ...proof, "content-type": "application/x-ndjson" });
  const text = taken.history.findLast((message) => message.role === "user")?.content ?? "";
  const words = text.split(/\s+/).filter(Boolean), result = { success: true, output: words.length };
  say(`begins to answer '${text}'`);
  const call = { id: "1", name: "count_words" };
  show({ type: "tool_use", ...call, input: { text } });
  show({ type: "tool_result", ...call, result });
  const answer = `You said ${words.length} words: ${words.join(" ")}`.split(" ").map((word) => `${word} `);
  for (const content of answer) if (!turn.over) await pause(paceMs, show({ type: "text", content }));
  turn.news.emit("piece", (turn.done = true));
  await sending;
  const toolExecutions = [{ ...call, input: { text }, result }];
  const messages = [{ id: taken.turnId, role: "assistant", content: answer.join(""), toolExecutions }];
  const { error } = turn.over ? { error: turn.over } : await ask("POST", `${path}/finish`, { messages }, proof);
  say(error ? `stopped: ${error}` : "answered", clearInterval(renewing));
}

announce(setInterval(announce, 5000));
console.log(`${name}: serves the agent ${agent} (Ctrl-C to stop)`);
for await (const fact of facts()) work(await take(fact)).catch(console.error);
