// The controls of codes: each with its name, its value and a button that plays it.

import { categoriesOf } from "./categories.js";
import { describe } from "./latents.js";
import { followNames, keepNames, names, problemOf, shownName } from "./names.js";
import { alert, element, make } from "./page.js";
import { sliderOf } from "./slider.js";
import { state } from "./state.js";
import { playButton } from "./traversals.js";

const controls = new Map(); // by the name of the code

// Shows the present value of the code that was moved, or else of all.
export function showValues(before, moved) {
  if (moved !== null) controls.get(moved)(state.values[moved], false);
  else for (const [name, show] of controls) show(state.values[name], true);
}

export function addControl(code) {
  const control = code.discrete ? categoriesOf(code) : sliderOf(code);
  const name = make("input", { type: "text", className: "name", value: shownName(code), maxLength: 64, spellcheck: false, autocomplete: "off", title: "Give the code a name" });
  name.setAttribute("aria-label", `name of ${code.name}`);
  const value = make("span", { className: "value" }), play = playButton(code);
  const wanted = () => new Map(names).set(code.trainedAs, name.value || code.name); // an empty field: the export's name
  name.oninput = () => {
    name.setCustomValidity(problemOf(wanted()));
    name.reportValidity();
  };
  name.onchange = () => {
    const problem = problemOf(wanted());
    alert(problem && `${shownName(code)} keeps its name: ${problem}`);
    if (!problem) keepNames(wanted());
    name.setCustomValidity("");
    name.value = shownName(code);
  };
  name.onkeydown = (event) => { if (event.key === "Enter") name.blur(); };
  const head = make("div", { className: "head" }, name, value, ...(control.buttons ?? []), play);
  const group = make("div", { className: "code", role: "group" }, head, ...control.parts);
  element("codes").append(group);
  // `whole`: not this control moved the code, but all are shown anew.
  controls.set(code.name, (shown, whole) => { control.show(shown, whole); value.textContent = describe(code, shown); });
  followNames(() => {
    control.label(shownName(code));
    group.setAttribute("aria-label", shownName(code));
    play.setAttribute("aria-label", `Play ${shownName(code)}`);
    if (name !== document.activeElement) name.value = shownName(code);
  });
}
