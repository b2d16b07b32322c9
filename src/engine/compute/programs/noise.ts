/**
 * Counter-based random numbers: element i of stream s under a seed is a hash of (seed, s, i), so that a resumed run draws what the
 * unbroken one would have drawn, on every backend. Hash: murmur3's finaliser over Weyl sequences, as the tests' deterministic tensors.
 */

import { GOLDEN, mix32 } from '../../../common/mix.ts';

/** `count` numbers in [0, 1) for a seed (two int32: say the run's and the step) and a stream. */
function uniformNoise(seed: ArrayLike<number>, stream: number, count: number): Float32Array {
  const start = mix32(mix32(mix32(seed[0]) + Math.imul(seed[1], GOLDEN)) + Math.imul(stream + 1, 0x632be5ab));
  const noise = new Float32Array(count);
  // 24 bits, so that float32 holds every value exactly and 1 is never reached.
  for (let i = 0; i < count; i++) noise[i] = (mix32(start + Math.imul(i, GOLDEN)) >>> 8) / 2 ** 24;
  return noise;
}

/** Values of the `keepMask` kernel: 0 with `probability`, else 1 / (1 − probability). */
export function keepMask(seed: ArrayLike<number>, stream: number, count: number, probability: number): Float32Array {
  const keep = 1 / (1 - probability);
  return uniformNoise(seed, stream, count).map((u) => (u < probability ? 0 : keep));
}
