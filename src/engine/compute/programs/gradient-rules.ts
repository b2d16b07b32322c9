/**
 * The derivative of every kernel that a forward pass is made of. y is the kernel's output, d the derivative of the loss by y; a rule returns
 * the derivatives by the inputs, in their order, leaving out what nothing needs. Layers compute the derivatives of their parameters first:
 * a backend that keeps the order can free their input before it goes on.
 */
import { activations } from '../../graph/activations.ts';
import type { Shape } from '../../graph/operations.ts';
import { sizePerImage } from '../../graph/shapes.ts';
import type { KernelKind } from './kernels.ts';
import type { KernelNode, Ref } from './program.ts';
import type { ProgramBuilder } from './program-builder.ts';

/** Kernels that no derivative passes through: sources, choices, and kernels that only gradients and optimisers use. */
type NotDifferentiable =
  | 'input'
  | 'state'
  | 'constant'
  | 'keepMask'
  | 'oneHot'
  | 'argMax'
  | 'convWeightGradient'
  | 'patches'
  | 'inverseRoot'
  | 'batchNormGradient'
  | 'batchNormTrainingGradient'
  | 'layerNormGradient'
  | 'activationGradient'
  | 'softmaxGradient'
  | 'maxPoolGradient'
  | 'averagePoolGradient'
  | 'sliceGradient'
  | 'gatherGradient'
  | 'lerp'
  | 'globalNorm'
  | 'clipFactor'
  | 'sgdStep'
  | 'adamWStep'
  | 'rmsPropStep';

export type DifferentiableKernel = Exclude<KernelKind, NotDifferentiable>;

interface GradientContext {
  readonly builder: ProgramBuilder;
  readonly d: Ref;
  /** For each input whether its derivative is needed. */
  readonly needs: readonly boolean[];
  /** The node's own index. */
  readonly self: number;
}

export type GradientRule<K extends DifferentiableKernel> = (
  node: KernelNode<K>,
  context: GradientContext,
) => readonly (Ref | undefined)[];

/** Sums d over what broadcasting repeated. */
function unbroadcast({ builder }: GradientContext, d: Ref, to: Ref): Ref {
  const shape = builder.shape(to);
  return String(builder.shape(d)) === String(shape) ? d : builder.add('sumTo', [d], { shape });
}

/** All dimensions but the last as one: [..., C] → [rows, C], with the batch symbol where it was. */
function asRows(builder: ProgramBuilder, x: Ref): Ref {
  const shape = builder.shape(x);
  if (shape.length === 2) return x;
  const leading = shape.slice(0, -1);
  const rows = sizePerImage(leading) * (leading.some((d) => d < 0) ? -1 : 1);
  return builder.add('reshape', [x], { shape: [rows, shape.at(-1) as number] });
}

/** d repeated over the reduced axes. */
function spread(builder: ProgramBuilder, d: Ref, to: Shape, axes: readonly number[]): Ref {
  const kept = to.map((size, i) => (axes.includes(i) ? 1 : size));
  const aligned = builder.shape(d).length === to.length ? d : builder.add('reshape', [d], { shape: kept });
  return builder.add('expand', [aligned], { shape: to });
}

const allButLast = (shape: Shape): number[] => shape.slice(0, -1).map((_, i) => i);

