/** Operators on images beside convolution and pooling: resizing, transposed convolution, group and instance norm, pixel shuffle. */
import type { OperationAttributes, Pair, Shape } from '../../graph/operations.ts';
import { elementCount, float32Tensor } from '../../graph/tensor.ts';
import { always, arrayFor, dimensionOf, plain } from './constants.ts';
import type { DraftId } from './draft.ts';
import { filledTensor, reshapedTensor, type Value } from './onnx-values.ts';
import type { OperatorCall, OperatorRule } from './operator-call.ts';
import { epsilon, imageSize, pairOf, windowOf } from './operators-layers.ts';
import { onlyNumber } from './repeated-values.ts';
import { addingMatrix } from './window-places.ts';

type Resize = OperationAttributes['resize'];

const COORDINATES: Readonly<Record<string, Resize['coordinates']>> = {
  half_pixel: 'halfPixel',
  pytorch_half_pixel: 'pytorchHalfPixel',
  align_corners: 'alignCorners',
  asymmetric: 'asymmetric',
};
const ROUNDINGS: Readonly<Record<string, NonNullable<Resize['rounding']>>> = {
  floor: 'floor',
  ceil: 'ceil',
  round_prefer_floor: 'preferFloor',
  round_prefer_ceil: 'preferCeil',
};
const MODES: Readonly<Record<string, Resize['mode']>> = {
  nearest: 'nearest',
  linear: 'linear',
  bilinear: 'linear',
  cubic: 'cubic',
};

/** Whether two numbers are one, up to float32. */
const alike = (a: number, b: number): boolean => Math.abs(a - b) <= 1e-6 * Math.abs(b);

function emitResize(
  call: OperatorCall,
  attributes: Omit<Resize, 'scales'>,
  scales: readonly number[] | undefined,
): Value {
  const from = imageSize(call);
  const bySizes = attributes.size.map((size, i) => size / from[i]);
  const isOther = scales?.some((scale, i) => !alike(scale, bySizes[i])) ?? false;
  const given = isOther ? { scales: [scales?.[0] ?? 1, scales?.[1] ?? 1] as const } : {};
  return call.emit('resize', [call.operand(0)], { ...attributes, ...given });
}

/** Sizes or scales of height and width; other dimensions must stay. */
function targetOf(call: OperatorCall): { size: Pair; scales?: Pair } {
  const shape = call.shape(0);
  const [height, width] = imageSize(call);
  const axes = call.ints('axes')?.map((axis) => call.axis(axis, 4));
  const spatial = (values: readonly number[]): Pair => {
    const all = axes ? shape.map((d, i) => values[axes.indexOf(i)] ?? (values.length && d ? 1 : 1)) : values;
    return axes ? [values[axes.indexOf(2)], values[axes.indexOf(3)]] : [all[2], all[3]];
  };
  const sizes = call.sizes(3);
  if (sizes?.length) {
    const numbers = sizes.map(
      ({ fixed }, i) => fixed ?? (axes || i > 0 ? call.fail('gets its size from the images') : -1),
    );
    if (!axes && numbers[1] !== shape[1]) call.fail('changes the number of channels');
    return { size: spatial(numbers) };
  }
  const factors = call.numbers(call.scope.opset < 11 ? 1 : 2) ?? call.floats('scales');
  if (!factors?.length) return call.fail('says neither sizes nor scales');
  if (!axes && (factors[0] !== 1 || factors[1] !== 1)) call.fail('changes the number of images or channels');
  const scales = spatial(factors);
  return { size: [Math.floor(height * scales[0]), Math.floor(width * scales[1])], scales };
}

/** One number in another size: a mask of ones, whatever its dimensions are. */
function resizedNumber(call: OperatorCall, target: (shape: Shape) => Shape): Value | undefined {
  const value = call.value(0);
  const number = onlyNumber(value);
  if (number === undefined || (value.kind !== 'repeated' && value.kind !== 'known')) return undefined;
  const shape = target(call.shape(0));
  const axis = shape.findIndex((size) => size < 0);
  const single = shape.map((size) => Math.abs(size));
  if (shape[axis] !== call.shape(0)[axis] || axis !== (value.kind === 'repeated' ? value.axis : -1)) return undefined;
  const { type } = value.constant.each[0];
  const data = arrayFor(type, elementCount(single)).fill(number);
  const { path } = call.origin;
  const filled = { name: call.node.outputs[0], path, constant: always(plain(type, single, data)) };
  return axis < 0 ? { kind: 'known', ...filled } : { kind: 'repeated', ...filled, axis };
}

