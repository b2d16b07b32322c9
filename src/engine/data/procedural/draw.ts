/** Draws one image of a class: a shape of any colour, place, size and angle over a textured, cluttered, noisy background. */
import type { RgbImage } from '../image.ts';
import type { Random } from '../random.ts';
import { SHAPES, type ShapeName } from './outlines.ts';

type Colour = readonly [number, number, number];

/** A picture in progress: floats, size × size × 3. */
interface Canvas {
  readonly size: number;
  readonly values: Float32Array;
}

const randomColour = (random: Random): Colour => [
  random.uniform(0, 255),
  random.uniform(0, 255),
  random.uniform(0, 255),
];

const distance = (a: Colour, b: Colour): number => Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);

/** Visible against another colour, but not always clearly. */
function contrasting(to: Colour, random: Random): Colour {
  for (;;) {
    const colour = randomColour(random);
    if (distance(colour, to) > 90) return colour;
  }
}

/** Blends a colour over the canvas where `coverage(x, y)` (0 … 1) says. */
function paint(canvas: Canvas, colour: Colour, coverage: (x: number, y: number) => number): void {
  const { size, values } = canvas;
  for (let y = 0, at = 0; y < size; y++) {
    for (let x = 0; x < size; x++, at += 3) {
      const part = coverage(x + 0.5, y + 0.5);
      if (part <= 0) continue;
      for (let c = 0; c < 3; c++) values[at + c] += (colour[c] - values[at + c]) * Math.min(1, part);
    }
  }
}

type Background = (canvas: Canvas, base: Colour, random: Random) => void;

const gradient: Background = (canvas, base, random) => {
  const angle = random.uniform(0, 2 * Math.PI);
  const [dx, dy] = [Math.cos(angle) / canvas.size, Math.sin(angle) / canvas.size];
  paint(canvas, shade(base, random, 70), (x, y) => 0.5 + x * dx + y * dy - (dx + dy) * canvas.size * 0.5);
};

const waves: Background = (canvas, base, random) => {
  const angle = random.uniform(0, 2 * Math.PI);
  const frequency = random.uniform(0.2, 1.1);
  const [dx, dy] = [Math.cos(angle) * frequency, Math.sin(angle) * frequency];
  const phase = random.uniform(0, 2 * Math.PI);
  paint(canvas, shade(base, random, 45), (x, y) => 0.5 + 0.5 * Math.sin(x * dx + y * dy + phase));
};

const patches: Background = (canvas, base, random) => {
  for (let i = 0; i < 6; i++) {
    const [cx, cy] = [random.uniform(0, canvas.size), random.uniform(0, canvas.size)];
    const radius = random.uniform(0.1, 0.35) * canvas.size;
    paint(canvas, shade(base, random, 45), (x, y) => 0.8 * Math.exp(-((x - cx) ** 2 + (y - cy) ** 2) / radius ** 2));
  }
};

const backgrounds: readonly Background[] = [() => undefined, gradient, waves, patches];

/** A colour near another. */
function shade(base: Colour, random: Random, by: number): Colour {
  return [base[0] + random.uniform(-by, by), base[1] + random.uniform(-by, by), base[2] + random.uniform(-by, by)];
}

/** Short strokes and specks of any colour. */
function clutter(canvas: Canvas, count: number, random: Random): void {
  const { size } = canvas;
  for (let i = 0; i < count; i++) {
    const [ax, ay] = [random.uniform(0, size), random.uniform(0, size)];
    const angle = random.uniform(0, 2 * Math.PI);
    const length = random.uniform(0, 0.3) * size;
    const [dx, dy] = [Math.cos(angle), Math.sin(angle)];
    const half = random.uniform(0.02, 0.045) * size;
    paint(canvas, randomColour(random), (x, y) => {
      const along = Math.min(length, Math.max(0, (x - ax) * dx + (y - ay) * dy));
      return 0.5 + half - Math.hypot(x - ax - along * dx, y - ay - along * dy);
    });
  }
}

function drawShape(canvas: Canvas, name: ShapeName, colour: Colour, random: Random): void {
  const { size } = canvas;
  const radius = random.uniform(0.26, 0.42) * size;
  const room = size / 2 - radius * 0.85;
  const [cx, cy] = [size / 2 + random.uniform(-room, room), size / 2 + random.uniform(-room, room)];
  const angle = random.uniform(0, 2 * Math.PI);
  const stretch = random.uniform(0.85, 1.18);
  const [cos, sin] = [Math.cos(angle) / radius, Math.sin(angle) / radius];
  const opacity = random.uniform(0.7, 1);
  paint(canvas, colour, (x, y) => {
    const u = ((x - cx) * cos + (y - cy) * sin) * stretch;
    const v = ((y - cy) * cos - (x - cx) * sin) / stretch;
    return opacity * Math.min(1, Math.max(0, 0.5 - SHAPES[name](u, v) * radius));
  });
}

/** One image of the class. The generator alone decides everything about it. */
export function drawImage(name: ShapeName, size: number, random: Random): RgbImage {
  const base = randomColour(random);
  const canvas: Canvas = { size, values: new Float32Array(size * size * 3) };
  paint(canvas, base, () => 1);
  backgrounds[random.int(backgrounds.length)](canvas, base, random);
  clutter(canvas, random.int(3), random);
  drawShape(canvas, name, contrasting(base, random), random);
  clutter(canvas, random.int(3), random);
  const noise = random.uniform(2, 16);
  const data = new Uint8ClampedArray(canvas.values.map((value) => value + noise * random.normal()));
  return { width: size, height: size, data: new Uint8Array(data.buffer) };
}
