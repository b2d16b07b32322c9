/** How every kernel becomes ONNX operators. Sources are lowered with the program: see lower-program.ts. */
import type { KernelKind } from '../programs/kernels.ts';
import * as convolutions from './convolution-rules.ts';
import * as elementwise from './elementwise-rules.ts';
import type { LoweringRule } from './kernel-lowering.ts';
import * as losses from './loss-rules.ts';
import * as normalisation from './normalisation-rules.ts';
import * as pooling from './pooling-rules.ts';
import * as products from './product-rules.ts';
import * as shapes from './shape-rules.ts';

export type SourceKernel = 'input' | 'state' | 'keepMask';

export const loweringRules: { readonly [K in Exclude<KernelKind, SourceKernel>]: LoweringRule<K> } = {
  constant: (c, { attributes: { tensor } }) => [
    tensor.shape.length === 0 ? c.graph.float(tensor.data[0]) : c.graph.constant(tensor.shape, tensor.data),
  ],
  conv: convolutions.conv,
  convInputGradient: convolutions.convInputGradient,
  convWeightGradient: convolutions.convWeightGradient,
  patches: convolutions.patches,
  linear: products.linear,
  matmul: products.matmul,
  ...elementwise,
  ...normalisation,
  ...pooling,
  ...shapes,
  ...losses,
};
