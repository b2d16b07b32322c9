/** The criteria that channels are scored by: what all processes know of them. Their formulas are in `engine/pruning/scoring/formulas`. */

/** What gradients a criterion reads of each parameter: their sum over batches, or the mean of their squares over images. */
export type GradientUse = 'none' | 'sum' | 'meanSquare';

export interface CriterionInfo {
  readonly label: string;
  readonly explanation: string;
  /** Gradients come from training images, or from files on the command line. */
  readonly gradients: GradientUse;
}

export const CRITERIA = {
  taylor: { label: 'Taylor', explanation: 'Weight times gradient, on images.', gradients: 'sum' },
  hessian: { label: 'Hessian', explanation: 'Weight² times squared gradient, on images.', gradients: 'meanSquare' },
  l1: { label: 'L1', explanation: 'Sum of absolute weights; needs no images.', gradients: 'none' },
  l2: { label: 'L2', explanation: 'Sum of squared weights; needs no images.', gradients: 'none' },
  random: { label: 'Random', explanation: 'By chance: the baseline.', gradients: 'none' },
} as const satisfies Readonly<Record<string, CriterionInfo>>;

export type Criterion = keyof typeof CRITERIA;
export const CRITERION_NAMES = Object.keys(CRITERIA) as readonly Criterion[];

export const needsGradients = (criterion: Criterion): boolean => CRITERIA[criterion].gradients !== 'none';
