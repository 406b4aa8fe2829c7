// Small pure functions: numbers to words.

/** Seconds to "0:07", "12:03" or "1:02:03"; tenths are kept for short moments ("0:07.2"). */
export function clock(seconds) {
  const tenths = Math.round(seconds * 10);
  const whole = Math.floor(tenths / 10);
  const pad = (n) => String(n).padStart(2, "0");
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor((whole % 3600) / 60);
  const head = hours ? `${hours}:${pad(minutes)}` : `${minutes}`;
  const fraction = tenths % 10 ? `.${tenths % 10}` : "";
  return `${head}:${pad(whole % 60)}${fraction}`;
}

export function plural(count, noun) {
  return `${count.toLocaleString()} ${noun}${count === 1 ? "" : "s"}`;
}

export function milliseconds(ms) {
  return ms < 10 ? `${ms.toFixed(1)} ms` : ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

// For files whose type the system does not know.
const EXTENSIONS = {
  audio: ["wav", "mp3", "flac", "ogg", "oga", "opus", "m4a", "aac", "aif", "aiff", "wma"],
  image: ["jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff", "avif"],
  video: ["mp4", "m4v", "mkv", "webm", "mov", "avi", "mpg", "mpeg", "ogv", "ts", "wmv", "flv"],
};

/** "audio", "image" or "video": which search a file asks for; null when it is none of them. */
export function kindOf(file) {
  const family = file.type.split("/")[0];
  if (family in EXTENSIONS) return family;
  const extension = file.name.split(".").pop().toLowerCase();
  return Object.keys(EXTENSIONS).find((kind) => EXTENSIONS[kind].includes(extension)) ?? null;
}
