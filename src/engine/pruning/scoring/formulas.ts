/** The formula of every criterion. */
import type { Criterion } from '../../../common/criteria.ts';
import type { Formula } from './formulas/formula.ts';
import { hessian } from './formulas/hessian.ts';
import { l1 } from './formulas/l1.ts';
import { l2 } from './formulas/l2.ts';
import { random } from './formulas/random-scores.ts';
import { taylor } from './formulas/taylor.ts';

export const formulas: { readonly [C in Criterion]: Formula } = { taylor, hessian, l1, l2, random };
