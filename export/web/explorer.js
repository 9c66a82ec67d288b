// The page: controls, and what they show.

import { Models, hasSimd } from "./models.js";
import { draw, readFile, save, saveGif, savePng } from "./pictures.js";
import { LARGEST_SEED, alongTraversal, at, describe, fromText, middle, nameProblem, readContract, toText, valuesAlong, withValue } from "./latents.js";

const GRID_COLUMNS = 9, GRID_ROWS = 7; // values of a continuous code
const GRID_DELAY = 80; // milliseconds without a change before the grid follows
const PLAY_SECONDS = 4; // from one end to the other and back
const GIF_FRAMES = 48, MOST_KEPT = 60;
const MOST_BUTTONS = 40; // categories; more of them are chosen by number

const element = (id) => document.getElementById(id);
const random = (below) => crypto.getRandomValues(new Uint32Array(1))[0] % below;

let contract, models, state, names = {}, kept = [], controls = {};
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

const shownName = (name) => names[name] ?? name;
const sentence = (shown) => contract.codes.map((code) => `${shownName(code.name)} ${describe(code, shown.values[code.name])}`).join(", ") + `, seed ${shown.seed}`;

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

let drawing = false, outdated = false, gridTimer, gridVersion = 0, pixels;

const refresh = safely(async () => {
  outdated = true;
  if (drawing) return;
  drawing = true;
  try {
    while (outdated) {
      outdated = false;
      const shown = state, start = performance.now();
      [pixels] = await models.generate([shown]);
      draw(element("image"), contract, pixels);
      element("image").setAttribute("aria-label", sentence(shown));
      element("speed").textContent = `${(performance.now() - start).toFixed(0)} ms, computed in this browser`;
    }
  } finally {
    drawing = false;
  }
});

function change(next, { controlsToo = true } = {}) {
  state = next;
  if (controlsToo) for (const control of Object.values(controls)) control.show();
  element("seed").value = state.seed;
  refresh();
  clearTimeout(gridTimer);
  gridTimer = setTimeout(refreshGrid, GRID_DELAY);
  if (readPixels) remake();
}

const refreshGrid = safely(async () => {
  const version = ++gridVersion, grid = element("grid"), [rows, columns] = ["rows", "columns"].map((id) => element(id).value);
  const down = valuesAlong(contract, state, rows, GRID_ROWS), across = valuesAlong(contract, state, columns, GRID_COLUMNS);
  const text = (name, value) => (name ? describe(contract.codes.find((code) => code.name === name), value, 1) : String(value));
  const cells = down.map((value) => across.map((other) => at(at(state, rows, value), columns, other)));
  if (grid.dataset.layout !== `${down.length} ${across.length}`) {
    grid.replaceChildren(make("span"), ...across.map(() => make("span", { className: "label" })));
    for (let row = 0; row < down.length; row++) grid.append(make("span", { className: "label" }), ...across.map(() => make("button", {}, make("canvas"))));
    grid.style.setProperty("--columns", across.length);
    grid.dataset.layout = `${down.length} ${across.length}`;
  }
  const labels = grid.querySelectorAll(".label"), buttons = grid.querySelectorAll("button");
  across.forEach((value, column) => { labels[column].textContent = text(columns, value); });
  down.forEach((value, row) => { labels[across.length + row].textContent = text(rows, value); });
  grid.images = [];
  for (const [row, shown] of cells.entries()) {
    const images = await models.generate(shown); // a row at a time, so that the large image need not wait for all
    if (version !== gridVersion) return;
    grid.images.push(...images);
    images.forEach((image, column) => {
      const button = buttons[row * across.length + column];
      draw(button.firstChild, contract, image);
      button.setAttribute("aria-label", sentence(shown[column]));
      button.onclick = () => { keep(shown[column]); change(shown[column]); };
    });
  }
  grid.dataset.drawn = version;
});

// Controls of codes.

