// A conversation with Node, without packages; and the events of its mock game server, which go on after a broken
// connection where they were.
//   node examples/talk.mjs "Which hooks are there?"
const env = process.env;
const origin = env.TAKARO_URL ?? "http://127.0.0.1:3100";
const chat = env.CHAT_URL ?? origin;
const cockpit = env.COCKPIT_URL ?? origin;
const who = env.TAKARO_TOKEN ? { authorization: `Bearer ${env.TAKARO_TOKEN}` } : { "x-user-id": env.TAKARO_USER ?? "ann" };
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// A POST keeps its key for all attempts: so it has one effect, even if an answer was lost.
async function ask(method, url, body, key = crypto.randomUUID()) {
  for (let attempt = 1; ; attempt++) {
    const json = { accept: "application/json", "content-type": "application/json" };
    const headers = { ...who, ...json, "idempotency-key": key };
    const answer = await fetch(url, { method, headers, body: body && JSON.stringify(body) }).catch((error) => ({ error }));
    const passing = answer.error || [408, 429, 503].includes(answer.status);
    if (passing && attempt < 5) await pause(250 * 2 ** attempt);
    else if (answer.error) throw answer.error;
    else if (answer.ok) return (await answer.json()).data;
    else throw new Error(`${answer.status} ${await answer.text()} (trace ${answer.headers.get("x-trace-id")})`);
  }
}

async function* follow(url, lastEventId) {
  for (;;) {
    const headers = { ...who, ...(lastEventId && { "last-event-id": lastEventId }) };
    const answer = await fetch(url, { headers });
    if (!answer.ok && answer.status < 500 && answer.status !== 429) throw new Error(`${answer.status}`);
    let rest = "";
    try {
      for await (const piece of answer.body.pipeThrough(new TextDecoderStream())) {
        const events = (rest + piece).split("\n\n");
        rest = events.pop();
        for (const event of events) {
          const fields = Object.fromEntries(event.split("\n").map((line) => line.split(/: ?(.*)/s)));
          lastEventId = fields.id ?? lastEventId;
          if (fields.data && fields.event !== "heartbeat") yield { name: fields.event, data: JSON.parse(fields.data) };
        }
      }
    } catch (error) {
      console.error(`opened again: ${error.message}`);
    }
    await pause(1000);
  }
}

const conversation = await ask("POST", `${chat}/api/conversations`, { agentId: "module-writer" });
await ask("POST", `${chat}/api/conversations/${conversation.id}/messages`, { content: process.argv[2] ?? "hello" });
for (const message of await ask("GET", `${chat}/api/conversations/${conversation.id}/messages?limit=10`))
  console.log(message.role, message.content);

const session = await ask("GET", `${cockpit}/api/cockpit/sessions/${conversation.id}`);
await ask("POST", `${cockpit}/api/cockpit/sessions/${session.id}/mock-server/start`);
for await (const event of follow(`${cockpit}/api/cockpit/sessions/${session.id}/events`)) {
  console.log(event.name, event.data.status ?? event.data.eventName ?? "");
  if (event.data.status === "running") break;
}
await ask("POST", `${cockpit}/api/cockpit/sessions/${session.id}/mock-server/stop`);
