// Traversals: a code moved from end to end, played on the page or saved as a GIF.

import { alongTraversal, withValue } from "./latents.js";
import { shownName } from "./names.js";
import { make, safely, say } from "./page.js";
import { saveGif } from "./pictures.js";
import { codeOf, contract, models, moved, setMoved, setValue, state } from "./state.js";

const SECONDS = 4; // from one end to the other and back
const SECONDS_PER_CATEGORY = 0.7;
const GIF_FRAMES = 48;

const buttons = new Map(); // by the name of the code
let playing = null;

export function playButton(code) {
  const button = make("button", { className: "small", textContent: "Play" });
  button.setAttribute("aria-pressed", false);
  button.onclick = () => (playing?.name === code.name ? stop() : start(code));
  buttons.set(code.name, button);
  return button;
}

function start(code) {
  stop();
  setMoved(code.name);
  playing = { name: code.name, begun: performance.now() };
  buttons.get(code.name).setAttribute("aria-pressed", true);
  const tick = (now) => {
    if (playing?.name !== code.name) return;
    const seconds = code.discrete ? code.categories * SECONDS_PER_CATEGORY : SECONDS;
    setValue(code.name, alongTraversal(code, (((now - playing.begun) / 1000 / seconds) + (code.discrete ? 0 : 0.25)) % 1));
    requestAnimationFrame(tick);
  };
  requestAnimationFrame(tick);
}

export function stop() {
  if (!playing) return;
  buttons.get(playing.name).setAttribute("aria-pressed", false);
  playing = null;
}

export function playMoved() {
  if (playing) stop();
  else if (moved) start(codeOf(moved));
}

export const saveMoved = safely(async () => {
  stop();
  const code = codeOf(moved);
  say(`Drawing ${shownName(code)}…`);
  const states = Array.from({ length: GIF_FRAMES }, (_, frame) => withValue(state, code.name, alongTraversal(code, frame / GIF_FRAMES)));
  const frames = [];
  for (let first = 0; first < GIF_FRAMES; first += 8) frames.push(...(await models.generate(states.slice(first, first + 8))));
  saveGif(contract, frames, 80, `${contract.name}_${shownName(code)}.gif`);
  say(`Saved ${shownName(code)} from end to end.`);
});
