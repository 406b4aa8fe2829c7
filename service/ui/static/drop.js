// Files dropped on the page, or chosen with the button, become a query by example.

import { $ } from "/static/dom.js";

const carriesFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");

export function onQueryFile(use) {
  const overlay = $("overlay");
  let depth = 0; // dragenter and dragleave also come for every child element
  const show = (on) => {
    overlay.hidden = !on;
    if (!on) depth = 0;
  };

  window.addEventListener("dragenter", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    depth += 1;
    show(true);
  });
  window.addEventListener("dragleave", () => {
    depth -= 1;
    if (depth <= 0) show(false);
  });
  window.addEventListener("dragover", (event) => carriesFiles(event) && event.preventDefault());
  window.addEventListener("drop", (event) => {
    show(false);
    const file = event.dataTransfer?.files[0];
    if (!file) return;
    event.preventDefault();
    use(file);
  });

  // A picture copied from elsewhere can be pasted too.
  window.addEventListener("paste", (event) => {
    const file = event.clipboardData?.files[0];
    if (file) use(file);
  });

  $("drop").addEventListener("click", () => $("file").click());
  $("file").addEventListener("change", (event) => {
    const file = event.target.files[0];
    event.target.value = ""; // the same file may be chosen again
    if (file) use(file);
  });
}
