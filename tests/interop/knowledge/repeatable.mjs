// Makes the existing application's repeatable, every second, and takes it away after some iterations.
// argument: {redis, data, key, iterations, wait: ms}; prints the data and results of the iterations
import { Queue, QueueEvents } from "bullmq";

const { redis, data, key, iterations, wait } = JSON.parse(process.argv[2]);
const { hostname: host, port } = new URL(redis);
const connection = { host, port: Number(port), maxRetriesPerRequest: null };
const queue = new Queue("kb-sync", { connection });
const events = new QueueEvents("kb-sync", { connection, lastEventId: "0-0" });
await events.waitUntilReady();
await queue.add("sync", data, {
  repeat: { pattern: "* * * * * *", key },
  removeOnComplete: { count: 100 },
  removeOnFail: { count: 50 },
});
const deadline = Date.now() + wait;
let done = [];
while (Date.now() < deadline) {
  done = await queue.getJobs(["completed", "failed"]);
  if (done.length >= iterations) break;
  await new Promise((resolve) => setTimeout(resolve, 100));
}
const repeatables = await queue.getRepeatableJobs();
for (const repeatable of repeatables) await queue.removeRepeatableByKey(repeatable.key);
console.log(JSON.stringify({
  jobs: done.map(({ id, data, failedReason, returnvalue }) => ({ id, data, failedReason, returnvalue })),
  repeatables: repeatables.length,
}));
await events.close();
await queue.close();
