// The page: controls, and what they show.

import { Models, hasSimd } from "./models.js";
import { draw, readFile, save, saveGif, savePng } from "./pictures.js";
import { LARGEST_SEED, alongTraversal, at, describe, find, fromText, middle, nameProblem, readContract, toText, valuesAlong, withValue } from "./latents.js";

const GRID_COLUMNS = 9, GRID_ROWS = 7; // values of a continuous code
const GRID_DELAY = 80; // milliseconds without a change before the grid follows
const PLAY_SECONDS = 4; // from one end to the other and back
const GIF_FRAMES = 48, MOST_KEPT = 60;
const MOST_BUTTONS = 40; // categories; more of them are chosen by number

const element = (id) => document.getElementById(id);
const random = (below) => crypto.getRandomValues(new Uint32Array(1))[0] % below;

let contract, models, state, kept = [], gridImages = [];
let names = new Map(); // given on this page, by the name in training
const controls = new Map(); // by the name of the code
let moved; // the code that was moved last
let playing = null;

function alert(message) {
  element("alert").textContent = message;
  element("alert").hidden = !message;
}

function say(message) {
  element("status").textContent = message;
}

// Runs what a control asks for; a failure is said on the page.
const safely = (action) => async (...given) => {
  try {
    await action(...given);
  } catch (error) {
    alert(error.message);
  }
};

