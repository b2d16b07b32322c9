/** ONNX operators one by one, each in the smallest classifier that has it, and the operations that they must become. */
import type { ModelBuilder } from './model-builder.ts';

export interface OperatorCase {
  /** Shape of the images; ['N', 3, 8, 8] unless told otherwise. */
  readonly input?: readonly (number | string)[];
  readonly opset?: number;
  /** Adds the operators; gives the logits' name. */
  build(b: ModelBuilder): string;
  /** Kinds of the Graph's nodes in order, without the input. */
  readonly kinds: string;
}

/** What `classify` becomes. */
export const HEAD = 'mean linear';
export const conv3 = (b: ModelBuilder, x = 'input', out = 4): string =>
  b.node('Conv', [x, b.float('conv.weight', [out, 3, 3, 3]), b.float('conv.bias', [out])], { pads: [1, 1, 1, 1] });

const activation = (build: (b: ModelBuilder, x: string) => string): OperatorCase => ({
  build: (b) => b.classify(build(b, b.node('Mul', ['input', b.number(4)])), 3),
  kinds: `scale activation ${HEAD}`,
});

export const shaped = (build: (b: ModelBuilder, x: string) => string, kinds: string, channels = 4): OperatorCase => ({
  build: (b) => b.classify(build(b, conv3(b)), channels),
  kinds: `conv ${kinds} ${HEAD}`,
});

/** The size of the batch and −1, as exporters compute the shape of a flatten. */
const batchAnd = (b: ModelBuilder, x: string, ...sizes: readonly number[]): string => {
  const batch = b.node('Gather', [b.node('Shape', [x]), b.tensorOf(0)]);
  return b.node('Concat', [b.node('Unsqueeze', [batch, b.integers(0)]), b.integers(...sizes)], { axis: 0 });
};

/** Tokens [N, 64, 4] of an image [N, 4, 8, 8]. */
export const tokens = (b: ModelBuilder): string => {
  const flat = b.node('Reshape', [conv3(b), b.integers(0, 4, -1)]);
  return b.node('Transpose', [flat], { perm: [0, 2, 1] });
};
const meanTokens = (b: ModelBuilder, x: string, width = 4): string => {
  const pooled = b.node('ReduceMean', [x], { axes: [1], keepdims: 0 });
  return b.node('Gemm', [pooled, b.float('fc.weight', [3, width]), b.float('fc.bias', [3])], { transB: 1 });
};
export const TOKENS = 'conv reshape transpose';

/** (x − mean) / √(mean((x − mean)²) + eps) · weight + bias over one dimension. */
const writtenNorm = (b: ModelBuilder, x: string, axis: number, weight: string, bias: string): string => {
  const centred = b.node('Sub', [x, b.node('ReduceMean', [x], { axes: [axis] })]);
  const variance = b.node('ReduceMean', [b.node('Pow', [centred, b.number(2)])], { axes: [axis] });
  const deviation = b.node('Sqrt', [b.node('Add', [variance, b.number(1e-5)])]);
  const scaled = b.node('Mul', [b.node('Div', [centred, deviation]), weight]);
  return b.node('Add', [scaled, bias]);
};

