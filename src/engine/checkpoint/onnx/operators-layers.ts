/** ONNX operators with weights, and products of values. */
import type { Pair, SpatialPadding } from '../../graph/operations.ts';
import { float32Tensor } from '../../graph/tensor.ts';
import type { DraftId, StoredTensors } from './draft.ts';
import { filledTensor, mappedTensor, reshapedTensor, transposedMatrix, type Value } from './onnx-values.ts';
import type { OperatorCall, OperatorRule } from './operator-call.ts';
import { sequenceConv } from './operators-sequences.ts';

export const pairOf = (call: OperatorCall, name: string, otherwise: Pair): Pair => {
  const values = call.ints(name) ?? otherwise;
  if (values.length !== 2) call.fail(`has ${values.length} numbers for ${name} where images have two dimensions`);
  return [values[0], values[1]];
};

const NO_PADDING: SpatialPadding = { top: 0, left: 0, bottom: 0, right: 0 };

interface Window {
  readonly kernel: Pair;
  readonly stride: Pair;
  readonly dilation: Pair;
}

/** Explicit padding, or what keeps the size (divided by the stride, rounded up). */
export function paddingOf(
  call: OperatorCall,
  size: readonly number[],
  { kernel, stride, dilation }: Window,
): SpatialPadding {
  const mode = call.string('auto_pad', 'NOTSET');
  if (mode === 'VALID') return NO_PADDING;
  if (mode === 'SAME_UPPER' || mode === 'SAME_LOWER') {
    const [[top, bottom], [left, right]] = [0, 1].map((i) => {
      const positions = Math.ceil(size[i] / stride[i]);
      const total = Math.max(0, (positions - 1) * stride[i] + dilation[i] * (kernel[i] - 1) + 1 - size[i]);
      const less = Math.floor(total / 2);
      return mode === 'SAME_UPPER' ? [less, total - less] : [total - less, less];
    });
    return { top, left, bottom, right };
  }
  const [top, left, bottom, right] = call.ints('pads') ?? [0, 0, 0, 0];
  if ([top, left, bottom, right].some((p) => !(p >= 0))) call.fail('cuts off part of the image by negative padding');
  return { top, left, bottom, right };
}

/** Height and width of an image [N, C, H, W]. */
export function imageSize(call: OperatorCall): readonly [number, number] {
  const shape = call.shape(0);
  if (shape.length !== 4) call.fail(`works on ${shape.length} dimensions; Espalier knows it on images [N, C, H, W]`);
  return [shape[2], shape[3]];
}

/**
 * A layer's bias as its parameter. One that is joined of several parameters, whose names must stay, is computed anew every
 * time and added behind the layer.
 */
function biasOf(call: OperatorCall, i: number): { readonly stored: StoredTensors; readonly isAdded: boolean } {
  const value = call.inputs[i];
  const isAdded = call.scope.namesAreExact && value?.kind === 'weight' && value.isJoined;
  return { stored: value && !isAdded ? { bias: call.needStored(i) } : {}, isAdded };
}

/** The window of a convolution over images, and its weights. */
export function windowOf(call: OperatorCall) {
  const size = imageSize(call);
  const weight = call.needStored(1);
  const [, , height, width] = weight.shape;
  const kernel: Pair = [height, width];
  const stride = pairOf(call, 'strides', [1, 1]);
  const dilation = pairOf(call, 'dilations', [1, 1]);
  const padding = paddingOf(call, size, { kernel, stride, dilation });
  return { weight, kernel, stride, padding, dilation };
}

const conv: OperatorRule = (call) => {
  if (call.shape(0).length === 3) return sequenceConv(call);
  const { weight, ...window } = windowOf(call);
  const { stored, isAdded } = biasOf(call, 2);
  const attributes = { ...window, groups: call.int('group', 1) };
  const y = call.add('conv', [call.operand(0)], attributes, { weight, ...stored });
  if (!isAdded) return call.computed(y);
  return call.emit('add', [y, call.reshape(call.operand(2), [1, weight.shape[0], 1, 1])], {});
};

/** A · B with a matrix of weights: a linear layer, whose weights lie transposed. */
const matMul: OperatorRule = (call) => {
  const weight = call.stored(1);
  // Where names are exact, a parameter stays in its own shape.
  if (weight?.shape.length === 2 && call.shape(0).length >= 2 && !call.scope.namesAreExact)
    return call.emit('linear', [call.operand(0)], {}, { weight: transposedMatrix(weight) });
  return call.emit('matmul', [call.operand(0), call.operand(1)], { transposeB: false });
};

/** A product plus beta times the third input. */
function plusScaled(call: OperatorCall, product: DraftId, beta: number): Value {
  if (!call.has(2) || beta === 0) return call.computed(product);
  const addend = beta === 1 ? call.operand(2) : call.add('scale', [call.operand(2)], { by: beta });
  return call.emit('add', [product, addend], {});
}

/** alpha · A · B + beta · C. */
const gemm: OperatorRule = (call) => {
  if (call.int('transA', 0)) call.fail('transposes its first input, which Espalier cannot take over');
  const [alpha, beta] = [call.float('alpha', 1), call.float('beta', 1)];
  const transposed = Boolean(call.int('transB', 0));
  const matrix = call.stored(1);
  if (!matrix) {
    const product = call.add('matmul', [call.operand(0), call.operand(1)], { transposeB: transposed });
    return plusScaled(call, alpha === 1 ? product : call.add('scale', [product], { by: alpha }), beta);
  }
  const rows = transposed ? matrix : transposedMatrix(matrix);
  const weight = alpha === 1 ? rows : mappedTensor(rows, (v) => v * alpha);
  const out = rows.shape[0];
  const addend = call.stored(2);
  if (addend && addend.shape.reduce((a, b) => a * b, 1) === out) {
    const vector = reshapedTensor(addend, [out]);
    const bias = beta === 1 ? vector : mappedTensor(vector, (v) => v * beta);
    return call.emit('linear', [call.operand(0)], {}, { weight, bias });
  }
  return plusScaled(call, call.add('linear', [call.operand(0)], {}, { weight }), beta);
};

