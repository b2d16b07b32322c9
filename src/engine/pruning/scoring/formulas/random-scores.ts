import { GOLDEN, mix32 } from '../../../../common/mix.ts';
import type { ChannelFormula } from './formula.ts';

/** `count` numbers in [0, 1) that depend on the key only. */
function seededUniform(key: string, count: number): Float64Array {
  let start = 0;
  for (let i = 0; i < key.length; i++) start = mix32(start + key.charCodeAt(i) + GOLDEN);
  return Float64Array.from({ length: count }, (_, i) => mix32(start + Math.imul(i + 1, GOLDEN)) / 2 ** 32);
}

/** Uniform scores, which depend on the seed and the name only. */
export const random: ChannelFormula = {
  of: 'channels',
  scores: (seed, name, count) => seededUniform(`${seed}:${name}`, count),
};
