/** ONNX operators for matrix products. ONNX Runtime takes a transpose before a product into it. */
import type { KernelLowering, LoweringRule, Value } from './kernel-lowering.ts';
import { asRows } from './kernel-lowering.ts';

/** The last two dimensions swapped. */
export function swapped(c: KernelLowering, x: string, rank: number): string {
  const order = Array.from({ length: rank }, (_, i) => i);
  return c.transpose(x, [...order.slice(0, -2), rank - 1, rank - 2]);
}

/** One product of all rows with the weights, the bias in it. */
export const linear: LoweringRule<'linear'> = (c, { shapes: [shape] }, [x, weight, bias]) => {
  const rows = x.shape.length === 2 ? x.name : c.reshape(x.name, asRows(x.shape));
  const inputs = [rows, weight.name, ...(bias ? [bias.name] : [])];
  const y = c.op('Gemm', inputs, { transB: 1 });
  return [x.shape.length === 2 ? y : c.reshape(y, shape)];
};

export const matmul: LoweringRule<'matmul'> = (c, { attributes, shapes: [shape] }, [a, b]) => {
  const { transposeA, transposeB } = attributes;
  if (a.shape.length === 2 && b.shape.length === 2)
    return [c.op('Gemm', [a.name, b.name], { transA: transposeA ? 1 : 0, transB: transposeB ? 1 : 0 })];
  if (b.shape.length === 2 && !transposeA) {
    const rows = c.op('Gemm', [c.reshape(a.name, asRows(a.shape)), b.name], { transB: transposeB ? 1 : 0 });
    return [c.reshape(rows, shape)];
  }
  const operand = (x: Value, transposed: boolean): string => (transposed ? swapped(c, x.name, x.shape.length) : x.name);
  return [c.op('MatMul', [operand(a, transposeA), operand(b, transposeB)])];
};
