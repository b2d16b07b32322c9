/** The geometry of torchvision's crops: which rectangle, and pixels of it. */
import type { Box, RgbImage } from './image.ts';
import type { Random } from './random.ts';
import { resizeImage } from './resize.ts';
import type { Interpolation } from './resize-filters.ts';

/** Python's `round`: halves go to the even neighbour. */
export function roundHalfEven(x: number): number {
  const floor = Math.floor(x);
  if (x - floor !== 0.5) return Math.round(x);
  return floor % 2 === 0 ? floor : floor + 1;
}

/** `Resize(R)`: the shorter side becomes R, the longer trunc(R · long / short). 0 leaves the size alone. */
export function resizedSize(width: number, height: number, shorter: number): { width: number; height: number } {
  if (shorter === 0) return { width, height };
  const longer = (long: number, short: number) => Math.max(1, Math.trunc((shorter * long) / short));
  return width <= height
    ? { width: shorter, height: longer(height, width) }
    : { width: longer(width, height), height: shorter };
}

/** A crop × crop canvas of zeros with the image's part drawn where it falls. `left` and `top` may be negative. */
export function cropWithPadding(image: RgbImage, left: number, top: number, width: number, height: number): RgbImage {
  const data = new Uint8Array(width * height * 3);
  const x0 = Math.max(0, left);
  const x1 = Math.min(image.width, left + width);
  const y1 = Math.min(image.height, top + height);
  for (let y = Math.max(0, top); y < y1 && x0 < x1; y++) {
    const row = y * image.width;
    data.set(image.data.subarray((row + x0) * 3, (row + x1) * 3), ((y - top) * width + x0 - left) * 3);
  }
  return { width, height, data };
}

/** Where a centre crop begins along one side; negative where the image is smaller and is padded first. */
export function centreOffset(size: number, crop: number): number {
  // torchvision pads (crop − size) // 2 on the left; otherwise rounds half to even.
  return size < crop ? -Math.floor((crop - size) / 2) : roundHalfEven((size - crop) / 2);
}

/** `Resize(resize)` and `CenterCrop(crop)`, computing only the pixels that the crop keeps. */
export function resizeAndCentreCrop(
  image: RgbImage,
  resize: number,
  crop: number,
  interpolation: Interpolation,
): RgbImage {
  const { width, height } = resizedSize(image.width, image.height, resize);
  const left = centreOffset(width, crop);
  const top = centreOffset(height, crop);
  const window: Box = {
    left: Math.max(0, left),
    top: Math.max(0, top),
    width: Math.min(width, crop),
    height: Math.min(height, crop),
  };
  const part = resizeImage(image, { width, height, interpolation, window });
  if (part.width === crop && part.height === crop) return part;
  return cropWithPadding(part, Math.min(0, left), Math.min(0, top), crop, crop);
}

/** Grey around an image in a letterbox, as Ultralytics has it. */
const LETTERBOX_GREY = 114;

/** Where a whole image lies in a square: `stretch` fills it, `letterbox` keeps the sides' ratio and centres it. */
export function wholeImageBox(
  { width, height }: { readonly width: number; readonly height: number },
  side: number,
  fit: 'stretch' | 'letterbox',
): Box {
  if (fit === 'stretch') return { left: 0, top: 0, width: side, height: side };
  const scale = Math.min(side / width, side / height);
  const [w, h] = [width, height].map((size) => Math.max(1, roundHalfEven(size * scale)));
  // Half a pixel goes to the right and to the bottom.
  const before = (size: number): number => roundHalfEven((side - size) / 2 - 0.1);
  return { left: before(w), top: before(h), width: w, height: h };
}

/** The whole image as a square. */
export function fitWholeImage(
  image: RgbImage,
  side: number,
  fit: 'stretch' | 'letterbox',
  interpolation: Interpolation,
): RgbImage {
  const { left, top, width, height } = wholeImageBox(image, side, fit);
  const resized = resizeImage(image, { width, height, interpolation });
  if (width === side && height === side) return resized;
  const data = new Uint8Array(side * side * 3).fill(LETTERBOX_GREY);
  for (let y = 0; y < height; y++)
    data.set(resized.data.subarray(y * width * 3, (y + 1) * width * 3), ((top + y) * side + left) * 3);
  return { width: side, height: side, data };
}

/** Mirrors left and right, in place. */
export function flipInPlace({ width, height, data }: RgbImage): void {
  for (let y = 0; y < height; y++) {
    let a = y * width * 3;
    let b = a + (width - 1) * 3;
    for (; a < b; a += 3, b -= 3) {
      for (let c = 0; c < 3; c++) {
        const held = data[a + c];
        data[a + c] = data[b + c];
        data[b + c] = held;
      }
    }
  }
}

/** `RandomResizedCrop.get_params`: ten attempts at area and log-uniform aspect, then the central crop nearest in aspect. */
export function randomResizedBox(
  size: { readonly width: number; readonly height: number },
  scale: readonly [number, number],
  ratio: readonly [number, number],
  random: Random,
): Box {
  const { width, height } = size;
  const area = width * height;
  for (let attempt = 0; attempt < 10; attempt++) {
    const target = area * random.uniform(scale[0], scale[1]);
    const aspect = Math.exp(random.uniform(Math.log(ratio[0]), Math.log(ratio[1])));
    const w = roundHalfEven(Math.sqrt(target * aspect));
    const h = roundHalfEven(Math.sqrt(target / aspect));
    if (w > 0 && w <= width && h > 0 && h <= height) {
      return { left: random.int(width - w + 1), top: random.int(height - h + 1), width: w, height: h };
    }
  }
  const aspect = width / height;
  const w = aspect > ratio[1] ? roundHalfEven(height * ratio[1]) : width;
  const h = aspect < ratio[0] ? roundHalfEven(width / ratio[0]) : height;
  return { left: Math.floor((width - w) / 2), top: Math.floor((height - h) / 2), width: w, height: h };
}
