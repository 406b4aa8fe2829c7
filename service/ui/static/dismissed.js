// Which lines of the list of uploads this browser is not to show again.

const NAME = "mmv-search dismissed";
const MOST = 500; // the oldest are forgotten: lists show only what is recent

let marks = read();

function read() {
  try {
    return JSON.parse(localStorage.getItem(NAME)) ?? [];
  } catch {
    return []; // a browser that keeps nothing, or something else under this name
  }
}

export const isDismissed = (mark) => marks.includes(mark);

export function rememberDismissed(more) {
  marks = [...new Set([...marks, ...more])].slice(-MOST);
  try {
    localStorage.setItem(NAME, JSON.stringify(marks));
  } catch {
    // Then until the next reload.
  }
}
