// The list of what is on its way into the library: a line for each file, with what can be done about it.

import { cancelJob, job, jobs, mayPass, retryJob, video } from "/static/api.js";
import { isDismissed, rememberDismissed } from "/static/dismissed.js";
import { $, icon, make } from "/static/dom.js";
import { showLibrary } from "/static/library.js";

const POLL_MS = 600;
// Times POLL_MS between two looks at a job, when many are followed: some three calls a second in all. Few run at once.
const SLOWEST = { running: 5, queued: 100 };
const MOST_FOUND = 10; // of each kind: the list is to stay a small one
const MOST_ASKED = 30; // of the failed ones some were made good meanwhile, and are not shown
const RECENT_MS = 7 * 24 * 3600 * 1000;
const STATES = { queued: "going", running: "going", done: "ok", failed: "failed", cancelled: "cancelled" };
const WORDS = { queued: "Waiting", running: "Reading", done: "Ready to search", failed: "Failed", cancelled: "Cancelled" };

const DISMISS = ".upload-list .icon-button:not([hidden])";

const lines = new Set();
let following = 0;

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const lineOf = (videoId) => [...lines].find((line) => line.videoId === videoId);

class Line {
  state = "going"; // or "ok", "failed", "cancelled"
  jobId = null;
  videoId = null;
  watched = null; // the job that is looked at again and again
  #cancel = null; // what its buttons do; null: there is nothing to do
  #again = null;
  #notice = ""; // what came of a button; stays until the next one is pressed
  #busy = false;

