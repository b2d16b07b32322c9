/** ATen operations that pool, reduce and resize. */
import { type AtenCall, type AtenRule, INTERNAL } from './aten-call.ts';

/** Padding on both sides of each dimension as ONNX has it: all begins, then all ends. */
export const bothSides = (padding: readonly number[]): readonly number[] => [...padding, ...padding];

/** A pooling window as ONNX has it; one number in ATen stands for every dimension. */
function windowOf(call: AtenCall) {
  const dimensions = call.rank('self') - 2;
  const each = (name: string, otherwise: readonly number[]): readonly number[] => {
    const values = call.ints(name);
    return values.length === dimensions
      ? values
      : values.length
        ? Array<number>(dimensions).fill(values[0])
        : otherwise;
  };
  const size = each('kernel_size', []);
  const padding = each(
    'padding',
    size.map(() => 0),
  );
  const dilations = each(
    'dilation',
    size.map(() => 1),
  );
  return { size, dilations, window: { kernel_shape: size, strides: each('stride', size), pads: bothSides(padding) } };
}

const maxPool: AtenRule = (call) => {
  const { window, dilations } = windowOf(call);
  const attributes = {
    ...window,
    dilations,
    ceil_mode: Number(call.flag('ceil_mode')),
  };
  call.resultAt(0, 'MaxPool', [call.tensor('self')], attributes);
};

const averagePool: AtenRule = (call) => {
  const { size, window } = windowOf(call);
  const divisor = call.number('divisor_override');
  const isRounded = call.flag('ceil_mode');
  if (divisor !== undefined && isRounded) call.refuse('it divides by another number than the window has pixels');
  const attributes = {
    ...window,
    ceil_mode: Number(isRounded),
    count_include_pad: Number(divisor !== undefined || call.flag('count_include_pad', true)),
  };
  if (divisor === undefined) return call.result('AveragePool', [call.tensor('self')], attributes);
  const mean = call.emit('AveragePool', [call.tensor('self')], attributes);
  return call.result('Mul', [mean, call.constant(size.reduce((a, b) => a * b, 1) / divisor)]);
};

/** Means over windows that cover an axis: start ⌊i · size / count⌋, end ⌈(i + 1) · size / count⌉. */
function adaptiveMatrix(size: number, count: number): Float32Array {
  const matrix = new Float32Array(size * count);
  for (let i = 0; i < count; i++) {
    const [start, end] = [Math.floor((i * size) / count), Math.ceil(((i + 1) * size) / count)];
    for (let j = start; j < end; j++) matrix[j * count + i] = 1 / (end - start);
  }
  return matrix;
}

/** x · matrix along one spatial axis. */
function alongAxis(call: AtenCall, x: string, axis: 2 | 3, size: number, count: number, matrix: Float32Array): string {
  if (axis === 3) return call.emit('MatMul', [x, call.floatTensor([size, count], matrix)]);
  const transposed = new Float32Array(matrix.length);
  for (let i = 0; i < size; i++) for (let j = 0; j < count; j++) transposed[j * size + i] = matrix[i * count + j];
  return call.emit('MatMul', [call.floatTensor([count, size], transposed), x]);
}

const adaptiveAveragePool: AtenRule = (call) => {
  const sizes = call.sizes('self') as readonly number[];
  const wanted = call.output().sizes as readonly number[];
  const [h, w] = [sizes.at(-2) as number, sizes.at(-1) as number];
  const [oh, ow] = [wanted.at(-2) as number, wanted.at(-1) as number];
  if (sizes.length !== 4) return call.refuse('it pools other values than images');
  if (oh === 1 && ow === 1) return call.result('GlobalAveragePool', [call.tensor('self')]);
  if (h % oh === 0 && w % ow === 0) {
    const kernel = [h / oh, w / ow];
    return call.result('AveragePool', [call.tensor('self')], { kernel_shape: kernel, strides: kernel });
  }
  const rows = h === oh ? call.tensor('self') : alongAxis(call, call.tensor('self'), 2, h, oh, adaptiveMatrix(h, oh));
  return call.result('Identity', [w === ow ? rows : alongAxis(call, rows, 3, w, ow, adaptiveMatrix(w, ow))]);
};

const adaptiveAveragePool1d: AtenRule = (call) => {
  const [length] = [call.sizes('self').at(-1)];
  const [count] = call.ints('output_size');
  if (count !== 1 || length === undefined) call.refuse('it pools to more than one entry');
  call.result('ReduceMean', [call.tensor('self')], { axes: [call.rank('self') - 1], keepdims: 1 });
};

const adaptiveMaxPool: AtenRule = (call) => {
  const counts = call.ints('output_size');
  if (counts.every((count) => count === 1)) return call.resultAt(0, 'GlobalMaxPool', [call.tensor('self')]);
  const sizes = call.sizes('self').slice(2) as number[];
  const kernel = sizes.map((size, i) => size / (counts[i] ?? counts[0]));
  if (!kernel.every((size) => Number.isInteger(size) && size > 0))
    call.refuse('its windows are of several sizes, and Espalier pools by one');
  return call.resultAt(0, 'MaxPool', [call.tensor('self')], { kernel_shape: kernel, strides: kernel });
};

