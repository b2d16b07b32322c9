/** Batch norm of single operations: TensorFlow's fused kernels compute in float32 only. */
import { NHWC } from './data-layout.ts';
import { FLOAT, type Laid, type LoweringContext, type LoweringRule } from './lowering-context.ts';

const PER_CHANNEL = [0, 2, 3];

/** An operation of images (channels last in memory) and a vector along the channels. */
const along = (context: LoweringContext, op: string, x: Laid, v: Laid): Laid =>
  context.emit(op, [x.tensor, v.tensor], { T: FLOAT }, x.shape, x.order);

const perChannel = (context: LoweringContext, op: 'Sum' | 'Mean', x: Laid): Laid =>
  context.reduce(op, x, PER_CHANNEL, false);

/** (variance + eps)^−½. */
const inverseDeviation = (context: LoweringContext, variance: Laid, eps: number): Laid =>
  context.unary('Rsqrt', context.direct('AddV2', variance, context.scalar(eps)));

const standardised = (context: LoweringContext, x: Laid, mean: Laid, inverse: Laid): Laid =>
  along(context, 'Mul', along(context, 'Sub', x, mean), inverse);

const affine = (context: LoweringContext, standard: Laid, w: Laid, b: Laid): Laid =>
  along(context, 'AddV2', along(context, 'Mul', standard, w), b);

const batchNorm: LoweringRule<'batchNorm'> = (context, { attributes: { eps } }, [input, w, b, mean, variance]) => {
  const x = context.inOrder(input, NHWC);
  return [affine(context, standardised(context, x, mean, inverseDeviation(context, variance, eps)), w, b)];
};

const batchNormGradient: LoweringRule<'batchNormGradient'> = (context, { attributes: { eps } }, inputs) => {
  const [gradient, input, w, mean, variance] = inputs;
  const [d, x] = [gradient, input].map((value) => context.inOrder(value, NHWC));
  const inverse = inverseDeviation(context, variance, eps);
  const product = context.direct('Mul', d, standardised(context, x, mean, inverse));
  return [
    along(context, 'Mul', d, context.direct('Mul', w, inverse)),
    perChannel(context, 'Sum', product),
    perChannel(context, 'Sum', d),
  ];
};

/** The statistics that the gradient takes are the mean and the inverse deviation. */
const batchNormTraining: LoweringRule<'batchNormTraining'> = (context, { attributes: { eps } }, [input, w, b]) => {
  const x = context.inOrder(input, NHWC);
  const mean = perChannel(context, 'Mean', x);
  const variance = perChannel(context, 'Mean', context.unary('Square', along(context, 'Sub', x, mean)));
  const inverse = inverseDeviation(context, variance, eps);
  const y = affine(context, standardised(context, x, mean, inverse), w, b);
  return [y, mean, unbiased(context, variance, x), mean, inverse];
};

/** variance · n / (n − 1) for n = images · positions: variance / (1 − 1 / n). */
function unbiased(context: LoweringContext, variance: Laid, { shape: [images, , height, width] }: Laid): Laid {
  const one = images < 0 ? context.times(context.inverseBatch(), -1 / images) : context.scalar(1 / images);
  const share = context.times(one, 1 / (height * width));
  return context.direct('RealDiv', variance, context.direct('Sub', context.scalar(1), share));
}

/** dx = w r (d − mean(d) − x̂ mean(d x̂)); dw = Σ d x̂; db = Σ d. */
const batchNormTrainingGradient: LoweringRule<'batchNormTrainingGradient'> = (context, _, inputs) => {
  const [gradient, input, w, mean, inverse] = inputs;
  const [d, x] = [gradient, input].map((value) => context.inOrder(value, NHWC));
  const standard = standardised(context, x, mean, inverse);
  const product = context.direct('Mul', d, standard);
  const centred = along(context, 'Sub', d, perChannel(context, 'Mean', d));
  const projected = along(context, 'Mul', standard, perChannel(context, 'Mean', product));
  return [
    along(context, 'Mul', context.direct('Sub', centred, projected), context.direct('Mul', w, inverse)),
    perChannel(context, 'Sum', product),
    perChannel(context, 'Sum', d),
  ];
};

export const plainBatchNorm = { batchNorm, batchNormGradient, batchNormTraining, batchNormTrainingGradient };
