// What a browser keeps between visits, by model; without storage (a private window) it is forgotten.

import { contract } from "./state.js";

const keyOf = (what) => `keras_infogan ${contract.name} ${contract.codes.map((code) => code.trainedAs)} ${what}`;

export function readStored(what, otherwise) {
  try {
    return JSON.parse(localStorage.getItem(keyOf(what))) ?? otherwise;
  } catch {
    return otherwise;
  }
}

export function store(what, value) {
  try {
    localStorage.setItem(keyOf(what), JSON.stringify(value));
  } catch { /* full, or not allowed */ }
}
