// How much there is to search, in the page's head.

import { library } from "/static/api.js";
import { $ } from "/static/dom.js";
import { plural } from "/static/format.js";

export async function showLibrary() {
  const { total } = await library();
  $("library").textContent = total === undefined ? "" : plural(total, "video");
}
