/** Every ONNX operator that an import knows. */
import { foldKernels } from './fold.ts';
import type { OperatorRule } from './operator-call.ts';
import { elementwiseOperators } from './operators-elementwise.ts';
import { layerOperators } from './operators-layers.ts';
import { poolingOperators } from './operators-pooling.ts';
import { shapeOperators } from './operators-shapes.ts';

export const operators: Readonly<Record<string, OperatorRule>> = {
  ...layerOperators,
  ...elementwiseOperators,
  ...poolingOperators,
  ...shapeOperators,
};

/** Names of the operators that may take values computed from images, for messages. */
export const operatorNames: readonly string[] = Object.keys(operators).sort();

/** Names of those that may only take constants and sizes. */
export const foldedNames: readonly string[] = [...Object.keys(foldKernels), 'Shape', 'Size']
  .filter((name) => !Object.hasOwn(operators, name))
  .sort();
