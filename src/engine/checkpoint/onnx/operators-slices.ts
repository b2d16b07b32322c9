/** ONNX operators that take parts of a value: Slice and Gather. */
import type { Shape } from '../../graph/operations.ts';
import { elementCount } from '../../graph/tensor.ts';
import { isFixed } from './constants.ts';
import type { DraftId } from './draft.ts';
import { sliceBounds } from './fold-shapes.ts';
import { strides } from './fold-tensors.ts';
import type { Value } from './onnx-values.ts';
import type { OperatorCall, OperatorRule } from './operator-call.ts';
import { shapeOfRepeated } from './repeated-values.ts';

/** Entries start, start + step, … below end of a dimension: nothing is added where that is all. */
export function sliceAxis(call: OperatorCall, x: DraftId, axis: number, start: number, end: number, step = 1): DraftId {
  const size = call.scope.graph.shape(x)[axis];
  if (start === 0 && end === size && step === 1) return x;
  return call.add('slice', [x], { axis, start, end, step });
}

export const slice: OperatorRule = (call) => {
  const shape = call.shape(0);
  const starts = call.list('starts', 1) ?? call.fail('has no starts');
  const ends = call.ints('ends')?.map((fixed) => ({ fixed, batches: 0 })) ?? call.sizes(2) ?? call.fail('has no ends');
  const axes = call.list('axes', 3) ?? starts.map((_, i) => i);
  const steps = call.numbers(4) ?? starts.map(() => 1);
  let x = call.operand(0);
  axes.forEach((given, i) => {
    const axis = call.axis(given, shape.length);
    const size = shape[axis];
    const end = ends[i];
    if (size < 0) {
      const { fixedBatch } = call.scope;
      const isAll =
        starts[i] === 0 && steps[i] === 1 && (-end.batches === size || (end.fixed ?? 0) >= (fixedBatch ?? 2 ** 31 - 1));
      if (!isAll) call.fail('takes part of the batch');
      return;
    }
    const { start, count } = sliceBounds(size, starts[i], end.fixed ?? size, steps[i]);
    if (!count) call.fail(`takes nothing of ${size} entries`);
    if (steps[i] < 0) {
      const backwards = Array.from({ length: count }, (_, k) => start + k * steps[i]);
      x = gatherRows(call, x, axis, backwards);
      return;
    }
    x = sliceAxis(call, x, axis, start, Math.min(size, start + count * steps[i]), steps[i]);
  });
  return call.computed(x);
};

/** Entries start to end of a dimension. */
interface Window {
  readonly axis: number;
  readonly start: number;
  readonly end: number;
}

/** The box that index tuples are all of, in order: every image, and neighbours in the other dimensions; undefined where they are none. */
function boxOf(value: Value, shape: Shape, fixedBatch: number | undefined): readonly Window[] | undefined {
  if (value.kind !== 'known' && value.kind !== 'repeated') return undefined;
  const { each } = value.constant;
  const counts = each[0].shape.slice(0, -1);
  const depth = each[0].shape.at(-1);
  if (counts.length !== depth || (value.kind === 'known' && !isFixed(value.constant))) return undefined;
  const images = shape.findIndex((size) => size < 0);
  const isAll = value.kind === 'repeated' ? value.axis === images : counts[images] === fixedBatch;
  if (images < depth && !isAll) return undefined;
  const starts = counts.map((_, axis) => each[0].data[axis]);
  const steps = strides(counts);
  const isBox = each.every(({ data }, image) =>
    data.every((index, i) => {
      const axis = i % depth;
      const at = Math.floor(Math.floor(i / depth) / steps[axis]) % counts[axis];
      const isNumber = value.kind === 'repeated' && axis === images;
      return index === (isNumber ? image : starts[axis] + at);
    }),
  );
  const windows = counts.map((count, axis) => ({ axis, start: starts[axis], end: starts[axis] + count }));
  return isBox ? windows.filter(({ axis }) => axis !== images) : undefined;
}

/** A value with a box of it replaced. */
function withBox(call: OperatorCall, x: DraftId, [window, ...rest]: readonly Window[], value: DraftId): DraftId {
  if (!window) return value;
  const { axis, start, end } = window;
  const size = call.scope.graph.shape(x)[axis];
  const inner = withBox(call, sliceAxis(call, x, axis, start, end), rest, value);
  const before = start > 0 ? [sliceAxis(call, x, axis, 0, start)] : [];
  const after = end < size ? [sliceAxis(call, x, axis, end, size)] : [];
  return before.length + after.length ? call.add('concat', [...before, inner, ...after], { axis }) : inner;
}