function make(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

// Runs an action that draws, never twice at once; asked for again meanwhile, it runs once more, for what is newest then.
function newest(action) {
  let running = false, again = false;
  return safely(async () => {
    again = true;
    if (running) return;
    running = true;
    try {
      while (again) {
        again = false;
        await action();
      }
    } finally {
      running = false;
    }
  });
}

const codeOf = (name) => contract.codes.find((code) => code.name === name);
const shownName = (code) => names.get(code.trainedAs) ?? code.name;
const sentence = (shown) => contract.codes.map((code) => `${shownName(code)} ${describe(code, shown.values[code.name])}`).concat(contract.noiseSize ? `seed ${shown.seed}` : []).join(", ");

// What a browser keeps between visits, by model; without storage (a private window) it is forgotten.
const storage = {
  key: (what) => `keras_infogan ${contract.name} ${contract.codes.map((code) => code.trainedAs)} ${what}`,
  read(what, otherwise) {
    try {
      return JSON.parse(localStorage.getItem(this.key(what))) ?? otherwise;
    } catch {
      return otherwise;
    }
  },
  write(what, value) {
    try {
      localStorage.setItem(this.key(what), JSON.stringify(value));
    } catch { /* full, or not allowed */ }
  },
};

// Drawing: the newest state wins, and the large image comes before the grid.

let gridTimer, gridVersion = 0, pixels;

const refresh = newest(async () => {
  const shown = state, start = performance.now();
  [pixels] = await models.generate([shown]);
  draw(element("image"), contract, pixels);
  element("image").setAttribute("aria-label", sentence(shown));
  element("speed").textContent = `${(performance.now() - start).toFixed(0)} ms, computed in this browser`;
});

function change(next, { controlsToo = true } = {}) {
  const otherNoise = next.seed !== state.seed;
  state = next;
  if (controlsToo) for (const control of controls.values()) control.show(state.values[control.code.name], true);
  element("seed").value = state.seed;
  refresh();
  clearTimeout(gridTimer);
  gridTimer = setTimeout(refreshGrid, GRID_DELAY);
  if (otherNoise) remake();
}

const refreshGrid = safely(async () => {
  const version = ++gridVersion, grid = element("grid"), [rows, columns] = ["rows", "columns"].map((id) => element(id).value);
  const single = contract.codes.length === 1 && !contract.noiseSize; // nothing to move along the rows
  const down = single ? [state.seed] : valuesAlong(contract, state, rows, GRID_ROWS), across = valuesAlong(contract, state, columns, GRID_COLUMNS);
  const text = (name, value) => (name ? describe(codeOf(name), value, 1) : String(value));
  // Without codes there is one thing to change, and the grid shows it on and on.
  const seeds = contract.codes.length ? null : valuesAlong(contract, state, "", down.length * across.length);
  const cells = down.map((value, row) => across.map((other, column) => (seeds ? at(state, "", seeds[row * across.length + column]) : at(at(state, rows, value), columns, other))));
  if (grid.dataset.layout !== `${down.length} ${across.length}`) {
    grid.replaceChildren(make("span"), ...across.map(() => make("span", { className: "label" })));
    for (let row = 0; row < down.length; row++) grid.append(make("span", { className: "label" }), ...across.map(() => make("button", {}, make("canvas"))));
    grid.style.setProperty("--columns", across.length);
    grid.dataset.layout = `${down.length} ${across.length}`;
  }
  const labels = grid.querySelectorAll(".label"), buttons = grid.querySelectorAll("button");
  across.forEach((value, column) => { labels[column].textContent = seeds ? `+${column}` : text(columns, value); });
  down.forEach((value, row) => { labels[across.length + row].textContent = seeds ? String(seeds[row * across.length]) : single ? "" : text(rows, value); });
  const drawn = [];
  element("save-grid").disabled = true;
  for (const [row, shown] of cells.entries()) {
    const images = await models.generate(shown); // a row at a time, so that the large image need not wait for all
    if (version !== gridVersion) return;
    drawn.push(...images);
    images.forEach((image, column) => {
      const button = buttons[row * across.length + column];
      draw(button.firstChild, contract, image);
      button.setAttribute("aria-label", sentence(shown[column]));
      button.onclick = () => { stop(); keep(shown[column]); change(shown[column]); };
    });
  }
  gridImages = drawn;
  element("save-grid").disabled = false;
  grid.dataset.drawn = version;
});

// Controls of codes.

function setValue(name, value) {
  moved = name;
  controls.get(name).show(value, false);
  change(withValue(state, name, value), { controlsToo: false });
}

function sliderOf(code) {
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

// A choice of one category: buttons, or a number where there are too many.
function chooser(code, part, choose) {
  if (code.categories > MOST_BUTTONS) {
    const input = make("input", { type: "number", min: 0, max: code.categories - 1, step: 1 });
    input.onchange = () => {
      const valid = input.checkValidity() && input.value !== "";
      alert(valid ? "" : `A category is a whole number from 0 to ${code.categories - 1}.`);
      if (valid) choose(Number(input.value));
    };
    return { box: input, show: (category) => { input.value = category; } };
  }
  const inputs = Array.from({ length: code.categories }, (_, category) => {
    const input = make("input", { type: "radio", name: `${code.name} ${part}`, value: category });
    input.setAttribute("aria-label", `category ${category}${code.labels[category] ? `, label ${code.labels[category]}` : ""}`);
    input.onchange = () => choose(category);
    return input;
  });
  const box = make("div", { className: "categories", role: "radiogroup" }, ...inputs.map((input, category) => {
    const label = code.labels[category], title = label && `Category ${category}; among labeled images, ${label} fits best`;
    return make("label", title ? { title } : {}, input, String(category), ...(label ? [make("small", { textContent: `≈ ${label}` })] : []));
  }));
  return { box, show: (category) => { inputs[category].checked = true; } };
}

function categoriesOf(code) {
  const value = () => state.values[code.name];
  const first = chooser(code, "category", (category) => { stop(); setValue(code.name, { ...value(), category }); });
  const second = chooser(code, "blend", (other) => { stop(); setValue(code.name, { ...value(), other }); });
  const share = make("input", { type: "range", min: 0, max: 1, step: 0.01 });
  share.oninput = () => { stop(); setValue(code.name, { ...value(), mix: Number(share.value) }); };
  const text = make("span"), blend = make("div", {}, second.box, make("div", { className: "blend" }, share, text));
  const open = make("button", { className: "small", textContent: "Blend" });
  const toggle = (shown) => { blend.hidden = !shown; open.setAttribute("aria-pressed", shown); };
  open.onclick = () => {
    stop();
    if (!blend.hidden) {
      toggle(false);
      setValue(code.name, { ...value(), mix: 0 });
    } else {
      toggle(true);
      setValue(code.name, { category: value().category, other: (value().category + 1) % code.categories, mix: 0.5 });
    }
  };
  toggle(false);
  return {
    parts: [first.box, blend],
    buttons: [open],
    show: ({ category, other, mix }, whole) => {
      first.show(category);
      second.show(other);
      share.value = mix;
      text.textContent = `${Math.round((1 - mix) * 100)}% ${category}, ${Math.round(mix * 100)}% ${other}`;
      if (mix > 0 || whole) toggle(mix > 0);
    },
    label: (name) => {
      first.box.setAttribute("aria-label", name);
      second.box.setAttribute("aria-label", `${name}, blended with`);
      share.setAttribute("aria-label", `share of the second category of ${name}`);
    },
  };
}

function addCode(code) {
  const control = code.discrete ? categoriesOf(code) : sliderOf(code);
  const name = make("input", { type: "text", className: "name", value: shownName(code), maxLength: 64, spellcheck: false, autocomplete: "off", title: "Give the code a name" });
  name.setAttribute("aria-label", `name of ${code.name}`);
  const value = make("span", { className: "value" }), play = make("button", { className: "small", textContent: "Play" });
  play.setAttribute("aria-pressed", false);
  play.onclick = () => (playing?.name === code.name ? stop() : start(code));
  const wanted = () => new Map(names).set(code.trainedAs, name.value || code.name); // an empty field: the export's name
  name.oninput = () => {
    name.setCustomValidity(problemOf(wanted()));
    name.reportValidity();
  };
  name.onchange = () => {
    const problem = problemOf(wanted());
    alert(problem && `${shownName(code)} keeps its name: ${problem}`);
    if (!problem) {
      setNames(wanted());
      storage.write("names", [...names]);
    }
    name.setCustomValidity("");
    name.value = shownName(code);
  };
  name.onkeydown = (event) => { if (event.key === "Enter") name.blur(); };
  const head = make("div", { className: "head" }, name, value, ...(control.buttons ?? []), play);
  const group = make("div", { className: "code", role: "group" }, head, ...control.parts);
  element("codes").append(group);
  controls.set(code.name, {
    code,
    play,
    // `whole`: not this control moved the code, but all are shown anew.
    show: (shown, whole) => { control.show(shown, whole); value.textContent = describe(code, shown); },
    label: () => {
      control.label(shownName(code));
      group.setAttribute("aria-label", shownName(code));
      play.setAttribute("aria-label", `Play ${shownName(code)}`);
      if (name !== document.activeElement) name.value = shownName(code);
    },
  });
}

// Why codes cannot have these names, a Map as `names`, or "".
function problemOf(wanted) {
  const shown = contract.codes.map((code) => wanted.get(code.trainedAs) ?? code.name);
  return shown.map((name, index) => nameProblem(contract, name, shown.filter((_, other) => other !== index))).find(Boolean) ?? "";
}

// Takes names for this visit.
function setNames(wanted) {
  names = new Map([...wanted].filter(([trainedAs, name]) => contract.codes.some((code) => code.trainedAs === trainedAs && code.name !== name)));
  for (const control of controls.values()) {
    control.label();
    for (const option of document.querySelectorAll("#rows option, #columns option")) if (option.value === control.code.name) option.textContent = shownName(control.code);
  }
}

// Playing a traversal.

function start(code) {
  stop();
  moved = code.name;
  playing = { name: code.name, begun: performance.now() };
  controls.get(code.name).play.setAttribute("aria-pressed", true);
  const tick = (now) => {
    if (playing?.name !== code.name) return;
    const seconds = code.discrete ? code.categories * 0.7 : PLAY_SECONDS;
    setValue(code.name, alongTraversal(code, (((now - playing.begun) / 1000 / seconds) + (code.discrete ? 0 : 0.25)) % 1));
    requestAnimationFrame(tick);
  };
  requestAnimationFrame(tick);
}

function stop() {
  if (!playing) return;
  controls.get(playing.name).play.setAttribute("aria-pressed", false);
  playing = null;
}

// Keeping images.

const thumbnails = new WeakMap(); // pixels by kept state

function setKept(states) {
  kept = states.slice(0, MOST_KEPT);
  storage.write("kept", kept.map((one) => [one.seed, toText(contract, one)]));
  showKept();
}

function keep(shown) {
  if (kept.some((one) => toText(contract, one) === toText(contract, shown) && one.seed === shown.seed)) return say("It is kept already.");
  say("Kept.");
  return setKept([shown, ...kept]);
}

const showKept = newest(async () => {
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
function readKept() {
  const stored = storage.read("kept", []), states = [];
  for (const entry of Array.isArray(stored) ? stored : []) {
    if (!Array.isArray(entry) || typeof entry[1] !== "string") continue;
    const { state: one, strange } = fromText(contract, state, entry[1], String(entry[0]));
    if (!strange) states.push(one);
  }
  return states.slice(0, MOST_KEPT);
}

function readNames() {
  const stored = storage.read("names", []);
  const pairs = Array.isArray(stored) ? stored.filter((pair) => Array.isArray(pair) && pair.length === 2 && pair.every((one) => typeof one === "string")) : [];
  return problemOf(new Map(pairs)) ? new Map() : new Map(pairs);
}

// Reading a real image.

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
  const [image] = await models.generate([{ seed: state.seed, values: readValues }]);
  draw(element("remade"), contract, image);
});

function listenToFiles() {
  const drop = element("drop");
  element("file").onchange = (event) => { if (event.target.files[0]) read(event.target.files[0]); event.target.value = ""; };
  element("invert").onchange = () => { if (lastFile) read(lastFile); };
  element("take-codes").onclick = () => { stop(); change({ seed: state.seed, values: { ...readValues } }); };
  for (const [type, over] of [["dragenter", true], ["dragover", true], ["dragleave", false], ["drop", false]]) {
    document.addEventListener(type, (event) => { event.preventDefault(); drop.classList.toggle("over", over); });
  }
  document.addEventListener("drop", (event) => {
    if (event.dataTransfer.files[0]) read(event.dataTransfer.files[0]);
    else alert("What you dropped is no file; save the image first, then drop its file.");
  });
  document.addEventListener("paste", (event) => { const file = event.clipboardData?.files[0]; if (file) read(file); });
}

// Links.

function link() {
  const [rows, columns] = ["rows", "columns"].map((id) => codeOf(element(id).value)?.trainedAs ?? "");
  const parameters = new URLSearchParams({ seed: state.seed, codes: toText(contract, state), rows, columns });
  if (names.size) parameters.set("names", [...names].map((pair) => pair.join("=")).join(","));
  return `${location.origin}${location.pathname}#${parameters}`;
}

function restoreFromAddress() {
  stop();
  alert("");
  const parameters = new URLSearchParams(location.hash.slice(1));
  const codes = parameters.get("codes")?.replaceAll(" ", "+"); // a plus that was typed, not encoded, reads as a space
  const { state: restored, strange } = fromText(contract, state, codes, parameters.get("seed"));
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

const copyLink = safely(async () => {
  history.replaceState(null, "", link());
  try {
    await navigator.clipboard.writeText(link());
    say("Copied. The link opens the page as you see it.");
  } catch {
    say("The browser does not let a page copy; the link is in its address bar.");
  }
});

const saveMoved = safely(async () => {
  stop();
  const code = codeOf(moved);
  say(`Drawing ${shownName(code)}…`);
  const states = Array.from({ length: GIF_FRAMES }, (_, frame) => withValue(state, code.name, alongTraversal(code, frame / GIF_FRAMES)));
  const frames = [];
  for (let first = 0; first < GIF_FRAMES; first += 8) frames.push(...(await models.generate(states.slice(first, first + 8))));
  saveGif(contract, frames, 80, `${contract.name}_${shownName(code)}.gif`);
  say(`Saved ${shownName(code)} from end to end.`);
});

function listen() {
  const newNoise = () => contract.noiseSize && change({ ...state, seed: random(10 ** 6) });
  const playMoved = () => (playing ? stop() : moved && start(codeOf(moved)));
  element("new-noise").onclick = newNoise;
  element("seed").onchange = (event) => {
    const valid = event.target.checkValidity() && event.target.value !== "";
    alert(valid ? "" : `A seed is a whole number from 0 to ${LARGEST_SEED}.`);
    if (valid) change({ ...state, seed: Number(event.target.value) });
    else event.target.value = state.seed;
  };
  element("reset").onclick = () => { stop(); alert(""); change({ ...middle(contract), seed: state.seed }); };
  element("keep").onclick = element("large").onclick = () => keep(state);
  element("save-png").onclick = () => savePng(contract, [pixels], 1, `${contract.name}.png`);
  element("save-grid").onclick = () => savePng(contract, gridImages, Number(element("grid").style.getPropertyValue("--columns")), `${contract.name}_grid.png`);
  element("save-gif").onclick = saveMoved;
  element("copy-link").onclick = copyLink;
  element("rows").onchange = element("columns").onchange = refreshGrid;
  element("save-names").onclick = () => {
    const byTraining = Object.fromEntries(contract.codes.filter((code) => shownName(code) !== code.trainedAs).map((code) => [code.trainedAs, shownName(code)]));
    save(new Blob([`${JSON.stringify(byTraining, null, 1)}\n`], { type: "application/json" }), "names.json");
  };
  document.addEventListener("keydown", (event) => {
    if (!element("keys").checked || event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input[type=text], input[type=number], select")) return;
    const action = { n: newNoise, k: () => keep(state), p: playMoved }[event.key.toLowerCase()];
    if (action) { event.preventDefault(); action(); }
  });
  addEventListener("hashchange", restoreFromAddress);
}

async function begin() {
  if (!hasSimd()) throw new Error("This browser has no WebAssembly with SIMD, which the generator needs; take a recent Firefox, Chrome, Edge or Safari (16.4).");
  const response = await fetch("generator.json");
  if (!response.ok) throw new Error(`generator.json cannot be loaded (status ${response.status}); export again with --formats=web.`);
  try {
    contract = readContract(await response.json());
  } catch {
    throw new Error("generator.json is damaged; export again with --formats=web.");
  }
  element("title").textContent = document.title = contract.name;
  const { title, paper, reads } = contract.model, labels = reads.includes("label") ? "with" : "without";
  element("about").textContent = `${title} (${paper}), trained ${labels} labels on ${contract.dataset.name}, step ${contract.step.toLocaleString("en")}. License of the training images: ${contract.dataset.license}.`;
  let told = 0;
  models = new Models(contract, ({ name, size }) => {
    if (Math.abs(size - told) < 2e6) return; // not every piece of a large file, which a screen reader would read out
    told = size;
    say(`Loading ${name}: ${(size / 1e6).toFixed(0)} MB`);
  });
  state = middle(contract);
  await models.generate([state]);
  for (const code of contract.codes) addCode(code);
  if (!contract.noiseSize) for (const id of ["new-noise", "seed"]) (element(id).closest("label") ?? element(id)).hidden = true;
  const options = [...contract.codes.map((code) => [code.name, code.name]), ...(contract.noiseSize ? [["", "noise"]] : [])];
  for (const id of ["rows", "columns"]) element(id).append(...options.map(([value, textContent]) => make("option", { value, textContent })));
  element("range").hidden = contract.codes.every((code) => code.discrete);
  element("codes").append(element("range"));
  setNames(readNames());
  const across = contract.codes.find((code) => !code.discrete) ?? contract.codes[0], others = contract.codes.filter((code) => code !== across);
  element("columns").value = across?.name ?? "";
  element("rows").value = (others.find((code) => code.discrete) ?? others[0])?.name ?? "";
  moved = element("columns").value;
  if (!across) {
    for (const id of ["reset", "save-gif", "naming"]) element(id).hidden = true;
    for (const id of ["rows", "columns"]) element(id).closest("label").hidden = true;
    element("grid-title").textContent = "Other noise";
  }
  element("real").hidden = !contract.encodes;
  if (!contract.noiseSize) {
    element("remade-caption").textContent = "G(Q(x))";
    element("noise-key").hidden = true;
  }
  kept = readKept();
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
