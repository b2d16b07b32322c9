/** How every kernel becomes TensorFlow operations. Sources and optimisers are lowered with the program's states: see lowering.ts. */
import type { KernelKind } from '../programs/kernels.ts';
import * as convolutions from './lower-convolutions.ts';
import * as elementwise from './lower-elementwise.ts';
import * as normalisation from './lower-normalisation.ts';
import * as pooling from './lower-pooling.ts';
import * as products from './lower-products.ts';
import * as shapes from './lower-shapes.ts';
import type { OptimizerKernel } from './lower-updates.ts';
import type { LoweringRule } from './lowering-context.ts';

export type SourceKernel = 'input' | 'state' | 'keepMask';
type RuleKernel = Exclude<KernelKind, SourceKernel | OptimizerKernel>;

export const loweringRules: { readonly [K in RuleKernel]: LoweringRule<K> } = {
  constant: (context, { attributes: { tensor } }) => [
    context.laid(context.graph.constant(tensor.data, tensor.shape), tensor.shape),
  ],
  ...products,
  conv: convolutions.conv,
  patches: convolutions.patches,
  convInputGradient: convolutions.convInputGradient,
  convWeightGradient: convolutions.convWeightGradient,
  ...pooling,
  ...normalisation,
  add: elementwise.binary('AddV2'),
  subtract: elementwise.binary('Sub'),
  multiply: elementwise.binary('Mul'),
  divide: elementwise.binary('RealDiv'),
  square: elementwise.square,
  inverseRoot: elementwise.inverseRoot,
  scale: elementwise.scale,
  lerp: elementwise.lerp,
  activation: elementwise.activation,
  activationGradient: elementwise.activationGradient,
  mean: elementwise.mean,
  sum: elementwise.sum,
  sumTo: elementwise.sumTo,
  ...shapes,
};
