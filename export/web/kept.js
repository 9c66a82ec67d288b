// Images that are kept, on this page and for further visits.

import { fromText, gainsToText, toText } from "./latents.js";
import { sentence } from "./names.js";
import { element, make, newest, say } from "./page.js";
import { draw } from "./pictures.js";
import { change, contract, models, state } from "./state.js";
import { readStored, store } from "./storage.js";
import { stop } from "./traversals.js";

const MOST = 60;

let kept = []; // states, newest first
const thumbnails = new WeakMap(); // pixels by kept state

const written = (one) => [one.seed, toText(contract, one), gainsToText(one)];

function setKept(states) {
  kept = states.slice(0, MOST);
  store("kept", kept.map(written));
  showKept();
}

export function keep(shown) {
  if (kept.some((one) => String(written(one)) === String(written(shown)))) return say("It is kept already.");
  say("Kept.");
  return setKept([shown, ...kept]);
}

export const showKept = newest(async () => {
  const shown = kept;
  for (const one of shown) if (!thumbnails.has(one)) thumbnails.set(one, (await models.generate([one]))[0]);
  element("kept-none").hidden = shown.length > 0;
  element("kept").replaceChildren(...shown.map((one) => {
    const canvas = make("canvas"), take = make("button", { className: "picture", title: sentence(one) }, canvas);
    draw(canvas, contract, thumbnails.get(one));
    take.setAttribute("aria-label", sentence(one));
    take.onclick = () => { stop(); change(one); };
    const remove = make("button", { className: "remove", textContent: "×", title: "Remove" });
    remove.setAttribute("aria-label", `Remove ${sentence(one)}`);
    remove.onclick = () => setKept(kept.filter((other) => other !== one));
    return make("div", {}, take, remove);
  }));
});

// What was kept before, as far as it can be read.
export function readKept() {
  const stored = readStored("kept", []), states = [];
  for (const entry of Array.isArray(stored) ? stored : []) {
    if (!Array.isArray(entry)) continue;
    const [seed, codes, gains = ""] = entry; // earlier versions kept no gains
    if (!Number.isInteger(seed) || typeof codes !== "string" || typeof gains !== "string") continue;
    const { state: one, strange } = fromText(contract, state, codes, String(seed), gains);
    if (!strange) states.push(one);
  }
  kept = states.slice(0, MOST);
}
