/** ATen operations with weights, products and norms. */
import { type AtenCall, type AtenRule, INTERNAL } from './aten-call.ts';
import { HIDDEN } from './aten-elementwise.ts';
import { bothSides } from './aten-pooling.ts';

const present = (values: readonly string[]): readonly string[] => values.filter((value, i) => value || i < 2);

function spread(call: AtenCall, name: string, dimensions: number, otherwise: number): readonly number[] {
  const given = call.ints(name);
  return given.length === dimensions ? given : Array<number>(dimensions).fill(given[0] ?? otherwise);
}

const conv =
  (dimensions: number): AtenRule =>
  (call) => {
    const strides = spread(call, 'stride', dimensions, 1);
    const attributes = { strides, dilations: spread(call, 'dilation', dimensions, 1), group: call.int('groups', 1) };
    const mode = call.text('padding', '');
    const inputs = present([call.tensor('input'), call.tensor('weight'), call.tensor('bias')]);
    if (mode) call.result('Conv', inputs, { ...attributes, auto_pad: mode === 'same' ? 'SAME_UPPER' : 'VALID' });
    else call.result('Conv', inputs, { ...attributes, pads: bothSides(spread(call, 'padding', dimensions, 0)) });
  };

const convTranspose =
  (dimensions: number): AtenRule =>
  (call) => {
    const attributes = {
      strides: spread(call, 'stride', dimensions, 1),
      dilations: spread(call, 'dilation', dimensions, 1),
      pads: bothSides(spread(call, 'padding', dimensions, 0)),
      output_padding: spread(call, 'output_padding', dimensions, 0),
      group: call.int('groups', 1),
    };
    call.result(
      'ConvTranspose',
      present([call.tensor('input'), call.tensor('weight'), call.tensor('bias')]),
      attributes,
    );
  };

const convolution: AtenRule = (call) => {
  const dimensions = call.rank('input') - 2;
  if (call.flag('transposed')) convTranspose(dimensions)(call);
  else conv(dimensions)(call);
};

const linear: AtenRule = (call) =>
  call.result('Linear', present([call.tensor('input'), call.tensor('weight'), call.tensor('bias')]), {}, INTERNAL);

const matmul: AtenRule = (call) => {
  const other = call.has('mat2') ? 'mat2' : 'other';
  if (call.rank('self') < 2 || call.rank(other) < 2) call.refuse('it multiplies a vector');
  call.result('MatMul', [call.tensor('self'), call.tensor(other)]);
};

const addmm: AtenRule = (call) => {
  const names = call.has('mat1') ? ['mat1', 'mat2'] : ['batch1', 'batch2'];
  const times = (value: string, by: number): string =>
    by === 1 ? value : call.emit('Mul', [value, call.constant(by)]);
  const factors = names.map((name) => call.tensor(name));
  call.result('Add', [
    times(call.emit('MatMul', factors), call.number('alpha') ?? 1),
    times(call.tensor('self'), call.number('beta') ?? 1),
  ]);
};

/** The norm of statistics that the call computes itself: of weights that are standardised. */
function standardised(call: AtenCall): void {
  const rank = call.rank('input');
  const axes = [...Array(rank).keys()].filter((axis) => axis !== 1);
  const x = call.tensor('input');
  const centred = call.emit('Sub', [x, call.emit('ReduceMean', [x], { axes, keepdims: 1 })]);
  const variance = call.emit('ReduceMean', [call.emit('Mul', [centred, centred])], { axes, keepdims: 1 });
  const deviation = call.emit('Sqrt', [call.emit('Add', [variance, call.constant(call.number('eps') ?? 1e-5)])]);
  let y = call.emit('Div', [centred, deviation]);
  const channels = [1, call.sizes('input')[1] as number, ...axes.slice(1).map(() => 1)];
  for (const [name, operator] of [
    ['weight', 'Mul'],
    ['bias', 'Add'],
  ] as const)
    if (call.has(name)) y = call.emit(operator, [y, call.reshaped(call.tensor(name), channels)]);
  call.result('Identity', [y]);
}