const batchNormalization: OperatorRule = (call) => {
  if (call.int('training_mode', 0)) call.fail('is in training mode: export the model with model.eval()');
  const stored = {
    weight: call.needStored(1),
    bias: call.needStored(2),
    runningMean: call.needStored(3),
    runningVar: call.needStored(4),
  };
  // ONNX says how much of the old statistics stays, PyTorch how much of the new comes in.
  const momentum = Number((1 - call.float('momentum', 0.9)).toPrecision(6));
  const attributes = { eps: epsilon(call), momentum: momentum > 0 && momentum <= 1 ? momentum : 0.1 };
  const shape = call.shape(0);
  if (shape.length === 4) return call.emit('batchNorm', [call.operand(0)], attributes, stored);
  if (shape.length > 4 || shape.length < 2)
    call.fail(`normalises ${shape.length} dimensions, which Espalier cannot take over`);
  // Norms of vectors and of sequences: as images of one pixel, or one column.
  const image = call.reshape(call.operand(0), [...shape, 1, 1].slice(0, 4));
  return call.computed(call.reshape(call.add('batchNorm', [image], attributes, stored), shape));
};

/** Float attributes are single precision: 1e-5 comes as 0.0000099999997. */
export const epsilon = (call: OperatorCall): number => Number(call.float('epsilon', 1e-5).toPrecision(6));

/** A layer norm over the last dimensions together: as one, then scale and shift of each of their entries. */
function overSeveral(call: OperatorCall, axis: number): Value {
  const shape = call.shape(0);
  const sizes = shape.slice(axis);
  const flat = [...shape.slice(0, axis), sizes.reduce((a, b) => a * b, 1)];
  const size = flat[axis];
  const whole = { weight: filledTensor('', size, 1), bias: filledTensor('', size, 0) };
  const standard = call.add('layerNorm', [call.reshape(call.operand(0), flat)], { eps: epsilon(call), axis }, whole);
  let y = call.reshape(standard, shape);
  if (call.has(1)) y = call.add('multiply', [y, call.operand(1)], {});
  if (call.has(2)) y = call.add('add', [y, call.operand(2)], {});
  return call.computed(y);
}

const layerNormalization: OperatorRule = (call): Value => {
  const shape = call.shape(0);
  const axis = call.axis(call.int('axis', -1), shape.length);
  if (axis !== shape.length - 1) return overSeveral(call, axis);
  if (call.node.outputs.slice(1).some(Boolean)) call.fail('gives its statistics too, which Espalier cannot take over');
  const size = shape[axis];
  const flat = (i: number): ReturnType<typeof reshapedTensor> => {
    const tensor = call.needStored(i);
    if (tensor.shape.reduce((a, b) => a * b, 1) !== size)
      call.fail(`has ${tensor.shape.join(' × ')} weights for ${size} entries`);
    return reshapedTensor(tensor, [size]);
  };
  const weight = call.has(1) ? flat(1) : filledTensor('', size, 1);
  const bias = call.has(2) ? flat(2) : filledTensor('', size, 0);
  return call.emit('layerNorm', [call.operand(0)], { eps: epsilon(call), axis }, { weight, bias });
};

/** x wᵀ + b, with the weight as PyTorch has it. */
const linear: OperatorRule = (call) => {
  const weight = call.stored(1);
  const { stored, isAdded } = biasOf(call, 2);
  if (weight && !isAdded) return call.emit('linear', [call.operand(0)], {}, { weight, ...stored });
  const product = weight
    ? call.add('linear', [call.operand(0)], {}, { weight })
    : call.add('matmul', [call.operand(0), call.operand(1)], { transposeB: true });
  return call.has(2) ? call.emit('add', [product, call.operand(2)], {}) : call.computed(product);
};

/** Operators that only our own readers of other formats write. */
export const internalLayerOperators: Readonly<Record<string, OperatorRule>> = { Linear: linear };

/** x / √(mean(x²) + eps) · weight over the last dimension. */
const rmsNormalization: OperatorRule = (call) => {
  const shape = call.shape(0);
  if (call.axis(call.int('axis', -1), shape.length) !== shape.length - 1)
    call.fail('normalises over several dimensions at once, which Espalier cannot take over');
  const x = call.operand(0);
  const reduction = { axes: [shape.length - 1], keepDimensions: true };
  const mean = call.add('mean', [call.add('multiply', [x, x], {})], reduction);
  const eps = call.add('constant', [], { tensor: float32Tensor([1], Float32Array.of(call.float('epsilon', 1e-5))) });
  const root = call.add('activation', [call.add('add', [mean, eps], {})], { function: 'sqrt' });
  const y = call.add('divide', [x, root], {});
  return call.has(1) ? call.emit('multiply', [y, call.operand(1)], {}) : call.computed(y);
};

export const layerOperators: Readonly<Record<string, OperatorRule>> = {
  BatchNormalization: batchNormalization,
  Conv: conv,
  Gemm: gemm,
  LayerNormalization: layerNormalization,
  MatMul: matMul,
  RMSNormalization: rmsNormalization,
};
