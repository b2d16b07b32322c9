/**
 * The classes of the procedural data set as signed distances (negative inside) in the shape's own coordinates, where it fills
 * about the unit circle. A class is told by outline or by texture, never by colour, place, size or angle.
 */

type Shape = (u: number, v: number) => number;

const discAt = (u: number, v: number, x: number, y: number, radius: number): number =>
  Math.hypot(u - x, v - y) - radius;

/** Half-planes at `n` evenly spaced angles, `apothem` from the centre: a regular polygon. */
function polygon(u: number, v: number, n: number, apothem: number): number {
  let far = -Infinity;
  for (let i = 0; i < n; i++) {
    const angle = (2 * Math.PI * i) / n;
    far = Math.max(far, u * Math.cos(angle) + v * Math.sin(angle) - apothem);
  }
  return far;
}

/** Five points: the edge from an outer tip to an inner corner, repeated by folding the angle. */
function star(u: number, v: number): number {
  const sector = Math.PI / 5;
  const turn = Math.atan2(v, u) + 10 * Math.PI;
  const folded = Math.abs((turn % (2 * sector)) - sector);
  const radius = Math.hypot(u, v);
  // Tip at angle `sector` from the fold's middle, radius 1; corner in the middle, radius 0.4.
  const tip = [Math.cos(sector), Math.sin(sector)];
  const corner = 0.4;
  const [ex, ey] = [tip[0] - corner, tip[1]];
  const [px, py] = [radius * Math.cos(folded) - corner, radius * Math.sin(folded)];
  return (px * ey - py * ex) / Math.hypot(ex, ey);
}

/** Parallel bands, `width` wide each: negative in every other one. */
const bands = (x: number, width: number): number => {
  const phase = (((x / (2 * width)) % 1) + 1) % 1;
  return (Math.abs(phase - 0.5) - 0.25) * 2 * width;
};

function dots(u: number, v: number): number {
  let nearest = discAt(u, v, 0, 0, 0.27);
  for (let i = 0; i < 6; i++) {
    const angle = (Math.PI * i) / 3;
    nearest = Math.min(nearest, discAt(u, v, 0.78 * Math.cos(angle), 0.78 * Math.sin(angle), 0.27));
  }
  return nearest;
}

/** By class name, in the order of their labels (alphabetical, as a reader of folders sorts them). */
export const SHAPES = {
  checker: (u, v) =>
    Math.max(
      Math.max(Math.abs(u), Math.abs(v)) - 0.9,
      Math.min(Math.max(bands(u, 0.45), bands(v, 0.45)), Math.max(-bands(u, 0.45), -bands(v, 0.45))),
    ),
  crescent: (u, v) => Math.max(discAt(u, v, 0, 0, 1), -discAt(u, v, 0.5, 0, 0.8)),
  cross: (u, v) =>
    Math.min(Math.max(Math.abs(u) - 0.95, Math.abs(v) - 0.3), Math.max(Math.abs(u) - 0.3, Math.abs(v) - 0.95)),
  disc: (u, v) => discAt(u, v, 0, 0, 0.9),
  dots,
  ring: (u, v) => Math.abs(Math.hypot(u, v) - 0.75) - 0.22,
  square: (u, v) => Math.max(Math.abs(u), Math.abs(v)) - 0.8,
  star,
  stripes: (u, v) => Math.max(discAt(u, v, 0, 0, 1), bands(u, 0.28)),
  triangle: (u, v) => polygon(u, v, 3, 0.55),
} as const satisfies Record<string, Shape>;

export type ShapeName = keyof typeof SHAPES;
export const SHAPE_NAMES = Object.keys(SHAPES) as ShapeName[];
