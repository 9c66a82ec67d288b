// The units of a layer of the generator, a gain each: those that a dissection matched to a part of the images first, by that part.

import { element, make } from "./page.js";
import { change, contract, state } from "./state.js";
import { stop } from "./traversals.js";

const HIGHEST = 2;

const shows = []; // by unit: shows a gain

function setGain(unit, gain) {
  stop();
  const gains = { ...state.gains, [unit]: gain };
  if (gain === 1) delete gains[unit];
  change({ ...state, gains });
}

function rowOf({ unit, segment }) {
  const name = segment ? `${unit} · ${segment}` : String(unit);
  const input = make("input", { type: "range", min: 0, max: HIGHEST, step: 0.05 }), value = make("span", { className: "gain" });
  input.setAttribute("aria-label", `gain of unit ${name}`);
  input.oninput = () => setGain(unit, Number(input.value));
  input.ondblclick = () => setGain(unit, 1);
  shows[unit] = (gain) => {
    input.value = gain;
    value.textContent = gain.toFixed(2);
  };
  shows[unit](1);
  return make("div", { className: "unit" }, make("span", { textContent: name }), input, value);
}

export function addUnits() {
  const matched = contract.units.filter(({ segment }) => segment), rest = contract.units.filter(({ segment }) => !segment);
  matched.sort((one, other) => one.segment.localeCompare(other.segment) || one.unit - other.unit);
  element("unit-layer").textContent = `${contract.units.length} units of ${contract.unitLayer}: 1 leaves a unit as it is, 0 removes it.${matched.length ? " Beside its number stands the part of the images that a unit was matched to." : ""}`;
  element("unit-list").replaceChildren(...[...matched, ...rest].map(rowOf));
  element("all-units").onclick = () => { stop(); change({ ...state, gains: {} }); };
}

// Follows the state.
export function showUnits(before) {
  for (const unit of Object.keys({ ...before.gains, ...state.gains })) shows[unit](state.gains[unit] ?? 1);
}
