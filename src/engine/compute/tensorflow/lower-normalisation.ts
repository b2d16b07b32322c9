/** Lowering of normalisation, softmax and losses. */
import type { Shape } from '../../graph/operations.ts';
import { NHWC, withLast } from './data-layout.ts';
import type { TensorRef } from './graph-def.ts';
import { sumToLast } from './lower-elementwise.ts';
import { FLOAT, INT, type Laid, type LoweringContext, type LoweringRule } from './lowering-context.ts';
import type { Attrs } from './saved-model.ts';

const batchNormAttrs = (eps: number, training: boolean): Attrs => ({
  T: FLOAT,
  U: FLOAT,
  epsilon: { float: eps },
  is_training: { bool: training },
  data_format: { str: 'NHWC' },
});

const like = (x: Laid): { dtype: 'float32'; shape: TensorRef['shape'] } => ({
  dtype: 'float32',
  shape: x.tensor.shape,
});
const vector = (w: Laid): { dtype: 'float32'; shape: TensorRef['shape'] } => ({ dtype: 'float32', shape: w.shape });

/** FusedBatchNormV3's six outputs: y, mean, variance, and three reserved for the gradient. */
function fusedBatchNorm(
  context: LoweringContext,
  eps: number,
  training: boolean,
  inputs: readonly Laid[],
): TensorRef[] {
  const [x, w] = inputs;
  const outputs = [like(x), ...Array.from({ length: 5 }, () => vector(w))];
  const tensors = inputs.map((value) => value.tensor);
  return context.graph.outputs('FusedBatchNormV3', tensors, batchNormAttrs(eps, training), outputs);
}

function fusedBatchNormGradient(
  context: LoweringContext,
  eps: number,
  training: boolean,
  inputs: readonly TensorRef[],
  [x, w]: readonly Laid[],
): readonly Laid[] {
  const outputs = [like(x), vector(w), vector(w)];
  const [dx, dw, db] = context.graph.outputs('FusedBatchNormGradV3', inputs, batchNormAttrs(eps, training), outputs);
  return [context.laid(dx, x.shape, x.order), ...[dw, db].map((tensor): Laid => context.laid(tensor, w.shape))];
}

/** An empty tensor, where FusedBatchNormV3 takes none in. */
const nothing = (context: LoweringContext): Laid => context.laid(context.graph.constant(new Float32Array(0), [0]), [0]);

export const batchNorm: LoweringRule<'batchNorm'> = (context, { attributes, shapes }, [input, ...rest]) => {
  const x = context.inOrder(input, NHWC);
  const [y] = fusedBatchNorm(context, attributes.eps, false, [x, ...rest]);
  return [context.laid(y, shapes[0], NHWC)];
};

export const batchNormGradient: LoweringRule<'batchNormGradient'> = (context, { attributes }, inputs) => {
  const [gradient, input, w, mean, variance] = inputs;
  const [d, x] = [gradient, input].map((value) => context.inOrder(value, NHWC));
  const tensors = [d, x, w, mean, variance, nothing(context)].map((value) => value.tensor);
  return fusedBatchNormGradient(context, attributes.eps, false, tensors, [x, w]);
};

export const batchNormTraining: LoweringRule<'batchNormTraining'> = (context, { attributes, shapes }, inputs) => {
  const [input, w, b] = inputs;
  const x = context.inOrder(input, NHWC);
  const none = nothing(context);
  const [y, ...statistics] = fusedBatchNorm(context, attributes.eps, true, [x, w, b, none, none]);
  context.reserves.set(statistics[2].name, statistics[4]);
  return [
    context.laid(y, shapes[0], NHWC),
    ...statistics.slice(0, 4).map((tensor): Laid => context.laid(tensor, w.shape)),
  ];
};

export const batchNormTrainingGradient: LoweringRule<'batchNormTrainingGradient'> = (
  context,
  { attributes },
  inputs,
) => {
  const [gradient, input, w, first, second] = inputs;
  const [d, x] = [gradient, input].map((value) => context.inOrder(value, NHWC));
  const third = context.reserves.get(first.tensor.name);
  if (!third) throw new Error('batchNormTrainingGradient takes the statistics that batchNormTraining saved');
  const tensors = [...[d, x, w, first, second].map((value) => value.tensor), third];
  return fusedBatchNormGradient(context, attributes.eps, true, tensors, [x, w]);
};

// ---- layer norm

/** The value with the normalised dimension last in memory. */
const lastInMemory = (context: LoweringContext, x: Laid, axis: number): Laid =>
  x.order.at(-1) === axis ? x : context.inOrder(x, withLast(x.order, axis));

/** A vector along the last dimension in memory of `x`: broadcasts as it is. */
const alongLast = (context: LoweringContext, op: string, x: Laid, v: Laid): Laid =>
  context.emit(op, [x.tensor, v.tensor], { T: FLOAT }, x.shape, x.order);

