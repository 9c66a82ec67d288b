// The control of a continuous code: a slider, with a line under the range that the code was trained on.

import { describe } from "./latents.js";
import { make } from "./page.js";
import { setValue } from "./state.js";
import { stop } from "./traversals.js";

export function sliderOf(code) {
  const [low, high] = code.range, [from, to] = code.trained;
  const input = make("input", { type: "range", min: low, max: high, step: 0.01 });
  const trained = make("div", { className: "trained", title: `trained from ${from} to ${to}` });
  trained.style.setProperty("--from", (100 * (from - low)) / (high - low));
  trained.style.setProperty("--share", (100 * (to - from)) / (high - low));
  input.oninput = () => { stop(); setValue(code.name, Number(input.value)); };
  input.ondblclick = () => setValue(code.name, 0);
  return {
    parts: [make("div", { className: "slider" }, input, trained)],
    show: (value) => { input.value = value; input.setAttribute("aria-valuetext", describe(code, value)); },
    label: (name) => input.setAttribute("aria-label", name),
  };
}
