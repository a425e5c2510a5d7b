// Publishes commands to chat.commands as any Node program can, then follows chat.events in its own group.
// argument: {redis, events: [{…fields}], subject, count, wait: ms}; prints {sent: [entry ids], facts: [{…fields}]}
import Redis from "ioredis";

const { redis: url, events, subject, count, wait } = JSON.parse(process.argv[2]);
const redis = new Redis(url);

const pipeline = redis.pipeline();
for (const fields of events) pipeline.xadd("chat.commands", "*", ...Object.entries(fields).flat());
const sent = (await pipeline.exec()).map(([error, id]) => {
  if (error) throw error;
  return id;
});

await redis.xgroup("CREATE", "chat.events", "follower", "0", "MKSTREAM").catch((error) => {
  if (!error.message.startsWith("BUSYGROUP")) throw error;
});
const facts = [];
const deadline = Date.now() + wait;
while (facts.length < count && Date.now() < deadline) {
  const read = await redis.xreadgroup("GROUP", "follower", "node", "COUNT", 100, "BLOCK", 200, "STREAMS", "chat.events", ">");
  for (const [id, flat] of read?.[0]?.[1] ?? []) {
    const fields = {};
    for (let i = 0; i < flat.length; i += 2) fields[flat[i]] = flat[i + 1];
    if (fields.subject === subject) facts.push(fields);
    await redis.xack("chat.events", "follower", id);
  }
}
await redis.quit();
console.log(JSON.stringify({ sent, facts }));