const layers: Readonly<Record<string, OperatorCase>> = {
  conv_groups: shaped((b, x) => b.node('Conv', [x, b.float('g.weight', [6, 2, 3, 3])], { group: 2 }), 'conv', 6),
  conv_depthwise: shaped(
    (b, x) => b.node('Conv', [x, b.float('d.weight', [4, 1, 3, 3])], { group: 4, dilations: [2, 2] }),
    'conv',
  ),
  conv_same_upper: shaped(
    (b, x) => b.node('Conv', [x, b.float('s.weight', [4, 4, 4, 4])], { auto_pad: 'SAME_UPPER', strides: [3, 3] }),
    'conv',
  ),
  conv_same_lower: shaped(
    (b, x) => b.node('Conv', [x, b.float('s.weight', [4, 4, 4, 4])], { auto_pad: 'SAME_LOWER', strides: [3, 3] }),
    'conv',
  ),
  conv_uneven_pads: shaped(
    (b, x) => b.node('Conv', [x, b.float('s.weight', [4, 4, 3, 3])], { pads: [0, 1, 2, 0], strides: [2, 1] }),
    'conv',
  ),
  conv_of_padded: shaped((b, x) => {
    const padded = b.node('Pad', [x, b.integers(0, 0, 0, 1, 0, 0, 1, 2)]);
    return b.node('Conv', [padded, b.float('s.weight', [4, 4, 3, 3])]);
  }, 'conv'),
  conv_then_bias: {
    build: (b) => {
      const y = b.node('Conv', ['input', b.float('c.weight', [4, 3, 1, 1])]);
      return b.classify(b.node('Add', [y, b.float('c.bias', [4, 1, 1])]), 4);
    },
    kinds: `conv ${HEAD}`,
  },
  gemm_not_transposed: {
    build: (b) => {
      const flat = b.node('Flatten', [b.node('GlobalAveragePool', [conv3(b)])]);
      return b.node('Gemm', [flat, b.float('fc.weight', [4, 3]), b.float('fc.bias', [1, 3])], {
        alpha: { float: 0.5 },
        beta: { float: 2 },
      });
    },
    kinds: 'conv mean linear',
  },
  matmul_and_bias: {
    build: (b) => {
      const y = b.node('MatMul', [tokens(b), b.float('w', [4, 5])]);
      return meanTokens(b, b.node('Add', [b.float('v', [5]), y]), 5);
    },
    kinds: `${TOKENS} linear mean linear`,
  },
  matmul_transposed_weight: {
    build: (b) =>
      meanTokens(
        b,
        b.node('MatMul', [tokens(b), b.node('Transpose', [b.float('w.weight', [5, 4])], { perm: [1, 0] })]),
        5,
      ),
    kinds: `${TOKENS} linear mean linear`,
  },
  batch_norm: shaped((b, x) => {
    const positive = [0.5, 1, 1.5, 2];
    const statistics = [
      b.float('n.weight', [4]),
      b.float('n.bias', [4]),
      b.float('n.running_mean', [4]),
      b.float('n.running_var', [4], positive),
    ];
    return b.node('BatchNormalization', [x, ...statistics], { epsilon: { float: 1e-3 } });
  }, 'batchNorm'),
  batch_norm_of_vectors: {
    build: (b) => {
      const flat = b.node('Flatten', [b.node('GlobalAveragePool', ['input'])]);
      const parameters = [
        b.float('n.weight', [3]),
        b.float('n.bias', [3]),
        b.float('n.mean', [3]),
        b.float('n.var', [3], [1, 2, 3]),
      ];
      const y = b.node('BatchNormalization', [flat, ...parameters]);
      return b.node('Gemm', [y, b.float('fc.weight', [3, 3])], { transB: 1 });
    },
    kinds: 'mean batchNorm reshape linear',
  },
  layer_norm: {
    build: (b) =>
      meanTokens(b, b.node('LayerNormalization', [tokens(b), b.float('n.weight', [4]), b.float('n.bias', [4])])),
    kinds: `${TOKENS} layerNorm mean linear`,
  },
  layer_norm_without_bias: {
    build: (b) => meanTokens(b, b.node('LayerNormalization', [tokens(b), b.float('n.weight', [4])], { axis: 2 })),
    kinds: `${TOKENS} layerNorm mean linear`,
  },
  layer_norm_of_channels: shaped((b, x) => {
    const last = b.node('Transpose', [x], { perm: [0, 2, 3, 1] });
    const y = b.node('LayerNormalization', [last, b.float('n.weight', [4]), b.float('n.bias', [4])]);
    return b.node('Transpose', [y], { perm: [0, 3, 1, 2] });
  }, 'layerNorm'),
  layer_norm_written_out: {
    build: (b) => meanTokens(b, writtenNorm(b, tokens(b), 2, b.float('n.weight', [4]), b.float('n.bias', [4]))),
    kinds: `${TOKENS} layerNorm mean linear`,
  },
  layer_norm_of_channels_written_out: shaped(
    (b, x) =>
      writtenNorm(
        b,
        x,
        1,
        b.float('n.weight', [4, 1, 1]),
        b.node('Unsqueeze', [b.float('n.bias', [4]), b.integers(1, 2)]),
      ),
    'layerNorm',
  ),
};

