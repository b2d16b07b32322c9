/** Kernels that only move numbers: along one dimension, seen in memory as [outer, size, inner]. */
import { withBatch } from '../../graph/shapes.ts';
import { elementCount } from '../../graph/tensor.ts';
import { inMemory, transposedOrder } from '../tensorflow/data-layout.ts';
import { copyBlocks, copyElements, steps } from './copying.ts';
import type { KernelContext, KernelRule, Laid } from './kernel-context.ts';

/** How one logical dimension lies in memory. */
function around(x: Laid, axis: number): { readonly outer: number; readonly size: number; readonly inner: number } {
  const at = x.order.indexOf(axis);
  const sizes = inMemory(x.shape, x.order);
  return {
    outer: elementCount(sizes.slice(0, at)),
    size: sizes[at],
    inner: elementCount(sizes.slice(at + 1)),
  };
}

const resized = (x: Laid, axis: number, size: number): number[] => x.shape.map((d, i) => (i === axis ? size : d));

/** A value of which a run of positions along one dimension is filled from another's. */
interface Run {
  readonly from: number;
  readonly to: number;
  readonly count: number;
  /** Distance of the positions in the source and in the result. */
  readonly fromStep?: number;
  readonly toStep?: number;
}

/** The value with `size` positions along an axis: those of the runs come from x, the others are 0. */
function rearranged(context: KernelContext, x: Laid, axis: number, size: number, runs: readonly Run[]): Laid {
  const { outer, size: old, inner } = around(x, axis);
  const covered = runs.reduce((sum, { count }) => sum + count, 0) === size;
  const shape = resized(x, axis, size);
  const tensor = context.filled(inMemory(shape, x.order), [x.tensor], (target, source) => {
    if (!covered) target.fill(0);
    for (const { from, to, count, fromStep = 1, toStep = 1 } of runs) {
      const whole = { count: outer, from: old * inner, to: size * inner };
      const contiguous = fromStep === 1 && toStep === 1;
      const steps = contiguous ? [whole] : [whole, { count, from: fromStep * inner, to: toStep * inner }];
      copyBlocks(source, from * inner, target, to * inner, steps, contiguous ? count * inner : inner);
    }
  });
  return { tensor, shape, order: x.order };
}

export const concat: KernelRule<'concat'> = (context, { attributes: { axis }, shapes: [shape] }, inputs) => {
  const laid = context.aligned(inputs);
  const { order } = laid[0];
  const tensors = laid.map((x) => x.tensor);
  const tensor = context.filled(inMemory(shape, order), tensors, (target, ...sources) => {
    let to = 0;
    laid.forEach((x, i) => {
      const { outer, size, inner } = around(x, axis);
      const rows = { count: outer, from: size * inner, to: shape[axis] * inner };
      copyBlocks(sources[i], 0, target, to, [rows], size * inner);
      to += size * inner;
    });
  });
  return [{ tensor, shape, order }];
};

export const slice: KernelRule<'slice'> = (context, { attributes: { axis, start, step }, shapes }, [x]) => {
  const count = shapes[0][axis];
  return [rearranged(context, x, axis, count, [{ from: start, to: 0, count, fromStep: step }])];
};

export const sliceGradient: KernelRule<'sliceGradient'> = (
  context,
  { attributes: { axis, start, step, size } },
  [d],
) => [rearranged(context, d, axis, size, [{ from: 0, to: start, count: d.shape[axis], toStep: step }])];

export const pad: KernelRule<'pad'> = (context, { attributes: { axis, before, after } }, [x]) => {
  const count = x.shape[axis];
  return [rearranged(context, x, axis, before + count + after, [{ from: 0, to: before, count }])];
};

export const reshape: KernelRule<'reshape'> = (context, { attributes: { shape } }, [x]) => [
  context.reshape(x, withBatch(shape, context.batch)),
];

export const transpose: KernelRule<'transpose'> = (_, { attributes: { permutation }, shapes: [shape] }, [x]) => [
  { tensor: x.tensor, shape, order: transposedOrder(x.order, permutation) },
];

export const roll: KernelRule<'roll'> = (context, { attributes: { axes, shifts } }, [x]) => [
  axes.reduce((value, axis, i) => {
    const size = value.shape[axis];
    const shift = ((shifts[i] % size) + size) % size;
    if (shift === 0) return value;
    return rearranged(context, value, axis, size, [
      { from: 0, to: shift, count: size - shift },
      { from: size - shift, to: 0, count: shift },
    ]);
  }, x),
];

export const gather: KernelRule<'gather'> = (context, { attributes: { indices }, shapes: [shape] }, [table]) => {
  const plain = context.plain(table);
  const row = elementCount(shape.slice(1));
  const tensor = context.filled(shape, [plain.tensor], (target, source) => {
    indices.forEach((from, to) => {
      copyBlocks(source, from * row, target, to * row, [], row);
    });
  });
  return [context.laid(tensor, shape)];
};

export const gatherGradient: KernelRule<'gatherGradient'> = (context, { attributes: { indices }, shapes }, [d]) => {
  const row = elementCount(shapes[0].slice(1));
  const tensor = context.filled(shapes[0], [context.plain(d).tensor], (target, source) => {
    target.fill(0);
    indices.forEach((to, from) => {
      for (let i = 0; i < row; i++) target[to * row + i] += source[from * row + i];
    });
  });
  return [context.laid(tensor, shapes[0])];
};

export const expand: KernelRule<'expand'> = (context, { shapes: [shape] }, [value]) => {
  const x = context.promote(value, shape.length);
  const [from, to] = [inMemory(x.shape, x.order), inMemory(shape, x.order)];
  const [read, write] = [steps(from), steps(to)];
  const loops = to.map((count, i) => ({ count, from: from[i] === 1 ? 0 : read[i], to: write[i] }));
  const tensor = context.filled(to, [x.tensor], (target, source) => copyElements(source, target, 0, loops));
  return [{ tensor, shape, order: x.order }];
};
