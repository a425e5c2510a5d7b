// Waits for a job that another program added. argument: {redis, id, wait: ms}; prints {name, data, opts, state, returnvalue}
import { Job, Queue } from "bullmq";

const { redis, id, wait } = JSON.parse(process.argv[2]);
const { hostname: host, port } = new URL(redis);
const queue = new Queue("kb-sync", { connection: { host, port: Number(port) } });
const deadline = Date.now() + wait;
let job, state;
do {
  job = await Job.fromId(queue, id);
  state = job ? await job.getState() : "missing";
  if (state === "completed" || state === "failed") {
    job = await Job.fromId(queue, id); // what was read before it ended lacks its result
    break;
  }
  await new Promise((resolve) => setTimeout(resolve, 50));
} while (Date.now() < deadline);
console.log(JSON.stringify({ name: job?.name, data: job?.data, opts: job?.opts, state, returnvalue: job?.returnvalue ?? null }));
await queue.close();