const reduction =
  (operator: string): AtenRule =>
  (call) => {
    const rank = call.rank('self');
    const axes = call.ints('dim').map((axis) => call.axis(axis, rank));
    if (!axes.length) call.refuse('it reduces every dimension, the images too');
    call.resultAt(0, operator, [call.asResult('self')], { axes, keepdims: Number(call.flag('keepdim')) });
  };

/** Whether all or any are true: the least or largest of zeros and ones. */
const truths =
  (operator: string): AtenRule =>
  (call) => {
    const rank = call.rank('self');
    const given = call.ints('dim').map((axis) => call.axis(axis, rank));
    if (!given.length) call.refuse('it reduces every dimension, the images too');
    const numbers = call.emit('Cast', [call.emit('Cast', [call.tensor('self')], { to: 9 })], { to: 7 });
    const found = call.emit(operator, [numbers], { axes: given, keepdims: Number(call.flag('keepdim')) });
    call.result('Cast', [found], { to: 9 });
  };

const variance =
  (root: boolean): AtenRule =>
  (call) => {
    const rank = call.rank('self');
    const axes = call.ints('dim').map((axis) => call.axis(axis, rank));
    const count = axes.reduce((product, axis) => product * (call.sizes('self')[axis] as number), 1);
    if (!axes.length || !(count > 0)) call.refuse('it reduces the images too');
    const correction = call.number('correction') ?? (call.flag('unbiased', true) ? 1 : 0);
    const x = call.tensor('self');
    const centred = call.emit('Sub', [x, call.emit('ReduceMean', [x], { axes, keepdims: 1 })]);
    const mean = call.emit('ReduceMean', [call.emit('Mul', [centred, centred])], {
      axes,
      keepdims: Number(call.flag('keepdim')),
    });
    const value = correction ? call.emit('Mul', [mean, call.constant(count / (count - correction))]) : mean;
    call.result(root ? 'Sqrt' : 'Identity', [value]);
  };

const vectorNorm: AtenRule = (call) => {
  if ((call.number('ord') ?? call.number('p') ?? 2) !== 2) call.refuse('it is no Euclidean norm');
  const x = call.tensor('self');
  const rank = call.rank('self');
  const axes = call.ints('dim').map((axis) => call.axis(axis, rank));
  if (!axes.length) call.refuse('it reduces every dimension, the images too');
  call.result('Sqrt', [
    call.emit('ReduceSum', [call.emit('Mul', [x, x])], { axes, keepdims: Number(call.flag('keepdim')) }),
  ]);
};

const resize =
  (mode: 'nearest' | 'linear' | 'cubic', isExact = false): AtenRule =>
  (call) => {
    const name = call.has('self') ? 'self' : 'input';
    const sizes = call.output().sizes.slice(2);
    if (sizes.some((size) => size === undefined || size < 0)) call.refuse('its size depends on the images');
    const factors = call.floats('scale_factors');
    const scales = factors.length
      ? factors
      : (['scales_h', 'scales_w'] as const).flatMap((key) => call.number(key) ?? []);
    call.result(
      'Resize2d',
      [call.tensor(name)],
      {
        sizes: sizes as number[],
        mode,
        coordinates:
          mode === 'nearest' && !isExact ? 'asymmetric' : call.flag('align_corners') ? 'align_corners' : 'half_pixel',
        // The nearest centre, the later one of two.
        ...(isExact && { rounding: 'round_prefer_ceil' }),
        // Numbers of a list are whole in ONNX's attributes: one each.
        ...(scales.length === 2 && { scale_h: { float: scales[0] }, scale_w: { float: scales[1] } }),
        ...(call.operation.includes('aa') && { antialias: 1 }),
      },
      INTERNAL,
    );
  };

export const poolingRules: Readonly<Record<string, AtenRule>> = {
  max_pool1d: maxPool,
  max_pool2d: maxPool,
  max_pool2d_with_indices: maxPool,
  avg_pool1d: averagePool,
  avg_pool2d: averagePool,
  adaptive_avg_pool1d: adaptiveAveragePool1d,
  adaptive_avg_pool2d: adaptiveAveragePool,
  adaptive_max_pool2d: adaptiveMaxPool,
  mean: reduction('ReduceMean'),
  sum: reduction('ReduceSum'),
  prod: reduction('ReduceProd'),
  amax: reduction('ReduceMax'),
  amin: reduction('ReduceMin'),
  all: truths('ReduceMin'),
  any: truths('ReduceMax'),
  max: reduction('ReduceMax'),
  var: variance(false),
  std: variance(true),
  linalg_vector_norm: vectorNorm,
  norm: vectorNorm,
  upsample_nearest2d: resize('nearest'),
  _upsample_nearest_exact2d: resize('nearest', true),
  upsample_bilinear2d: resize('linear'),
  upsample_bicubic2d: resize('cubic'),
  _upsample_bilinear2d_aa: resize('linear'),
  _upsample_bicubic2d_aa: resize('cubic'),
};