export const gradientRules: { readonly [K in DifferentiableKernel]: GradientRule<K> } = {
  // y = w ∗ x + b: dx = wᵀ ∗ d, dw = x ∗ d, db = Σ d over samples and positions.
  conv: ({ attributes, inputs: [x, w] }, { builder: b, d, needs }) => {
    const dw = needs[1] ? b.add('convWeightGradient', [x, d], { ...attributes, weightShape: b.shape(w) }) : undefined;
    const db = needs[2] ? b.add('sum', [d], { axes: [0, 2, 3], keepDimensions: false }) : undefined;
    const dx = needs[0] ? b.add('convInputGradient', [d, w], { ...attributes, inputShape: b.shape(x) }) : undefined;
    return [dx, dw, db];
  },
  // The transpose of a convolution: dx = w ∗ d, dw as the convolution's, of d under x.
  convInputGradient: ({ attributes: { inputShape: _, ...a }, inputs: [x, w] }, { builder: b, d, needs }) => {
    const dw = needs[1] ? b.add('convWeightGradient', [d, x], { ...a, weightShape: b.shape(w) }) : undefined;
    return [needs[0] ? b.add('conv', [d, w], a) : undefined, dw];
  },
  // y = x wᵀ + b: dx = d w, dw = dᵀ x over all rows, db = Σ rows of d.
  linear: ({ inputs: [x, w] }, { builder: b, d, needs }) => {
    const rows = (): Ref[] => [asRows(b, d), asRows(b, x)];
    const dw = needs[1] ? b.add('matmul', rows(), { transposeA: true, transposeB: false }) : undefined;
    const db = needs[2] ? b.add('sum', [d], { axes: allButLast(b.shape(d)), keepDimensions: false }) : undefined;
    const dx = needs[0] ? b.add('matmul', [d, w], { transposeA: false, transposeB: false }) : undefined;
    return [dx, dw, db];
  },
  // Y = A B: dA = D Bᵀ, dB = Aᵀ D; a transposed operand's derivative is the transpose of that, with the factors swapped.
  matmul: ({ attributes: { transposeA: tA, transposeB: tB }, inputs: [a, c] }, context) => {
    const { builder: b, d, needs } = context;
    const product = (left: Ref, right: Ref, transposeA: boolean, transposeB: boolean): Ref =>
      b.add('matmul', [left, right], { transposeA, transposeB });
    const dA = (): Ref => (tA ? product(c, d, tB, true) : product(d, c, false, !tB));
    const dB = (): Ref => (tB ? product(d, a, true, tA) : product(a, d, !tA, false));
    return [needs[0] ? unbroadcast(context, dA(), a) : undefined, needs[1] ? unbroadcast(context, dB(), c) : undefined];
  },
  // y = w (x − μ) / √(σ² + ε) + b with constant μ, σ²: dx = w d / √(σ² + ε), dw = Σ d x̂, db = Σ d.
  batchNorm: ({ attributes, inputs: [x, w, , mean, variance] }, { builder: b, d }) =>
    b.addAll('batchNormGradient', [d, x, w, mean, variance], attributes),
  // The same with μ, σ² of the batch: dx = w / √(σ² + ε) · (d − mean(d) − x̂ mean(d x̂)).
  batchNormTraining: ({ attributes, inputs: [x, w] }, { builder: b, d, self }) => {
    const saved = [3, 4].map((output) => ({ node: self, output }));
    return b.addAll('batchNormTrainingGradient', [d, x, w, ...saved], attributes);
  },
  // As batchNormTraining, with the statistics of one position: means over `axis`, g = w d in place of d.
  layerNorm: ({ attributes: { axis }, inputs: [x, w] }, { builder: b, d, self }) => {
    const saved = [1, 2].map((output) => ({ node: self, output }));
    return b.addAll('layerNormGradient', [d, x, w, ...saved], { axis });
  },
  // dx = d f′(x), with f′ as a function of y where one is known.
  activation: ({ attributes, inputs: [x] }, { builder: b, d, self }) => {
    const saved = activations[attributes.function].derivativeOf === 'output' ? { node: self, output: 0 } : x;
    return [b.add('activationGradient', [d, saved], attributes)];
  },
  // dx = y (d − Σ d y).
  softmax: ({ attributes }, { builder: b, d, self }) => [
    b.add('softmaxGradient', [d, { node: self, output: 0 }], attributes),
  ],
  // d goes to the first maximum of each window.
  maxPool: ({ attributes, inputs: [x] }, { builder: b, d, self }) => [
    b.add('maxPoolGradient', [d, x, { node: self, output: 0 }], attributes),
  ],
  // d spread evenly over each window.
  averagePool: ({ attributes, inputs: [x] }, { builder: b, d }) => [
    b.add('averagePoolGradient', [d], { ...attributes, inputShape: b.shape(x) }),
  ],
  add: ({ inputs }, context) =>
    inputs.map((ref, i) => (context.needs[i] ? unbroadcast(context, context.d, ref) : undefined)),
  subtract: ({ inputs: [a, c] }, context) => [
    context.needs[0] ? unbroadcast(context, context.d, a) : undefined,
    context.needs[1] ? context.builder.add('scale', [unbroadcast(context, context.d, c)], { by: -1 }) : undefined,
  ],
  // y = a b: da = d b, db = d a.
  multiply: ({ inputs: [a, c] }, context) => {
    const product = (other: Ref): Ref => context.builder.add('multiply', [context.d, other], {});
    return [
      context.needs[0] ? unbroadcast(context, product(c), a) : undefined,
      context.needs[1] ? unbroadcast(context, product(a), c) : undefined,
    ];
  },
  // y = a / b: da = d / b, db = −d y / b.
  divide: ({ inputs: [a, c] }, context) => {
    const { builder: b, d, needs, self } = context;
    const quotient = b.add('divide', [d, c], {});
    const other = (): Ref => b.add('scale', [b.add('multiply', [quotient, { node: self, output: 0 }], {})], { by: -1 });
    return [
      needs[0] ? unbroadcast(context, quotient, a) : undefined,
      needs[1] ? unbroadcast(context, other(), c) : undefined,
    ];
  },
  // dx = 2 x d.
  square: ({ inputs: [x] }, { builder: b, d }) => [b.add('scale', [b.add('multiply', [d, x], {})], { by: 2 })],
  scale: ({ attributes }, { builder: b, d }) => [b.add('scale', [d], attributes)],
  // Each input's piece of d.
  concat: ({ attributes: { axis }, inputs }, { builder: b, d, needs }) => {
    let end = 0;
    return inputs.map((ref, i) => {
      const start = end;
      end += b.shape(ref)[axis];
      return needs[i] ? b.add('slice', [d], { axis, start, end, step: 1 }) : undefined;
    });
  },
  // d where it came from, zeros elsewhere.
  slice: ({ attributes, inputs: [x] }, { builder: b, d }) => [
    b.add('sliceGradient', [d], { ...attributes, size: b.shape(x)[attributes.axis] }),
  ],
  // d without the padding.
  pad: ({ attributes: { axis, before }, inputs: [x] }, { builder: b, d }) => [
    b.add('slice', [d], { axis, start: before, end: before + b.shape(x)[axis], step: 1 }),
  ],
  reshape: ({ inputs: [x] }, { builder: b, d }) => [b.add('reshape', [d], { shape: b.shape(x) })],
  // The inverse permutation.
  transpose: ({ attributes: { permutation } }, { builder: b, d }) => [
    b.add('transpose', [d], { permutation: permutation.map((_, i) => permutation.indexOf(i)) }),
  ],
  // Rolled back.
  roll: ({ attributes: { axes, shifts } }, { builder: b, d }) => [
    b.add('roll', [d], { axes, shifts: shifts.map((shift) => -shift) }),
  ],
  // Rows of d summed where they were taken from.
  gather: ({ attributes, inputs: [table] }, { builder: b, d }) => [
    b.add('gatherGradient', [d], { ...attributes, rows: b.shape(table)[0] }),
  ],
  // Summed over the repetitions.
  expand: ({ inputs: [x] }, context) => [unbroadcast(context, context.d, x)],
  // dx = d / n at each of the n elements averaged.
  mean: ({ attributes: { axes }, inputs: [x] }, { builder: b, d }) => {
    const shape = b.shape(x);
    const count = axes.reduce((n, axis) => n * shape[axis], 1);
    if (count < 0) throw new Error('mean over the batch: use sum and scale by the inverse batch');
    return [spread(b, b.add('scale', [d], { by: 1 / count }), shape, axes)];
  },
  sum: ({ attributes: { axes }, inputs: [x] }, { builder: b, d }) => [spread(b, d, b.shape(x), axes)],
  sumTo: ({ inputs: [x] }, { builder: b, d }) => [b.add('expand', [d], { shape: b.shape(x) })],
  // The kernel computes softmax(logits) − targets beside the losses; d is one number a sample.
  crossEntropy: (_, { builder: b, d, self }) => {
    const column = b.add('reshape', [d], { shape: [b.shape(d)[0], 1] });
    return [b.add('multiply', [{ node: self, output: 1 }, column], {})];
  },
};
