// A Node application on kb-sync that a test directs: one JSON call a line in, one JSON answer a line out.
// argument: {redis, bullmq: package, otel?: package}; a call is {call, op, …}; an answer {call, result} or {call, error}
import { createInterface } from "node:readline";

const { redis, bullmq, otel } = JSON.parse(process.argv[2]);
const { Job, Queue, QueueEvents, UnrecoverableError, Worker } = await import(bullmq);
const { hostname: host, port } = new URL(redis);
const connection = { host, port: Number(port), maxRetriesPerRequest: null };
const traces = otel ? await (await import("./tracing.mjs")).record(otel) : undefined;
const queue = new Queue("kb-sync", { connection, telemetry: traces?.telemetry });
const queueEvents = new QueueEvents("kb-sync", { connection, lastEventId: "0-0" }); // from the queue's beginning
await queueEvents.waitUntilReady();
let worker, board;

const seen = []; // what QueueEvents told: {event, jobId, …}
for (const event of ["added", "waiting", "delayed", "active", "progress", "completed", "failed", "retries-exhausted",
  "stalled", "duplicated", "deduplicated", "removed"]) {
  queueEvents.on(event, (told) => seen.push({ event, ...told }));
}
let usual = null; // what a job returns whose data don't say
const runs = []; // what this application's worker ran: {id, name, data, attempt, at: ms}

// The same script of a job as `scripted` in sides.py.
async function scripted(job) {
  const { progress, logs = [], fail, succeedsAt, hold, returns = usual } = job.data;
  runs.push({ id: job.id, name: job.name, data: job.data, attempt: job.attemptsMade, at: Date.now() });
  if (progress !== undefined) await job.updateProgress(progress);
  for (const line of logs) await job.log(line);
  if (hold) await new Promise(() => {});
  if (fail && job.attemptsMade + 1 !== succeedsAt) {
    throw job.data.final ? new UnrecoverableError(fail) : new Error(fail);
  }
  return returns;
}

async function snapshot(id) {
  const state = await queue.getJobState(id); // first: what is read after it is at least as new
  const job = await Job.fromId(queue, id);
  if (!job) return null;
  const { name, data, opts, returnvalue = null, failedReason = null, stacktrace, progress, attemptsMade } = job;
  const { attemptsStarted, stalledCounter, processedOn, finishedOn, timestamp, repeatJobKey = null } = job;
  const { logs } = await queue.getJobLogs(id);
  return {
    id, name, data, opts, state, returnvalue, failedReason, stacktrace: stacktrace ?? [], progress, attemptsMade,
    attemptsStarted, stalledCounter, processedOn, finishedOn, timestamp, repeatJobKey, logs,
  };
}

const ops = {
  add: async ({ name, data, opts }) => {
    const add = () => queue.add(name, data, opts);
    return (await (traces ? traces.inSpan("ask for a sync", add) : add())).id;
  },
  snapshot: ({ id }) => snapshot(id),
  wait: async ({ id, timeout }) => (await Job.fromId(queue, id)).waitUntilFinished(queueEvents, timeout),
  events: () => seen,
  runs: () => runs,
  queue: async ({ method, args = [] }) => (await queue[method](...args)) ?? null,
  job: async ({ id, method, args = [] }) => void (await (await Job.fromId(queue, id))[method](...args)),
  schedule: async ({ id, repeat, template }) => void (await queue.upsertJobScheduler(id, repeat, template)),
  jobs: async ({ states }) => Promise.all((await queue.getJobs(states, 0, -1, true)).map(({ id }) => snapshot(id))),
  work: async ({ returns = null, ...options }) => {
    usual = returns;
    worker = new Worker("kb-sync", scripted, { connection, telemetry: traces?.telemetry, ...options });
    worker.on("error", () => {});
    await worker.waitUntilReady();
  },
  rest: async () => void (await worker.close()),
  spans: () => traces.spans(),
  board: async ({ method, path, query, body }) => {
    board ??= (await import("./board.mjs")).openBoard(queue);
    return board({ method, path, query, body });
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { call, op, ...args } = JSON.parse(line);
  const answer = (outcome) => console.log(JSON.stringify({ call, ...outcome }));
  Promise.resolve().then(() => ops[op](args)).then(
    (result) => answer({ result: result ?? null }),
    (error) => answer({ error: error.stack ?? String(error) }),
  );
}
await Promise.all([worker?.close(true), queueEvents.close()]);
await queue.close();
process.exit(0);
