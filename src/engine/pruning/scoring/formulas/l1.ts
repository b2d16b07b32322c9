import { type ElementFormula, WITH_NORMS } from './formula.ts';

/** |w|. */
export const l1: ElementFormula = { of: 'elements', counts: WITH_NORMS, element: (w) => Math.abs(w) };
