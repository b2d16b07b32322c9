/**
 * AutoAugment's learned policies (Cubuk et al. 2019, tables of the appendix): each sub-policy is two operations with a
 * probability and a bin of strength (`-`: the operation has none).
 */
import type { OperationName } from './image-operations.ts';

interface PolicyStep {
  readonly operation: OperationName;
  readonly probability: number;
  /** Undefined for operations without strength. */
  readonly bin: number | undefined;
}

export type SubPolicy = readonly [PolicyStep, PolicyStep];

function parse(table: string): SubPolicy[] {
  const step = (text: string): PolicyStep => {
    const [operation, probability, bin] = text.trim().split(' ');
    return {
      operation: operation as OperationName,
      probability: Number(probability),
      bin: bin === '-' ? undefined : Number(bin),
    };
  };
  return table
    .trim()
    .split('\n')
    .map((line) => line.split(',').map(step) as [PolicyStep, PolicyStep]);
}

const IMAGENET = `
Posterize 0.4 8, Rotate 0.6 9
Solarize 0.6 5, AutoContrast 0.6 -
Equalize 0.8 -, Equalize 0.6 -
Posterize 0.6 7, Posterize 0.6 6
Equalize 0.4 -, Solarize 0.2 4
Equalize 0.4 -, Rotate 0.8 8
Solarize 0.6 3, Equalize 0.6 -
Posterize 0.8 5, Equalize 1 -
Rotate 0.2 3, Solarize 0.6 8
Equalize 0.6 -, Posterize 0.4 6
Rotate 0.8 8, Color 0.4 0
Rotate 0.4 9, Equalize 0.6 -
Equalize 0 -, Equalize 0.8 -
Invert 0.6 -, Equalize 1 -
Color 0.6 4, Contrast 1 8
Rotate 0.8 8, Color 1 2
Color 0.8 8, Solarize 0.8 7
Sharpness 0.4 7, Invert 0.6 -
ShearX 0.6 5, Equalize 1 -
Color 0.4 0, Equalize 0.6 -
Equalize 0.4 -, Solarize 0.2 4
Solarize 0.6 5, AutoContrast 0.6 -
Invert 0.6 -, Equalize 1 -
Color 0.6 4, Contrast 1 8
Equalize 0.8 -, Equalize 0.6 -
`;

const CIFAR10 = `
Invert 0.1 -, Contrast 0.2 6
Rotate 0.7 2, TranslateX 0.3 9
Sharpness 0.8 1, Sharpness 0.9 3
ShearY 0.5 8, TranslateY 0.7 9
AutoContrast 0.5 -, Equalize 0.9 -
ShearY 0.2 7, Posterize 0.3 7
Color 0.4 3, Brightness 0.6 7
Sharpness 0.3 9, Brightness 0.7 9
Equalize 0.6 -, Equalize 0.5 -
Contrast 0.6 7, Sharpness 0.6 5
Color 0.7 7, TranslateX 0.5 8
Equalize 0.3 -, AutoContrast 0.4 -
TranslateY 0.4 3, Sharpness 0.2 6
Brightness 0.9 6, Color 0.2 8
Solarize 0.5 2, Invert 0 -
Equalize 0.2 -, AutoContrast 0.6 -
Equalize 0.2 -, Equalize 0.6 -
Color 0.9 9, Equalize 0.6 -
AutoContrast 0.8 -, Solarize 0.2 8
Brightness 0.1 3, Color 0.7 0
Solarize 0.4 5, AutoContrast 0.9 -
TranslateY 0.9 9, TranslateY 0.7 9
AutoContrast 0.9 -, Solarize 0.8 3
Equalize 0.8 -, Invert 0.1 -
TranslateY 0.7 9, AutoContrast 0.9 -
`;

export const AUTO_AUGMENT_POLICIES = { imagenet: parse(IMAGENET), cifar10: parse(CIFAR10) } as const;
export type PolicyName = keyof typeof AUTO_AUGMENT_POLICIES;
