/** Where the batch is in what operators make of repeated values that give elements another shape, or repeat them. */

import type { Shape } from '../../graph/operations.ts';
import { type Constant, isFixed, plain, type Size, sizes } from './constants.ts';
import { axisOf } from './fold-tensors.ts';
import type { OnnxNode } from './onnx-proto.ts';
import type { KnownValue, RepeatedValue } from './onnx-values.ts';
import { shapeOfRepeated } from './repeated-values.ts';
import { reshapeTargets } from './reshape-target.ts';

/** What an operator takes: constants, and at least one value that is repeated, or a shape with the batch in it. */
export interface Operands {
  readonly node: OnnxNode;
  readonly inputs: readonly (KnownValue | RepeatedValue | undefined)[];
  /** The number of images that the file was made for. */
  readonly fixedBatch: number | undefined;
}

/** Where the batch is in the result, and inputs that take the place of those with the batch in them; `none`: one image's value is the result. */
export interface Placed {
  readonly axis: number | 'none';
  readonly instead?: Readonly<Record<number, Constant>>;
}

export type PlaceRule = (operands: Operands) => Placed | undefined;

export const shapeIn = ({ inputs }: Operands, i: number): readonly number[] | undefined =>
  inputs[i]?.constant.each[0].shape;

export const axisIn = ({ inputs }: Operands, i: number): number | undefined => {
  const input = inputs[i];
  return input?.kind === 'repeated' ? input.axis : undefined;
};

const integers = (values: readonly number[]): Constant => {
  const value = plain('int', [values.length], Float64Array.from(values));
  return { each: [value, value] };
};

export function integer({ node }: Operands, name: string, otherwise: number): number {
  const found = node.attributes.get(name);
  return found?.kind === 'int' ? found.value : otherwise;
}

/** Fixed numbers of an attribute, or of the input that took its place. */
export function list({ node, inputs }: Operands, name: string, i: number): readonly number[] | undefined {
  const found = node.attributes.get(name);
  if (found?.kind === 'ints') return found.value;
  const input = inputs[i];
  return input && isFixed(input.constant) ? Array.from(input.constant.each[0].data) : undefined;
}

export function sizesIn({ inputs, node }: Operands, i: number): readonly Size[] | undefined {
  const input = inputs[i];
  return input?.kind === 'known' ? sizes(input.constant, `input ${i} of ${node.opType}`) : undefined;
}

/** A shape with the batch once: where, and the shape for one image. */
function withBatch(target: readonly Size[] | undefined): { at: number; single: readonly number[] } | undefined {
  const at = target?.findIndex(({ batches }) => batches > 0) ?? -1;
  if (!target || at < 0 || target.some(({ batches }, i) => batches !== Number(i === at))) return undefined;
  return { at, single: target.map(({ fixed }) => fixed ?? 1) };
}

const expand: PlaceRule = (operands) => {
  const own = shapeIn(operands, 0) ?? [];
  const place = axisIn(operands, 0);
  const target = sizesIn(operands, 1);
  const found = withBatch(target);
  const rank = Math.max(own.length, target?.length ?? 0);
  if (!target || !found)
    return place !== undefined && target?.every(({ fixed }) => fixed) ? keptExpand(operands, rank) : undefined;
  // Among the value's own dimensions, of which there may be fewer.
  const at = found.at + own.length - target.length;
  if ((own[at] ?? 1) !== 1 || (place ?? at) !== at) return undefined;
  return { axis: at + rank - own.length, instead: { 1: integers(found.single) } };
};

/** To a shape of fixed sizes: 1, or the number of images that the file was made for, meets the batch. */
function keptExpand(operands: Operands, rank: number): Placed | undefined {
  const own = shapeIn(operands, 0) ?? [];
  const target = (sizesIn(operands, 1) ?? []).map(({ fixed }) => fixed as number);
  const axis = rank - own.length + (axisIn(operands, 0) as number);
  const at = axis - (rank - target.length);
  if (at >= 0 && target[at] !== 1 && target[at] !== operands.fixedBatch) return undefined;
  return { axis, instead: { 1: integers(target.map((size, i) => (i === at ? 1 : size))) } };
}

const constantOfShape: PlaceRule = (operands) => {
  const found = withBatch(sizesIn(operands, 0));
  return found && { axis: found.at, instead: { 0: integers(found.single) } };
};

