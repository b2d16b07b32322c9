/** Pillow's `ImageOps` that map every byte by a table: per channel from its histogram, or fixed. */
import type { RgbImage } from '../image.ts';

/** Maps channel c by rows 256·c … 256·c + 255 of the table. */
function mapBytes(image: RgbImage, table: Uint8Array): RgbImage {
  const { data } = image;
  const out = new Uint8Array(data.length);
  for (let i = 0; i < data.length; i += 3) {
    out[i] = table[data[i]];
    out[i + 1] = table[256 + data[i + 1]];
    out[i + 2] = table[512 + data[i + 2]];
  }
  return { width: image.width, height: image.height, data: out };
}

/** The same table for every channel. */
function mapAll(image: RgbImage, map: (value: number) => number): RgbImage {
  const table = new Uint8Array(768);
  for (let v = 0; v < 256; v++) table[v] = table[256 + v] = table[512 + v] = map(v);
  return mapBytes(image, table);
}

type ChannelMap = (histogram: Int32Array) => (value: number) => number;

const identity = (value: number): number => value;

function mapByHistogram(image: RgbImage, rule: ChannelMap): RgbImage {
  const { data } = image;
  const histogram = new Int32Array(768);
  for (let i = 0; i < data.length; i += 3) {
    histogram[data[i]] += 1;
    histogram[256 + data[i + 1]] += 1;
    histogram[512 + data[i + 2]] += 1;
  }
  const table = new Uint8Array(768);
  for (let c = 0; c < 3; c++) {
    const map = rule(histogram.subarray(c * 256, c * 256 + 256));
    for (let v = 0; v < 256; v++) table[c * 256 + v] = Math.min(255, Math.max(0, map(v)));
  }
  return mapBytes(image, table);
}

const stretch: ChannelMap = (histogram) => {
  const low = histogram.findIndex((count) => count > 0);
  const high = histogram.findLastIndex((count) => count > 0);
  if (high <= low) return identity;
  const scale = 255 / (high - low);
  const offset = -low * scale;
  return (value) => Math.trunc(value * scale + offset);
};

const flatten: ChannelMap = (histogram) => {
  const present = histogram.filter((count) => count > 0);
  if (present.length <= 1) return identity;
  const total = present.reduce((sum, count) => sum + count, 0);
  const step = Math.floor((total - present[present.length - 1]) / 255);
  if (step === 0) return identity;
  const below = new Int32Array(256);
  let n = Math.floor(step / 2);
  for (let v = 0; v < 256; v++) {
    below[v] = n;
    n += histogram[v];
  }
  return (value) => Math.floor(below[value] / step);
};

/** The darkest value of each channel becomes 0, the lightest 255. */
export const autoContrast = (image: RgbImage): RgbImage => mapByHistogram(image, stretch);

/** Evens out each channel's histogram. */
export const equalize = (image: RgbImage): RgbImage => mapByHistogram(image, flatten);

/** Keeps the upper `bits` bits. */
export const posterize = (image: RgbImage, bits: number): RgbImage => mapAll(image, (v) => v & ~(2 ** (8 - bits) - 1));

/** Inverts the values at or above the threshold. */
export const solarize = (image: RgbImage, threshold: number): RgbImage =>
  mapAll(image, (v) => (v < threshold ? v : 255 - v));

export const invert = (image: RgbImage): RgbImage => mapAll(image, (v) => 255 - v);
