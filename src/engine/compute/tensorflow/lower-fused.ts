/** Lowering of fused convolutions: batch norm goes into the weights and the bias, which costs one pass over the weights a run. */
import type { KernelNode, Program, Ref } from '../programs/program.ts';
import { HWIO, HWOI, NHWC } from './data-layout.ts';
import type { FusedConvolution } from './fusion.ts';
import { depthwiseWeight, isDepthwise } from './lower-depthwise.ts';
import { FLOAT, type Laid, type LoweringContext } from './lowering-context.ts';
import type { Attrs } from './saved-model.ts';
import { type Conv, convAttrs, isExplicit, paddedImages } from './windows.ts';

interface Affine {
  readonly weight: Laid;
  readonly bias: Laid;
}

/** w ∗ x normalised is (s w) ∗ x + (β + s (bias − μ)), with s = γ / √(σ² + ε). */
function folded(
  context: LoweringContext,
  norm: KernelNode<'batchNorm'>,
  statistics: readonly Laid[],
  conv: readonly Laid[],
): Affine {
  const [gamma, beta, mean, variance] = statistics;
  const [weight, bias] = conv;
  const root = context.unary('Rsqrt', context.direct('AddV2', variance, context.scalar(norm.attributes.eps)));
  const scale = context.direct('Mul', gamma, root);
  const centre = bias ? context.direct('Sub', bias, mean) : context.unary('Neg', mean);
  // The output channel is the first logical dimension: [O] against [O, I, kh, kw].
  const along = context.reshape(scale, [...scale.shape, 1, 1, 1]);
  return {
    weight: context.binary('Mul', weight, along, weight.shape),
    bias: context.direct('AddV2', beta, context.direct('Mul', scale, centre)),
  };
}

/** The fused depthwise kernel knows SAME and VALID only: other padding is put around its input. */
function withoutExplicitPadding(
  context: LoweringContext,
  attributes: Conv,
  input: Laid,
): { attributes: Conv; x: Laid } {
  if (!isExplicit(attributes)) return { attributes, x: input };
  return {
    attributes: { ...attributes, padding: { top: 0, left: 0, bottom: 0, right: 0 } },
    x: paddedImages(context, input, attributes.padding),
  };
}

export function lowerFused(
  context: LoweringContext,
  { nodes }: Program,
  fused: FusedConvolution,
  value: (ref: Ref) => Laid,
): Laid {
  const conv = nodes[fused.conv] as KernelNode<'conv'>;
  const [input, ...parameters] = conv.inputs.map(value);
  const norm = fused.batchNorm === undefined ? undefined : (nodes[fused.batchNorm] as KernelNode<'batchNorm'>);
  const [weight, bias] = parameters;
  const affine = norm ? folded(context, norm, norm.inputs.slice(1).map(value), parameters) : { weight, bias };
  const channels = input.shape[1];
  const depthwise = isDepthwise(conv.attributes, channels);
  const window = depthwise
    ? withoutExplicitPadding(context, conv.attributes, input)
    : { attributes: conv.attributes, x: input };
  const x = context.inOrder(window.x, NHWC);
  const w = depthwise
    ? depthwiseWeight(context, context.inOrder(affine.weight, HWOI), channels)
    : context.inOrder(affine.weight, HWIO);
  const addend = fused.addend && context.inOrder(value(fused.addend), NHWC);
  const args = [affine.bias, ...(addend ? [addend] : [])];
  const operations = ['BiasAdd', ...(addend ? ['Add'] : []), ...(fused.activation ? [fused.activation] : [])];
  const attrs: Attrs = {
    ...convAttrs(window.attributes),
    num_args: { int: args.length },
    fused_ops: { strs: operations },
    ...(depthwise ? {} : { TArgs: { types: args.map(() => FLOAT.type) } }),
  };
  const op = depthwise ? '_FusedDepthwiseConv2dNative' : '_FusedConv2D';
  const inputs = [x, w, ...args].map(({ tensor }) => tensor);
  return context.emit(op, inputs, attrs, conv.shapes[0], NHWC);
}
