/** ONNX operators that are written out as operations that there are. */
import { sizePerImage } from '../../graph/shapes.ts';
import { float32Tensor } from '../../graph/tensor.ts';
import type { DraftId } from './draft.ts';
import type { OperatorCall, OperatorRule } from './operator-call.ts';
import { largest, reductionOf, sumOf } from './operators-reductions.ts';

const rounded = (value: number): number => Number(value.toPrecision(6));

/** by · elu(x). */
const scaledElu = (call: OperatorCall, x: DraftId, slope: number, by: number): DraftId =>
  call.add('scale', [call.add('activation', [x], { function: 'elu', slope })], { by });

/** γ (max(x, 0) + min(0, α (eˣ − 1))). */
const selu: OperatorRule = (call) => {
  const [alpha, gamma] = [call.float('alpha', 1.6732632), call.float('gamma', 1.050701)];
  return call.computed(scaledElu(call, call.operand(0), alpha, gamma));
};

/** max(x, 0) + min(0, α (e^(x/α) − 1)). */
const celu: OperatorRule = (call) => {
  const alpha = rounded(call.float('alpha', 1));
  if (!(alpha > 0)) call.fail(`has the slope ${alpha}`);
  return call.computed(scaledElu(call, call.add('scale', [call.operand(0)], { by: 1 / alpha }), 1, alpha));
};

/** What lies beyond λ on either side, moved to 0; without the move it would jump. */
const shrink: OperatorRule = (call) => {
  const [lambda, bias] = [call.float('lambd', 0.5), call.float('bias', 0)];
  if (lambda !== bias) call.fail('jumps where it begins, which Espalier has no operation for');
  const x = call.operand(0);
  const limit = call.add('constant', [], { tensor: float32Tensor([1], Float32Array.of(lambda)) });
  const beyond = (value: DraftId): DraftId =>
    call.add('activation', [call.add('subtract', [value, limit], {})], { function: 'relu' });
  return call.emit('subtract', [beyond(x), beyond(call.add('scale', [x], { by: -1 }))], {});
};

const meanOfMany: OperatorRule = (call) => {
  const operands = call.inputs.map((_, i) => call.operand(i));
  const sum = operands.reduce((a, b) => call.add('add', [a, b], {}));
  return call.emit('scale', [sum], { by: 1 / operands.length });
};

/** Below any length that is not 0: what has none stays 0, as ONNX Runtime has it. */
const LEAST_LENGTH = 1e-30;

/** x over its length along one dimension. */
const lpNormalization: OperatorRule = (call) => {
  const shape = call.shape(0);
  const axis = call.axis(call.int('axis', -1), shape.length);
  if (shape[axis] < 0) call.fail('mixes images with each other');
  const x = call.operand(0);
  const isEuclidean = call.int('p', 2) === 2;
  const sizes = isEuclidean ? call.add('multiply', [x, x], {}) : call.add('activation', [x], { function: 'abs' });
  const mean = call.add('mean', [sizes], { axes: [axis], keepDimensions: true });
  const sum = call.add('scale', [mean], { by: shape[axis] });
  const length = isEuclidean ? call.add('activation', [sum], { function: 'sqrt' }) : sum;
  const least = call.add('constant', [], { tensor: float32Tensor([1], Float32Array.of(LEAST_LENGTH)) });
  return call.emit('divide', [x, call.add('add', [length, least], {})], {});
};

/** Entries of the triangle that a running sum is a product with. */
const MAX_TRIANGLE = 1 << 20;

/** A running sum along a dimension: a product with a triangle of ones. */
const cumSum: OperatorRule = (call) => {
  const shape = call.shape(0);
  const axis = call.axis(call.scalar(1) ?? call.fail('has no fixed axis'), shape.length);
  const size = shape[axis];
  if (size < 0) call.fail('mixes images with each other');
  if (size * size > MAX_TRIANGLE) call.fail(`sums over ${size} entries, which Espalier cannot take over`);
  const [own, back] = [call.int('exclusive', 0) ? 1 : 0, Boolean(call.int('reverse', 0))];
  const triangle = Float32Array.from({ length: size * size }, (_, at) => {
    const [from, to] = [Math.floor(at / size), at % size];
    return Number((back ? from - to : to - from) >= own);
  });
  const ones = call.add('constant', [], { tensor: float32Tensor([size, size], triangle) });
  const last = shape.length - 1;
  const order = [...shape.keys()];
  [order[axis], order[last]] = [last, axis];
  const turned = (x: DraftId): DraftId => (axis === last ? x : call.add('transpose', [x], { permutation: order }));
  const x = call.operand(0);
  // A product has at least two dimensions.
  const whole = shape.length > 1 ? turned(x) : call.reshape(x, [1, size]);
  const sums = call.add('matmul', [whole, ones], { transposeB: false });
  return call.computed(shape.length > 1 ? turned(sums) : call.reshape(sums, shape));
};

/** log Σ eˣ, the largest taken out first so that nothing overflows. */
const logSumExp: OperatorRule = (call) => {
  const { axes, keepDimensions } = reductionOf(call);
  const shape = call.shape(0);
  const x = call.operand(0);
  const kept = shape.map((d, i) => (axes.includes(i) ? 1 : d));
  const top = call.reshape(largest(call, x), kept);
  const powers = call.add('activation', [call.add('subtract', [x, top], {})], { function: 'exp' });
  const mean = call.add('mean', [powers], { axes, keepDimensions: true });
  const sum = call.add('scale', [mean], { by: sizePerImage(axes.map((axis) => shape[axis])) });
  const y = call.add('add', [call.add('activation', [sum], { function: 'log' }), top], {});
  return call.computed(
    keepDimensions
      ? y
      : call.reshape(
          y,
          shape.filter((_, i) => !axes.includes(i)),
        ),
  );
};

export const composedOperators: Readonly<Record<string, OperatorRule>> = {
  Celu: celu,
  CumSum: cumSum,
  LpNormalization: lpNormalization,
  Mean: meanOfMany,
  ReduceLogSum: (call) => call.emit('activation', [sumOf(call, call.operand(0))], { function: 'log' }),
  ReduceLogSumExp: logSumExp,
  Selu: selu,
  Shrink: shrink,
};
