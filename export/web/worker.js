// Runs the models away from the page, so that it never stands still. Takes {id, model, feeds} and answers {id, outputs} or {id, error}; says {progress} while loading.

import { InferenceSession, Tensor, env } from "./onnxruntime-web.js";

env.wasm.wasmPaths = { wasm: new URL("ort-wasm-simd-threaded.wasm", import.meta.url).href };
// More threads need headers that few static hosts send.
env.wasm.numThreads = 1;

const sessions = {};
let last = Promise.resolve();

async function download(name) {
  const response = await fetch(new URL(name, import.meta.url));
  if (!response.ok) throw new Error(`${name} cannot be loaded (status ${response.status}); export again.`);
  const reader = response.body.getReader(), parts = [];
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    size += value.length;
    postMessage({ progress: { name, size } });
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

async function open(name) {
  const file = await download(name);
  try {
    const session = await InferenceSession.create(file, { executionProviders: ["wasm"] });
    postMessage({ progress: { name, ready: true } });
    return session;
  } catch (error) {
    throw new Error(`${name} is damaged, or this browser cannot run it (${error.message}); export again.`, { cause: error });
  }
}

async function answer({ id, model, feeds }) {
  try {
    sessions[model] ??= open(model).catch((error) => { delete sessions[model]; throw error; });
    const session = await sessions[model];
    const tensors = Object.fromEntries(Object.entries(feeds).map(([name, { data, dims }]) => [name, new Tensor("float32", data, dims)]));
    const outputs = await session.run(tensors);
    postMessage({ id, outputs: Object.fromEntries(Object.entries(outputs).map(([name, { data, dims }]) => [name, { data, dims }])) });
  } catch (error) {
    postMessage({ id, error: error.message });
  }
}

// One at a time: the runtime takes no second request to a model before it has answered the first.
onmessage = ({ data }) => { last = last.then(() => answer(data)); };
