// Signing in: a key (or the token of a one-time link) is exchanged for a cookie that no script can read. Pictures and
// players, which send no headers of their own, are then let in too. The key itself is kept nowhere.

import { $ } from "/static/dom.js";

const ROLES = { reader: "Reader", editor: "Editor", admin: "Admin" };
let asking = null; // the promise of the dialog that is open: several calls may be refused at the same time
let tell = () => {};

/** Calls `listener` with who uses the page: once that is known, and each time that somebody signs in. */
export const onSession = (listener) => (tell = listener);

async function session(method, body) {
  const headers = body ? { "Content-Type": "application/json" } : {};
  const response = await fetch("/v1/session", { method, headers, body: body && JSON.stringify(body) });
  const answer = response.status === 204 ? {} : await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(answer.detail ?? `The server answered ${response.status}.`);
  return answer;
}

/** Shows who is signed in, and hides what a reader may not do. */
function show(info) {
  $("who").hidden = !info.signed_in;
  $("who-name").textContent = info.name ? `${info.name} (${info.role})` : (ROLES[info.role] ?? "");
  $("open-upload").hidden = info.role === "reader";
  tell(info);
}

/** Resolves to true once the user has signed in, to false when the dialog was closed without. */
export function askForKey() {
  asking ??= ask().finally(() => (asking = null));
  return asking;
}

function ask() {
  const dialog = $("key-dialog");
  const form = $("key-form");
  const input = $("key");
  const error = $("key-error");
  input.value = "";
  error.hidden = true;
  dialog.returnValue = "";
  dialog.showModal();
  input.focus();
  return new Promise((resolve) => {
    form.onsubmit = async (event) => {
      event.preventDefault();
      form.inert = true;
      try {
        show(await session("POST", { key: input.value.trim() }));
        dialog.close("signed-in");
      } catch (problem) {
        error.textContent = problem.message;
        error.hidden = false;
      } finally {
        form.inert = false;
      }
      if (dialog.open) input.select();
    };
    dialog.onclose = () => {
      input.value = "";
      resolve(dialog.returnValue === "signed-in");
    };
  });
}

/** Takes the token out of the address, and signs in with it; a token that is of no use any more asks for a key instead. */
async function useLink() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (!token) return null;
  history.replaceState(null, "", location.pathname + location.search);
  try {
    return await session("POST", { token });
  } catch (problem) {
    const info = await session("GET");
    if (info.signed_in) return info;
    const asked = askForKey();
    $("key-error").textContent = problem.message;
    $("key-error").hidden = false;
    await asked;
    return null;
  }
}

export async function setUpSession() {
  $("key-cancel").addEventListener("click", () => $("key-dialog").close());
  $("sign-out").addEventListener("click", async () => {
    await session("DELETE").catch(() => {});
    location.reload();
  });
  try {
    show((await useLink()) ?? (await session("GET")));
  } catch {
    // The server is away: the first call says so.
  }
}