/** Elements put into a box of a value, as PyTorch's exporter writes `x[:, 1:] = y`. */
export const scatterNd: OperatorRule = (call) => {
  const shape = call.shape(0);
  const box = boxOf(call.value(1), shape, call.scope.fixedBatch);
  if (!box || call.string('reduction', 'none') !== 'none')
    return call.fail('puts elements where no box of its value is, which Espalier cannot take over');
  const part = shape.map((size, i) => {
    const window = box.find(({ axis }) => axis === i);
    return window ? window.end - window.start : size;
  });
  return call.computed(withBox(call, call.operand(0), box, call.reshape(call.operand(2), part)));
};

/** Start, step and count of a run of indices; undefined where they are no run. */
function runOf(indices: readonly number[]): { start: number; step: number } | undefined {
  const [start, second = start + 1] = indices;
  const step = second - start;
  return step >= 1 && indices.every((v, i) => v === start + i * step) ? { start, step } : undefined;
}

/** Rows of any dimension: it is brought to the front, where the operation takes them. */
export function gatherRows(call: OperatorCall, x: DraftId, axis: number, indices: readonly number[]): DraftId {
  const rank = call.scope.graph.shape(x).length;
  const front = [axis, ...Array(rank).keys()].filter((d, i) => i === 0 || d !== axis);
  const back = Array.from({ length: rank }, (_, i) => front.indexOf(i));
  const moved = axis ? call.add('transpose', [x], { permutation: front }) : x;
  const rows = call.add('gather', [moved], { indices: Int32Array.from(indices) });
  return axis ? call.add('transpose', [rows], { permutation: back }) : rows;
}

/**
 * Entries of all images one after another, of which each image's own are taken, as PyTorch's newer exporter writes `as_strided`: the same
 * ones of every image; undefined where they are others.
 */
function ofOwnImage(call: OperatorCall, axis: number): Value | undefined {
  const [count, ...rest] = call.shape(0).map((size, i) => (i === 0 ? -size : size));
  const taken = call.value(1);
  if (taken.kind !== 'repeated' || taken.axis !== 0 || axis !== 0 || !(count > 0)) return undefined;
  const [first, second] = taken.constant.each.map(({ data }, image) => Array.from(data, (at) => at - image * count));
  if (first.some((at, i) => at !== second[i] || at < 0 || at >= count)) return undefined;
  const [images, ...wanted] = shapeOfRepeated(taken);
  const apart = call.reshape(call.operand(0), [-1, count, ...rest]);
  const isWhole = first.length === count && first.every((at, i) => at === i);
  const rows = isWhole ? apart : gatherRows(call, apart, 1, first);
  return call.computed(call.reshape(rows, [images, ...wanted, ...rest]));
}

export const gather: OperatorRule = (call) => {
  const shape = call.shape(0);
  const axis = call.axis(call.int('axis', 0), shape.length);
  const size = shape[axis];
  const own = ofOwnImage(call, axis);
  if (own) return own;
  const given = call.numbers(1) ?? call.fail('has no indices');
  if (size < 0) call.fail('takes part of the batch');
  const indices = given.map((index) => (index < 0 ? index + size : index));
  if (!indices.length || indices.some((index) => !(index >= 0 && index < size)))
    call.fail(`takes entries that are not among ${size}`);
  const x = call.operand(0);
  const run = runOf(indices);
  const end = (indices.at(-1) as number) + 1;
  const taken = run ? sliceAxis(call, x, axis, run.start, end, run.step) : gatherRows(call, x, axis, indices);
  const wanted = call.shape(1);
  if (elementCount(wanted) !== indices.length) call.fail('has indices of another shape');
  return call.computed(call.reshape(taken, [...shape.slice(0, axis), ...wanted, ...shape.slice(axis + 1)]));
};

/** Entries by index tuples of the first dimensions: those are one, and its rows are taken. */
export const gatherNd: OperatorRule = (call) => {
  const shape = call.shape(0);
  const wanted = call.shape(1);
  const depth = wanted.at(-1) as number;
  if (call.int('batch_dims', 0))
    call.fail('goes over dimensions by itself (batch_dims), which Espalier cannot take over');
  if (shape.slice(0, depth).some((d) => d < 0)) call.fail('chooses among the images');
  const given = call.numbers(1) ?? call.fail('has no indices');
  const rows = Array.from({ length: given.length / depth }, (_, i) =>
    shape.slice(0, depth).reduce((at, size, axis) => {
      const index = given[i * depth + axis];
      if (!(index >= -size && index < size)) call.fail(`takes entry ${index} of ${size}`);
      return at * size + (index < 0 ? index + size : index);
    }, 0),
  );
  const count = elementCount(shape.slice(0, depth));
  const taken = gatherRows(call, call.reshape(call.operand(0), [count, ...shape.slice(depth)]), 0, rows);
  return call.computed(call.reshape(taken, [...wanted.slice(0, -1), ...shape.slice(depth)]));
};
