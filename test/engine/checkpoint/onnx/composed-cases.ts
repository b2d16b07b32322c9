/** Operators that are written out as several operations. */
import { conv3, HEAD, type OperatorCase, shaped } from './cases.ts';
import { floatTensor, type ModelBuilder, scaledBranch } from './model-builder.ts';

const ofNumbers = (operator: string, attributes: Parameters<ModelBuilder['node']>[2], kinds: string): OperatorCase =>
  shaped((b, x) => b.node(operator, [x], attributes), kinds);

/** Images of 8 × 8 as 12 × 10. */
const resized = (attributes: Parameters<ModelBuilder['node']>[2]): OperatorCase =>
  shaped((b, x) => {
    const batch = b.node('Slice', [b.node('Shape', [x]), b.integers(0), b.integers(1)]);
    const sizes = b.node('Concat', [batch, b.integers(4, 12, 10)], { axis: 0 });
    return b.node('Resize', [x, '', '', sizes], attributes);
  }, 'resize');

/** Attention whose mask and places are made in the images' number, as PyTorch's exporter writes transformers' detectors. */
function maskedTokens(b: ModelBuilder): string {
  const batch = b.node('Slice', [b.node('Shape', ['input']), b.integers(0), b.integers(1)]);
  const sized = (...sizes: readonly number[]): string => b.node('Concat', [batch, b.integers(...sizes)], { axis: 0 });
  const ones = b.node('ConstantOfShape', [sized(8, 8)], { value: { tensor: floatTensor('', [1], [1]) } });
  const smaller = b.node('Concat', [b.integers(1), sized(4, 4)], { axis: 0 });
  const small = b.node('Resize', [b.node('Unsqueeze', [ones, b.integers(0)]), '', '', smaller], {
    mode: 'nearest',
    coordinate_transformation_mode: 'asymmetric',
    nearest_mode: 'floor',
  });
  const seen = b.node('Gather', [b.node('Cast', [small], { to: 9 }), b.tensorOf(0)], { axis: 0 });
  const counted = b.node('CumSum', [b.node('Cast', [seen], { to: 1 }), b.tensorOf(2)]);
  const places = b.node('Unsqueeze', [b.node('Sin', [counted]), b.integers(1)]);
  const pooled = b.node('AveragePool', [conv3(b)], { kernel_shape: [2, 2], strides: [2, 2] });
  const flat = b.node('Reshape', [b.node('Add', [pooled, places]), b.integers(0, 4, -1)]);
  const tokens = b.node('Transpose', [flat], { perm: [0, 2, 1] });
  // Of all images' entries, those of the image itself.
  const number = b.node('Squeeze', [batch, b.integers(0)]);
  const images = b.node('Unsqueeze', [b.node('Range', [b.tensorOf(0), number, b.tensorOf(1)]), b.integers(1, 2)]);
  const own = b.node('Add', [b.node('Mul', [images, b.integers(16)]), b.integers(...Array(16).keys())]);
  const mask = b.node('Gather', [b.node('Reshape', [seen, b.integers(-1)]), own], { axis: 0 });
  const every = b.node('Expand', [mask, sized(16, 16)]);
  const hidden = b.node('Where', [every, b.number(0), b.number(-Infinity)]);
  const scores = b.node('Add', [b.node('MatMul', [tokens, flat]), hidden]);
  const shares = b.node('Softmax', [scores], { axis: -1 });
  const safe = b.node('Where', [b.node('IsNaN', [shares]), b.number(0), shares]);
  const mixed = b.node('ReduceMean', [b.node('MatMul', [safe, tokens])], { axes: [1], keepdims: 0 });
  return b.node('Gemm', [mixed, b.float('fc.weight', [3, 4]), b.float('fc.bias', [3])], { transB: 1 });
}
const MASKED = 'conv averagePool constant expand add reshape transpose matmul softmax matmul mean linear';

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
  resize_nearest: resized({ coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' }),
  resize_linear: resized({ mode: 'linear', coordinate_transformation_mode: 'align_corners' }),
  resize_cubic: resized({ mode: 'cubic', cubic_coeff_a: { float: -0.75 } }),
  // One for all images, which are joined to it.
  resized_places: shaped((b, x) => {
    const places = b.node('Resize', [b.float('places', [1, 4, 4, 4]), '', '', b.integers(1, 4, 8, 8)], {
      mode: 'cubic',
      cubic_coeff_a: { float: -0.75 },
    });
    return b.node('Add', [b.node('Sin', [x]), b.node('Cos', [places])]);
  }, 'parameter resize activation activation add'),
  // Written into a box of a value, for every image.
  box_of_a_value: {
    build: (b) => {
      const x = conv3(b);
      const batch = b.node('Slice', [b.node('Shape', [x]), b.integers(0), b.integers(1)]);
      const number = b.node('Squeeze', [batch, b.integers(0)]);
      const images = b.node('Range', [b.tensorOf(0), number, b.tensorOf(1)]);
      const counts = [images, b.integers(0, 1, 2, 3), b.integers(1, 2, 3), b.integers(2, 3)];
      const box = b.node('Concat', [batch, b.integers(4, 3, 2)], { axis: 0 });
      const tuples = counts.map((indices, axis) => {
        const others = [0, 1, 2, 3].filter((i) => i !== axis);
        const placed = b.node('Expand', [b.node('Unsqueeze', [indices, b.integers(...others)]), box]);
        return b.node('Unsqueeze', [placed, b.integers(-1)]);
      });
      const slices = [b.integers(0, 0), b.integers(3, 2), b.integers(2, 3)];
      const put = b.node('Slice', [b.node('Relu', [x]), ...slices]);
      return b.classify(b.node('ScatterND', [x, b.node('Concat', tuples, { axis: -1 }), put]), 4);
    },
    kinds: 'conv activation slice slice slice slice slice concat slice slice concat mean linear',
  },
  // As PyTorch's newer exporter writes as_strided: of all images' entries, those of the image itself.
  entries_of_each_image: {
    build: (b) => {
      const x = conv3(b);
      const number = b.node('Gather', [b.node('Shape', [x]), b.tensorOf(0)]);
      const images = b.node('Range', [b.tensorOf(0), number, b.tensorOf(1)]);
      const strided = (value: string, size: number, own: readonly number[]): string => {
        const first = b.node('Unsqueeze', [b.node('Mul', [images, b.tensorOf(size)]), b.integers(1, 2, 3)]);
        const each = b.node('Unsqueeze', [b.integers(...own), b.integers(0, 2, 3)]);
        return b.node('Gather', [b.node('Reshape', [value, b.integers(-1)]), b.node('Add', [first, each])]);
      };
      const pooled = b.node('GlobalAveragePool', [x]);
      const chosen = strided(b.node('Relu', [x]), 256, [9, 200, 3, 255]);
      return b.classify(b.node('Add', [strided(pooled, 4, [0, 1, 2, 3]), chosen]), 4);
    },
    kinds: 'conv mean activation reshape transpose gather transpose reshape add mean linear',
  },
  // As PyTorch's exporter writes a tile whose counts follow from sizes.
  branch_that_is_always_taken: shaped((b, x) => {
    const isLarge = b.node('Greater', [b.node('Size', [b.node('Shape', [x])]), b.tensorOf(3)]);
    return b.node('If', [isLarge], {
      then_branch: scaledBranch(x, 'then', 0.5),
      else_branch: scaledBranch(x, 'else', 3),
    });
  }, 'scale'),
  // As PyTorch's exporter writes repeat_interleave.
  repeats_by_one_hot: shaped(
    (b, x) => {
      const repeats = b.node('OneHot', [b.integers(2), b.tensorOf(5), b.integers(1, 3)]);
      const tiled = b.node('Tile', [
        b.node('Unsqueeze', [x, b.integers(2)]),
        b.node('Reshape', [repeats, b.integers(-1)]),
      ]);
      return b.node('Reshape', [tiled, b.integers(0, 12, 8, 8)]);
    },
    'reshape expand reshape',
    12,
  ),
  mask_of_all_images: { build: maskedTokens, kinds: MASKED },
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
