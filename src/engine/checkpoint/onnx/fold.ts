/** Runs the kernels for constants on a node, for each of the two batch sizes. */
import type { Budget } from '../../../common/budget.ts';
import { always, arrayFor, type Constant, constantOf, type Plain, plain } from './constants.ts';
import { arithmeticKernels } from './fold-arithmetic.ts';
import { indexKernels } from './fold-indices.ts';
import { shapeKernels } from './fold-shapes.ts';
import { type FoldContext, FoldError, type FoldKernel } from './fold-tensors.ts';
import type { OnnxNode } from './onnx-proto.ts';

/** ONNX operators on constants: none of what they compute is left in the Graph. */
export const foldKernels: Readonly<Record<string, FoldKernel>> = {
  ...arithmeticKernels,
  ...shapeKernels,
  ...indexKernels,
};

export const canFold = ({ opType, domain }: OnnxNode): boolean => domain === '' && Object.hasOwn(foldKernels, opType);

/** What Constant holds, in whichever of its attributes. */
function attributeValue(node: OnnxNode, name: string): Plain | undefined {
  const attribute = (key: string) => node.attributes.get(key);
  const found = attribute(name);
  if (found?.kind === 'tensor') return constantOf(found.value.read()).each[0];
  if (node.opType !== 'Constant') return undefined;
  for (const [key, type] of [['value_float', 'float'] as const, ['value_int', 'int'] as const]) {
    const one = attribute(key);
    if (one?.kind === type)
      return plain(type, [], type === 'float' ? Float32Array.of(one.value) : Float64Array.of(one.value));
    const many = attribute(`${key}s`);
    if (many?.kind === 'floats' && type === 'float')
      return plain(type, [many.value.length], Float32Array.from(many.value));
    if (many?.kind === 'ints' && type === 'int') return plain(type, [many.value.length], Float64Array.from(many.value));
  }
  return undefined;
}

function run(node: OnnxNode, inputs: readonly (Plain | undefined)[], budget: Budget): readonly Plain[] {
  const context: FoldContext = {
    inputs,
    outputs: node.outputs.length,
    allocate: (type, count) => {
      budget.spend('work', count);
      return arrayFor(type, count);
    },
    int: (name, otherwise) => {
      const found = node.attributes.get(name);
      return found?.kind === 'int' ? found.value : otherwise;
    },
    ints: (name) => {
      const found = node.attributes.get(name);
      return found?.kind === 'ints' ? found.value : undefined;
    },
    float: (name, otherwise) => {
      const found = node.attributes.get(name);
      return found?.kind === 'float' ? found.value : otherwise;
    },
    string: (name, otherwise) => {
      const found = node.attributes.get(name);
      return found?.kind === 'string' ? found.value : otherwise;
    },
    tensor: (name) => attributeValue(node, name),
  };
  const result = foldKernels[node.opType](context);
  return 'data' in result ? [result] : result;
}

/** Which input says the shape of what these operators make. */
const SHAPE_INPUTS: Readonly<Record<string, number>> = { ConstantOfShape: 0, Expand: 1, Tile: 1 };

/** Whether a constant would be repeated for every image: not worth computing, as its shape depends on them. */
function isForEveryImage({ opType }: OnnxNode, inputs: readonly (Constant | undefined)[]): boolean {
  const shape = Object.hasOwn(SHAPE_INPUTS, opType) ? inputs[SHAPE_INPUTS[opType]] : undefined;
  return shape !== undefined && String(shape.each[0].data) !== String(shape.each[1].data);
}

/**
 * The outputs of a node of constants.
 * @param budget counts the elements that are computed
 * @returns undefined where even their shapes depend on the batch size
 * @throws FoldError where the numbers do not fit
 */
export function fold(
  node: OnnxNode,
  inputs: readonly (Constant | undefined)[],
  budget: Budget,
): readonly Constant[] | undefined {
  if (isForEveryImage(node, inputs)) return undefined;
  const side = (i: 0 | 1): readonly Plain[] =>
    run(
      node,
      inputs.map((input) => input?.each[i]),
      budget,
    );
  const first = side(0);
  const ofSizes = inputs.some((input) => input?.ofSizes) && { ofSizes: true };
  if (inputs.every((input) => !input || input.each[0] === input.each[1]))
    return first.map((each) => ({ ...always(each), ...ofSizes }));
  const second = side(1);
  if (first.length !== second.length) throw new FoldError('it has other outputs for other numbers of images');
  if (first.some(({ shape }, i) => String(shape) !== String(second[i].shape))) return undefined;
  return first.map((a, i): Constant => ({ each: [a, second[i]], ...ofSizes }));
}
