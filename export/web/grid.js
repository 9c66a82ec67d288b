// The grid of two codes at once.

import { keep } from "./kept.js";
import { at, describe, valuesAlong } from "./latents.js";
import { followNames, sentence, shownName } from "./names.js";
import { element, make, safely } from "./page.js";
import { draw, savePng } from "./pictures.js";
import { change, codeOf, contract, models, state } from "./state.js";
import { stop } from "./traversals.js";

const COLUMNS = 9, ROWS = 7; // values of a continuous code
const DELAY = 80; // milliseconds without a change before the grid follows

let timer, version = 0, drawnImages = [];

// Offers the codes and the noise for rows and columns, and chooses two.
export function addAxes() {
  const options = [...contract.codes.map((code) => [code.name, code.name]), ...(contract.noiseSize ? [["", "noise"]] : [])];
  for (const id of ["rows", "columns"]) element(id).append(...options.map(([value, textContent]) => make("option", { value, textContent })));
  const across = contract.codes.find((code) => !code.discrete) ?? contract.codes[0], others = contract.codes.filter((code) => code !== across);
  element("columns").value = across?.name ?? "";
  element("rows").value = (others.find((code) => code.discrete) ?? others[0])?.name ?? "";
  followNames(() => {
    for (const option of document.querySelectorAll("#rows option, #columns option")) if (option.value) option.textContent = shownName(codeOf(option.value));
  });
}

export function showGridSoon() {
  clearTimeout(timer);
  timer = setTimeout(showGrid, DELAY);
}

export const showGrid = safely(async () => {
  const own = ++version, grid = element("grid"), [rows, columns] = ["rows", "columns"].map((id) => element(id).value);
  const single = contract.codes.length === 1 && !contract.noiseSize; // nothing to move along the rows
  const down = single ? [state.seed] : valuesAlong(contract, state, rows, ROWS), across = valuesAlong(contract, state, columns, COLUMNS);
  const text = (name, value) => (name ? describe(codeOf(name), value, 1) : String(value));
  // Without codes there is one thing to change, and the grid shows it on and on.
  const seeds = contract.codes.length ? null : valuesAlong(contract, state, "", down.length * across.length);
  const cells = down.map((value, row) => across.map((other, column) => (seeds ? at(state, "", seeds[row * across.length + column]) : at(at(state, rows, value), columns, other))));
  if (grid.dataset.layout !== `${down.length} ${across.length}`) {
    grid.replaceChildren(make("span"), ...across.map(() => make("span", { className: "label" })));
    for (let row = 0; row < down.length; row++) grid.append(make("span", { className: "label" }), ...across.map(() => make("button", {}, make("canvas"))));
    grid.style.setProperty("--columns", across.length);
    grid.dataset.layout = `${down.length} ${across.length}`;
  }
  const labels = grid.querySelectorAll(".label"), buttons = grid.querySelectorAll("button");
  across.forEach((value, column) => { labels[column].textContent = seeds ? `+${column}` : text(columns, value); });
  down.forEach((value, row) => { labels[across.length + row].textContent = seeds ? String(seeds[row * across.length]) : single ? "" : text(rows, value); });
  const drawn = [];
  element("save-grid").disabled = true;
  for (const [row, shown] of cells.entries()) {
    const images = await models.generate(shown); // a row at a time, so that the large image need not wait for all
    if (own !== version) return;
    drawn.push(...images);
    images.forEach((image, column) => {
      const button = buttons[row * across.length + column];
      draw(button.firstChild, contract, image);
      button.setAttribute("aria-label", sentence(shown[column]));
      button.onclick = () => { stop(); keep(shown[column]); change(shown[column]); };
    });
  }
  drawnImages = drawn;
  element("save-grid").disabled = false;
  grid.dataset.drawn = own;
});

export function saveGrid() {
  savePng(contract, drawnImages, Number(element("grid").style.getPropertyValue("--columns")), `${contract.name}_grid.png`);
}
