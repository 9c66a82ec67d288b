// The large image: the newest state wins, and it comes before the grid.

import { sentence } from "./names.js";
import { element, newest } from "./page.js";
import { draw, savePng } from "./pictures.js";
import { contract, models, state } from "./state.js";

let pixels;

export const showImage = newest(async () => {
  const shown = state, start = performance.now();
  [pixels] = await models.generate([shown]);
  draw(element("image"), contract, pixels);
  element("image").setAttribute("aria-label", sentence(shown));
  element("speed").textContent = `${(performance.now() - start).toFixed(0)} ms, computed in this browser`;
});

export function saveImage() {
  savePng(contract, [pixels], 1, `${contract.name}.png`);
}