function setValue(name, value) {
  moved = name;
  controls[name].show(value);
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
    input.onchange = () => { if (input.checkValidity() && input.value !== "") choose(Number(input.value)); };
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
    show: ({ category, other, mix }) => {
      first.show(category);
      second.show(other);
      share.value = mix;
      text.textContent = `${Math.round((1 - mix) * 100)}% ${category}, ${Math.round(mix * 100)}% ${other}`;
      if (mix > 0) toggle(true);
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
  const name = make("input", { type: "text", className: "name", value: shownName(code.name), maxLength: 64, spellcheck: false, autocomplete: "off", title: "Give the code a name" });
  name.setAttribute("aria-label", `name of ${code.name}`);
  const value = make("output"), play = make("button", { className: "small", textContent: "Play" });
  play.setAttribute("aria-pressed", false);
  play.onclick = () => (playing?.name === code.name ? stop() : start(code));
  name.oninput = () => {
    const others = contract.codes.filter((other) => other !== code).map((other) => shownName(other.name));
    name.setCustomValidity(nameProblem(name.value, others));
    name.reportValidity();
    if (!name.validationMessage) rename(code.name, name.value);
  };
  name.onblur = () => { name.value = shownName(code.name); name.setCustomValidity(""); };
  name.onkeydown = (event) => { if (event.key === "Enter") name.blur(); };
  const head = make("div", { className: "head" }, name, value, ...(control.buttons ?? []), play);
  element("codes").append(make("div", { className: "code" }, head, ...control.parts));
  controls[code.name] = {
    play,
    show: (shown = state.values[code.name]) => { control.show(shown); value.textContent = describe(code, shown); },
    label: () => { control.label(shownName(code.name)); play.setAttribute("aria-label", `Play ${shownName(code.name)}`); if (name !== document.activeElement) name.value = shownName(code.name); },
  };
  controls[code.name].label();
}

function rename(name, shown) {
  if (shown === name) delete names[name];
  else names[name] = shown;
  storage.write("names", names);
  showNames();
}

function showNames() {
  for (const [name, control] of Object.entries(controls)) {
    control.label();
    for (const option of document.querySelectorAll("#rows option, #columns option")) if (option.value === name) option.textContent = shownName(name);
  }
}

// Playing a traversal.

function start(code) {
  stop();
  moved = code.name;
  playing = { name: code.name, begun: performance.now() };
  controls[code.name].play.setAttribute("aria-pressed", true);
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
  controls[playing.name].play.setAttribute("aria-pressed", false);
  playing = null;
}

// Keeping images.

function keep(shown) {
  if (kept.some((one) => toText(contract, one) === toText(contract, shown) && one.seed === shown.seed)) return say("It is kept already.");
  kept = [shown, ...kept].slice(0, MOST_KEPT);
  storage.write("kept", kept.map((one) => [one.seed, toText(contract, one)]));
  say("Kept.");
  return showKept();
}

const showKept = safely(async () => {
  const shown = [...kept], images = shown.length ? await models.generate(shown) : [];
  element("kept-none").hidden = shown.length > 0;
  element("kept").replaceChildren(...shown.map((one, index) => {
    const canvas = make("canvas"), take = make("button", { className: "picture", title: sentence(one) }, canvas);
    draw(canvas, contract, images[index]);
    take.setAttribute("aria-label", sentence(one));
    take.onclick = () => { stop(); change(one); };
    const remove = make("button", { className: "remove", textContent: "×", title: "Remove" });
    remove.onclick = () => { kept = kept.filter((other) => other !== one); storage.write("kept", kept.map((other) => [other.seed, toText(contract, other)])); showKept(); };
    return make("div", {}, take, remove);
  }));
});

// Reading a real image.

let readPixels = null, readState = null, readNumber = 0, lastFile = null;

const read = safely(async (file) => {
  lastFile = file;
  alert("");
  try {
    readPixels = await readFile(contract, file, element("invert").checked);
  } catch {
    throw new Error(`${file.name || "What you gave"} is no image that this browser can read; give a PNG or JPEG.`);
  }
  say("Reading the image…");
  const answers = await models.encode(readPixels);
  draw(element("seen"), contract, readPixels);
  const values = {}, rows = contract.codes.map((code) => {
    if (!code.discrete) {
      values[code.name] = Math.min(Math.max(answers[code.name][0], code.range[0]), code.range[1]);
      return [shownName(code.name), `${describe(code, answers[code.name][0])} ± ${answers[`${code.name}_std`][0].toFixed(2)}`];
    }
    const likely = answers[`${code.name}_probabilities`].map((probability, category) => [probability, category]).sort((one, other) => other[0] - one[0]);
    values[code.name] = { category: likely[0][1], other: likely[0][1], mix: 0 };
    return [shownName(code.name), likely.slice(0, 3).filter(([probability]) => probability >= 0.005).map(([probability, category]) => `${category} (${Math.round(probability * 100)}%)`).join(", ")];
  });
  element("answers").replaceChildren(...rows.map((row) => make("tr", {}, make("th", { textContent: row[0], scope: "row" }), make("td", { textContent: row[1] }))));
  readState = { values };
  element("read").hidden = false;
  await remake();
  say("Read.");
});

// G(Q(x)), with the noise of the present seed.
const remake = safely(async () => {
  if (!readState) return;
  const number = ++readNumber, [image] = await models.generate([{ seed: state.seed, values: readState.values }]);
  if (number === readNumber) draw(element("remade"), contract, image);
});

function listenToFiles() {
  const drop = element("drop");
  element("file").onchange = (event) => { if (event.target.files[0]) read(event.target.files[0]); event.target.value = ""; };
  element("invert").onchange = () => { if (lastFile) read(lastFile); };
  element("take-codes").onclick = () => { stop(); change({ seed: state.seed, values: { ...readState.values } }); };
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
  const parameters = new URLSearchParams({ seed: state.seed, codes: toText(contract, state), rows: element("rows").value, columns: element("columns").value });
  if (Object.keys(names).length) parameters.set("names", Object.entries(names).map((pair) => pair.join("=")).join(","));
  return `${location.origin}${location.pathname}#${parameters}`;
}

function restoreFromAddress() {
  const parameters = new URLSearchParams(location.hash.slice(1));
  const codes = parameters.get("codes")?.replaceAll(" ", "+"); // a plus that was typed, not encoded, reads as a space
  const { state: restored, strange } = fromText(contract, state, codes, parameters.get("seed"));
  for (const id of ["rows", "columns"]) if ([...element(id).options].some((option) => option.value === parameters.get(id))) element(id).value = parameters.get(id);
  for (const pair of (parameters.get("names") ?? "").split(",")) {
    const [name, shown] = pair.split("="), code = contract.codes.find((one) => one.name === name);
    const others = contract.codes.filter((other) => other !== code).map((other) => shownName(other.name));
    if (code && shown && !nameProblem(shown, others)) rename(name, shown);
  }
  if (strange) alert(`The link has ${strange === 1 ? "a code" : `${strange} codes`} that this model has not or takes otherwise; the rest was restored.`);
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
  const code = contract.codes.find((one) => one.name === moved) ?? contract.codes[0];
  say(`Drawing ${shownName(code.name)}…`);
  const states = Array.from({ length: GIF_FRAMES }, (_, frame) => withValue(state, code.name, alongTraversal(code, frame / GIF_FRAMES)));
  const frames = [];
  for (let first = 0; first < GIF_FRAMES; first += 8) frames.push(...(await models.generate(states.slice(first, first + 8))));
  saveGif(contract, frames, 80, `${contract.name}_${shownName(code.name)}.gif`);
  say(`Saved ${shownName(code.name)} from end to end.`);
});

