/** ONNX operators for matrix products. */
import { asRows, type LoweringRule } from './kernel-lowering.ts';

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
  return [c.product([a.name, a.shape.length, transposeA], [b.name, b.shape.length, transposeB])];
};
