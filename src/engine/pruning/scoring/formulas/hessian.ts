import { type ElementFormula, WITH_NORMS } from './formula.ts';

/** w² times the mean of the samples' g² (LeCun et al. 1989, with the diagonal of the empirical Fisher for the Hessian). */
export const hessian: ElementFormula = { of: 'elements', counts: WITH_NORMS, element: (w, g) => w * w * g };
