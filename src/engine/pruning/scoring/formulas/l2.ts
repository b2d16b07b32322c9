import { type ElementFormula, WITH_NORMS } from './formula.ts';

/** w². */
export const l2: ElementFormula = { of: 'elements', counts: WITH_NORMS, element: (w) => w * w };
