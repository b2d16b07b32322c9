/** ONNX operators for kernels that move values. */
import type { Shape } from '../../graph/operations.ts';
import type { KernelLowering, LoweringRule } from './kernel-lowering.ts';

const at = (shape: Shape, axis: number, value: number): number[] => shape.map((_, i) => (i === axis ? value : 0));

export const concat: LoweringRule<'concat'> = (c, { attributes: { axis } }, inputs) => [
  c.op(
    'Concat',
    inputs.map((x) => x.name),
    { axis },
  ),
];

export const slice: LoweringRule<'slice'> = (c, { attributes }, [x]) => [c.slice(x.name, [attributes])];

/** Zeros between the elements, then before and after; what would lie beyond the end is cut off. */
export const sliceGradient: LoweringRule<'sliceGradient'> = (c, { attributes }, [d]) => {
  const { axis, start, step, size } = attributes;
  const count = d.shape[axis];
  const spread = step === 1 ? d.name : spreadOut(c, d.name, d.shape, axis, step);
  const length = step === 1 ? count : count * step;
  const room = size - start;
  const kept = length > room ? c.slice(spread, [{ axis, start: 0, end: room }]) : spread;
  return [c.pad(kept, at(d.shape, axis, start), at(d.shape, axis, Math.max(0, room - length)))];
};

/** Longest dimension whose places are a matrix. */
const LARGEST_PLACES = 256;

/** Every element followed by step − 1 zeros. Along a short last dimension by a product: moving single elements takes four times as long. */
function spreadOut(c: KernelLowering, x: string, shape: Shape, axis: number, step: number): string {
  const count = shape[axis];
  if (axis === shape.length - 1 && count <= LARGEST_PLACES) {
    const places = new Float32Array(count * count * step);
    for (let i = 0; i < count; i++) places[i * count * step + i * step] = 1;
    return c.op('MatMul', [x, c.graph.constant([count, count * step], places)]);
  }
  const columns = c.reshape(x, shape.toSpliced(axis + 1, 0, 1));
  const rank = Array.from({ length: shape.length + 1 }, () => 0);
  const padded = c.pad(columns, rank, rank.with(axis + 1, step - 1));
  return c.reshape(padded, shape.with(axis, shape[axis] * step));
}

export const pad: LoweringRule<'pad'> = (c, { attributes: { axis, before, after } }, [x]) => [
  c.pad(x.name, at(x.shape, axis, before), at(x.shape, axis, after)),
];

export const reshape: LoweringRule<'reshape'> = (c, { attributes: { shape } }, [x]) => [c.reshape(x.name, shape)];

export const transpose: LoweringRule<'transpose'> = (c, { attributes: { permutation } }, [x]) => [
  c.transpose(x.name, permutation),
];

/** ONNX has no roll: one cut and join a dimension. */
export const roll: LoweringRule<'roll'> = (c, { attributes: { axes, shifts } }, [x]) => {
  let rolled = x.name;
  axes.forEach((axis, i) => {
    const size = x.shape[axis];
    const cut = (((size - shifts[i]) % size) + size) % size;
    if (cut === 0) return;
    const parts = [
      { axis, start: cut, end: size },
      { axis, start: 0, end: cut },
    ].map((part) => c.slice(rolled, [part]));
    rolled = c.op('Concat', parts, { axis });
  });
  return [rolled];
};

export const gather: LoweringRule<'gather'> = (c, { attributes: { indices } }, [table]) => [
  c.op('Gather', [table.name, c.graph.ints(indices)], { axis: 0 }),
];

/** One addition after the other: ScatterND would add rows of one index at the same time. */
export const gatherGradient: LoweringRule<'gatherGradient'> = (c, { attributes: { indices, rows } }, [d]) => {
  const [count, ...rest] = d.shape;
  const column = c.reshape(c.graph.ints(indices), [count, ...rest.map(() => 1)]);
  const positions = c.op('Expand', [column, c.sizes(d.shape)]);
  const zeros = c.op('Expand', [c.graph.float(0), c.sizes([rows, ...rest])]);
  return [c.op('ScatterElements', [zeros, positions, d.name], { axis: 0, reduction: 'add' })];
};

export const expand: LoweringRule<'expand'> = (c, { attributes: { shape } }, [x]) =>
  String(x.shape) === String(shape) ? [x.name] : [c.op('Expand', [x.name, c.sizes(shape)])];
