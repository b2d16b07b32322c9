/** Operators that few networks have: borders, sequences, reductions, entries by index, norms. */
import { conv3, HEAD, type OperatorCase, shaped, TOKENS, tokens } from './cases.ts';
import type { ModelBuilder } from './model-builder.ts';

const border = (mode: string): OperatorCase =>
  shaped(
    (b, x) => b.node('Pad', [x, b.integers(0, 0, 1, 2, 0, 0, 2, 1)], { mode }),
    'transpose gather transpose gather transpose',
  );

/** The mean over tokens as newer operator sets say it, and classes. */
const pooledTokens = (b: ModelBuilder, x: string, width = 4): string => {
  const pooled = b.node('ReduceMean', [x, b.integers(1)], { keepdims: 0 });
  return b.node('Gemm', [pooled, b.float('fc.weight', [3, width]), b.float('fc.bias', [3])], { transB: 1 });
};

/** Sequences [N, 4, 64]. */
const sequence = (b: ModelBuilder): string => b.node('Reshape', [conv3(b), b.integers(0, 4, 64)]);
const ofSequence = (build: (b: ModelBuilder, x: string) => string, kinds: string, channels = 4): OperatorCase => ({
  build: (b) => b.classify(build(b, sequence(b)), channels),
  kinds: `conv reshape ${kinds} ${HEAD}`,
});

