// Reading a real image: its codes Q(x), and G(Q(x)) beside it.

import { describe } from "./latents.js";
import { shownName } from "./names.js";
import { alert, element, make, newest, safely, say } from "./page.js";
import { draw, readFile } from "./pictures.js";
import { change, contract, models, state } from "./state.js";
import { stop } from "./traversals.js";

let lastFile = null, readNumber = 0, readValues = null;

const read = safely(async (file) => {
  const number = ++readNumber;
  lastFile = file;
  alert("");
  let seen;
  try {
    seen = await readFile(contract, file, element("invert").checked);
  } catch {
    throw new Error(`${file.name || "What you gave"} is no image that this browser can read; give a PNG or JPEG.`);
  }
  say("Reading the image…");
  const answers = await models.encode(seen);
  if (number !== readNumber) return; // another was given meanwhile
  draw(element("seen"), contract, seen);
  readValues = {};
  const rows = contract.codes.map((code) => {
    if (!code.discrete) {
      readValues[code.name] = Math.min(Math.max(answers[code.name][0], code.range[0]), code.range[1]);
      return [shownName(code), `${describe(code, answers[code.name][0])} ± ${answers[`${code.name}_std`][0].toFixed(2)}`];
    }
    const likely = answers[`${code.name}_probabilities`].map((probability, category) => [probability, category]).sort((one, other) => other[0] - one[0]);
    readValues[code.name] = { category: likely[0][1], other: likely[0][1], mix: 0 };
    return [shownName(code), likely.slice(0, 3).filter(([probability]) => probability >= 0.005).map(([probability, category]) => `${category} (${Math.round(probability * 100)}%)`).join(", ")];
  });
  element("answers").replaceChildren(...rows.map((row) => make("tr", {}, make("th", { textContent: row[0], scope: "row" }), make("td", { textContent: row[1] }))));
  element("read").hidden = false;
  await remake();
  say("Read.");
});

// G(Q(x)), with the noise of the present seed.
const remake = newest(async () => {
  if (!readValues) return;
  const [image] = await models.generate([{ seed: state.seed, values: readValues, gains: {} }]);
  draw(element("remade"), contract, image);
});

// Follows the state: G(Q(x)) has its noise, not its codes.
export function showRemade(before) {
  if (before.seed !== state.seed) remake();
}

export function listenToFiles() {
  const drop = element("drop");
  element("file").onchange = (event) => { if (event.target.files[0]) read(event.target.files[0]); event.target.value = ""; };
  element("invert").onchange = () => { if (lastFile) read(lastFile); };
  element("take-codes").onclick = () => { stop(); change({ ...state, values: { ...readValues } }); };
  for (const [type, over] of [["dragenter", true], ["dragover", true], ["dragleave", false], ["drop", false]]) {
    document.addEventListener(type, (event) => { event.preventDefault(); drop.classList.toggle("over", over); });
  }
  document.addEventListener("drop", (event) => {
    if (event.dataTransfer.files[0]) read(event.dataTransfer.files[0]);
    else alert("What you dropped is no file; save the image first, then drop its file.");
  });
  document.addEventListener("paste", (event) => { const file = event.clipboardData?.files[0]; if (file) read(file); });
}
