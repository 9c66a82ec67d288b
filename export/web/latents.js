// What a state of the explorer means to the model: named inputs for generator.onnx, or editor.onnx. As keras_infogan.latents and keras_infogan.contract have it in Python.
//
// A state is {seed, values, gains}: values[name] is a number for a continuous code, and {category, other, mix} for a discrete one: `mix` of `other`, the rest of `category`; gains[unit] is a number for each
// unit that is not as it is.

export const LARGEST_SEED = 2 ** 32 - 1;
const NAME = /^[A-Za-z][A-Za-z0-9_]{0,63}$/;
// What Python forbids as the name of an argument.
const KEYWORDS = new Set(("False None True and as assert async await break class continue def del elif else except finally for from global if import in is lambda " +
  "nonlocal not or pass raise return self try while with yield").split(" "));

function mix(value) {
  value = Math.imul(value ^ (value >>> 16), 0x21f0aaad);
  value = Math.imul(value ^ (value >>> 15), 0x735a2d97);
  return (value ^ (value >>> 15)) >>> 0;
}

// The noise that a seed stands for, Float32Array(size): Noise.from_seeds in Python.
export function noiseFromSeed(seed, size, normal) {
  const bits = (column) => mix(mix(seed) ^ mix(2 ** 31 + column)) >>> 9;
  return Float32Array.from({ length: size }, (_, column) => {
    if (!normal) return (bits(column) + 0.5) / 2 ** 22 - 1;
    const radius = (bits(column) + 0.5) / 2 ** 23, angle = (bits(size + column) + 0.5) / 2 ** 23;
    return Math.sqrt(-2 * Math.log(radius)) * Math.cos(2 * Math.PI * angle);
  });
}

// What generator.json says of the inputs, in the terms of this page.
export function readContract(content) {
  const codes = content.inputs.filter((input) => input.trained_as).map((input) => ({
    name: input.name,
    trainedAs: input.trained_as,
    discrete: input.kind === "categorical" || input.kind === "bernoulli",
    bit: input.kind === "bernoulli",
    categories: input.kind === "categorical" ? input.weights.shape[1] : 2,
    labels: content.evaluation?.labels_of_categories?.[input.name] ?? {}, // of real images, matched to the categories after training
    // Sliders go as far as the paper's plots, beyond the range that the code was trained on.
    trained: input.range ?? [-3, 3],
    range: input.kind === "uniform" ? [-2, 2] : [-3, 3],
  }));
  const noise = content.inputs.find((input) => input.kind === "noise");
  const [, height, width, channels] = content.images.shape;
  return {
    name: content.name, model: content.model, step: content.step, dataset: content.dataset, reserved: content.reserved_names, encodes: content.capabilities.includes("encode"),
    codes, height, width, channels, framing: content.images.framing, noiseSize: noise ? noise.shape[1] : 0, normal: noise ? !noise.range : false,
    unitLayer: content.units?.layer, units: (content.units?.segments ?? []).map((segment, unit) => ({ unit, segment })),
  };
}

export function middle(contract) {
  const values = Object.fromEntries(contract.codes.map((code) => [code.name, code.discrete ? { category: 0, other: 0, mix: 0 } : 0]));
  return { seed: 1, values, gains: {} };
}

// Named inputs for a batch of states, {name: {data: Float32Array, dims}}; gains only where one of them has any.
export function feedsOf(contract, states) {
  const feeds = {};
  for (const code of contract.codes) {
    const width = code.discrete && !code.bit ? code.categories : 1;
    const data = new Float32Array(states.length * width);
    states.forEach(({ values }, row) => {
      const value = values[code.name];
      if (!code.discrete) data[row] = value;
      else if (code.bit) data[row] = value.category * (1 - value.mix) + value.other * value.mix;
      else {
        data[row * width + value.category] += 1 - value.mix;
        data[row * width + value.other] += value.mix;
      }
    });
    feeds[code.name] = { data, dims: width === 1 ? [states.length] : [states.length, width] };
  }
  if (contract.noiseSize) {
    const data = new Float32Array(states.length * contract.noiseSize);
    states.forEach(({ seed }, row) => data.set(noiseFromSeed(seed, contract.noiseSize, contract.normal), row * contract.noiseSize));
    feeds.noise = { data, dims: [states.length, contract.noiseSize] };
  }
  if (states.some(({ gains }) => Object.keys(gains).length)) {
    const width = contract.units.length, data = new Float32Array(states.length * width).fill(1);
    states.forEach(({ gains }, row) => { for (const [unit, gain] of Object.entries(gains)) data[row * width + Number(unit)] = gain; });
    feeds.unit_gain = { data, dims: [states.length, width] };
  }
  return feeds;
}

export function withValue(state, name, value) {
  return { ...state, values: { ...state.values, [name]: value } };
}

// The values that a code takes in a row or column of the grid: all categories up to ten, or `count`; of the noise (name ""), seeds from the state's on.
export function valuesAlong(contract, state, name, count) {
  if (!name) return Array.from({ length: count }, (_, index) => (state.seed + index) % (LARGEST_SEED + 1));
  const code = contract.codes.find((one) => one.name === name);
  if (code.discrete) {
    const shown = Math.min(code.categories, 10), step = code.categories / shown;
    return Array.from({ length: shown }, (_, index) => ({ category: Math.floor(index * step), other: 0, mix: 0 }));
  }
  const [low, high] = code.range;
  return Array.from({ length: count }, (_, index) => low + ((high - low) * index) / (count - 1));
}

