// The window that adds files to the library and follows their jobs.

import { job, library, upload } from "/static/api.js";
import { $, make } from "/static/dom.js";
import { plural } from "/static/format.js";

const POLL_MS = 600;
const STAGES = { queued: "Waiting", running: "Reading", done: "Ready to search", failed: "Failed", cancelled: "Cancelled" };

export async function showLibrary() {
  const { total } = await library();
  $("library").textContent = total === undefined ? "" : plural(total, "video");
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function row(file) {
  const progress = make("progress", { max: 1, value: 0, "aria-label": file.name });
  const state = make("span", { class: "state" }, "Sending");
  const item = make("li", {}, make("span", { class: "name", title: file.name }, file.name), state, progress);
  $("upload-list").prepend(item);
  return {
    set(text, value) {
      state.textContent = text;
      if (value !== undefined) progress.value = value;
    },
    end(ok) {
      item.classList.add(ok ? "ok" : "failed");
      progress.hidden = true;
    },
  };
}

/** Polls a job until it ends; throws with the problem's sentence when it failed. */
async function follow(id, onChange) {
  for (;;) {
    const state = await job(id);
    onChange(state);
    if (state.status === "done") return;
    if (state.status === "failed" || state.status === "cancelled") {
      throw new Error(state.problem?.detail || STAGES[state.status]);
    }
    await pause(POLL_MS);
  }
}

async function add(file) {
  const line = row(file);
  try {
    const accepted = await upload(file, (part) => line.set("Sending", part));
    line.set(STAGES.queued, 0);
    if (accepted.job_id) {
      await follow(accepted.job_id, (state) => line.set(STAGES[state.status] ?? state.status, state.progress));
    }
    line.set(STAGES.done, 1);
    line.end(true);
    await showLibrary();
  } catch (error) {
    line.set(error.message);
    line.end(false);
  }
}

export function setUpUploads() {
  const dialog = $("uploads");
  $("open-upload").addEventListener("click", () => dialog.showModal());
  $("close-upload").addEventListener("click", () => dialog.close());
  $("pick-upload").addEventListener("click", () => $("upload-files").click());
  $("upload-files").addEventListener("change", async (event) => {
    const files = [...event.target.files];
    event.target.value = "";
    for (const file of files) await add(file); // one after the other: the disk and the worker are shared
  });
}
