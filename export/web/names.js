// The names of codes: those of the export, or those that were given on this page.

import { describe, gainsToText, nameProblem } from "./latents.js";
import { save } from "./pictures.js";
import { contract } from "./state.js";
import { readStored, store } from "./storage.js";

export let names = new Map(); // given on this page, by the name in training
const followers = [];

export const shownName = (code) => names.get(code.trainedAs) ?? code.name;

// A state in words.
export const sentence = (shown) => contract.codes.map((code) => `${shownName(code)} ${describe(code, shown.values[code.name])}`).concat(contract.noiseSize ? `seed ${shown.seed}` : [], gainsToText(shown) ? `unit gains ${gainsToText(shown)}` : []).join(", ");

// Has `action` called whenever names were given.
export function followNames(action) {
  followers.push(action);
}

// Why codes cannot have these names, a Map as `names`, or "".
export function problemOf(wanted) {
  const shown = contract.codes.map((code) => wanted.get(code.trainedAs) ?? code.name);
  return shown.map((name, index) => nameProblem(contract, name, shown.filter((_, other) => other !== index))).find(Boolean) ?? "";
}

// Takes names for this visit.
export function setNames(wanted) {
  names = new Map([...wanted].filter(([trainedAs, name]) => contract.codes.some((code) => code.trainedAs === trainedAs && code.name !== name)));
  for (const action of followers) action();
}

// Takes names for further visits too.
export function keepNames(wanted) {
  setNames(wanted);
  store("names", [...names]);
}

export function readNames() {
  const stored = readStored("names", []);
  const pairs = Array.isArray(stored) ? stored.filter((pair) => Array.isArray(pair) && pair.length === 2 && pair.every((one) => typeof one === "string")) : [];
  setNames(problemOf(new Map(pairs)) ? new Map() : new Map(pairs));
}

export function saveNames() {
  const byTraining = Object.fromEntries(contract.codes.filter((code) => shownName(code) !== code.trainedAs).map((code) => [code.trainedAs, shownName(code)]));
  save(new Blob([`${JSON.stringify(byTraining, null, 1)}\n`], { type: "application/json" }), "names.json");
}
