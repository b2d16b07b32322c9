/** Lowering of matrix products. */
import { sizePerImage } from '../../graph/shapes.ts';
import { isPlain, type Order, plainOrder, withLast } from './data-layout.ts';
import type { Laid, LoweringContext, LoweringRule } from './lowering-context.ts';
import type { Attrs } from './saved-model.ts';

/** All dimensions in memory but the last as one. */
function collapsed(context: LoweringContext, x: Laid): Laid {
  if (x.shape.length === 2 && isPlain(x.order)) return x;
  const last = x.shape[x.order.at(-1) as number];
  const leading = x.order.slice(0, -1).map((d) => x.shape[d]);
  const rows = sizePerImage(leading) * (leading.some((d) => d < 0) ? -1 : 1);
  return context.reshapeMemory(x, [rows, last]);
}

/** Rows of x times a matrix: x's dimensions keep their order in memory, the last one becomes `columns` long. */
function rowsTimes(context: LoweringContext, x: Laid, matrix: Laid, transposed: boolean, columns: number): Laid {
  const last = x.shape.length - 1;
  const laid = x.order.at(-1) === last ? x : context.inOrder(x, withLast(x.order, last));
  const rows = collapsed(context, laid);
  // A matrix whose dimensions lie the other way round is its own transpose in memory.
  const flipped = matrix.order[0] === 1;
  const attrs: Attrs = { transpose_b: { bool: transposed !== flipped } };
  const y = context.product('MatMul', [rows.tensor, matrix.tensor], attrs, [rows.shape[0], columns]);
  return context.reshapeMemory(y, [...x.shape.slice(0, -1), columns], laid.order);
}

export const linear: LoweringRule<'linear'> = (context, { shapes: [shape] }, [x, weight, bias]) => {
  const y = rowsTimes(context, x, weight, true, shape.at(-1) as number);
  if (!bias) return [y];
  // The bias is added to the rows, where TensorFlow can fuse it with the product.
  const rows = collapsed(context, y);
  return [context.reshapeMemory(context.biasAdd(rows, bias), shape, y.order)];
};

/** Puts the two last dimensions last in memory, in either order: a product can take an operand transposed. */
function asMatrices(context: LoweringContext, x: Laid): { laid: Laid; flipped: boolean } {
  const rank = x.shape.length;
  const leading = plainOrder(rank - 2);
  const swapped: Order = [...leading, rank - 1, rank - 2];
  const flipped = x.order.every((d, i) => d === swapped[i]);
  return { laid: flipped ? x : context.inOrder(x, plainOrder(rank)), flipped };
}

export const matmul: LoweringRule<'matmul'> = (context, { attributes, shapes: [shape] }, [a, b]) => {
  const { transposeA, transposeB } = attributes;
  if (b.shape.length === 2 && a.shape.length > 2 && !transposeA)
    return [rowsTimes(context, a, b, transposeB, shape.at(-1) as number)];
  const left = asMatrices(context, a);
  const right = asMatrices(context, b);
  const inputs = [left.laid.tensor, right.laid.tensor];
  const adjoint = { a: transposeA !== left.flipped, b: transposeB !== right.flipped };
  if (shape.length === 2) {
    const attrs: Attrs = { transpose_a: { bool: adjoint.a }, transpose_b: { bool: adjoint.b } };
    return [context.product('MatMul', inputs, attrs, shape)];
  }
  const attrs: Attrs = { adj_x: { bool: adjoint.a }, adj_y: { bool: adjoint.b } };
  return [context.product('BatchMatMulV2', inputs, attrs, shape)];
};
