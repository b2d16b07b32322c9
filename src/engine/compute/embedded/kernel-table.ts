/** What every kernel runs: exhaustive. Sources are given by the session. */
import type { KernelKind } from '../programs/kernels.ts';
import type { KernelRule } from './kernel-context.ts';
import * as batchNorm from './run-batch-norm.ts';
import * as convolutions from './run-convolutions.ts';
import * as elementwise from './run-elementwise.ts';
import * as losses from './run-losses.ts';
import * as normalisation from './run-normalisation.ts';
import * as optimizers from './run-optimizers.ts';
import * as pooling from './run-pooling.ts';
import * as products from './run-products.ts';
import * as shapes from './run-shapes.ts';

/** Kernels whose value the session has or makes on the host. */
export type SourceKernel = 'input' | 'state' | 'constant' | 'keepMask';
export type RunKernel = Exclude<KernelKind, SourceKernel>;

export const kernelRules: { readonly [K in RunKernel]: KernelRule<K> } = {
  conv: convolutions.conv,
  convInputGradient: convolutions.convInputGradient,
  convWeightGradient: convolutions.convWeightGradient,
  patches: convolutions.patches,
  linear: products.linear,
  matmul: products.matmul,
  ...batchNorm,
  ...normalisation,
  ...pooling,
  ...losses,
  ...optimizers,
  ...shapes,
  activation: elementwise.activation,
  activationGradient: elementwise.activationGradient,
  add: elementwise.binary((tf) => tf.add),
  subtract: elementwise.binary((tf) => tf.sub),
  multiply: elementwise.binary((tf) => tf.mul),
  divide: elementwise.binary((tf) => tf.div),
  square: elementwise.square,
  inverseRoot: elementwise.inverseRoot,
  scale: elementwise.scale,
  lerp: elementwise.lerp,
  mean: elementwise.mean,
  sum: elementwise.sum,
  sumTo: elementwise.sumTo,
  globalNorm: elementwise.globalNorm,
  clipFactor: elementwise.clipFactor,
};
