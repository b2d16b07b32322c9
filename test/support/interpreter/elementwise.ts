/** Arithmetic of activations in double precision. */
import { type Elementwise, onNumbers } from '../../../src/engine/graph/elementwise.ts';

/** erf by its series for small arguments and by the continued fraction of erfc for large ones: full double precision. */
function erf(x: number): number {
  const a = Math.abs(x);
  if (a < 2.5) {
    let term = x;
    let sum = x;
    for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
      term *= (-x * x) / n;
      sum += term / (2 * n + 1);
    }
    return (2 / Math.sqrt(Math.PI)) * sum;
  }
  let fraction = a;
  for (let n = 60; n > 0; n--) fraction = a + n / 2 / fraction;
  return Math.sign(x) * (1 - Math.exp(-a * a) / Math.sqrt(Math.PI) / fraction);
}

/** Arithmetic with the error function in full double precision. */
export const onDoubles: Elementwise<number> = { ...onNumbers, erf };
