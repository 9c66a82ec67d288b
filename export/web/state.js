// What the page shows: a contract, its models and the present state, of which whoever shows a part of it is told when it changes.

import { middle, withValue } from "./latents.js";

export let contract, models, state;
export let moved; // the code that was moved last
const followers = [];

export function use(itsContract, itsModels) {
  contract = itsContract;
  models = itsModels;
  state = middle(contract);
}

// Has `action` called after each change, with the state before it and the name of the code that was moved, or null: another state was taken.
export function follow(action) {
  followers.push(action);
}

export function change(next, name = null) {
  const before = state;
  state = next;
  for (const action of followers) action(before, name);
}

export function setMoved(name) {
  moved = name;
}

export function setValue(name, value) {
  moved = name;
  change(withValue(state, name, value), name);
}

export const codeOf = (name) => contract.codes.find((code) => code.name === name);