/** Sizes as the operator says them, of all dimensions. */
const allSizes =
  (call: OperatorCall) =>
  (shape: Shape): Shape => {
    const sizes = call.sizes(3);
    if (sizes?.length === shape.length) return sizes.map(dimensionOf);
    const factors = call.numbers(call.scope.opset < 11 ? 1 : 2) ?? call.floats('scales') ?? [];
    return factors.length === shape.length ? shape.map((size, i) => Math.trunc(size * factors[i])) : [];
  };

/** Whether the filter grows as the image shrinks. */
function smooths(
  call: OperatorCall,
  mode: Resize['mode'],
  coordinates: Resize['coordinates'],
): Pick<Resize, 'antialias'> {
  if (!call.int('antialias', 0) || mode === 'nearest') return {};
  if (coordinates !== 'halfPixel')
    call.fail('smooths while it shrinks (antialias) in other coordinates than half pixels');
  return { antialias: true };
}

const resize: OperatorRule = (call) => {
  const filled = resizedNumber(call, allSizes(call));
  if (filled) return filled;
  const { size, scales } = targetOf(call);
  const mode = MODES[call.string('mode', 'nearest')];
  const old = call.scope.opset < 11;
  const coordinates = COORDINATES[call.string('coordinate_transformation_mode', old ? 'asymmetric' : 'half_pixel')];
  const rounding = ROUNDINGS[call.string('nearest_mode', old ? 'floor' : 'round_prefer_floor')];
  if (!mode || !coordinates || !rounding) return call.fail('resizes in a way that Espalier does not know');
  const { antialias } = smooths(call, mode, coordinates);
  // With antialiasing PyTorch has another coefficient, and no pixel outside counts.
  if (
    mode === 'cubic' &&
    (!alike(call.float('cubic_coeff_a', -0.75), antialias ? -0.5 : -0.75) ||
      (call.int('exclude_outside', 0) && !antialias))
  )
    call.fail('weighs its neighbours in another way than PyTorch');
  return emitResize(
    call,
    { size, mode, coordinates, ...(antialias && { antialias }), ...(mode === 'nearest' && { rounding }) },
    scales,
  );
};

/** As a `.pt2` says it: sizes always, scales where PyTorch was given them. */
const resize2d: OperatorRule = (call) => {
  const [height, width] = call.ints('sizes') ?? [];
  const filled = resizedNumber(call, (shape) => [...shape.slice(0, 2), height, width]);
  if (filled) return filled;
  const mode = MODES[call.string('mode', 'nearest')];
  const coordinates = { half_pixel: 'halfPixel', align_corners: 'alignCorners', asymmetric: 'asymmetric' } as const;
  const chosen = coordinates[call.string('coordinates', 'half_pixel') as keyof typeof coordinates];
  const rounding = ROUNDINGS[call.string('rounding', 'floor')];
  const scales =
    call.has(0) && call.float('scale_h', 0) ? [call.float('scale_h', 1), call.float('scale_w', 1)] : undefined;
  const attributes = {
    size: [height, width] as const,
    mode,
    coordinates: chosen,
    ...smooths(call, mode, chosen),
    ...(mode === 'nearest' && rounding !== 'floor' && { rounding }),
  };
  return emitResize(call, attributes, scales);
};

const convTranspose: OperatorRule = (call) => {
  const { weight, ...window } = windowOf(call);
  const outputPadding = pairOf(call, 'output_padding', [0, 0]);
  if (call.ints('output_shape') || call.string('auto_pad', 'NOTSET') !== 'NOTSET')
    call.fail('says its output size instead of its padding');
  const bias = call.has(2) ? { bias: call.needStored(2) } : {};
  const attributes = { ...window, outputPadding, groups: call.int('group', 1) };
  return call.emit('convTranspose', [call.operand(0)], attributes, { weight, ...bias });
};

