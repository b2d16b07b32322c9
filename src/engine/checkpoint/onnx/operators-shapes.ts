/** ONNX operators that move, cut and join elements. */
import type { Shape } from '../../graph/operations.ts';
import { broadcastShapes, formatShape, sizePerImage } from '../../graph/shapes.ts';
import { dimensionOf } from './constants.ts';
import type { DraftId } from './draft.ts';
import type { Value } from './onnx-values.ts';
import type { OperatorCall, OperatorRule } from './operator-call.ts';
import { gather, gatherNd, scatterNd, slice, sliceAxis } from './operators-slices.ts';
import { reshapeTargets } from './reshape-target.ts';

const reshape: OperatorRule = (call) => {
  const from = call.shape(0);
  const target = call.sizes(1) ?? (call.ints('shape') ?? []).map((fixed) => ({ fixed, batches: 0 }));
  const { fixedBatch } = call.scope;
  const options = { keepZeros: Boolean(call.int('allowzero', 0)), ...(fixedBatch !== undefined && { fixedBatch }) };
  const isWhole = (shape: Shape): boolean =>
    shape.every((d) => Number.isInteger(d) && d !== 0) && sizePerImage(shape) === sizePerImage(from);
  const shapes = reshapeTargets(from, target, options).filter(isWhole);
  const asked = formatShape(target.map((size) => dimensionOf(size)));
  if (!shapes.length)
    return call.fail(
      `makes ${asked} of ${formatShape(from)}, which Espalier cannot take over for any number of images`,
    );
  const key = `${formatShape(from)} as ${asked}`;
  const shape = shapes[shapes.length > 1 ? call.scope.choices.choose(key, shapes.length) : 0];
  return call.computed(call.reshape(call.operand(0), shape));
};

const flatten: OperatorRule = (call) => {
  const from = call.shape(0);
  const given = call.int('axis', 1);
  const axis = given < 0 ? given + from.length : given;
  const merged = (sizes: Shape): number => sizePerImage(sizes) * (sizes.some((d) => d < 0) ? -1 : 1);
  return call.computed(call.reshape(call.operand(0), [merged(from.slice(0, axis)), merged(from.slice(axis))]));
};

const squeeze: OperatorRule = (call) => {
  const from = call.shape(0);
  const given = call.list('axes', 1)?.map((axis) => call.axis(axis, from.length));
  const axes = given ?? [...from.keys()].filter((i) => from[i] === 1);
  return call.computed(
    call.reshape(
      call.operand(0),
      from.filter((_, i) => !axes.includes(i)),
    ),
  );
};

const unsqueeze: OperatorRule = (call) => {
  const from = call.shape(0);
  const given = call.list('axes', 1) ?? [];
  const rank = from.length + given.length;
  const axes = given.map((axis) => call.axis(axis, rank));
  const rest = [...from];
  const shape = Array.from({ length: rank }, (_, i) => (axes.includes(i) ? 1 : (rest.shift() ?? 1)));
  return call.computed(call.reshape(call.operand(0), shape));
};

const transpose: OperatorRule = (call) => {
  const rank = call.shape(0).length;
  const permutation = (call.ints('perm') ?? [...Array(rank).keys()].reverse()).map((axis) => call.axis(axis, rank));
  return call.emit('transpose', [call.operand(0)], { permutation });
};

/** A value repeated to a shape, where it has size 1. */
function expanded(call: OperatorCall, x: DraftId, shape: Shape): DraftId {
  const from = call.scope.graph.shape(x);
  if (String(from) === String(shape)) return x;
  const ranked = call.reshape(x, [...Array<number>(shape.length - from.length).fill(1), ...from]);
  return call.add('expand', [ranked], { shape });
}

