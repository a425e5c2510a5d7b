// Adds jobs to kb-sync with the existing application's library and waits for what comes of them.
// argument: {redis, jobs: [{name, data, opts}], wait: ms}; prints [{id, state, returnvalue, failedReason, stacktrace}]
import { Job, Queue, QueueEvents } from "bullmq";

const { redis, jobs, wait } = JSON.parse(process.argv[2]);
const { hostname: host, port } = new URL(redis);
const connection = { host, port: Number(port), maxRetriesPerRequest: null };
const queue = new Queue("kb-sync", { connection });
// From the start of the events: by default it misses what happens until its first read is on its way.
const events = new QueueEvents("kb-sync", { connection, lastEventId: "0-0" });
await events.waitUntilReady();

const results = await Promise.all(jobs.map(async ({ name, data, opts }) => {
  const job = await queue.add(name, data, opts);
  let returned = null;
  try {
    returned = await job.waitUntilFinished(events, wait);
  } catch (error) {
    returned = { error: error.message };
  }
  const after = await Job.fromId(queue, job.id);
  return {
    id: job.id,
    returned,
    state: after ? await after.getState() : "removed",
    returnvalue: after?.returnvalue ?? null,
    failedReason: after?.failedReason ?? null,
    attemptsMade: after?.attemptsMade ?? null,
    progress: after?.progress ?? null,
    logs: after ? (await queue.getJobLogs(job.id)).logs : [],
  };
}));
console.log(JSON.stringify(results));
await events.close();
await queue.close();