const activations: Readonly<Record<string, OperatorCase>> = {
  relu: activation((b, x) => b.node('Relu', [x])),
  relu6: activation((b, x) => b.node('Clip', [x, b.number(0), b.number(6)])),
  relu6_of_attributes: {
    ...activation((b, x) => b.node('Clip', [x], { min: { float: 0 }, max: { float: 6 } })),
    opset: 10,
  },
  relu_by_clip: activation((b, x) => b.node('Clip', [x, b.number(0)])),
  relu6_by_minimum: activation((b, x) => b.node('Min', [b.node('Max', [x, b.number(0)]), b.number(6)])),
  leaky_relu: activation((b, x) => b.node('LeakyRelu', [x], { alpha: { float: 0.2 } })),
  prelu_of_one: activation((b, x) => b.node('PRelu', [x, b.float('slope', [1], [0.3])])),
  sigmoid: activation((b, x) => b.node('Sigmoid', [x])),
  tanh: activation((b, x) => b.node('Tanh', [x])),
  hard_swish: activation((b, x) => b.node('HardSwish', [x])),
  hard_swish_written_out: activation((b, x) => {
    const gate = b.node('Clip', [b.node('Add', [x, b.number(3)]), b.number(0), b.number(6)]);
    return b.node('Div', [b.node('Mul', [x, gate]), b.number(6)]);
  }),
  hard_sigmoid: activation((b, x) => b.node('HardSigmoid', [x], { alpha: { float: 1 / 6 } })),
  silu: activation((b, x) => b.node('Mul', [x, b.node('Sigmoid', [x])])),
  gelu_by_error_function: activation((b, x) => {
    const erf = b.node('Erf', [b.node('Div', [x, b.number(Math.SQRT2)])]);
    const phi = b.node('Add', [erf, b.number(1)]);
    return b.node('Mul', [b.node('Mul', [x, phi]), b.number(0.5)]);
  }),
  gelu_by_tanh: activation((b, x) => {
    const cube = b.node('Mul', [b.number(0.044715), b.node('Pow', [x, b.number(3)])]);
    const inner = b.node('Mul', [b.node('Add', [x, cube]), b.number(Math.sqrt(2 / Math.PI))]);
    const gate = b.node('Add', [b.node('Tanh', [inner]), b.number(1)]);
    return b.node('Mul', [b.node('Mul', [b.number(0.5), x]), gate]);
  }),
  gelu: { ...activation((b, x) => b.node('Gelu', [x])), opset: 20 },
};

const pooling: Readonly<Record<string, OperatorCase>> = {
  max_pool: shaped(
    (b, x) => b.node('MaxPool', [x], { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] }),
    'maxPool',
  ),
  max_pool_rounded_up: shaped(
    (b, x) => b.node('MaxPool', [x], { kernel_shape: [3, 3], strides: [2, 2], ceil_mode: 1 }),
    'maxPool',
  ),
  average_pool: shaped(
    (b, x) => b.node('AveragePool', [x], { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] }),
    'averagePool',
  ),
  average_pool_with_padding: shaped(
    (b, x) => b.node('AveragePool', [x], { kernel_shape: [3, 3], pads: [1, 1, 1, 1], count_include_pad: 1 }),
    'averagePool',
  ),
  average_pool_rounded_up: shaped(
    (b, x) => b.node('AveragePool', [x], { kernel_shape: [3, 3], strides: [2, 2], ceil_mode: 1 }),
    'averagePool',
  ),
  global_max_pool: shaped((b, x) => b.node('GlobalMaxPool', [x]), 'maxPool'),
  reduce_mean_of_input_axes: {
    ...shaped((b, x) => b.node('ReduceMean', [x, b.integers(-1)], { keepdims: 1 }), 'mean'),
    opset: 18,
  },
  reduce_sum: shaped((b, x) => b.node('ReduceSum', [x, b.integers(2, 3)], { keepdims: 1 }), 'mean scale'),
};

