// Turns the results of a response into cards.

import { icon, make } from "/static/dom.js";
import { clock } from "/static/format.js";
import { attachPlayer } from "/static/player.js";

const SENSES = [
  { name: "Seen", icon: "eye", channels: ["visual", "frame"], hint: "What the moment shows is like the query" },
  { name: "Heard", icon: "ear", channels: ["sound"], hint: "What the moment sounds like is like the query" },
];

/** Of evidence by "part:channel.space" that of the parts which were wanted, by "channel.space": the best of them. */
function speaking(evidence, wanted) {
  const best = new Map();
  for (const [key, score] of Object.entries(evidence)) {
    const [part, name] = key.includes(":") ? key.split(":") : ["0", key];
    if (Number(part) < wanted) best.set(name, Math.max(score, best.get(name) ?? -1));
  }
  return [...best];
}

/** One chip for each sense that speaks for the result, its best score first in the tooltip. */
function chips(evidence, wanted) {
  const list = make("ul", { class: "why", "aria-label": "Why it was found" });
  const said = speaking(evidence ?? {}, wanted);
  for (const sense of SENSES) {
    const scores = said.filter(([key, score]) => sense.channels.includes(key.split(".")[0]) && score > 0);
    if (!scores.length) continue;
    scores.sort((a, b) => b[1] - a[1]);
    const detail = scores.map(([key, score]) => `${key} ${score.toFixed(2)}`).join(", ");
    list.append(make("li", { class: "chip", title: `${sense.hint}: ${detail}` }, icon(sense.icon), `${sense.name} `, make("b", {}, scores[0][1].toFixed(2))));
  }
  return list;
}

function confidence(value) {
  const percent = Math.round(100 * Math.min(1, Math.max(0, value)));
  const bar = make("span", { class: "bar" });
  bar.style.width = `${percent}%`;
  const meter = make(
    "div",
    { class: "meter", role: "meter", "aria-label": "Confidence", "aria-valuemin": 0, "aria-valuemax": 100, "aria-valuenow": percent },
    bar,
  );
  return make("div", { class: "confidence", title: "How sure the search is of this one" }, meter, make("span", { "aria-hidden": "true" }, `${percent}%`));
}

function mediaFor(result, title) {
  const source = `${result.media_url}#t=${result.start_s}`;
  if (!result.has_video) {
    return make("audio", { src: source, preload: "none", tabindex: -1, "aria-label": title });
  }
  const video = make("video", { src: source, preload: "none", playsinline: true, tabindex: -1, "aria-label": title });
  video.poster = result.thumbnail_url;
  return video;
}

/** A list item for one result of DESIGN section 4, of a query with so many `wanted` parts; `onLike` looks for others. */
export function resultCard(result, { wanted, onLike }) {
  const title = result.title || result.video_id;
  const range = `${clock(result.start_s)} – ${clock(result.end_s)}`;
  const soundOnly = !result.has_video;
  const media = mediaFor(result, title);
  const note = make("p", { class: "card-note", role: "alert", hidden: true }, "This file cannot be played here.");
  const button = make("button", { class: "play", type: "button", "aria-label": `Play ${title} from ${clock(result.start_s)}` }, icon("play"));
  const screen = make("div", { class: soundOnly ? "screen sound" : "screen" }, soundOnly ? icon("wave") : null, media, button, make("span", { class: "range" }, range));
  const like = make("button", { class: "like", type: "button", "aria-label": `More like ${title} at ${clock(result.start_s)}` }, icon("like"), "More like this");
  like.addEventListener("click", () => onLike({ ...result, title }));
  const heading = make("h3", { title }, title);
  const card = make("article", { class: "card" }, screen, make("div", { class: "about" }, heading, confidence(result.confidence), chips(result.evidence, wanted), like, note));
  card.dataset.videoId = result.video_id;
  card.dataset.startS = result.start_s;
  attachPlayer({ card, media, button, moment: result, onFailure: () => (note.hidden = false) });
  return make("li", {}, card);
}

/** Grey cards while an answer is awaited. */
export function placeholders(count) {
  return Array.from({ length: count }, () =>
    make("li", { class: "placeholder", "aria-hidden": "true" }, make("div", { class: "card" }, make("div", { class: "screen" }), make("div", { class: "about" }))),
  );
}
