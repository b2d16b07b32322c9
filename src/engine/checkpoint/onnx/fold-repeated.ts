/** Runs the kernels for constants on values that all images have, for one of them. */
import type { Budget } from '../../../common/budget.ts';
import { isFixed, type Plain, plain } from './constants.ts';
import { fold } from './fold.ts';
import { arithmeticKernels } from './fold-arithmetic.ts';
import { axisOf } from './fold-tensors.ts';
import type { RepeatedValue, Value } from './onnx-values.ts';
import {
  axisIn,
  integer,
  list,
  type Operands,
  type Placed,
  type PlaceRule,
  shapeIn,
  shapePlaces,
  sizesIn,
} from './repeated-shapes.ts';
import { isUniform } from './repeated-values.ts';

/** Element by element: all have the batch in one place, counted from the last dimension, or 1 there. */
const elementwise: PlaceRule = ({ inputs }) => {
  const shapes = inputs.map((input) => input?.constant.each[0].shape ?? []);
  const places = inputs.flatMap((input, i) => (input?.kind === 'repeated' ? [shapes[i].length - input.axis] : []));
  const [place] = places;
  if (places.some((other) => other !== place)) return undefined;
  const isOne = shapes.every((shape) => (shape[shape.length - place] ?? 1) === 1);
  return isOne ? { axis: Math.max(...shapes.map(({ length }) => length)) - place } : undefined;
};

/** Operators that cut or go along dimensions of which the batch is none. */
const apart =
  (axes: (operands: Operands, rank: number) => readonly number[] | undefined): PlaceRule =>
  (operands) => {
    const rank = shapeIn(operands, 0)?.length ?? 0;
    const place = axisIn(operands, 0);
    const found = axes(operands, rank)?.map((axis) => axisOf(axis, rank));
    return place === undefined || !found || found.includes(place) ? undefined : { axis: place };
  };

const slice: PlaceRule = (operands) => {
  const starts = list(operands, 'starts', 1);
  const axes = list(operands, 'axes', 3) ?? starts?.map((_, i) => i);
  const rank = shapeIn(operands, 0)?.length ?? 0;
  const place = axisIn(operands, 0);
  const at = axes?.map((axis) => axisOf(axis, rank)).indexOf(place ?? -1) ?? -1;
  if (place === undefined || !starts || !axes) return undefined;
  if (at < 0) return { axis: place };
  const steps = list(operands, 'steps', 4);
  const end = sizesIn(operands, 2)?.[at] ?? { fixed: list(operands, 'ends', 2)?.[at] ?? 0, batches: 0 };
  const isAll =
    end.batches === shapeIn(operands, 0)?.[place] || (end.fixed ?? 0) >= (operands.fixedBatch ?? 2 ** 31 - 1);
  return starts[at] === 0 && (steps?.[at] ?? 1) === 1 && isAll ? { axis: place } : undefined;
};

const gather: PlaceRule = (operands) => {
  const [data, taken] = operands.inputs;
  const rank = shapeIn(operands, 0)?.length ?? 0;
  const along = axisOf(integer(operands, 'axis', 0), rank);
  if (data?.kind !== 'repeated') return taken?.kind === 'repeated' ? { axis: along + taken.axis } : undefined;
  if (taken?.kind === 'repeated') return data.axis === along ? ofOwnImage(data, taken) : undefined;
  const depth = shapeIn(operands, 1)?.length ?? 0;
  if (data.axis !== along) return { axis: data.axis < along ? data.axis : data.axis + depth - 1 };
  const isOne = depth === 0 && isUniform(data) && shapeIn(operands, 0)?.[along] === 1;
  return isOne ? { axis: 'none', instead: { 1: { each: [ZERO, ZERO] } } } : undefined;
};
const ZERO = plain('int', [], Float64Array.of(0));

/** Of entries of all images one after another, each image's own ones. */
function ofOwnImage(data: RepeatedValue, { constant, axis }: RepeatedValue): Placed | undefined {
  const count = data.constant.each[0].shape[data.axis];
  const own = constant.each.map((indices, image) => ({
    ...indices,
    data: indices.data.map((index) => index - image * count),
  }));
  const isOwn = own.every((indices) => indices.data.every((index) => index >= 0 && index < count));
  return isOwn ? { axis: data.axis + axis, instead: { 1: { each: [own[0], own[1]] } } } : undefined;
}