const concat: OperatorRule = (call) => {
  const shapes = call.inputs.map((_, i) => call.shape(i));
  const rank = shapes[0].length;
  const axis = call.axis(call.int('axis', 0), rank);
  const batchAt = shapes.find((shape) => shape.some((d) => d < 0))?.findIndex((d) => d < 0);
  // In a file for one image, a class token is joined as it is: it has to be repeated for every image.
  const parts = shapes.map((shape, i): DraftId => {
    const x = call.operand(i);
    const lacks = batchAt !== undefined && batchAt !== axis && shape[batchAt] === 1;
    return lacks
      ? expanded(
          call,
          x,
          shape.map((d, k) => (k === batchAt ? -1 : d)),
        )
      : x;
  });
  return parts.length === 1 ? call.computed(parts[0]) : call.emit('concat', parts, { axis });
};

const split: OperatorRule = (call): readonly Value[] => {
  const shape = call.shape(0);
  const axis = call.axis(call.int('axis', 0), shape.length);
  const count = call.node.outputs.length;
  const each = Math.ceil(shape[axis] / count);
  const parts =
    call.list('split', 1) ?? Array.from({ length: count }, (_, i) => Math.min(each, shape[axis] - i * each));
  if (shape[axis] < 0) call.fail('cuts the batch');
  const x = call.operand(0);
  let start = 0;
  return parts.map((size) => {
    const part = sliceAxis(call, x, axis, start, start + size);
    start += size;
    return call.computed(part);
  });
};

const expand: OperatorRule = (call) => {
  const from = call.shape(0);
  const target = (call.sizes(1) ?? []).map(dimensionOf);
  const { fixedBatch } = call.scope;
  const batch = from.findIndex((d) => d < 0);
  // A size written down for a fixed number of images meets the batch itself.
  const meant = target.map((d, i) => {
    const at = from.length - target.length + i;
    return at >= 0 && at === batch && (d === 1 || d === fixedBatch) ? from[at] : d;
  });
  const shape = broadcastShapes({ id: call.origin.label, kind: 'Expand' }, from, meant);
  return call.computed(expanded(call, call.operand(0), shape));
};

/** Copies side by side that Espalier has no operation for, up to this many, are joined. */
const MAX_COPIES = 64;

const tile: OperatorRule = (call) => {
  const repeats = (call.sizes(1) ?? []).map(dimensionOf);
  let x = call.operand(0);
  repeats.forEach((count, axis) => {
    const shape = call.scope.graph.shape(x);
    if (count === 1) return;
    if (shape[axis] === 1) {
      x = expanded(
        call,
        x,
        shape.map((d, i) => (i === axis ? count : d)),
      );
      return;
    }
    if (count < 1 || count > MAX_COPIES) call.fail(`repeats a dimension ${formatShape([count])} times`);
    x = call.add('concat', Array<DraftId>(count).fill(x), { axis });
  });
  return call.computed(x);
};

/** Zeros (or another number) for every image: one that is repeated. Of fixed size it is a constant, and never comes here. */
const constantOfShape: OperatorRule = (call) => {
  const shape = (call.sizes(0) ?? []).map(dimensionOf);
  const attribute = call.node.attributes.get('value');
  const value = attribute?.kind === 'tensor' ? Number(attribute.value.read().data[0]) : 0;
  const single = shape.map((d) => (d < 0 ? 1 : d));
  const data = new Float32Array(sizePerImage(single)).fill(value);
  const constant = call.add('constant', [], { tensor: { dtype: 'float32', shape: single, data } });
  return call.computed(expanded(call, constant, shape));
};

const roll: OperatorRule = (call) =>
  call.emit('roll', [call.operand(0)], { axes: call.ints('axes') ?? [], shifts: call.ints('shifts') ?? [] });

/** Operators that only our own readers of other formats write. */
export const internalShapeOperators: Readonly<Record<string, OperatorRule>> = { Roll: roll };

export const shapeOperators: Readonly<Record<string, OperatorRule>> = {
  Concat: concat,
  ConstantOfShape: constantOfShape,
  Expand: expand,
  Flatten: flatten,
  Gather: gather,
  GatherND: gatherNd,
  Reshape: reshape,
  ScatterND: scatterNd,
  Slice: slice,
  Split: split,
  Squeeze: squeeze,
  Tile: tile,
  Transpose: transpose,
  Unsqueeze: unsqueeze,
};