function listen() {
  const newNoise = () => change({ ...state, seed: random(10 ** 6) });
  const playMoved = () => (playing ? stop() : start(contract.codes.find((code) => code.name === moved) ?? contract.codes[0]));
  element("new-noise").onclick = newNoise;
  element("seed").onchange = (event) => {
    if (event.target.checkValidity() && event.target.value !== "") change({ ...state, seed: Number(event.target.value) });
    else { alert(`A seed is a whole number from 0 to ${LARGEST_SEED}.`); event.target.value = state.seed; }
  };
  element("reset").onclick = () => { stop(); alert(""); change({ ...middle(contract), seed: state.seed }); };
  element("keep").onclick = element("large").onclick = () => keep(state);
  element("save-png").onclick = () => savePng(contract, [pixels], 1, `${contract.name}.png`);
  element("save-grid").onclick = () => savePng(contract, element("grid").images, Number(element("grid").style.getPropertyValue("--columns")), `${contract.name}_grid.png`);
  element("save-gif").onclick = saveMoved;
  element("copy-link").onclick = copyLink;
  element("rows").onchange = element("columns").onchange = refreshGrid;
  element("save-names").onclick = () => {
    const byTraining = Object.fromEntries(contract.codes.filter((code) => shownName(code.name) !== code.trainedAs).map((code) => [code.trainedAs, shownName(code.name)]));
    save(new Blob([`${JSON.stringify(byTraining, null, 1)}\n`], { type: "application/json" }), "names.json");
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input[type=text], input[type=number], select")) return;
    const action = { n: newNoise, k: () => keep(state), p: playMoved }[event.key.toLowerCase()];
    if (action) { event.preventDefault(); action(); }
  });
  addEventListener("hashchange", restoreFromAddress);
}

async function begin() {
  if (!hasSimd()) throw new Error("This browser has no WebAssembly with SIMD, which the generator needs; take a recent Firefox, Chrome, Edge or Safari (16.4).");
  const response = await fetch("generator.json");
  if (!response.ok) throw new Error(`generator.json cannot be loaded (status ${response.status}); export again with --formats=web.`);
  contract = readContract(await response.json());
  element("title").textContent = document.title = contract.name;
  element("about").textContent = `An InfoGAN trained without labels on ${contract.dataset.name}, step ${contract.step.toLocaleString("en")}. License of the training images: ${contract.dataset.license}.`;
  models = new Models(contract, ({ name, size }) => say(`Loading ${name}: ${(size / 1e6).toFixed(1)} MB`));
  state = middle(contract);
  await models.generate([state]);
  names = storage.read("names", {});
  for (const code of contract.codes) addCode(code);
  if (!contract.noiseSize) for (const id of ["new-noise", "seed"]) (element(id).closest("label") ?? element(id)).hidden = true;
  const options = [...contract.codes.map((code) => [code.name, shownName(code.name)]), ...(contract.noiseSize ? [["", "noise"]] : [])];
  for (const id of ["rows", "columns"]) element(id).append(...options.map(([value, textContent]) => make("option", { value, textContent })));
  const across = contract.codes.find((code) => !code.discrete) ?? contract.codes[0], others = contract.codes.filter((code) => code !== across);
  element("columns").value = across.name;
  element("rows").value = (others.find((code) => code.discrete) ?? others[0])?.name ?? "";
  moved = element("columns").value;
  kept = storage.read("kept", []).map(([seed, text]) => fromText(contract, state, text, String(seed)).state);
  listen();
  listenToFiles();
  element("main").hidden = false;
  say("Ready.");
  restoreFromAddress();
  showKept();
}

begin().catch((error) => {
  say("");
  alert(error.message);
});
