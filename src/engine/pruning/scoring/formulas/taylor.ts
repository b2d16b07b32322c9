import { type ElementFormula, WITH_NORMS } from './formula.ts';

/** |w·g| of the summed gradients (Molchanov et al. 2019, equation 8). The reference leaves batch norms out. */
export const taylor: ElementFormula = {
  of: 'elements',
  counts: { ...WITH_NORMS, batchNorm: false },
  element: (w, g) => Math.abs(w * g),
};
