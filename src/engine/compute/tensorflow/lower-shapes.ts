/** Lowering of kernels that move or repeat elements. */
import { transposedOrder } from './data-layout.ts';
import { FLOAT, INT, type Laid, type LoweringContext, type LoweringRule } from './lowering-context.ts';
import type { Attrs } from './saved-model.ts';

const at = (x: Laid, axis: number): number => x.order.indexOf(axis);

/** One entry a memory dimension: `value` at the logical axis, `other` elsewhere. */
const perDimension = (x: Laid, axis: number, value: number, other: number): number[] =>
  x.order.map((d) => (d === axis ? value : other));

/** Zeros before and after one logical axis. */
function padded(context: LoweringContext, x: Laid, axis: number, before: number, after: number): Laid {
  const pads = Int32Array.from(x.order.flatMap((d) => (d === axis ? [before, after] : [0, 0])));
  const constant = context.graph.constant(pads, [x.order.length, 2]);
  const shape = x.shape.map((d, i) => (i === axis ? d + before + after : d));
  // Not Pad, which TensorFlow's optimiser takes into the convolution behind it, channels and all.
  const inputs = [x.tensor, constant, context.scalar(0).tensor];
  return context.emit('PadV2', inputs, { T: FLOAT, Tpaddings: INT }, shape, x.order);
}

export const slice: LoweringRule<'slice'> = (context, { attributes: { axis, start, end, step }, shapes }, [x]) => {
  const { graph } = context;
  if (step === 1) {
    const begin = graph.ints(...perDimension(x, axis, start, 0));
    const size = graph.ints(...perDimension(x, axis, end - start, -1));
    return [context.emit('Slice', [x.tensor, begin, size], { T: FLOAT, Index: INT }, shapes[0], x.order)];
  }
  const bounds = [start, end].map((bound) => graph.ints(...perDimension(x, axis, bound, 0)));
  const strides = graph.ints(...perDimension(x, axis, step, 1));
  const attrs = stridedAttrs(x, axis);
  return [context.emit('StridedSlice', [x.tensor, ...bounds, strides], attrs, shapes[0], x.order)];
};

/** begin and end count at one dimension only. */
function stridedAttrs(x: Laid, axis: number): Attrs {
  const others = x.order.reduce((mask, d, i) => (d === axis ? mask : mask | (1 << i)), 0);
  return { T: FLOAT, Index: INT, begin_mask: { int: others }, end_mask: { int: others } };
}

export const sliceGradient: LoweringRule<'sliceGradient'> = (context, { attributes, shapes }, [d]) => {
  const { axis, start, end, step, size } = attributes;
  if (step === 1) return [padded(context, d, axis, start, size - end)];
  const { graph } = context;
  const whole = context.sizes(d.order.map((i) => shapes[0][i]));
  const bounds = [start, end].map((bound) => graph.ints(...perDimension(d, axis, bound, 0)));
  const strides = graph.ints(...perDimension(d, axis, step, 1));
  const inputs = [whole, ...bounds, strides, d.tensor];
  return [context.emit('StridedSliceGrad', inputs, stridedAttrs(d, axis), shapes[0], d.order)];
};

export const pad: LoweringRule<'pad'> = (context, { attributes: { axis, before, after } }, [x]) => [
  padded(context, x, axis, before, after),
];

export const concat: LoweringRule<'concat'> = (context, { attributes: { axis }, shapes }, inputs) => {
  const aligned = context.aligned(inputs);
  const tensors = [...aligned.map((x) => x.tensor), context.graph.int(at(aligned[0], axis))];
  const attrs: Attrs = { N: { int: aligned.length }, T: FLOAT, Tidx: INT };
  return [context.emit('ConcatV2', tensors, attrs, shapes[0], aligned[0].order)];
};

export const reshape: LoweringRule<'reshape'> = (context, { attributes: { shape } }, [x]) => [
  context.reshape(x, shape),
];

export const transpose: LoweringRule<'transpose'> = (_, { attributes: { permutation }, shapes }, [x]) => [
  { tensor: x.tensor, shape: shapes[0], order: transposedOrder(x.order, permutation) },
];

export const roll: LoweringRule<'roll'> = (context, { attributes: { axes, shifts }, shapes }, [x]) => {
  const inputs = [x.tensor, context.graph.ints(...shifts), context.graph.ints(...axes.map((axis) => at(x, axis)))];
  return [context.emit('Roll', inputs, { T: FLOAT, Tshift: INT, Taxis: INT }, shapes[0], x.order)];
};

export const gather: LoweringRule<'gather'> = (context, { attributes: { indices }, shapes }, [table]) => {
  const rows = context.graph.constant(indices, [indices.length]);
  const inputs = [table.tensor, rows, context.graph.int(at(table, 0))];
  const attrs: Attrs = { Tparams: FLOAT, Tindices: INT, Taxis: INT };
  return [context.emit('GatherV2', inputs, attrs, shapes[0], table.order)];
};

export const gatherGradient: LoweringRule<'gatherGradient'> = (context, { attributes, shapes }, [d]) => {
  const { graph } = context;
  const rows = context.plain(d);
  const ids = graph.constant(attributes.indices, [attributes.indices.length]);
  const attrs: Attrs = { T: FLOAT, Tindices: INT, Tnumsegments: INT };
  return [context.emit('UnsortedSegmentSum', [rows.tensor, ids, graph.int(attributes.rows)], attrs, shapes[0])];
};

export const expand: LoweringRule<'expand'> = (context, { shapes: [shape] }, [x]) => {
  const promoted = context.promote(x, shape.length);
  if (String(promoted.shape) === String(shape)) return [promoted];
  const sizes = context.sizes(promoted.order.map((d) => shape[d]));
  return [context.emit('BroadcastTo', [promoted.tensor, sizes], { T: FLOAT, Tidx: INT }, shape, promoted.order)];
};
