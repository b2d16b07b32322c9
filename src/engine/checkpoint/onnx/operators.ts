/** Every ONNX operator that an import knows. */
import { foldKernels } from './fold.ts';
import type { OperatorRule } from './operator-call.ts';
import { borderOperators } from './operators-borders.ts';
import { composedOperators } from './operators-composed.ts';
import { elementwiseOperators, internalElementwiseOperators } from './operators-elementwise.ts';
import { imageOperators, internalImageOperators } from './operators-images.ts';
import { internalLayerOperators, layerOperators } from './operators-layers.ts';
import { poolingOperators } from './operators-pooling.ts';
import { productOperators } from './operators-products.ts';
import { reductionOperators } from './operators-reductions.ts';
import { internalShapeOperators, shapeOperators } from './operators-shapes.ts';

export const operators: Readonly<Record<string, OperatorRule>> = {
  ...layerOperators,
  ...elementwiseOperators,
  ...poolingOperators,
  ...reductionOperators,
  ...borderOperators,
  ...shapeOperators,
  ...imageOperators,
  ...productOperators,
  ...composedOperators,
};

/** Of operators that only our own readers of other formats write. */
export const INTERNAL_DOMAIN = 'espalier';

export const internalOperators: Readonly<Record<string, OperatorRule>> = {
  ...internalElementwiseOperators,
  ...internalImageOperators,
  ...internalLayerOperators,
  ...internalShapeOperators,
};

/** Names of the operators that may take values computed from images, for messages. */
export const operatorNames: readonly string[] = Object.keys(operators).sort();

/** Names of those that may only take constants and sizes. */
export const foldedNames: readonly string[] = [...Object.keys(foldKernels), 'Shape', 'Size']
  .filter((name) => !Object.hasOwn(operators, name))
  .sort();