export function at(state, name, value) {
  return name ? withValue(state, name, value) : { ...state, seed: value };
}

// The place of a traversal at time 0 to 1: a continuous code from end to end and back, a discrete one through its categories, blending.
export function alongTraversal(code, time) {
  if (code.discrete) {
    const place = time * code.categories, category = Math.floor(place) % code.categories;
    return { category, other: (category + 1) % code.categories, mix: place - Math.floor(place) };
  }
  const [low, high] = code.range;
  return low + (high - low) * (1 - Math.abs(1 - 2 * time));
}

export function describe(code, value, digits = 2) {
  if (!code.discrete) return (value >= 0 ? "+" : "−") + Math.abs(value).toFixed(digits);
  return value.mix > 0 ? `${value.category} · ${value.other}` : String(value.category);
}

const NUMBER = /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i;

// The codes of a state as text, as the Python client takes them (digit=3:0.5+7:0.5,slant=0.7), under their names in training, which no export changes.
export function toText(contract, state) {
  return contract.codes.map((code) => {
    const value = state.values[code.name], number = (one) => String(+one.toFixed(4));
    if (!code.discrete) return `${code.trainedAs}=${number(value)}`;
    if (code.bit) return `${code.trainedAs}=${number(value.category * (1 - value.mix) + value.other * value.mix)}`;
    return `${code.trainedAs}=` + (value.mix ? `${value.category}:${number(1 - value.mix)}+${value.other}:${number(value.mix)}` : value.category);
  }).join(",");
}

// The value that a text stands for, or undefined if the code has no such value.
function valueOf(code, text) {
  if (!code.discrete || code.bit) {
    const number = NUMBER.test(text) ? Number(text) : NaN, [low, high] = code.bit ? [0, 1] : code.range;
    if (!(number >= low && number <= high)) return undefined;
    return code.bit ? { category: Number(number === 1), other: 1, mix: number % 1 } : number;
  }
  const parts = text.split("+").map((part) => part.split(":"));
  const shares = parts.map(([, share]) => (parts.length === 1 && share === undefined ? 1 : NUMBER.test(share ?? "") ? Number(share) : NaN));
  const valid = parts.every(([category]) => /^\d+$/.test(category) && Number(category) < code.categories) && shares.every((share) => share >= 0);
  if (!valid || parts.length > 2 || !(Math.abs(shares.reduce((one, other) => one + other) - 1) <= 1e-3)) return undefined;
  const [category, other = category] = parts.map(([one]) => Number(one));
  return { category, other, mix: shares[1] ?? 0 };
}

// The gains of a state as text: 12:0,3:0.5.
export function gainsToText({ gains }) {
  return Object.entries(gains).map(([unit, gain]) => `${unit}:${+gain.toFixed(4)}`).join(",");
}

// The gains that such a text stands for, or undefined if it does not fit the model.
function gainsOf(contract, text) {
  const pairs = text.split(",").filter(Boolean).map((pair) => pair.split(":"));
  const valid = pairs.every(([unit, gain, ...more]) => !more.length && /^\d+$/.test(unit) && Number(unit) < contract.units.length && NUMBER.test(gain ?? "") && Math.abs(gain) <= 2);
  return valid ? Object.fromEntries(pairs.map(([unit, gain]) => [Number(unit), Number(gain)])) : undefined;
}

// The code of a name, in training or, as a person would write it, in this export.
export function find(contract, name) {
  return contract.codes.find((code) => code.trainedAs === name) ?? contract.codes.find((code) => code.name === name);
}

// The state that such texts and a seed stand for, and how much of them does not fit the model: that is left as it is in `state`, and gains are none.
export function fromText(contract, state, text, seed, gains) {
  const restored = { seed: state.seed, values: { ...state.values }, gains: gainsOf(contract, gains ?? "") ?? {} };
  let strange = 0;
  if (/^\d{1,10}$/.test(seed ?? "") && Number(seed) <= LARGEST_SEED) restored.seed = Number(seed);
  else if (seed) strange += 1;
  for (const part of (text ?? "").split(",").filter(Boolean)) {
    const [name, ...rest] = part.split("="), code = find(contract, name);
    const value = code && valueOf(code, rest.join("="));
    if (value === undefined) strange += 1;
    else restored.values[code.name] = value;
  }
  if (gains && !gainsOf(contract, gains)) strange += 1;
  return { state: restored, strange };
}

// Why a code cannot have a name, or "".
export function nameProblem(contract, name, others) {
  if (!NAME.test(name)) return "A name has letters, digits and underscores, and begins with a letter.";
  const lower = name.toLowerCase(), { names, endings } = contract.reserved;
  if (names.includes(lower) || endings.some((ending) => lower.endsWith(ending)) || KEYWORDS.has(name)) return "This name is reserved; give another one.";
  return others.some((other) => other.toLowerCase() === name.toLowerCase()) ? "Another code has this name." : "";
}
