// Bull Board's API without a web server: its routes, matched and called as its server adapters do.
import { createRequire } from "node:module";

const { createBullBoard } = createRequire(import.meta.url)("@bull-board/api");
const { BullMQAdapter } = createRequire(import.meta.url)("@bull-board/api/bullMQAdapter");

/** A caller of the board of `queue`: ({method, path, query?, body?}) → {status, body}. */
export function openBoard(queue) {
  let routes, queues, onError;
  const adapter = {
    setQueues: (value) => ((queues = value), adapter),
    setApiRoutes: (value) => ((routes = value), adapter),
    setErrorHandler: (value) => ((onError = value), adapter),
    setViewsPath: () => adapter,
    setStaticPath: () => adapter,
    setEntryRoute: () => adapter,
    setUIConfig: () => adapter,
  };
  createBullBoard({ queues: [new BullMQAdapter(queue)], serverAdapter: adapter, options: { uiBasePath: "." } });

  return async ({ method, path, query = {}, body = {} }) => {
    for (const route of routes) {
      if (![route.method].flat().includes(method)) continue;
      for (const pattern of [route.route].flat()) {
        const params = matched(pattern, path);
        if (!params) continue;
        try {
          const answer = await route.handler({ queues, uiConfig: {}, params, query, body, headers: {} });
          return { status: answer.status ?? 200, body: answer.body ?? null };
        } catch (error) {
          const answer = onError(error);
          return { status: answer.status ?? 500, body: answer.body };
        }
      }
    }
    throw new Error(`no route for ${method} ${path}`);
  };
}

function matched(pattern, path) {
  const names = [];
  const expression = pattern.replace(/:(\w+)/g, (_, name) => (names.push(name), "([^/]+)"));
  const found = new RegExp(`^${expression}$`).exec(path);
  return found && Object.fromEntries(names.map((name, i) => [name, decodeURIComponent(found[i + 1])]));
}
