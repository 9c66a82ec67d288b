// Links that restore what the page shows.

import { find, fromText, gainsToText, toText } from "./latents.js";
import { names, problemOf, setNames } from "./names.js";
import { alert, element, safely, say } from "./page.js";
import { change, codeOf, contract, state } from "./state.js";
import { stop } from "./traversals.js";

function link() {
  const [rows, columns] = ["rows", "columns"].map((id) => codeOf(element(id).value)?.trainedAs ?? "");
  const parameters = new URLSearchParams({ seed: state.seed, codes: toText(contract, state), rows, columns });
  if (gainsToText(state)) parameters.set("unit_gain", gainsToText(state));
  if (names.size) parameters.set("names", [...names].map((pair) => pair.join("=")).join(","));
  return `${location.origin}${location.pathname}#${parameters}`;
}

export function restoreFromAddress() {
  stop();
  alert("");
  const parameters = new URLSearchParams(location.hash.slice(1));
  const codes = parameters.get("codes")?.replaceAll(" ", "+"); // a plus that was typed, not encoded, reads as a space
  const { state: restored, strange } = fromText(contract, state, codes, parameters.get("seed"), parameters.get("unit_gain"));
  for (const id of ["rows", "columns"]) {
    const code = find(contract, parameters.get(id));
    if (code) element(id).value = code.name;
    else if (parameters.get(id) === "" && contract.noiseSize) element(id).value = "";
  }
  // For this visit: whoever made the link must not overwrite the names that this browser keeps.
  const given = new Map((parameters.get("names") ?? "").split(",").filter(Boolean).map((pair) => pair.split("=", 2)));
  const known = [...given.keys()].every((trainedAs) => contract.codes.some((code) => code.trainedAs === trainedAs));
  if (given.size && known && !problemOf(given)) setNames(given);
  const missed = strange + (given.size && (!known || problemOf(given)) ? 1 : 0);
  if (missed) alert(`The link asks for ${missed === 1 ? "something" : `${missed} things`} that this model does not have; the rest was restored.`);
  change(restored);
}

export const copyLink = safely(async () => {
  history.replaceState(null, "", link());
  try {
    await navigator.clipboard.writeText(link());
    say("Copied. The link opens the page as you see it.");
  } catch {
    say("The browser does not let a page copy; the link is in its address bar.");
  }
});