const shapes: Readonly<Record<string, OperatorCase>> = {
  flatten_by_sizes: {
    build: (b) => {
      const pooled = b.node('GlobalAveragePool', [conv3(b)]);
      const flat = b.node('Reshape', [pooled, batchAnd(b, pooled, -1)]);
      return b.node('Gemm', [flat, b.float('fc.weight', [3, 4])], { transB: 1 });
    },
    kinds: 'conv mean linear',
  },
  windows_in_the_batch: shaped(
    (b, x) => {
      const batch = b.node('Gather', [b.node('Shape', [x]), b.tensorOf(0)]);
      const windows = b.node('Unsqueeze', [b.node('Mul', [batch, b.tensorOf(4)]), b.integers(0)]);
      const cut = b.node('Reshape', [x, b.integers(0, 4, 2, 4, 2, 4)]);
      const ordered = b.node('Transpose', [cut], { perm: [0, 2, 4, 1, 3, 5] });
      const joined = b.node('Reshape', [ordered, b.node('Concat', [windows, b.integers(4, 4, 4)], { axis: 0 })]);
      return b.node('Reshape', [b.node('Relu', [joined]), batchAnd(b, x, 16, 4, 4)]);
    },
    'reshape transpose reshape activation reshape',
    16,
  ),
  class_token: {
    build: (b) => {
      const x = tokens(b);
      const shape = batchAnd(b, x, 1, 4);
      const joined = b.node('Concat', [b.node('Expand', [b.float('cls', [1, 1, 4]), shape]), x], { axis: 1 });
      const first = b.node('Gather', [joined, b.tensorOf(0)], { axis: 1 });
      return b.node('Gemm', [first, b.float('fc.weight', [3, 4])], { transB: 1 });
    },
    kinds: `${TOKENS} parameter expand concat slice reshape linear`,
  },
  class_token_of_one_image: {
    input: [1, 3, 8, 8],
    build: (b) => {
      const flat = b.node('Reshape', [conv3(b), b.integers(1, 4, 64)]);
      const x = b.node('Transpose', [flat], { perm: [0, 2, 1] });
      const joined = b.node('Concat', [b.float('cls', [1, 1, 4]), x], { axis: 1 });
      const first = b.node('Gather', [joined, b.tensorOf(0)], { axis: 1 });
      return b.node('Gemm', [first, b.float('fc.weight', [3, 4])], { transB: 1 });
    },
    kinds: `${TOKENS} parameter expand concat slice reshape linear`,
  },
  slice_steps: shaped(
    (b, x) => b.node('Slice', [x, b.integers(1, -6), b.integers(2 ** 40, -1), b.integers(2, 3), b.integers(2, 1)]),
    'slice slice',
  ),
  slice_of_attributes: {
    ...shaped((b, x) => b.node('Slice', [x], { starts: [0, 2], ends: [2 ** 31 - 1, 5], axes: [0, -1] }), 'slice'),
    opset: 9,
  },
  gather_scattered: shaped(
    (b, x) => b.node('Gather', [x, b.integers(2, 0, 2)], { axis: 3 }),
    'transpose gather transpose',
  ),
  gather_from_table: {
    build: (b) => {
      const rows = b.node('Gather', [
        b.float('table', [5, 4]),
        b.integers(...Array.from({ length: 64 }, (_, i) => (i * 3) % 5)),
      ]);
      return meanTokens(b, b.node('Add', [tokens(b), rows]));
    },
    kinds: `${TOKENS} parameter gather add mean linear`,
  },
  split_evenly: shaped(
    (b, x) => {
      b.node('Split', [x], { axis: 1 }, { outputs: ['left', 'right'] });
      return b.node('Mul', ['left', b.node('Sigmoid', ['right'])]);
    },
    'slice slice activation multiply',
    2,
  ),
  split_by_sizes: shaped((b, x) => {
    b.node('Split', [x, b.integers(1, 3)], { axis: 1 }, { outputs: ['left', 'right'] });
    return b.node('Concat', ['right', 'left'], { axis: 1 });
  }, 'roll'),
  pad_and_cut: shaped((b, x) => b.node('Pad', [x, b.integers(0, 2, -1, 0, 0, 0, 3, 0)]), 'pad slice pad', 6),
  squeeze_and_unsqueeze: shaped((b, x) => {
    const wide = b.node('Unsqueeze', [x, b.integers(2)]);
    return b.node('Relu', [b.node('Squeeze', [wide, b.integers(2)])]);
  }, 'activation'),
  tile: shaped((b, x) => b.node('Tile', [x, b.integers(1, 2, 1, 1)]), 'concat', 8),
  roll: shaped((b, x) => {
    const part = (from: number, to: number, axis: number, y: string): string =>
      b.node('Slice', [y, b.integers(from), b.integers(to), b.integers(axis)]);
    const rows = b.node('Concat', [part(3, 8, 2, x), part(0, 3, 2, x)], { axis: 2 });
    return b.node('Concat', [part(3, 8, 3, rows), part(0, 3, 3, rows)], { axis: 3 });
  }, 'roll'),
  zeros_for_every_image: shaped(
    (b, x) => {
      const zeros = b.node('ConstantOfShape', [batchAnd(b, x, 2, 8, 8)]);
      return b.node('Concat', [x, zeros], { axis: 1 });
    },
    'constant expand concat',
    6,
  ),
  channels_last: {
    input: ['N', 8, 8, 3],
    build: (b) => b.classify(b.node('Relu', [conv3(b, b.node('Transpose', ['input'], { perm: [0, 3, 1, 2] }))]), 4),
    kinds: `conv activation ${HEAD}`,
  },
};

