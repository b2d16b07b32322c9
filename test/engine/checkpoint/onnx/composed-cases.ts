/** Operators that are written out as several operations. */
import { conv3, HEAD, type OperatorCase, shaped } from './cases.ts';
import type { ModelBuilder } from './model-builder.ts';

const ofNumbers = (operator: string, attributes: Parameters<ModelBuilder['node']>[2], kinds: string): OperatorCase =>
  shaped((b, x) => b.node(operator, [x], attributes), kinds);

export const composedCases: Readonly<Record<string, OperatorCase>> = {
  selu: ofNumbers('Selu', {}, 'activation scale'),
  celu: ofNumbers('Celu', { alpha: { float: 0.7 } }, 'scale activation scale'),
  soft_shrink: ofNumbers(
    'Shrink',
    { lambd: { float: 0.2 }, bias: { float: 0.2 } },
    'constant subtract activation scale subtract activation subtract',
  ),
  mean_of_three: shaped(
    (b, x) => b.node('Mean', [x, b.node('Relu', [x]), b.node('Tanh', [x])]),
    'activation activation add add scale',
  ),
  // Behind the ReLU some pixels are 0 in all channels.
  lp_normalization: shaped(
    (b, x) => b.node('LpNormalization', [b.node('Relu', [x])], { axis: 1, p: 2 }),
    'activation multiply mean scale activation constant add divide',
  ),
  l1_normalization: ofNumbers('LpNormalization', { axis: 3, p: 1 }, 'activation mean scale constant add divide'),
  running_sum: shaped(
    (b, x) => b.node('CumSum', [x, b.tensorOf(2)], { reverse: 1, exclusive: 1 }),
    'constant transpose matmul transpose',
  ),
  running_sum_of_rows: shaped((b, x) => b.node('CumSum', [x, b.tensorOf(-1)]), 'constant matmul'),
  log_sum_exp: {
    build: (b) => {
      const sums = b.node('ReduceLogSumExp', [conv3(b)], { axes: [2, 3], keepdims: 1 });
      return b.classify(b.node('Mul', [conv3(b), sums]), 4);
    },
    kinds: `conv maxPool subtract activation mean scale activation add conv multiply ${HEAD}`,
  },
  slice_backwards: shaped(
    (b, x) => b.node('Slice', [x, b.integers(-1), b.integers(-(2 ** 31)), b.integers(3), b.integers(-2)]),
    'transpose gather transpose',
  ),
  gemm_of_scaled_matrix: {
    build: (b) => {
      const pooled = b.node('Flatten', [b.node('GlobalAveragePool', [conv3(b)])]);
      const row = b.node('Gemm', [pooled, b.float('w', [4, 4]), pooled], { alpha: { float: 0.5 }, beta: { float: 2 } });
      return b.node('Gemm', [row, b.float('fc.weight', [3, 4]), b.float('fc.bias', [3])], { transB: 1 });
    },
    kinds: 'conv mean linear scale add linear',
  },
};