  constructor(name) {
    const button = (label, act) => {
      const made = make("button", { class: "button small", type: "button", "aria-label": `${label}: ${name}` }, label);
      // The second click of a double click is not meant for what has come to be under the pointer.
      made.addEventListener("click", (event) => event.detail < 2 && this.#press(made, act));
      return made;
    };
    this.status = make("span", { class: "state", "aria-live": "polite" });
    this.progress = make("progress", { max: 1, value: 0, "aria-label": name });
    this.reason = make("p", { class: "reason", "aria-live": "polite" });
    this.cancelButton = button("Cancel", () => this.#cancel());
    this.againButton = button("Try again", () => this.#again());
    this.dismissButton = make("button", { class: "icon-button", type: "button", "aria-label": `Dismiss: ${name}` }, icon("close"));
    this.dismissButton.addEventListener("click", () => this.#dismiss());
    this.item = make(
      "li",
      {},
      make("span", { class: "name", title: name }, name),
      this.status,
      this.dismissButton,
      make("div", { class: "how" }, this.progress, this.reason),
      this.cancelButton,
      this.againButton,
    );
  }

  get isOver() {
    return this.state !== "going";
  }

  follows(jobId) {
    return this.jobId === jobId && !this.isOver && lines.has(this);
  }

  // ---- before there is a job

  waiting(stop) {
    this.jobId = this.videoId = null;
    this.#cancel = stop;
    this.#show("going", "Waiting to be sent", {});
  }

  sending(stop) {
    this.#cancel = stop;
    this.#show("going", "Sending", { progress: 0 });
  }

  sent(part) {
    this.#show("going", "Sending", { progress: part });
  }

  accepted({ video_id, job_id }) {
    lineOf(video_id)?.remove(); // the same bytes: that line is about this one too
    this.videoId = video_id;
    this.show({ id: job_id, video_id, status: job_id ? "queued" : "done", progress: 0 });
  }

  /** It is there, and whoever sent it may not look at its job. */
  sentOff() {
    this.jobId = null;
    this.#show("ok", "Sent", { reason: "It is taken in now. Your key may not watch that." });
  }

  stopped(again) {
    this.#again = again;
    this.#show("cancelled", WORDS.cancelled, { reason: "It was not sent." });
  }

  // ---- a job

  show(now) {
    this.jobId = now.id;
    this.videoId = now.video_id;
    const [state, isWaiting] = [STATES[now.status], now.status === "queued" && now.problem];
    this.#cancel = async () => this.show(await cancelJob(now.id));
    this.#again = async () => {
      this.show(await retryJob(now.id));
      follow(this);
    };
    const reason = now.problem?.detail ?? (state === "cancelled" ? "Stopped before it was done; its file is kept." : "");
    this.#show(state, isWaiting ? "Waiting to try again" : WORDS[now.status], { reason, progress: now.progress });
  }

  /** The server does not answer just now. */
  away(reason) {
    this.#show(this.state, this.status.textContent, { reason, progress: this.progress.value });
  }

  /** It came to an end of which no job tells; `again` does it once more, if there is any hope. */
  fail(reason, again) {
    this.#again = again;
    this.#show("failed", WORDS.failed, { reason });
  }

  // ---- what is shown

  #show(state, words, { reason = "", progress = 0 }) {
    const hadFocus = this.item.contains(document.activeElement);
    if (state !== this.state) this.#notice = "";
    this.state = state;
    this.item.className = state;
    // Only what is new is written, since it is also spoken.
    for (const [element, text] of [[this.status, words], [this.reason, this.#notice || reason]]) {
      if (element.textContent !== text) element.textContent = text;
    }
    this.progress.value = progress;
    this.progress.hidden = state !== "going";
    this.cancelButton.hidden = state !== "going" || !this.#cancel;
    this.againButton.hidden = !["failed", "cancelled"].includes(state) || !this.#again;
    // A file on its way from here would be lost from sight; a job is found again.
    this.dismissButton.hidden = !this.isOver && !this.jobId;
    this.dismissButton.title = this.isOver ? "Dismiss" : "Hide; it goes on";
    if (hadFocus && !this.item.contains(document.activeElement?.closest("button:not([hidden])"))) {
      (this.item.querySelector(".button:not([hidden])") ?? this.dismissButton).focus();
    }
    showCounts();
  }

  async #press(button, act) {
    if (this.#busy) return;
    this.#busy = true;
    this.#notice = "";
    button.setAttribute("aria-disabled", "true");
    try {
      await act();
    } catch (error) {
      this.#notice = error.message;
      // Where trying again cannot help, as the film is gone or was taken in since, it is not offered once more.
      if (this.isOver && !mayPass(error) && error.status !== 401) this.#again = null;
      this.#show(this.state, this.status.textContent, { progress: this.progress.value });
    } finally {
      this.#busy = false;
      button.removeAttribute("aria-disabled");
    }
  }

  #dismiss() {
    const near = [this.item.nextElementSibling, this.item.previousElementSibling, document];
    if (this.jobId) rememberDismissed([this.mark]);
    this.remove();
    const next = near.map((place) => place?.querySelector(DISMISS)).find(Boolean); // never on what does something else
    (next ?? $("pick-upload")).focus();
  }

  /** By which it is known that it was dismissed: one that is hidden while it runs shows up again if it fails. */
  get mark() {
    return markOf(this.jobId, this.isOver);
  }

  remove() {
    this.item.remove();
    lines.delete(this);
    showCounts();
  }
}

const markOf = (jobId, isOver) => `${jobId} ${isOver ? "over" : "going"}`;

/** How many are on their way and how many failed, where it is seen with the window closed. */
function showCounts() {
  const count = (state) => [...lines].filter((line) => line.state === state).length;
  const [going, failed] = [count("going"), count("failed")];
  $("badge").hidden = !going && !failed;
  $("badge").textContent = failed || going;
  $("badge").classList.toggle("failed", failed > 0);
  const words = [failed && `${failed} failed`, going && `${going} being added`].filter(Boolean).join(", ");
  $("open-upload").title = words;
  $("open-upload").ariaLabel = words ? `Add videos: ${words}` : null;
  $("clear-uploads").hidden = lines.size - going < 2;
}

/** A new line; `first`: at the top. */
export function addLine(name, { first = false } = {}) {
  const line = new Line(name);
  lines.add(line);
  $("upload-list")[first ? "prepend" : "append"](line.item);
  return line;
}

export function clearOver() {
  const over = [...lines].filter((line) => line.isOver);
  rememberDismissed(over.filter((line) => line.jobId).map((line) => line.mark));
  for (const line of over) line.remove();
}

export function emptyList() {
  for (const line of [...lines]) line.remove();
}

/** Looks at a line's job until it is over, or the line is gone. */
export async function follow(line) {
  const id = line.jobId;
  let status = "queued";
  following += 1;
  line.watched = id;
  try {
    while (line.follows(id)) {
      try {
        const now = await job(id);
        if (line.follows(id)) line.show(now);
        status = now.status;
      } catch (error) {
        if (!line.follows(id)) return;
        // It goes on all the same: whoever signs in, or opens the list again, is shown how far it is.
        if (error.status === 401) return line.away("Sign in to see how it goes on.");
        if (mayPass(error)) line.away(error.message);
        else line.fail(error.message, null);
      }
      if (line.follows(id)) await pause(POLL_MS * Math.min(following, SLOWEST[status] ?? 1));
    }
  } finally {
    following -= 1;
    if (line.watched === id) line.watched = null;
  }
  if (line.state === "ok") await showLibrary().catch(() => {}); // the count is an ornament
}

// ---- after a reload, and what others add

/** Shows the jobs that are not over, and those that failed lately. True when there are more than are shown. */
export async function findJobs() {
  const going = new Map();
  // In the order of a job's life, one after the other: what moves on meanwhile is met further on.
  for (const status of ["queued", "running"]) {
    for (const found of (await jobs(status, 100)).jobs) if (isIngest(found)) going.set(found.video_id, found);
  }
  const failed = new Map();
  for (const found of (await jobs("failed", 100)).jobs) {
    const isOld = Date.now() - Date.parse(found.finished_at) > RECENT_MS;
    if (isIngest(found) && !isOld && !going.has(found.video_id) && !failed.has(found.video_id)) failed.set(found.video_id, found);
  }
  for (const found of going.values()) takeUp(found);
  for (const line of lines) if (line.jobId && !line.isOver && !line.watched) follow(line); // it may be done meanwhile
  const newGoing = [...going.values()].reverse().filter(isNew);
  const newFailed = [...failed.values()].filter(isNew);
  let left = newFailed.length > MOST_ASKED;
  for (const [wanted, isCounted] of [
    [newGoing.slice(0, MOST_FOUND + 1), (line) => !line.isOver],
    [newFailed.slice(0, MOST_ASKED), (line) => line.isOver],
  ]) {
    const described = (await Promise.all(wanted.map(withName))).filter((one) => one && isNew(one.found)); // still new
    const room = Math.max(0, MOST_FOUND - [...lines].filter(isCounted).length);
    left ||= described.length > room;
    for (const { found, name } of described.slice(0, room)) {
      const line = addLine(name);
      line.show(found);
      follow(line);
    }
  }
  return left;
}

const isIngest = (found) => found.kind === "ingest" && found.video_id;
const isNew = (found) => !lineOf(found.video_id) && !isDismissed(markOf(found.id, STATES[found.status] !== "going"));

/** The line of a video that is being taken in, if there is one, follows the job that is at it now. */
function takeUp(found) {
  const line = lineOf(found.video_id);
  if (!line) return;
  line.show(found);
  if (line.watched !== found.id) follow(line);
}

/** The job with its file's name; null when it is of no interest any more: the video is gone, or not for want of this. */
async function withName(found) {
  try {
    const { filename, status, problem } = await video(found.video_id);
    const isSettled = found.status === "failed" && (status !== "failed" || problem?.code === "ingest_cancelled");
    return isSettled ? null : { found, name: filename };
  } catch (error) {
    if (error.status === 404) return null;
    if (error.status === 403) return { found, name: found.video_id }; // a key for jobs, and not for the library
    throw error;
  }
}
