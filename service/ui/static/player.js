// Playing a moment: a silent preview while the pointer rests on a card, with sound from a click or Enter on.

const HOVER_DELAY_MS = 140;
const reducedMotion = window.matchMedia("(prefers-reduced-motion: reduce)");
let audible = null; // the one card that plays with sound

/** Moves to the moment's start, also when the file's length is not known yet. */
function seek(media, seconds) {
  const go = () => {
    media.currentTime = seconds;
  };
  if (media.readyState >= HTMLMediaElement.HAVE_METADATA) go();
  else media.addEventListener("loadedmetadata", go, { once: true });
}

/** Starts playback; a refusal (the element left the page, the pointer moved on) is no error. */
function start(media) {
  media.play().catch((error) => {
    if (error.name !== "AbortError" && error.name !== "NotAllowedError") media.dispatchEvent(new Event("error"));
  });
}

/** card: the article; media: its video or audio element; button: covers the picture; moment: {start_s, end_s}. */
export function attachPlayer({ card, media, button, moment, onFailure }) {
  let timer = 0;
  const playing = () => card.classList.contains("playing");

  const stop = () => {
    card.classList.remove("playing", "previewing");
    media.pause();
    media.muted = true;
    media.controls = false;
    if (audible === stop) audible = null;
  };

  const preview = () => {
    if (playing() || media.tagName !== "VIDEO") return;
    card.classList.add("previewing");
    media.muted = true;
    seek(media, moment.start_s);
    start(media);
  };

  const play = () => {
    clearTimeout(timer);
    if (audible && audible !== stop) audible();
    audible = stop;
    card.classList.remove("previewing");
    card.classList.add("playing");
    media.muted = false;
    media.controls = true;
    seek(media, moment.start_s);
    start(media);
    media.focus({ preventScroll: true });
  };

  button.addEventListener("click", play);
  button.addEventListener("pointerenter", (event) => {
    if (event.pointerType !== "mouse" || reducedMotion.matches) return;
    timer = setTimeout(preview, HOVER_DELAY_MS);
  });
  button.addEventListener("pointerleave", () => {
    clearTimeout(timer);
    if (!playing()) stop();
  });
  // A preview shows the moment over and over; what was clicked plays on into the rest of the film.
  media.addEventListener("timeupdate", () => {
    if (!playing() && media.currentTime >= moment.end_s) media.currentTime = moment.start_s;
  });
  media.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    stop();
    button.focus();
  });
  media.addEventListener("error", () => {
    const wanted = playing() || card.classList.contains("previewing");
    stop();
    if (wanted) onFailure();
  });
}

/** Silences what plays, before its card goes away. */
export function stopPlaying() {
  if (audible) audible();
}