export const rareCases: Readonly<Record<string, OperatorCase>> = {
  pad_by_reflection: border('reflect'),
  pad_by_edges: border('edge'),
  windows_put_together: {
    build: (b) => {
      const placed = { pads: [0, 1, 1, 0], strides: [1, 1], dilations: [1, 1] };
      return b.classify(b.node('Col2Im', [sequence(b), b.integers(8, 7), b.integers(2, 1)], placed), 2);
    },
    kinds: `conv constant reshape matmul reshape ${HEAD}`,
    opset: 18,
  },
  // Taken together by ONNX Runtime, they would be a pooling with more padding than kernel.
  every_other_pixel_of_a_padded_image: shaped((b, x) => {
    const cut = b.node('Slice', [x, b.integers(1, 1), b.integers(8, 8), b.integers(2, 3)]);
    const padded = b.node('Pad', [cut, b.integers(0, 0, 0, 0, 0, 0, 1, 1)]);
    return b.node('AveragePool', [padded], { kernel_shape: [1, 1], strides: [2, 2] });
  }, 'slice slice pad pad averagePool'),
  pad_with_a_number: shaped(
    (b, x) => b.node('Pad', [x, b.integers(0, 0, 1, 2, 0, 0, 0, 1), b.number(-3)]),
    'pad pad constant add',
  ),
  division_kept_from_zero: shaped((b, x) => {
    const nothing = b.node('Relu', [b.node('Sub', [x, b.number(1e4)])]);
    return b.node('Add', [x, b.node('Div', [nothing, b.node('Clip', [nothing, b.number(1e-12)])])]);
  }, 'constant subtract activation constant add activation constant add divide add'),
  limits_far_away: shaped(
    (b, x) => b.node('Clip', [x, b.number(-50_000), b.number(50_000)]),
    'constant subtract activation add constant subtract activation subtract',
  ),
  root_kept_from_zero: shaped((b, x) => {
    const nothing = b.node('Relu', [b.node('Sub', [x, b.number(1e4)])]);
    const root = b.node('Sqrt', [b.node('Add', [nothing, b.number(1e-6)])]);
    return b.node('Add', [x, b.node('Div', [b.number(1), root])]);
  }, 'constant subtract activation constant add activation constant divide add'),
  local_response: shaped(
    (b, x) => b.node('LRN', [x], { size: 3, alpha: { float: 0.02 }, beta: { float: 0.75 }, bias: { float: 2 } }),
    'multiply reshape averagePool reshape scale constant add activation activation multiply divide',
  ),
  average_pool_rounded_up_with_padding: {
    ...shaped(
      (b, x) =>
        b.node('AveragePool', [x], {
          kernel_shape: [3, 3],
          strides: [2, 2],
          pads: [1, 1, 1, 1],
          ceil_mode: 1,
          count_include_pad: 1,
        }),
      'averagePool constant multiply',
    ),
    opset: 19,
  },
  average_pool_rounded_up_that_has_none: {
    ...shaped(
      (b, x) =>
        b.node('AveragePool', [x], { kernel_shape: [3, 3], strides: [2, 2], ceil_mode: 1, count_include_pad: 1 }),
      'averagePool',
    ),
    opset: 19,
  },
  pool_of_sequences: ofSequence(
    (b, x) =>
      b.node('AveragePool', [b.node('MaxPool', [x], { kernel_shape: [3], pads: [1, 1], strides: [2] })], {
        kernel_shape: [2],
        strides: [2],
      }),
    'maxPool averagePool reshape',
  ),
  conv_of_sequences: ofSequence(
    (b, x) =>
      b.node('Conv', [x, b.float('s.weight', [5, 4, 3]), b.float('s.bias', [5])], {
        pads: [2, 1],
        strides: [2],
        dilations: [2],
      }),
    'pad parameter slice slice transpose reshape matmul slice slice transpose reshape matmul slice slice transpose reshape matmul add add transpose parameter reshape add',
    5,
  ),
  depthwise_conv_of_sequences: ofSequence(
    (b, x) => b.node('Conv', [x, b.float('s.weight', [4, 1, 2])], { group: 4 }),
    'parameter slice slice reshape multiply slice slice reshape multiply add',
  ),
  reduce_l2: shaped((b, x) => b.node('ReduceL2', [x], { axes: [2, 3] }), 'multiply mean scale activation'),
  reduce_l1: shaped((b, x) => b.node('ReduceL1', [x], { axes: [2, 3] }), 'activation mean scale'),
  reduce_max_of_tokens: {
    build: (b) => {
      const pooled = b.node('ReduceMax', [tokens(b)], { axes: [1], keepdims: 0 });
      return b.node('Gemm', [pooled, b.float('fc.weight', [3, 4])], { transB: 1 });
    },
    kinds: 'conv reshape maxPool reshape linear',
  },
  reduce_min: shaped((b, x) => b.node('ReduceMin', [x], { axes: [2, 3] }), 'scale maxPool scale'),
  rms_norm: {
    build: (b) =>
      pooledTokens(b, b.node('RMSNormalization', [tokens(b), b.float('n.weight', [4])], { epsilon: { float: 1e-3 } })),
    kinds: `${TOKENS} multiply mean constant add activation divide parameter multiply mean linear`,
    opset: 23,
  },
  attention_of_one_operator: {
    build: (b) => {
      const x = tokens(b);
      const heads = (name: string): string => {
        const y = b.node('Reshape', [b.node('MatMul', [x, b.float(name, [4, 8])]), b.integers(0, 0, 2, 4)]);
        return b.node('Transpose', [y], { perm: [0, 2, 1, 3] });
      };
      const y = b.node('Attention', [heads('q'), heads('k'), heads('v')]);
      return pooledTokens(
        b,
        b.node('Reshape', [b.node('Transpose', [y], { perm: [0, 2, 1, 3] }), b.integers(0, 0, 8)]),
        8,
      );
    },
    kinds: `${TOKENS} linear reshape transpose linear reshape transpose linear reshape transpose scale matmul softmax matmul transpose reshape mean linear`,
    opset: 23,
  },
  layer_norm_of_images: shaped(
    (b, x) =>
      b.node('LayerNormalization', [x, b.float('n.weight', [4, 8, 8]), b.float('n.bias', [4, 8, 8])], { axis: 1 }),
    'reshape layerNorm reshape parameter multiply parameter add',
  ),
  gather_nd: shaped((b, x) => {
    const first = b.node('Transpose', [x], { perm: [2, 3, 0, 1] });
    const pairs = b.node('Reshape', [b.integers(0, 1, 7, 7, 3, 2, 0, 1), b.integers(2, 2, 2)]);
    return b.node('Transpose', [b.node('GatherND', [first, pairs])], { perm: [2, 3, 0, 1] });
  }, 'transpose reshape gather reshape transpose'),
  scattered_mask: shaped((b, x) => {
    const zeros = b.node('ConstantOfShape', [b.integers(8, 8)]);
    const places = b.node('Reshape', [b.integers(1, 2, 5, 6), b.integers(2, 2)]);
    const one = b.node('Expand', [b.number(1), b.integers(2)]);
    const sums = b.node('CumSum', [b.node('ScatterND', [zeros, places, one]), b.tensorOf(1)]);
    return b.node('Mul', [x, b.node('Trilu', [sums], { upper: 0 })]);
  }, 'constant multiply'),
  weights_standardised_by_batch_norm: {
    build: (b) => {
      const flat = b.node('Reshape', [b.float('std.weight', [4, 3, 3, 3]), b.integers(1, 4, 27)]);
      const [ones, zeros] = [b.float('ones', [4], [1, 1, 1, 1]), b.float('zeros', [4], [0, 0, 0, 0])];
      const outputs = ['standard', 'mean', 'variance'];
      b.node('BatchNormalization', [flat, ones, zeros, zeros, ones], { training_mode: 1 }, { outputs });
      return b.classify(b.node('Conv', ['input', b.node('Reshape', ['standard', b.integers(4, 3, 3, 3)])]), 4);
    },
    kinds: `conv ${HEAD}`,
  },
};
