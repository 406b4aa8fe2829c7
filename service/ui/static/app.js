// The page's state is its query; everything shown follows from it. A text query also stands in the address.

import { search } from "/static/api.js";
import { $, icon, make } from "/static/dom.js";
import { onQueryFile } from "/static/drop.js";
import { clock, kindOf, milliseconds, plural } from "/static/format.js";
import { showLibrary } from "/static/library.js";
import { stopPlaying } from "/static/player.js";
import { partsOf, wantedOf } from "/static/query.js";
import { placeholders, resultCard } from "/static/results.js";
import { setUpSession } from "/static/session.js";
import { setUpUploads } from "/static/upload.js";

const form = $("search");
const input = $("q");
const results = $("results");
const PLACEHOLDER = input.placeholder;
const DEFAULTS = { match: "both", group_by: "moment" };

let file = null; // the query by example, if there is one
let preview = ""; // its blob: address
let moment = null; // or of the library: {segment_id, title, start_s, thumbnail_url}, of a link the first of them alone
let running = null; // AbortController of the search under way
let cursor = null; // of the next page
let shown = null; // the query whose results are on show: what is being typed is not yet asked for

const files = []; // that were asked with: the history holds their numbers

const currentQuery = () => ({
  q: input.value.trim(),
  file,
  kind: file && kindOf(file),
  moment,
  match: form.elements.match.value,
  group_by: form.elements.group_by.value,
});

// ---- the query by example

/** Shows what is asked with beside words: `name`, and a `picture` of it. */
function showExample(name, picture) {
  $("by").hidden = !picture;
  input.hidden = Boolean(picture) && input.disabled;
  form.classList.toggle("by-example", Boolean(picture));
  if (!input.disabled) input.placeholder = picture ? "and what happens in it?" : PLACEHOLDER;
  $("by-name").textContent = name;
  $("by-name").title = name;
  $("by-preview").replaceChildren(...(picture ? [picture] : []));
}

function setFile(next) {
  file = next;
  moment = null;
  if (preview) URL.revokeObjectURL(preview);
  preview = next ? URL.createObjectURL(next) : "";
  if (!next) return showExample("", null);
  const pictures = {
    image: () => make("img", { src: preview, alt: "" }),
    video: () => make("video", { src: preview, muted: true, preload: "metadata", tabindex: -1 }),
    audio: () => icon("ear"),
  };
  showExample(next.name, pictures[kindOf(next)]());
}

function setMoment(next) {
  setFile(null);
  moment = next;
  if (!next) return;
  const name = next.title ? `Like ${next.title} at ${clock(next.start_s)}` : "Like a moment of the library";
  const picture = next.thumbnail_url ? make("img", { src: next.thumbnail_url, alt: "" }) : icon(next.title ? "ear" : "like");
  showExample(name, picture);
}

function useMoment({ segment_id, title, start_s, thumbnail_url }) {
  input.value = "";
  setMoment({ segment_id, title, start_s, thumbnail_url });
  remember();
  run();
  window.scrollTo({ top: 0 });
  $("by-clear").focus({ preventScroll: true });
}

function useFile(next) {
  if (!kindOf(next)) {
    setFile(null);
    showMessage("That file is no sound, image or video", `“${next.name}” cannot be used as a query.`, true);
    return;
  }
  input.value = "";
  setFile(next);
  remember();
  run();
}

// ---- the address

function remember() {
  const query = currentQuery();
  const parameters = new URLSearchParams();
  if (query.q && !query.file) parameters.set("q", query.q);
  if (query.moment) parameters.set("like", query.moment.segment_id);
  for (const [name, usual] of Object.entries(DEFAULTS)) if (query[name] !== usual) parameters.set(name, query[name]);
  const address = parameters.size ? `/?${parameters}` : "/";
  if (query.file && !files.includes(query.file)) files.push(query.file);
  const state = { moment: query.moment, words: query.q, file: query.file ? files.indexOf(query.file) : null };
  const isNew = address !== location.pathname + location.search || state.file !== (history.state?.file ?? null);
  history[isNew ? "pushState" : "replaceState"](state, "", address);
}

function readAddress() {
  const parameters = new URLSearchParams(location.search);
  const like = /^\d+$/.test(parameters.get("like") ?? "") ? Number(parameters.get("like")) : NaN;
  setMoment(Number.isSafeInteger(like) ? (history.state?.moment ?? { segment_id: like }) : null);
  const asked = files[history.state?.file]; // gone after a reload
  if (asked) setFile(asked);
  input.value = input.disabled ? "" : history.state?.words ?? parameters.get("q") ?? "";
  for (const [name, usual] of Object.entries(DEFAULTS)) {
    form.elements[name].value = parameters.get(name) ?? usual;
    if (!form.elements[name].value) form.elements[name].value = usual;
  }
}

