// The window that adds files to the library, and shows what is being added: by whomever, also after a reload.

import { cancelJob, mayPass, upload } from "/static/api.js";
import { $ } from "/static/dom.js";
import { addLine, clearOver, emptyList, findJobs, follow } from "/static/jobs.js";
import { onSession } from "/static/session.js";

let mayUseJobs = false;
let queue = Promise.resolve(); // files are sent one after the other: the line and the disk are shared
const unsent = new Map(); // what would be lost with the page, and how to stop it before it is sent

/** Sends a file when those before it are sent, and follows its job to the end. */
function add(file, line) {
  const stopping = new AbortController();
  const stop = () => {
    stopping.abort();
    unsent.delete(stopping);
    line.stopped(() => add(file, line));
  };
  line.waiting(stop);
  unsent.set(stopping, stop);
  queue = queue.then(() => send(file, line, stopping));
}

async function send(file, line, stopping) {
  if (stopping.signal.aborted) return;
  if (!line.item.isConnected) return void unsent.delete(stopping); // whoever chose it has signed out
  line.sending(() => stopping.abort());
  unsent.set(stopping, () => {});
  try {
    const accepted = await upload(file, (part) => line.sent(part), stopping.signal);
    line.accepted(accepted);
    if (accepted.job_id && !mayUseJobs) line.sentOff();
    else if (accepted.job_id) void watch(line, accepted, stopping.signal.aborted); // the next one does not wait for it
  } catch (error) {
    const again = () => add(file, line);
    if (error.name === "AbortError") line.stopped(again);
    else line.fail(error.message, mayPass(error) || error.status === 401 ? again : null);
    if (error.status === 401) for (const stop of [...unsent.values()]) stop(); // one who does not sign in is asked once
  } finally {
    unsent.delete(stopping);
  }
}

async function watch(line, { job_id, created }, isStopped) {
  try {
    // Stopped when all was sent: what somebody else adds too is not this page's to stop.
    if (isStopped && created) line.show(await cancelJob(job_id));
    await follow(line);
  } catch (error) {
    line.fail(error.message, null);
  }
}

async function showJobs() {
  if (!mayUseJobs) return;
  try {
    const left = await findJobs();
    $("upload-note").textContent = left ? "There is more than this list shows; “mmv-search jobs list” has it all." : "";
  } catch (error) {
    $("upload-note").textContent = `What else is being added is not known. ${error.message}`;
  }
}

export function setUpUploads() {
  const dialog = $("uploads");
  $("open-upload").addEventListener("click", () => {
    dialog.showModal();
    showJobs();
  });
  $("close-upload").addEventListener("click", () => dialog.close());
  $("pick-upload").addEventListener("click", () => $("upload-files").click());
  $("clear-uploads").addEventListener("click", () => {
    clearOver();
    $("pick-upload").focus();
  });
  $("upload-files").addEventListener("change", (event) => {
    const files = [...event.target.files];
    event.target.value = "";
    // The first of them is to be on top.
    const lines = files.reverse().map((file) => [file, addLine(file.name, { first: true })]);
    for (const [file, line] of lines.reverse()) add(file, line);
  });
  window.addEventListener("beforeunload", (event) => unsent.size && event.preventDefault());
  onSession((info) => {
    mayUseJobs = ["editor", "admin"].includes(info.role) && (!info.scopes.length || info.scopes.includes("jobs"));
    if (info.role === "reader") {
      dialog.close();
      emptyList();
    }
    showJobs();
  });
}