/** Index tuples that take of every image its own, or of all the same. */
const gatherNd: PlaceRule = (operands) => {
  const [data, indices] = operands.inputs;
  const depth = shapeIn(operands, 1)?.at(-1) ?? 0;
  if (!data || indices?.kind !== 'repeated' || integer(operands, 'batch_dims', 0)) return undefined;
  if (indices.axis === (shapeIn(operands, 1)?.length ?? 0) - 1) return undefined;
  if (data.kind !== 'repeated') return { axis: indices.axis };
  if (data.axis >= depth || !isUniform(data) || shapeIn(operands, 0)?.[data.axis] !== 1) return undefined;
  // One image stands for all.
  const first = (value: Plain): Plain => ({
    ...value,
    data: value.data.map((index, i) => (i % depth === data.axis ? 0 : index)),
  });
  const [a, b] = indices.constant.each;
  return { axis: indices.axis, instead: { 1: { each: [first(a), first(b)] } } };
};

const concat: PlaceRule = (operands) => {
  const rank = shapeIn(operands, 0)?.length ?? 0;
  const along = axisOf(integer(operands, 'axis', 0), rank);
  const places = operands.inputs.map((_, i) => axisIn(operands, i));
  return places.every((place) => place !== undefined && place === places[0] && place !== along)
    ? { axis: places[0] as number }
    : undefined;
};

const reduction: PlaceRule = (operands) => {
  const rank = shapeIn(operands, 0)?.length ?? 0;
  const axes = list(operands, 'axes', 1)?.map((axis) => axisOf(axis, rank));
  const place = axisIn(operands, 0);
  if (!axes?.length || place === undefined || axes.includes(place)) return undefined;
  return { axis: integer(operands, 'keepdims', 1) ? place : place - axes.filter((axis) => axis < place).length };
};

const matMul: PlaceRule = (operands) => {
  const isLeading = operands.inputs.every(
    (input) => input?.kind !== 'repeated' || input.axis < input.constant.each[0].shape.length - 2,
  );
  return isLeading ? elementwise(operands) : undefined;
};

const reductions = Object.keys(arithmeticKernels).filter((name) => name.startsWith('Reduce'));

const rules: Readonly<Record<string, PlaceRule>> = {
  ...Object.fromEntries(Object.keys(arithmeticKernels).map((name) => [name, elementwise])),
  ...Object.fromEntries(reductions.map((name) => [name, reduction])),
  ...shapePlaces,
  BatchNormalization: () => undefined,
  Concat: concat,
  CumSum: apart((operands) => list(operands, '', 1)),
  Gather: gather,
  GatherND: gatherNd,
  MatMul: matMul,
  Slice: slice,
  Split: apart((operands) => [integer(operands, 'axis', 0)]),
};

/**
 * The outputs of a node for every image.
 * @param budget counts the elements that are computed
 * @returns undefined where they cannot be said for one image alone
 */
export function foldRepeated(operands: Operands, path: string, budget: Budget): readonly Value[] | undefined {
  const { node, inputs } = operands;
  const rule = Object.hasOwn(rules, node.opType) ? rules[node.opType] : undefined;
  const placed = rule?.(operands);
  if (!placed) return undefined;
  const { axis, instead = {} } = placed;
  if (node.opType === 'Range') {
    const [a, b] = [0, 1].map((image) => plain('int', [1], Float64Array.of(image)));
    return [{ kind: 'repeated', name: node.outputs[0], path, constant: { each: [a, b] }, axis: 0 }];
  }
  // Beside numbers of images, what grows with their count is no constant.
  const isOpen = inputs.some((input, i) => input?.kind === 'known' && !instead[i] && !isFixed(input.constant));
  if (isOpen && node.opType !== 'Slice') return undefined;
  const folded = fold(
    node,
    Array.from(
      { length: Math.max(inputs.length, ...Object.keys(instead).map((i) => Number(i) + 1)) },
      (_, i) => instead[i] ?? inputs[i]?.constant,
    ),
    budget,
  );
  return folded?.map((constant, i): Value => {
    const known = { name: node.outputs[i], path, constant };
    return axis === 'none' ? { kind: 'known', ...known } : { kind: 'repeated', ...known, axis };
  });
}
