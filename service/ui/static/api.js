// The HTTP interface as functions. A failure is an ApiError whose message is the problem's own sentence.

import { MOST_PARTS, partsOf, wantedOf } from "/static/query.js";
import { askForKey } from "/static/session.js";

const PAGE_SIZE = 24;

export class ApiError extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || `The server answered ${status}.`);
    this.title = problem.title || "The search failed";
    this.code = problem.code || "";
    this.status = status;
  }
}

const SILENT_MS = 300_000; // an upload of which nothing is taken, or that is not answered, for so long is given up
const SILENT = { title: "No answer", detail: "The server has not answered for five minutes. Is it still running?", code: "unreachable" };
const UNREACHABLE = { title: "No answer", detail: "The server cannot be reached. Is it still running?", code: "unreachable" };

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

/** Does what `send` does, and once more after the user signed in, if the answer was that a key is needed. */
async function signedIn(send) {
  try {
    return await send();
  } catch (error) {
    if (error.status !== 401 || !(await askForKey())) throw error;
    return send();
  }
}

const call = (url, options) => signedIn(() => send(url, options));

async function send(url, options = {}) {
  let response;
  try {
    response = await fetch(url, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, UNREACHABLE);
  }
  const body = parsed(await response.text());
  if (!response.ok) throw new ApiError(response.status, body);
  return body;
}

const NOTHING_WANTED = {
  title: "Say what to look for",
  detail: "What follows a minus is kept away from. Write too what the moment should have, for example: a door -dark",
};

const TOO_MUCH = {
  title: "Too much at once",
  detail: `At most ${MOST_PARTS} things can be asked for at once, what follows each minus being one. Leave some out.`,
};

/** query: {q, file, kind, moment, match, group_by}; answers the response of /v1/search. */
export function search(query, cursor, signal) {
  const parameters = new URLSearchParams({ group_by: query.group_by, limit: PAGE_SIZE });
  parameters.set("match", query.match);
  if (cursor) parameters.set("cursor", cursor);
  const parts = partsOf(query);
  if (!wantedOf(parts)) throw new ApiError(0, NOTHING_WANTED);
  if (parts.length > MOST_PARTS) throw new ApiError(0, TOO_MUCH);
  const isPlain = parts.length === 1 && !query.moment;
  if (isPlain && !query.file) {
    parameters.set("q", query.q);
    return call(`/v1/search?${parameters}`, { signal });
  }
  const form = new FormData();
  if (!isPlain) form.set("query", JSON.stringify({ parts }));
  if (query.file) form.set("file", query.file);
  return call(`/v1/search${isPlain ? `/${query.kind}` : ""}?${parameters}`, { method: "POST", body: form, signal });
}

export const library = () => call("/v1/videos?limit=1");
export const video = (id) => call(`/v1/videos/${encodeURIComponent(id)}`);

const jobUrl = (id) => `/v1/jobs/${encodeURIComponent(id)}`;
export const job = (id) => call(jobUrl(id));
export const jobs = (status, limit) => call(`/v1/jobs?${new URLSearchParams({ status, limit })}`);
export const cancelJob = (id) => call(jobUrl(id), { method: "DELETE" });
export const retryJob = (id) => call(`${jobUrl(id)}/retry`, { method: "POST" });

/** Whether what failed may well go better a little later, with nothing changed. */
export const mayPass = (error) => error.code === "unreachable" || error.status === 429 || error.status >= 500;

/**
 * Sends a file to the library; XMLHttpRequest because fetch tells no upload progress. onProgress gets 0 to 1.
 * `signal` stops it (AbortError) as long as not all is sent: after that the answer comes, as the file may be accepted.
 */
export const upload = (file, onProgress, signal) => signedIn(() => sendFile(file, onProgress, signal));

function sendFile(file, onProgress, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    let sent = false;
    let why = new DOMException("It was stopped.", "AbortError");
    let silence;
    const stop = () => sent || request.abort();
    const giveUp = () => {
      why = new ApiError(0, SILENT);
      request.abort();
    };
    const listen = () => {
      clearTimeout(silence);
      silence = setTimeout(giveUp, SILENT_MS);
    };
    request.upload.onload = () => {
      sent = true;
      listen();
    };
    request.onabort = () => reject(why);
    request.onloadend = () => {
      clearTimeout(silence);
      signal.removeEventListener("abort", stop);
    };
    request.open("POST", "/v1/videos");
    request.upload.onprogress = (event) => {
      listen();
      if (event.lengthComputable) onProgress(event.loaded / event.total);
    };
    request.onerror = () => reject(new ApiError(0, UNREACHABLE));
    request.onload = () => {
      const body = parsed(request.responseText);
      if (request.status < 300) resolve(body);
      else reject(new ApiError(request.status, body));
    };
    const form = new FormData();
    form.set("file", file);
    signal.addEventListener("abort", stop);
    listen();
    request.send(form);
  });
}
