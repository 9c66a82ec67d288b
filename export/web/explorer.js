// The page: what its buttons and keys do, and how it begins.

import { addControl, showValues } from "./controls.js";
import { addAxes, saveGrid, showGrid, showGridSoon } from "./grid.js";
import { saveImage, showImage } from "./image.js";
import { keep, readKept, showKept } from "./kept.js";
import { LARGEST_SEED, middle, readContract } from "./latents.js";
import { copyLink, restoreFromAddress } from "./links.js";
import { Models, hasSimd } from "./models.js";
import { readNames, saveNames } from "./names.js";
import { alert, element, say } from "./page.js";
import { listenToFiles, showRemade } from "./reading.js";
import { change, contract, follow, models, setMoved, state, use } from "./state.js";
import { playMoved, saveMoved, stop } from "./traversals.js";
import { addUnits, showUnits } from "./units.js";

const random = (below) => crypto.getRandomValues(new Uint32Array(1))[0] % below;

function showSeed() {
  element("seed").value = state.seed;
}

function listen() {
  const newNoise = () => contract.noiseSize && change({ ...state, seed: random(10 ** 6) });
  element("new-noise").onclick = newNoise;
  element("seed").onchange = (event) => {
    const valid = event.target.checkValidity() && event.target.value !== "";
    alert(valid ? "" : `A seed is a whole number from 0 to ${LARGEST_SEED}.`);
    if (valid) change({ ...state, seed: Number(event.target.value) });
    else event.target.value = state.seed;
  };
  element("reset").onclick = () => { stop(); alert(""); change({ ...middle(contract), seed: state.seed }); };
  element("keep").onclick = element("large").onclick = () => keep(state);
  element("save-png").onclick = saveImage;
  element("save-grid").onclick = saveGrid;
  element("save-gif").onclick = saveMoved;
  element("copy-link").onclick = copyLink;
  element("rows").onchange = element("columns").onchange = showGrid;
  element("save-names").onclick = saveNames;
  document.addEventListener("keydown", (event) => {
    if (!element("keys").checked || event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input[type=text], input[type=number], select")) return;
    const action = { n: newNoise, k: () => keep(state), p: playMoved }[event.key.toLowerCase()];
    if (action) { event.preventDefault(); action(); }
  });
  addEventListener("hashchange", restoreFromAddress);
}

async function loadContract() {
  if (!hasSimd()) throw new Error("This browser has no WebAssembly with SIMD, which the generator needs; take a recent Firefox, Chrome, Edge or Safari (16.4).");
  const response = await fetch("generator.json");
  if (!response.ok) throw new Error(`generator.json cannot be loaded (status ${response.status}); export again with --formats=web.`);
  try {
    return readContract(await response.json());
  } catch {
    throw new Error("generator.json is damaged; export again with --formats=web.");
  }
}

function showModel() {
  element("title").textContent = document.title = contract.name;
  const { title, paper, reads } = contract.model, labels = reads.includes("label") ? "with" : "without";
  element("about").textContent = `${title} (${paper}), trained ${labels} labels on ${contract.dataset.name}, step ${contract.step.toLocaleString("en")}. License of the training images: ${contract.dataset.license}.`;
}

// Hides what the model has no use for.
function hideUnused() {
  element("range").hidden = contract.codes.every((code) => code.discrete);
  element("real").hidden = !contract.encodes;
  element("units").hidden = !contract.units.length;
  if (!contract.codes.length) {
    for (const id of ["reset", "save-gif", "naming"]) element(id).hidden = true;
    for (const id of ["rows", "columns"]) element(id).closest("label").hidden = true;
    element("grid-title").textContent = "Other noise";
  }
  if (!contract.noiseSize) {
    for (const id of ["new-noise", "seed"]) (element(id).closest("label") ?? element(id)).hidden = true;
    element("remade-caption").textContent = "G(Q(x))";
    element("noise-key").hidden = true;
  }
}

// Says how much of a file is loaded, but not every piece of a large one, which a screen reader would read out.
function tellProgress() {
  let told = 0;
  return ({ name, size, ready }) => {
    if (ready) return say("Ready.");
    if (Math.abs(size - told) < 2e6) return null;
    told = size;
    return say(`Loading ${name}: ${(size / 1e6).toFixed(0)} MB`);
  };
}

async function begin() {
  const loaded = await loadContract();
  use(loaded, new Models(loaded, tellProgress()));
  showModel();
  await models.generate([state]);
  for (const code of contract.codes) addControl(code);
  element("codes").append(element("range"));
  addAxes();
  addUnits();
  setMoved(element("columns").value);
  readNames();
  hideUnused();
  readKept();
  // In this order: the large image comes before the grid.
  for (const action of [showValues, showSeed, showUnits, showImage, showGridSoon, showRemade]) follow(action);
  listen();
  // Or a picture that is dropped would take the page's place.
  for (const type of ["dragover", "drop"]) document.addEventListener(type, (event) => event.preventDefault());
  if (contract.encodes) listenToFiles();
  element("main").hidden = false;
  say("Ready.");
  restoreFromAddress();
  showKept();
}

begin().catch((error) => {
  say("");
  alert(error.message);
});
