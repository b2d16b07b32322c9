/** Where tracks and single ribbons stand: the spine first, the others as near to it as room allows. */
import { SIZES } from './types.ts';

/** A stretch of a column that is taken. */
export interface Rect {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

/** Rectangles placed so far, and where the next can go. */
export class Columns {
  readonly #taken: Rect[] = [];

  /**
   * Places rectangles given relative to x = 0, and returns the x at which they now stand: 0 when it is free, else the
   * nearest to `wanted` on the right, or on the left where that is nearer.
   */
  place(rects: readonly Rect[], wanted: number): number {
    let right = Number.NEGATIVE_INFINITY;
    let left = Number.POSITIVE_INFINITY;
    for (const own of rects)
      for (const other of this.#taken) {
        if (other.top >= own.bottom || own.top >= other.bottom) continue;
        right = Math.max(right, other.right + SIZES.beside - own.left);
        left = Math.min(left, other.left - SIZES.beside - own.right);
      }
    const x = this.#choose(left, right, wanted);
    for (const own of rects) this.#taken.push({ ...own, left: own.left + x, right: own.right + x });
    return x;
  }

  #choose(left: number, right: number, wanted: number): number {
    if (right === Number.NEGATIVE_INFINITY || wanted >= right || wanted <= left) return wanted;
    return right - wanted <= wanted - left ? right : left;
  }

  bounds(): { left: number; right: number } {
    let [left, right] = [0, 0];
    for (const rect of this.#taken) {
      left = Math.min(left, rect.left);
      right = Math.max(right, rect.right);
    }
    return { left, right };
  }
}
