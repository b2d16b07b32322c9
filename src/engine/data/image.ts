/** Images in memory. */

/** Eight-bit RGB: height × width × 3 bytes, channel last. */
export interface RgbImage {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** A rectangle of pixels. */
export interface Box {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

export const wholeImage = (image: RgbImage): Box => ({ left: 0, top: 0, width: image.width, height: image.height });

/** A copy of a rectangle that lies inside the image. */
export function cropImage(image: RgbImage, box: Box): RgbImage {
  const data = new Uint8Array(box.width * box.height * 3);
  const bytes = box.width * 3;
  for (let y = 0; y < box.height; y++) {
    const from = ((box.top + y) * image.width + box.left) * 3;
    data.set(image.data.subarray(from, from + bytes), y * bytes);
  }
  return { width: box.width, height: box.height, data };
}
