// A picture of any size becomes an image of the run, as keras_infogan/framing.py does it: the middle square or all of it padded, resized by Lanczos' filter.
// The steps are Pillow's (Image.resize), whole numbers after each pass included, so that hardly a pixel differs, and none by more than 1.

const LOBES = 3;

function lanczos(x) {
  const sinc = (y) => (y === 0 ? 1 : Math.sin(Math.PI * y) / (Math.PI * y));
  return Math.abs(x) < LOBES ? sinc(x) * sinc(x / LOBES) : 0;
}

const toByte = (value) => Math.min(Math.max(Math.round(value), 0), 255);

// Python rounds halves to the even neighbor.
function rounded(value) {
  const below = Math.floor(value);
  return value - below === 0.5 ? below + (below % 2) : Math.round(value);
}

// For each of `count` places, from `start` to `end` of a line of `size` pixels: the first pixel that it takes part of, and the parts.
function weights(size, start, end, count) {
  const scale = (end - start) / count, stretch = Math.max(scale, 1), support = LOBES * stretch;
  return Array.from({ length: count }).map((unused, place) => {
    const center = start + (place + 0.5) * scale;
    const first = Math.max(Math.trunc(center - support + 0.5), 0), last = Math.min(Math.trunc(center + support + 0.5), size);
    const parts = Array.from({ length: last - first }, (missing, index) => lanczos((first + index - center + 0.5) / stretch));
    const total = parts.reduce((sum, part) => sum + part, 0);
    return { first, parts: parts.map((part) => part / total) };
  });
}

// Resizes the box [left, top, right, bottom] of { width, height, channels, pixels } to width x height.
function resize(image, [left, top, right, bottom], width, height) {
  const { channels } = image, across = weights(image.width, left, right, width), down = weights(image.height, top, bottom, height);
  const firstRow = down[0].first, { first: lastFirst, parts: lastParts } = down[height - 1], numRows = lastFirst + lastParts.length - firstRow;
  const rows = new Uint8Array(numRows * width * channels), pixels = new Uint8Array(height * width * channels);
  for (let row = 0; row < numRows; row++) {
    const source = (firstRow + row) * image.width;
    across.forEach(({ first, parts }, column) => {
      for (let color = 0; color < channels; color++) {
        let sum = 0;
        for (let index = 0; index < parts.length; index++) sum += parts[index] * image.pixels[(source + first + index) * channels + color];
        rows[(row * width + column) * channels + color] = toByte(sum);
      }
    });
  }
  down.forEach(({ first, parts }, row) => {
    for (let place = 0; place < width * channels; place++) {
      let sum = 0;
      for (let index = 0; index < parts.length; index++) sum += parts[index] * rows[(first - firstRow + index) * width * channels + place];
      pixels[row * width * channels + place] = toByte(sum);
    }
  });
  return { width, height, channels, pixels };
}

function cropped(image, { height, width }, middle) {
  const scale = middle * Math.min(image.width / width, image.height / height), left = (image.width - scale * width) / 2, top = (image.height - scale * height) / 2;
  return resize(image, [left, top, left + scale * width, top + scale * height], width, height);
}

function padded(image, { height, width }) {
  const { channels } = image, scale = Math.max(image.width / width, image.height / height);
  const across = Math.max(rounded(image.width / scale), 1), down = Math.max(rounded(image.height / scale), 1);
  const small = resize(image, [0, 0, image.width, image.height], across, down);
  const left = Math.floor((width - across) / 2), top = Math.floor((height - down) / 2), pixels = new Uint8Array(height * width * channels).fill(255);
  for (let row = 0; row < down; row++) {
    pixels.set(small.pixels.subarray(row * across * channels, (row + 1) * across * channels), ((top + row) * width + left) * channels);
  }
  return { ...small, width, height, pixels };
}

// The values, 0 to 255, of height * width * channels, that RGBA pixels on white become, { width, height, data }.
export function prepare(shape, framing, { width, height, data }) {
  const channels = Math.min(shape.channels, 3), pixels = new Uint8Array(height * width * channels);
  for (let place = 0; place < height * width; place++) {
    const [red, green, blue] = [data[place * 4], data[place * 4 + 1], data[place * 4 + 2]];
    if (channels < 3) pixels[place] = (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16;
    else pixels.set([red, green, blue], place * 3);
  }
  const image = { width, height, channels, pixels };
  return (framing.pad ? padded(image, shape) : cropped(image, shape, framing.middle)).pixels;
}
