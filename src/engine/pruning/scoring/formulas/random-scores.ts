import type { ChannelFormula } from './formula.ts';

/** `count` numbers in [0, 1) that depend on the key only: FNV-1a of it seeds mulberry32. */
function seededUniform(key: string, count: number): Float64Array {
  let state = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) state = Math.imul(state ^ key.charCodeAt(i), 0x01000193);
  return Float64Array.from({ length: count }, () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  });
}

/** Uniform scores, which depend on the seed and the name only. */
export const random: ChannelFormula = {
  of: 'channels',
  scores: (seed, name, count) => seededUniform(`${seed}:${name}`, count),
};
