/** 2³² divided by the golden ratio: the step of Weyl sequences. */
export const GOLDEN = 0x9e3779b9;

/** The finaliser of murmur3: every input bit reaches every output bit. Of a 32-bit number, another, unsigned. */
export function mix32(value: number): number {
  let x = value | 0;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}
