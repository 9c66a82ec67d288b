// Pixels to canvases and files, and files to pixels. Pixels are Float32Array(height * width * channels) in [0, 1].

import { prepare } from "./framing.js";
import { GIFEncoder, applyPalette, quantize } from "./gifenc.js";

const SAVED_SIZE = 256; // pixels; smaller images are saved enlarged by a whole factor to at least this

export function toImageData({ height, width, channels }, pixels) {
  const image = new ImageData(width, height);
  for (let place = 0; place < height * width; place++) {
    for (let color = 0; color < 3; color++) image.data[place * 4 + color] = Math.round(pixels[place * channels + (channels < 3 ? 0 : color)] * 255);
    image.data[place * 4 + 3] = 255;
  }
  return image;
}

export function draw(canvas, contract, pixels) {
  canvas.width = contract.width;
  canvas.height = contract.height;
  canvas.getContext("2d").putImageData(toImageData(contract, pixels), 0, 0);
}

function enlarged(contract, images, columns) {
  const factor = columns > 1 ? Math.ceil(48 / contract.height) : Math.ceil(SAVED_SIZE / contract.height);
  const gap = columns > 1 ? 2 : 0, height = contract.height * factor, width = contract.width * factor;
  const canvas = document.createElement("canvas");
  canvas.width = columns * (width + gap) - gap;
  canvas.height = Math.ceil(images.length / columns) * (height + gap) - gap;
  const context = canvas.getContext("2d", { willReadFrequently: true }), small = document.createElement("canvas");
  context.imageSmoothingEnabled = false;
  images.forEach((pixels, index) => {
    draw(small, contract, pixels);
    context.drawImage(small, (index % columns) * (width + gap), Math.floor(index / columns) * (height + gap), width, height);
  });
  return canvas;
}

export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

// Saves images, `columns` to a row.
export function savePng(contract, images, columns, name) {
  enlarged(contract, images, columns).toBlob((blob) => save(blob, name), "image/png");
}

// Saves frames, shown for `delay` milliseconds each, endlessly.
export function saveGif(contract, frames, delay, name) {
  const gif = GIFEncoder(), grays = contract.channels < 3 && Array.from({ length: 256 }, (_, level) => [level, level, level]);
  for (const pixels of frames) {
    const canvas = enlarged(contract, [pixels], 1), { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    const palette = grays || quantize(data, 256);
    const places = grays ? Uint8Array.from({ length: data.length / 4 }, (_, place) => data[place * 4]) : applyPalette(data, palette);
    gif.writeFrame(places, canvas.width, canvas.height, { palette, delay });
  }
  gif.finish();
  save(new Blob([gif.bytes()], { type: "image/gif" }), name);
}

// The pixels of an image file as the run takes them; as the browser decodes it, without regard to its color profile, as Python does.
export async function readFile(contract, file, invert) {
  const bitmap = await createImageBitmap(file, { colorSpaceConversion: "none" }), canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [bitmap.width, bitmap.height];
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = "white";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(bitmap, 0, 0);
  const values = prepare(contract, contract.framing, context.getImageData(0, 0, canvas.width, canvas.height));
  return Float32Array.from(values, (value) => (invert ? 255 - value : value) / 255);
}