// ---- what is shown

function clear() {
  results.replaceChildren();
  $("message").hidden = true;
  $("more").hidden = true;
  $("status").textContent = "";
}

function showMessage(title, detail, isError = false) {
  clear();
  const box = $("message");
  box.classList.toggle("error", isError);
  box.setAttribute("role", isError ? "alert" : "note");
  box.replaceChildren(make("h2", {}, title), make("p", {}, detail));
  box.hidden = false;
}

function showBusy() {
  $("message").hidden = true;
  $("more").hidden = true;
  $("status").textContent = "Searching…";
  results.setAttribute("aria-busy", "true");
  results.replaceChildren(...placeholders(8));
}

function showAnswer(query, answer, isFirstPage) {
  const wanted = wantedOf(partsOf(query));
  const cards = answer.results.map((result) => resultCard(result, { wanted, onLike: useMoment }));
  if (isFirstPage) results.replaceChildren(...cards);
  else results.append(...cards);
  cursor = answer.next_cursor ?? null;
  shown = query;
  $("more").hidden = !cursor;
  if (isFirstPage && !cards.length) {
    showMessage("Nothing found", "The library has nothing to compare with this query. Add videos, or match the picture or the sound alone.");
    return;
  }
  const took = answer.took_ms;
  const noun = query.group_by === "video" ? "video" : "moment";
  const parts = ["decode", "embed", "search"].filter((name) => took?.[name]).map((name) => `${name} ${milliseconds(took[name])}`);
  const time = took ? ` in ${milliseconds(took.total)}` : "";
  $("status").replaceChildren(
    make("span", {}, `${plural(results.childElementCount, noun)}${cursor ? ", best first," : ""}${time}`),
    make("span", { class: "took" }, parts.join(" · ")),
  );
}

/** Asks for the first page, or with `from` for the one after it, of the query that is on show. */
async function run(from = null) {
  const query = from ? shown : currentQuery();
  running?.abort();
  stopPlaying();
  const asked = [query.file?.name ?? (query.moment && $("by-name").textContent), query.q].filter(Boolean).join(", ");
  document.title = asked ? `${asked} · mmv-search` : "mmv-search";
  const empty = !asked;
  document.body.classList.toggle("empty", empty);
  if (empty) {
    clear();
    return;
  }
  const controller = new AbortController();
  running = controller;
  // A quick answer should not flash grey cards first.
  const busy = setTimeout(() => (from ? ($("status").textContent = "Searching…") : showBusy()), 120);
  try {
    const answer = await search(query, from, controller.signal);
    $("message").hidden = true;
    showAnswer(query, answer, !from);
  } catch (error) {
    if (error.name === "AbortError") return;
    if (from) $("status").textContent = error.message; // what is on show stays, and can be asked for more again
    else showMessage(error.title ?? "Something went wrong", error.message, true);
  } finally {
    clearTimeout(busy);
    if (running === controller) {
      results.removeAttribute("aria-busy");
      running = null;
    }
  }
}

// ---- events

form.addEventListener("submit", (event) => {
  event.preventDefault();
  remember();
  run();
});
form.addEventListener("change", (event) => {
  if (event.target.type !== "radio") return;
  remember();
  run();
});
$("examples").addEventListener("click", (event) => {
  if (event.target.tagName !== "A" || event.metaKey || event.ctrlKey || event.shiftKey) return;
  event.preventDefault();
  setFile(null);
  input.value = event.target.textContent;
  remember();
  run();
});
$("by-clear").addEventListener("click", () => {
  setFile(null);
  remember();
  run();
  input.focus();
});
$("more").addEventListener("click", () => cursor && run(cursor));
window.addEventListener("popstate", () => {
  readAddress();
  run();
});
document.addEventListener("keydown", (event) => {
  const typing = event.target === input && input.value !== ""; // in the empty box it means the same as elsewhere
  if (event.key === "/" && !typing && !document.querySelector("dialog[open]")) {
    event.preventDefault();
    input.focus();
    input.select();
  }
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (step && event.target.matches?.(".play")) {
    const buttons = [...results.querySelectorAll(".play")];
    buttons[buttons.indexOf(event.target) + step]?.focus();
  }
});

onQueryFile(useFile);
setUpUploads();
readAddress(); // before anything is waited for: what is typed meanwhile stays
const asks = input.value !== "" || moment !== null;
if (!asks) run();
await setUpSession();
showLibrary().catch(() => {}); // the count is an ornament
if (asks) run();
if (!asks && !input.value) input.focus();