const tile: PlaceRule = (operands) => {
  const place = axisIn(operands, 0);
  const repeats = sizesIn(operands, 1);
  const found = withBatch(repeats);
  if (place !== undefined) return repeats?.[place].fixed === 1 ? { axis: place } : undefined;
  if (!found || shapeIn(operands, 0)?.[found.at] !== 1) return undefined;
  return { axis: found.at, instead: { 1: integers(found.single) } };
};

/** The numbers of the images: they count up to the batch. */
const range: PlaceRule = (operands) => {
  const [start, , step] = [0, 1, 2].map((i) => operands.inputs[i]?.constant);
  const limit = sizesIn(operands, 1);
  const isBatch = limit?.length === 1 && limit[0].batches === 1;
  const isCount = start && step && isFixed(start) && isFixed(step);
  if (!isBatch || !isCount || start.each[0].data[0] !== 0 || step.each[0].data[0] !== 1) return undefined;
  return { axis: 0 };
};

const transpose: PlaceRule = (operands) => {
  const rank = shapeIn(operands, 0)?.length ?? 0;
  const order = list(operands, 'perm', -1) ?? [...Array(rank).keys()].reverse();
  return { axis: order.indexOf(axisIn(operands, 0) as number) };
};

const unsqueeze: PlaceRule = (operands) => {
  const given = list(operands, 'axes', 1);
  const rank = (shapeIn(operands, 0)?.length ?? 0) + (given?.length ?? 0);
  const added = given?.map((axis) => axisOf(axis, rank));
  const own = [...Array(rank).keys()].filter((i) => !added?.includes(i));
  return given && { axis: own[axisIn(operands, 0) as number] };
};

const squeeze: PlaceRule = (operands) => {
  const shape = shapeIn(operands, 0) ?? [];
  const place = axisIn(operands, 0) as number;
  const removed =
    list(operands, 'axes', 1)?.map((axis) => axisOf(axis, shape.length)) ??
    [...shape.keys()].filter((i) => shape[i] === 1 && i !== place);
  if (removed.includes(place)) return undefined;
  const instead = operands.node.attributes.has('axes') ? {} : { instead: { 1: integers(removed) } };
  return { axis: place - removed.filter((axis) => axis < place).length, ...instead };
};

const product = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** To another shape in which as many elements come before the batch. */
function moved(from: RepeatedValue, shape: Shape): Placed | undefined {
  const axis = shape.findIndex((size) => size < 0);
  const single = shape.map((size) => Math.abs(size));
  const own = from.constant.each[0].shape;
  const isWhole =
    product(single) === product(own) && product(own.slice(0, from.axis)) === product(shape.slice(0, axis));
  return axis >= 0 && isWhole ? { axis, instead: { 1: integers(single) } } : undefined;
}

const reshape: PlaceRule = (operands) => {
  const [from] = operands.inputs;
  const target = sizesIn(operands, 1);
  if (from?.kind !== 'repeated' || !target) return undefined;
  const { fixedBatch } = operands;
  const options = {
    keepZeros: Boolean(integer(operands, 'allowzero', 0)),
    ...(fixedBatch !== undefined && { fixedBatch }),
  };
  for (const shape of reshapeTargets(shapeOfRepeated(from), target, options)) {
    const placed = moved(from, shape);
    if (placed) return placed;
  }
  return undefined;
};

/** Two dimensions: what comes before an axis, and the rest. */
const flatten: PlaceRule = (operands) => {
  const [from] = operands.inputs;
  if (from?.kind !== 'repeated') return undefined;
  const shape = shapeOfRepeated(from);
  const given = integer(operands, 'axis', 1);
  const at = given < 0 ? given + shape.length : given;
  const placed = moved(from, [product(shape.slice(0, at)), product(shape.slice(at))]);
  return placed && { axis: placed.axis };
};

export const shapePlaces: Readonly<Record<string, PlaceRule>> = {
  ConstantOfShape: constantOfShape,
  Expand: expand,
  Flatten: flatten,
  Range: range,
  Reshape: reshape,
  Squeeze: squeeze,
  Tile: tile,
  Transpose: transpose,
  Unsqueeze: unsqueeze,
};
