/**
 * Reproducible random numbers: xoshiro128** (Blackman and Vigna, "Scrambled linear pseudorandom number generators",
 * 2021), seeded through splitmix32 so that neighbouring seeds give unrelated streams. The state is four 32-bit words and can be saved.
 */

import { GOLDEN, mix32 } from '../../common/mix.ts';

/** Four 32-bit words: everything that a generator remembers. */
export type RandomState = readonly [number, number, number, number];

const rotateLeft = (x: number, k: number): number => (x << k) | (x >>> (32 - k));

/** One 32-bit number that depends on every part: the seed of (seed, epoch, position), say. */
export function deriveSeed(...parts: readonly number[]): number {
  let h = GOLDEN;
  for (const part of parts) {
    const high = Math.floor(part / 0x100000000) | 0;
    h = mix32(h ^ mix32((part | 0) + 0x6d2b79f5));
    h = mix32(Math.imul(h, 5) + 0xe6546b64 + mix32(high + 0x3c6ef372));
  }
  return h >>> 0;
}

export class Random {
  private readonly s = new Uint32Array(4);

  /** From a seed (any integer), or exactly where a saved generator was. */
  constructor(from: number | RandomState) {
    if (typeof from !== 'number') {
      this.s.set(from);
      return;
    }
    let x = deriveSeed(from);
    for (let i = 0; i < 4; i++) {
      x = (x + GOLDEN) >>> 0;
      this.s[i] = mix32(x);
    }
    if (!this.s.some((word) => word !== 0)) this.s[0] = 1; // the all-zero state is a fixed point
  }

  get state(): RandomState {
    return [this.s[0], this.s[1], this.s[2], this.s[3]];
  }

  /** Uniform over 0 … 2³² − 1. */
  uint32(): number {
    const s = this.s;
    const result = Math.imul(rotateLeft(Math.imul(s[1], 5), 7), 9) >>> 0;
    const t = s[1] << 9;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotateLeft(s[3], 11);
    return result;
  }

  /** Uniform in [0, 1), 53 bits. */
  float(): number {
    const high = this.uint32() >>> 5;
    const low = this.uint32() >>> 6;
    return (high * 0x4000000 + low) / 0x20000000000000;
  }

  /** Uniform in [low, high). */
  uniform(low: number, high: number): number {
    return low + (high - low) * this.float();
  }

  /** Uniform over 0 … n − 1, without bias. */
  int(n: number): number {
    const limit = 0x100000000 - (0x100000000 % n);
    let x = this.uint32();
    while (x >= limit) x = this.uint32();
    return x % n;
  }

  /** True with the given probability. */
  chance(probability: number): boolean {
    return this.float() < probability;
  }

  /** Standard normal (Box and Muller; one of the pair, so that the state alone says what comes next). */
  normal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.float()));
    return radius * Math.cos(2 * Math.PI * this.float());
  }

  /** Gamma with shape a and scale 1 (Marsaglia and Tsang, 2000; shapes below 1 by their boost). */
  gamma(a: number): number {
    if (a < 1) return this.gamma(a + 1) * (1 - this.float()) ** (1 / a);
    const d = a - 1 / 3;
    const c = 1 / Math.sqrt(9 * d);
    for (;;) {
      const x = this.normal();
      const v = (1 + c * x) ** 3;
      if (v <= 0) continue;
      const u = 1 - this.float();
      if (Math.log(u) < 0.5 * x * x + d - d * v + d * Math.log(v)) return d * v;
    }
  }

  /** Beta(a, b) in [0, 1]. */
  beta(a: number, b: number): number {
    const x = this.gamma(a);
    const y = this.gamma(b);
    // Tiny shapes can underflow both: the distribution is then all but two points.
    return x + y > 0 ? x / (x + y) : this.chance(a / (a + b)) ? 1 : 0;
  }

  /** Weights that add up to 1, Dirichlet with all parameters a. */
  dirichlet(a: number, n: number): number[] {
    const draws = Array.from({ length: n }, () => this.gamma(a));
    const total = draws.reduce((sum, x) => sum + x, 0);
    return draws.map((x) => x / total);
  }

  /** Fisher and Yates, in place. */
  shuffle<T extends { [index: number]: unknown; readonly length: number }>(items: T): T {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.int(i + 1);
      const held = items[i];
      items[i] = items[j];
      items[j] = held;
    }
    return items;
  }
}

/** 0 … n − 1 in an order that depends on the seed alone. */
export function permutation(n: number, seed: number): Int32Array {
  return new Random(seed).shuffle(Int32Array.from({ length: n }, (_, i) => i));
}