const broadcast = (context: LoweringContext, op: string, x: Laid, column: Laid): Laid =>
  context.emit(op, [x.tensor, column.tensor], { T: FLOAT }, x.shape, x.order);

export const layerNorm: LoweringRule<'layerNorm'> = (context, { attributes: { eps, axis } }, [input, w, b]) => {
  const x = lastInMemory(context, input, axis);
  const mean = context.reduce('Mean', x, [axis], true);
  const centred = broadcast(context, 'Sub', x, mean);
  const variance = context.reduce('Mean', context.unary('Square', centred), [axis], true);
  const inverse = context.unary('Rsqrt', context.direct('AddV2', variance, context.scalar(eps)));
  const standard = broadcast(context, 'Mul', centred, inverse);
  return [alongLast(context, 'AddV2', alongLast(context, 'Mul', standard, w), b), mean, inverse];
};

/** dx = r (g − mean(g) − x̂ mean(g x̂)) with g = w d; dw = Σ d x̂; db = Σ d. */
export const layerNormGradient: LoweringRule<'layerNormGradient'> = (context, { attributes: { axis } }, inputs) => {
  const [gradient, input, w, mean, inverse] = inputs;
  const x = context.inOrder(input, mean.order);
  const d = context.inOrder(gradient, mean.order);
  const standard = broadcast(context, 'Mul', broadcast(context, 'Sub', x, mean), inverse);
  const g = alongLast(context, 'Mul', d, w);
  const meanG = context.reduce('Mean', g, [axis], true);
  const meanProduct = context.reduce('Mean', context.direct('Mul', g, standard), [axis], true);
  const projected = broadcast(context, 'Mul', standard, meanProduct);
  const dx = broadcast(context, 'Mul', context.direct('Sub', broadcast(context, 'Sub', g, meanG), projected), inverse);
  return [dx, sumToLast(context, context.direct('Mul', d, standard)), sumToLast(context, d)];
};

// ---- softmax and losses

export const softmax: LoweringRule<'softmax'> = (context, { attributes: { axis } }, [x]) => [
  context.unary('Softmax', lastInMemory(context, x, axis)),
];

export const softmaxGradient: LoweringRule<'softmaxGradient'> = (context, { attributes: { axis } }, [gradient, y]) => {
  const d = context.inOrder(gradient, y.order);
  const inner = context.reduce('Sum', context.direct('Mul', d, y), [axis], true);
  return [context.direct('Mul', y, broadcast(context, 'Sub', d, inner))];
};

export const oneHot: LoweringRule<'oneHot'> = (context, { attributes: { classes, on, off }, shapes }, [labels]) => {
  const { graph } = context;
  const inputs = [labels.tensor, graph.int(classes), graph.float(on), graph.float(off)];
  return [context.emit('OneHot', inputs, { T: FLOAT, TI: INT, axis: { int: -1 } }, shapes[0])];
};

export const argMax: LoweringRule<'argMax'> = (context, { shapes }, [x]) => {
  const inputs = [context.plain(x).tensor, context.graph.int(x.shape.length - 1)];
  const attrs: Attrs = { T: FLOAT, Tidx: INT, output_type: INT };
  return [context.emit('ArgMax', inputs, attrs, shapes[0], undefined, 'int32')];
};

export const crossEntropy: LoweringRule<'crossEntropy'> = (context, { shapes }, inputs) => {
  const [logits, targets] = inputs.map((x) => context.plain(x));
  const partial = (shape: Shape): number[] => shape.map((d) => (d < 0 ? -1 : d));
  const outputs = shapes.map((shape) => ({ dtype: 'float32' as const, shape: partial(shape) }));
  const tensors = [logits.tensor, targets.tensor];
  const [loss, gradient] = context.graph.outputs('SoftmaxCrossEntropyWithLogits', tensors, { T: FLOAT }, outputs);
  return [context.laid(loss, shapes[0]), context.laid(gradient, shapes[1])];
};

export const globalNorm: LoweringRule<'globalNorm'> = (context, _, inputs) => {
  // L2Loss is Σ x² / 2.
  const halves = inputs.map((x) => context.emit('L2Loss', [x.tensor], { T: FLOAT }, []).tensor);
  const total = context.emit('AddN', halves, { N: { int: halves.length }, T: FLOAT }, []);
  return [context.unary('Sqrt', context.times(total, 2))];
};

export const clipFactor: LoweringRule<'clipFactor'> = (context, { attributes: { limit } }, [norm]) => {
  const ratio = context.direct('RealDiv', context.scalar(limit), context.direct('AddV2', norm, context.scalar(1e-6)));
  return [context.direct('Minimum', ratio, context.scalar(1))];
};
