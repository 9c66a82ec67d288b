// The page's side of worker.js: generate(states) and encode(image), as promises.

import { feedsOf } from "./latents.js";

export class Models {
  constructor(contract, onProgress) {
    this.contract = contract;
    this.waiting = new Map();
    this.count = 0;
    this.worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
    this.worker.onmessage = ({ data: { id, outputs, error, progress } }) => {
      if (progress) return onProgress(progress);
      const { resolve, reject } = this.waiting.get(id);
      this.waiting.delete(id);
      return error ? reject(new Error(error)) : resolve(outputs);
    };
    this.worker.onerror = (event) => {
      for (const { reject } of this.waiting.values()) reject(new Error(`The runtime could not be started (${event.message ?? "its files cannot be loaded"}).`));
      this.waiting.clear();
    };
  }

  run(model, feeds) {
    return new Promise((resolve, reject) => {
      this.waiting.set(++this.count, { resolve, reject });
      this.worker.postMessage({ id: this.count, model, feeds });
    });
  }

  // Pixels in [0, 1] of a batch of states, a Float32Array for each.
  async generate(states) {
    const feeds = feedsOf(this.contract, states);
    const { images } = await this.run(feeds.unit_gain ? "editor.onnx" : "generator.onnx", feeds);
    const size = images.data.length / states.length;
    return states.map((_, index) => images.data.subarray(index * size, (index + 1) * size));
  }

  // What the recognizer says of pixels in [0, 1]: {name: array}.
  async encode(pixels) {
    const { height, width, channels } = this.contract;
    const outputs = await this.run("recognizer.onnx", { images: { data: pixels, dims: [1, height, width, channels] } });
    return Object.fromEntries(Object.entries(outputs).map(([name, { data }]) => [name, Array.from(data, Number)]));
  }
}

// Whether this browser can run the runtime: a module that uses one 128-bit instruction.
export function hasSimd() {
  const module = [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 8, 1, 6, 0, 65, 0, 253, 15, 11];
  return typeof WebAssembly === "object" && WebAssembly.validate(new Uint8Array(module));
}
