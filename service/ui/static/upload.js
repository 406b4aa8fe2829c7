// The window that adds files to the library, and shows what is being added: by whomever, also after a reload.

import { cancelJob, mayPass, upload } from "/static/api.js";
import { $ } from "/static/dom.js";
import { addLine, clearOver, emptyList, findJobs, follow } from "/static/jobs.js";
import { onSession } from "/static/session.js";

let mayUseJobs = false;

/** Sends a file and follows its job to the end. */
async function add(file, line = addLine(file.name, { first: true })) {
  const stopping = new AbortController();
  line.sending(() => stopping.abort());
  try {
    const accepted = await upload(file, (part) => line.sent(part), stopping.signal);
    line.accepted(accepted);
    if (!accepted.job_id) return;
    // Stopped when all was sent: what somebody else adds too is not this page's to stop.
    if (stopping.signal.aborted && accepted.created) line.show(await cancelJob(accepted.job_id));
    await follow(line);
  } catch (error) {
    const again = () => void add(file, line); // not waited for: it can be stopped again
    if (error.name === "AbortError") line.stopped(again);
    else line.fail(error.message, mayPass(error) ? again : null);
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
  $("upload-files").addEventListener("change", async (event) => {
    const files = [...event.target.files];
    event.target.value = "";
    for (const file of files) await add(file); // one after the other: the disk and the worker are shared
  });
  onSession((info) => {
    mayUseJobs = ["editor", "admin"].includes(info.role) && (!info.scopes.length || info.scopes.includes("jobs"));
    if (info.role === "reader") {
      dialog.close();
      emptyList();
    }
    showJobs();
  });
}