const values: Readonly<Record<string, OperatorCase>> = {
  attention: {
    build: (b) => {
      const x = tokens(b);
      const part = (name: string): string => {
        const y = b.node('Reshape', [b.node('MatMul', [x, b.float(name, [4, 8])]), b.integers(0, 0, 2, 4)]);
        return b.node('Transpose', [y], { perm: [0, 2, 1, 3] });
      };
      const [q, k, v] = [part('q'), part('k'), part('v')];
      // As scaled_dot_product_attention is exported: half of the factor on either side.
      const root = b.number(4 ** -0.25);
      const keys = b.node('Mul', [b.node('Transpose', [k], { perm: [0, 1, 3, 2] }), root]);
      const scores = b.node('Softmax', [b.node('MatMul', [b.node('Mul', [q, root]), keys])], { axis: -1 });
      const heads = b.node('Transpose', [b.node('MatMul', [scores, v])], { perm: [0, 2, 1, 3] });
      return meanTokens(b, b.node('Reshape', [heads, b.integers(0, 0, 8)]), 8);
    },
    kinds: `${TOKENS} linear reshape transpose linear reshape linear reshape transpose scale transpose matmul softmax matmul transpose reshape mean linear`,
  },
  arithmetic: shaped((b, x) => {
    const shifted = b.node('Sub', [b.node('Div', [x, b.number(2)]), b.number(0.25)]);
    return b.node('Mul', [b.node('Neg', [shifted]), b.float('gamma', [4, 1, 1])]);
  }, 'scale constant subtract scale parameter multiply'),
  normalised_weights: {
    build: (b) => {
      const w = b.float('std.weight', [4, 3, 3, 3]);
      const mean = b.node('ReduceMean', [w], { axes: [1, 2, 3] });
      const centred = b.node('Sub', [w, mean]);
      const variance = b.node('ReduceMean', [b.node('Mul', [centred, centred])], { axes: [1, 2, 3] });
      const weight = b.node('Div', [centred, b.node('Sqrt', [b.node('Add', [variance, b.number(1e-5)])])]);
      return b.classify(b.node('Conv', ['input', weight]), 4);
    },
    kinds: `conv ${HEAD}`,
  },
  dropout_and_identity: {
    build: (b) => b.classify(b.node('Dropout', [b.node('Identity', [conv3(b)]), b.number(0.25)]), 4),
    kinds: `conv dropout ${HEAD}`,
  },
  where_folded: shaped((b, x) => {
    const isLarge = b.node('Greater', [b.node('Gather', [b.node('Shape', [x]), b.tensorOf(2)]), b.tensorOf(4)]);
    return b.node('Where', [isLarge, b.node('Relu', [x]), x]);
  }, 'activation'),
};

export const operatorCases: Readonly<Record<string, OperatorCase>> = {
  ...layers,
  ...activations,
  ...pooling,
  ...shapes,
  ...values,
};
