/**
 * The kernels that a Program is made of, and the attributes of each.
 *
 * They are the Graph's operations with their parameters as ordinary inputs, and what only gradients, losses and optimisers need. Values
 * have PyTorch's logical layout (N, C, H, W; weights O, I, kh, kw) and are float32 except where said; how they lie in memory is the
 * backend's business. A table over `KernelKind` must have an entry for each, and the compiler says which is missing.
 */
import type { OperationAttributes, Shape } from '../../graph/operations.ts';
import type { Tensor } from '../../graph/tensor.ts';

type Attributes<K extends keyof OperationAttributes> = OperationAttributes[K];
type None = Record<never, never>;

export interface KernelAttributes {
  // ---- sources
  /** A value fed at every run. Images are fed as [N, H, W, C] and transposed by a node. */
  input: { readonly name: string; readonly dtype: 'float32' | 'int32'; readonly shape: Shape };
  /** Value of a named state at the beginning of the run. */
  state: { readonly name: string };
  constant: Attributes<'constant'>;
  /**
   * (seed int32 [2]) → 0 with `probability`, else 1 / (1 − probability), independently for each element, from the counter-based
   * generator `uniformNoise(seed, stream)`: the same on every backend.
   */
  keepMask: { readonly shape: Shape; readonly probability: number; readonly stream: number };

  // ---- layers
  /** (x, weight, bias?) */
  conv: Attributes<'conv'>;
  /** (d, weight) → gradient of conv's x. */
  convInputGradient: Attributes<'conv'> & { readonly inputShape: Shape };
  /** (x, d) → gradient of conv's weight. */
  convWeightGradient: Attributes<'conv'> & { readonly weightShape: readonly number[] };
  /** (x) → [N, kh, kw, C, positions]: the pixels under a convolution's window, zeros in the padding. */
  patches: Omit<Attributes<'conv'>, 'groups'>;
  /** (x [..., I], weight [O, I], bias?) → [..., O] */
  linear: None;
  /** (a, b): product of the last two dimensions, each first transposed where said; leading dimensions broadcast. */
  matmul: { readonly transposeA: boolean; readonly transposeB: boolean };
  /** (x, weight, bias, mean, variance) over dimension 1, with given statistics. */
  batchNorm: { readonly eps: number };
  /** (d, x, weight, mean, variance) → gradients of x, weight, bias; the statistics are constants. */
  batchNormGradient: { readonly eps: number };
  /** (x, weight, bias) → y, batch mean, unbiased batch variance, and two saved statistics that only the gradient kernel reads. */
  batchNormTraining: { readonly eps: number };
  /** (d, x, weight, saved, saved) → gradients of x, weight, bias, through the batch statistics. */
  batchNormTrainingGradient: { readonly eps: number };
  /** (x, weight, bias) over `axis` → y, mean, (variance + eps)^−½, both with size 1 at `axis`. */
  layerNorm: { readonly eps: number; readonly axis: number };
  /** (d, x, weight, mean, inverse deviation) → gradients of x, weight, bias. */
  layerNormGradient: { readonly axis: number };
  activation: Attributes<'activation'>;
  /** (d, saved): saved is the activation's output or input, as the activation's record says. */
  activationGradient: Attributes<'activation'>;
  softmax: { readonly axis: number };
  /** (d, y): y is the softmax's output. */
  softmaxGradient: { readonly axis: number };
  maxPool: Attributes<'maxPool'>;
  /** (d, x, y): d goes to the first maximum of each window. */
  maxPoolGradient: Attributes<'maxPool'>;
  averagePool: Attributes<'averagePool'>;
  /** (d) */
  averagePoolGradient: Attributes<'averagePool'> & { readonly inputShape: Shape };

  // ---- element by element, broadcasting from the right
  add: None;
  subtract: None;
  multiply: None;
  divide: None;
  square: None;
  /** (x) → (x + eps)^−½ */
  inverseRoot: { readonly eps: number };
  /** Times a number, or divided by the number of samples in the batch. */
  scale: { readonly by: number | 'inverse batch' };
  /** (a, b, t scalar) → (1 − t) a + t b, exactly b at t = 1; a and b have one shape. */
  lerp: None;

  // ---- shape
  concat: Attributes<'concat'>;
  slice: Attributes<'slice'>;
  /** (d) → zeros of size `size` at `axis` with d at start, start + step, … */
  sliceGradient: Attributes<'slice'> & { readonly size: number };
  pad: Attributes<'pad'>;
  reshape: Attributes<'reshape'>;
  transpose: Attributes<'transpose'>;
  roll: Attributes<'roll'>;
  gather: Attributes<'gather'>;
  /** (d [indices, ...]) → [rows, ...]: sums of the rows of d by index. */
  gatherGradient: Attributes<'gather'> & { readonly rows: number };
  expand: Attributes<'expand'>;

  // ---- reductions
  mean: Attributes<'mean'>;
  sum: Attributes<'mean'>;
  /** Sum over what broadcasting had repeated, to `shape`. */
  sumTo: { readonly shape: Shape };
  /** (any number of values) → scalar √ΣΣ v². */
  globalNorm: None;
  /** (norm) → min(1, limit / (norm + 1e-6)), as torch.nn.utils.clip_grad_norm_. */
  clipFactor: { readonly limit: number };

  // ---- losses
  /** (labels int32 [N]) → [N, classes] with `on` at the label and `off` elsewhere. */
  oneHot: { readonly classes: number; readonly on: number; readonly off: number };
  /** ([N, C]) → int32 [N]: the first largest entry. */
  argMax: None;
  /**
   * (logits [N, C], targets [N, C], each row adding up to 1) → loss [N] = −Σ targets · log softmax(logits), and its gradient by the logits,
   * softmax(logits) − targets.
   */
  crossEntropy: None;

  // ---- optimisers, as torch.optim computes them; outputs are the new values of the states that enter
  /** (parameter, gradient, learning rate, velocity?) → parameter, velocity? */
  sgdStep: { readonly momentum: number; readonly nesterov: boolean; readonly weightDecay: number };
  /** (parameter, gradient, learning rate, m, v, 1 − β₁ᵗ, 1 − β₂ᵗ) → parameter, m, v */
  adamWStep: {
    readonly beta1: number;
    readonly beta2: number;
    readonly eps: number;
    readonly weightDecay: number;
  };
  /** (parameter, gradient, learning rate, square average, velocity?) → parameter, square average, velocity? */
  rmsPropStep: {
    readonly alpha: number;
    readonly eps: number;
    readonly momentum: number;
    readonly weightDecay: number;
  };
}

export type KernelKind = keyof KernelAttributes;

export type ConstantTensor = Tensor<'float32'>;