/** Scale and shift of a norm over channels, ones and zeros where it has none. */
function normed(call: OperatorCall, x: DraftId, groups: number, eps: number, isPerGroup = false): Value {
  const channels = call.scope.graph.shape(x)[1];
  const parameter = (i: number, value: number) => {
    if (!call.has(i)) return filledTensor('', channels, value);
    const stored = call.needStored(i);
    const count = stored.shape.reduce((a, b) => a * b, 1);
    if (count === channels) return reshapedTensor(stored, [channels]);
    return isPerGroup
      ? call.fail('has a weight for each group, not for each channel')
      : call.fail(`has ${count} weights for ${channels} channels`);
  };
  return call.emit('groupNorm', [x], { groups, eps }, { weight: parameter(1, 1), bias: parameter(2, 0) });
}

const instanceNormalization: OperatorRule = (call) => normed(call, call.operand(0), call.shape(0)[1], epsilon(call));

const groupNormalization: OperatorRule = (call) =>
  normed(call, call.operand(0), call.int('num_groups', 1), epsilon(call), call.scope.opset < 21);

const groupNorm: OperatorRule = (call) => normed(call, call.operand(0), call.int('groups', 1), epsilon(call));

/** Elements of channels as pixels, or back. */
const depthToSpace: OperatorRule = (call) => {
  const [n, c, h, w] = call.shape(0);
  imageSize(call);
  const r = call.int('blocksize', 1);
  const isColumns = call.string('mode', 'DCR') === 'CRD';
  const apart = isColumns ? [n, c / (r * r), r, r, h, w] : [n, r, r, c / (r * r), h, w];
  const permutation = isColumns ? [0, 1, 4, 2, 5, 3] : [0, 3, 4, 1, 5, 2];
  const moved = call.add('transpose', [call.reshape(call.operand(0), apart)], { permutation });
  return call.computed(call.reshape(moved, [n, c / (r * r), h * r, w * r]));
};

const spaceToDepth: OperatorRule = (call) => {
  const [n, c, h, w] = call.shape(0);
  imageSize(call);
  const r = call.int('blocksize', 1);
  const apart = call.reshape(call.operand(0), [n, c, h / r, r, w / r, r]);
  const moved = call.add('transpose', [apart], { permutation: [0, 3, 5, 1, 2, 4] });
  return call.computed(call.reshape(moved, [n, c * r * r, h / r, w / r]));
};

/** Windows [N, C · taps, count] added up to images: a product with the matrix of what goes where. */
const col2Im: OperatorRule = (call) => {
  const [n, entries, count] = call.shape(0);
  const [size, kernel] = [1, 2].map((i) => call.numbers(i) ?? call.fail('computes its size'));
  if (size.length !== 2 || kernel.length !== 2) call.fail('puts together windows that are not those of images');
  const pads = call.ints('pads') ?? [0, 0, 0, 0];
  const settings = {
    kernel: [kernel[0], kernel[1]],
    dilation: pairOf(call, 'dilations', [1, 1]),
    stride: pairOf(call, 'strides', [1, 1]),
    before: [pads[0], pads[1]],
    after: [pads[2], pads[3]],
  } as const;
  const { rows, columns, data } =
    addingMatrix([size[0], size[1]], settings) ?? call.fail('puts together more windows than fit a matrix');
  const channels = (entries * count) / rows;
  const matrix = call.add('constant', [], { tensor: float32Tensor([rows, columns], data) });
  const flat = call.reshape(call.operand(0), [n, channels, rows]);
  return call.computed(
    call.reshape(call.add('matmul', [flat, matrix], { transposeB: false }), [n, channels, size[0], size[1]]),
  );
};

export const imageOperators: Readonly<Record<string, OperatorRule>> = {
  Col2Im: col2Im,
  ConvTranspose: convTranspose,
  DepthToSpace: depthToSpace,
  GroupNormalization: groupNormalization,
  InstanceNormalization: instanceNormalization,
  Resize: resize,
  SpaceToDepth: spaceToDepth,
  Upsample: resize,
};

/** Operators that only our own readers of other formats write. */
export const internalImageOperators: Readonly<Record<string, OperatorRule>> = {
  GroupNorm: groupNorm,
  Resize2d: resize2d,
};
