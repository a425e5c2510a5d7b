// Calls the API as the reader: with the cookie of /login or of Takaro.
import { find, make } from "./dom.js";

export class Failure extends Error {
  /** `status` is HTTP's, or 0 if there was no answer. */
  constructor(message, status) {
    super(message);
    this.status = status;
  }

  /** Whether to ask again helps. */
  get passes() {
    return [0, 429, 502, 503, 504].includes(this.status);
  }
}

/** `data` of the answer. Throws a Failure. */
export async function call(method, path, body) {
  const request = { method, headers: { Accept: "application/json" }, signal: AbortSignal.timeout(15_000) };
  if (body !== undefined) {
    request.headers["Content-Type"] = "application/json";
    request.body = JSON.stringify(body);
  }
  let answer, told;
  try {
    answer = await fetch(path, request);
    told = await answer.json();
  } catch {
    if (answer === undefined || answer.ok) throw new Failure("The service doesn't answer.", 0);
  }
  if (!answer.ok) throw new Failure(told?.error ?? `The service answered ${answer.status}.`, answer.status);
  return told.data;
}

export const wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** As `call`, again and again while that can help; the notice says so meanwhile. */
export async function callUntilAnswered(method, path) {
  for (let attempt = 0; ; attempt += 1) {
    try {
      const told = await call(method, path);
      if (attempt) clearNotice();
      return told;
    } catch (failure) {
      if (!failure.passes) throw failure;
      showFailure(failure);
      await wait(Math.min(5_000, 500 * 2 ** attempt));
    }
  }
}

/** Says above the page what went wrong; who isn't signed in finds the way there. */
export function showFailure(failure) {
  const notice = find("notice");
  const parts = [failure.message];
  if (failure.status === 401) {
    const next = encodeURIComponent(location.pathname);
    parts[0] = "You aren't signed in. ";
    parts.push(make("a", { href: `/login?next=${next}`, textContent: "Sign in" }));
  } else if (failure.passes) {
    parts.push(" Trying again…");
  } else if (failure.status === 403 || failure.status === 404) {
    parts.push(" ", make("a", { href: "/play", textContent: "All your games" }));
  }
  notice.replaceChildren(...parts);
  notice.hidden = false;
}

export function clearNotice() {
  find("notice").hidden = true;
}