const batchNorm: AtenRule = (call) => {
  if (!call.has('running_mean')) {
    standardised(call);
    return;
  }
  const channels = call.sizes('input')[1] as number;
  const filled = (name: string, value: number): string =>
    call.tensor(name) || call.floatTensor([channels], new Float32Array(channels).fill(value));
  const inputs = [
    call.tensor('input'),
    filled('weight', 1),
    filled('bias', 0),
    call.tensor('running_mean'),
    call.tensor('running_var'),
  ];
  // ONNX says how much of the old statistics stays.
  const attributes = {
    epsilon: { float: call.number('eps') ?? 1e-5 },
    momentum: { float: 1 - (call.number('momentum') ?? 0.1) },
  };
  call.result('BatchNormalization', inputs, attributes);
};

const layerNorm: AtenRule = (call) => {
  const axis = -call.ints('normalized_shape').length;
  const inputs = [call.tensor('input'), call.tensor('weight'), call.tensor('bias')];
  while (inputs.at(-1) === '') inputs.pop();
  call.result('LayerNormalization', inputs, { axis, epsilon: { float: call.number('eps') ?? 1e-5 } });
};

const rmsNorm: AtenRule = (call) => {
  const inputs = [call.tensor('input'), call.tensor('weight')].filter(Boolean);
  const axis = -call.ints('normalized_shape').length;
  // PyTorch's default is float32's smallest step from 1.
  call.result('RMSNormalization', inputs, { axis, epsilon: { float: call.number('eps') ?? 2 ** -23 } });
};

const groupNorm =
  (groups: (call: AtenCall) => number): AtenRule =>
  (call) => {
    const inputs = [call.tensor('input'), call.tensor('weight'), call.tensor('bias')];
    while (inputs.at(-1) === '') inputs.pop();
    call.result(
      'GroupNorm',
      inputs,
      { groups: groups(call), epsilon: { float: call.number('eps') ?? 1e-5 } },
      INTERNAL,
    );
  };

/** 1/√(width) of the queries: PyTorch computes it every time, so it follows the width. */
function rootOfWidth(call: AtenCall, last: number): string {
  const width = call.emit('Gather', [call.emit('Shape', [call.tensor('query')]), call.integers([last])]);
  return call.emit('Reciprocal', [call.emit('Sqrt', [call.emit('Cast', [width], { to: 1 })])]);
}

const attention: AtenRule = (call) => {
  const rank = call.rank('query');
  const [queries, keys] = [call.sizes('query').at(-2), call.sizes('key').at(-2)] as number[];
  if (call.flag('enable_gqa')) call.refuse('several heads share keys');
  const perm = [...Array(rank).keys()];
  [perm[rank - 2], perm[rank - 1]] = [rank - 1, rank - 2];
  const scale = call.number('scale');
  const factor = scale === undefined ? rootOfWidth(call, rank - 1) : call.constant(scale);
  const scaled = call.emit('Mul', [call.tensor('query'), factor]);
  let scores = call.emit('MatMul', [scaled, call.emit('Transpose', [call.tensor('key')], { perm })]);
  if (call.flag('is_causal')) {
    const mask = Float32Array.from({ length: queries * keys }, (_, i) =>
      i % keys > Math.floor(i / keys) ? HIDDEN : 0,
    );
    scores = call.emit('Add', [scores, call.floatTensor([queries, keys], mask)]);
  }
  if (call.has('attn_mask')) {
    const isTruth = call.isInteger('attn_mask');
    const mask = call.tensor('attn_mask');
    scores = call.emit('Add', [
      scores,
      isTruth ? call.emit('Where', [mask, call.constant(0), call.constant(HIDDEN)]) : mask,
    ]);
  }
  call.result('MatMul', [call.emit('Softmax', [scores], { axis: -1 }), call.tensor('value')]);
};

export const layerRules: Readonly<Record<string, AtenRule>> = {
  conv1d: conv(1),
  conv2d: conv(2),
  convolution,
  conv_transpose1d: convTranspose(1),
  conv_transpose2d: convTranspose(2),
  linear,
  matmul,
  mm: matmul,
  bmm: matmul,
  addmm,
  baddbmm: addmm,
  einsum: (call) =>
    call.result('Einsum', call.tensors('tensors') as readonly string[], { equation: call.text('equation', '') }),
  batch_norm: batchNorm,
  layer_norm: layerNorm,
  rms_norm: rmsNorm,
  group_norm: groupNorm((call) => call.int('num_groups', 1)),
  instance_norm: groupNorm((call) => call.sizes('input')[1] as number),
  scaled_dot_product_attention: attention,
  lstm: (call) => call.refuse('it is a recurrent layer, whose gates share their channels'),
  gru: (call) => call.refuse('it is a recurrent layer, whose gates share their channels'),
};
