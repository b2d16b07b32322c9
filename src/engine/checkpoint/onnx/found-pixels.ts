/** What a network's first operations say of the pixels that it takes: a file that normalises images itself wants them as they are. */
import type { Graph, GraphNode, ValueId } from '../../graph/graph.ts';
import type { Tensor } from '../../graph/tensor.ts';

/** Range of the pixels that enter: raw from 0 to 1 or 255, or normalised by the caller. */
export type PixelRange = '0..1' | '0..255';

/** What is done to a pixel x of each channel before the first layer: factor · x + offset. */
interface Affine {
  readonly factor: readonly number[];
  readonly offset: readonly number[];
}

export interface FoundPixels {
  /** Undefined where the first operations change pixels, but as no normalisation known does. */
  readonly range: PixelRange | undefined;
  /** Names of the operations. */
  readonly operations: readonly string[];
}

type TensorOf = (name: string) => Tensor | undefined;

const CHANNELS = 1;
/** The spread (1 / factor) of pixels that go to 255; their mean where nothing but it is subtracted. */
const WIDE_SPREAD = 10;
const WIDE_MEAN = 2;
/** Of pixels that go to 1: mean and most spread; or they are scaled up to 255 first. */
const NARROW_MEANS = [0.2, 0.8] as const;
const NARROW_SPREAD = 1.05;
const SCALED_UP_SPREAD = 1 / 100;

/** One number for each channel, or one for all of them; undefined for anything else. */
function perChannel({ shape, data }: Tensor, channels: number, axis: number): readonly number[] | undefined {
  const values = Array.from(data as ArrayLike<number | bigint>, Number);
  if (values.length === 1) return Array(channels).fill(values[0]);
  // Shapes align at their last axes, of which an image has four.
  const isAlong = shape.every((size, i) => size === (i + 4 - shape.length === axis ? channels : 1));
  return values.length === channels && isAlong ? values : undefined;
}

const map = (
  { factor, offset }: Affine,
  change: (a: number, b: number, channel: number) => [number, number],
): Affine => {
  const changed = factor.map((a, i) => change(a, offset[i], i));
  return { factor: changed.map(([a]) => a), offset: changed.map(([, b]) => b) };
};

/** The operation on what there is already; undefined where it is no such arithmetic. */
function after(affine: Affine, node: GraphNode, isSecond: boolean, operand: readonly number[]): Affine | undefined {
  if (node.kind === 'add') return map(affine, (a, b, i) => [a, b + operand[i]]);
  if (node.kind === 'multiply') return map(affine, (a, b, i) => [a * operand[i], b * operand[i]]);
  if (node.kind === 'subtract')
    return map(affine, (a, b, i) => (isSecond ? [-a, operand[i] - b] : [a, b - operand[i]]));
  if (node.kind === 'divide' && !isSecond) return map(affine, (a, b, i) => [a / operand[i], b / operand[i]]);
  return undefined;
}

function batchNorm(
  affine: Affine,
  node: GraphNode<'batchNorm'>,
  tensorOf: TensorOf,
  channels: number,
): Affine | undefined {
  const { weight, bias, runningMean, runningVar } = node.parameters;
  const values = (name: string | undefined, otherwise: number): readonly number[] => {
    const tensor = name === undefined ? undefined : tensorOf(name);
    return tensor ? Array.from(tensor.data as Float32Array) : Array(channels).fill(otherwise);
  };
  const [w, shift, mean, variance] = [
    values(weight, 1),
    values(bias, 0),
    values(runningMean, 0),
    values(runningVar, 1),
  ];
  return map(affine, (a, b, i) => {
    const factor = w[i] / Math.sqrt(variance[i] + node.attributes.eps);
    return [a * factor, (b - mean[i]) * factor + shift[i]];
  });
}

/** @param isLearned a batch norm was on the way: it follows the network's inputs, normalised ones as well */
function rangeOf({ factor, offset }: Affine, isLearned: boolean): PixelRange | undefined {
  const spreads = factor.map((a) => 1 / Math.abs(a));
  const means = factor.map((a, i) => -offset[i] / a);
  if (spreads.some((s) => !Number.isFinite(s))) return undefined;
  if (spreads.every((s) => s >= WIDE_SPREAD)) return '0..255';
  if (means.every((m) => m >= WIDE_MEAN) && spreads.every((s) => s >= 0.9)) return '0..255';
  if (isLearned) return undefined;
  if (spreads.every((s) => s <= SCALED_UP_SPREAD)) return '0..1';
  const [least, most] = NARROW_MEANS;
  const isNarrow = spreads.every((s) => s <= NARROW_SPREAD) && means.every((m) => m >= least && m <= most);
  return isNarrow ? '0..1' : undefined;
}

/** Undefined where the first operation is a layer. */
export function foundPixels(graph: Graph, tensorOf: TensorOf): FoundPixels | undefined {
  const byId = new Map(graph.nodes.map((node) => [node.id, node]));
  const users = new Map<ValueId, GraphNode[]>();
  for (const node of graph.nodes)
    for (const input of new Set(node.inputs)) users.set(input, [...(users.get(input) ?? []), node]);
  const tensorAt = (id: ValueId): Tensor | undefined => {
    const node = byId.get(id);
    if (node?.kind === 'constant') return node.attributes.tensor;
    return node?.kind === 'parameter' && node.parameters.value ? tensorOf(node.parameters.value) : undefined;
  };
  const { channels } = graph.input;
  let current: ValueId | undefined = graph.nodes.find(({ kind }) => kind === 'input')?.id;
  let axis = CHANNELS;
  let affine: Affine = { factor: Array(channels).fill(1), offset: Array(channels).fill(0) };
  const operations: string[] = [];
  let isLearned = false;
  while (current !== undefined) {
    const [node, ...others]: GraphNode[] = users.get(current) ?? [];
    if (!node || others.length > 0) break;
    let next: Affine | undefined;
    if (node.kind === 'transpose' && node.attributes.permutation.length === 4) {
      axis = node.attributes.permutation.indexOf(axis);
      current = node.id;
      continue;
    }
    if (node.kind === 'scale' && typeof node.attributes.by === 'number') {
      const { by } = node.attributes;
      next = map(affine, (a, b) => [a * by, b * by]);
    } else if (node.kind === 'batchNorm') {
      isLearned = true;
      next = batchNorm(affine, node, tensorOf, channels);
    } else if (node.inputs.length === 2) {
      const isSecond = node.inputs[1] === current;
      const operand = tensorAt(node.inputs[isSecond ? 0 : 1]);
      const values = operand && perChannel(operand, channels, axis);
      next = values && after(affine, node, isSecond, values);
    }
    if (!next) break;
    affine = next;
    operations.push(node.id);
    current = node.id;
  }
  return operations.length > 0 ? { range: rangeOf(affine, isLearned), operations } : undefined;
}
