/**
 * Σ over samples of g², for g the gradient of one sample's own loss: what Hessian scores are made of, without a backward pass a sample.
 *
 * In evaluation no sample's loss depends on another sample, so that the gradient of the sum of all losses by a layer's output holds every
 * sample's own d. A parameter's gradient for each sample is then a product of that sample's x and d: one batched product for all.
 */
import type { Graph } from '../../graph/graph.ts';
import type { Shape } from '../../graph/operations.ts';
import { sizePerImage } from '../../graph/shapes.ts';
import { emitGradients } from './gradients.ts';
import type { KernelAttributes, KernelKind } from './kernels.ts';
import { emitBatchMean } from './losses.ts';
import type { KernelNode, Program, Ref } from './program.ts';
import { ProgramBuilder } from './program-builder.ts';
import { emitScoringLosses, gradientName, type ScoringLoss, trainableParameters } from './programs.ts';

/** A parameter's one use: the kernel, and which of its inputs it is. */
interface Use {
  readonly node: KernelNode;
  readonly index: number;
  readonly input: number;
}

interface Context {
  readonly builder: ProgramBuilder;
  /** Gradient of the sum of losses by the kernel's output. */
  readonly d: Ref;
  /** The kernel's own index. */
  readonly self: number;
}

/** Σ over samples of the squared gradient by one input, in that input's shape. */
type SquareRule<K extends KernelKind> = (node: KernelNode<K>, context: Context) => Ref;

const sum = (b: ProgramBuilder, x: Ref, axes: readonly number[]): Ref =>
  b.add('sum', [x], { axes, keepDimensions: false });
const reshape = (b: ProgramBuilder, x: Ref, shape: Shape): Ref => b.add('reshape', [x], { shape });
const transpose = (b: ProgramBuilder, x: Ref, permutation: readonly number[]): Ref =>
  b.add('transpose', [x], { permutation });
/** Σ over the samples, which are dimension 0, of the squares. */
const sumOfSquares = (b: ProgramBuilder, perSample: Ref): Ref => sum(b, b.add('square', [perSample], {}), [0]);

/** [..., C] → [N, positions, C]. */
function positions(b: ProgramBuilder, x: Ref): Ref {
  const shape = b.shape(x);
  const last = shape.at(-1) as number;
  return reshape(b, x, [-1, sizePerImage(shape) / last, last]);
}

/** g = dᵀ x over a sample's positions. With one position g² = (d²)ᵀ x², and the sum over samples is a product too. */
const linearWeight: SquareRule<'linear'> = ({ inputs: [x] }, { builder: b, d }) => {
  if (b.shape(x).length === 2) {
    const [d2, x2] = [d, x].map((value) => b.add('square', [value], {}));
    return b.add('matmul', [d2, x2], { transposeA: true, transposeB: false });
  }
  const operands = [positions(b, d), positions(b, x)];
  return sumOfSquares(b, b.add('matmul', operands, { transposeA: true, transposeB: false }));
};

const linearBias: SquareRule<'linear'> = (_, { builder: b, d }) => sumOfSquares(b, sum(b, positions(b, d), [1]));

/** g = d · patchesᵀ over a sample's positions, group by group. */
const convWeight: SquareRule<'conv'> = ({ attributes, inputs: [x, w] }, { builder: b, d }) => {
  const { groups, ...window } = attributes;
  const [kh, kw] = attributes.kernel;
  const [out, into] = b.shape(w);
  const area = b.shape(d)[2] * b.shape(d)[3];
  const columns = kh * kw * into;
  let under = patchesOf(b, x, window);
  if (groups > 1) {
    const grouped = reshape(b, under, [-1, kh, kw, groups, into, area]);
    under = transpose(b, grouped, [0, 3, 1, 2, 4, 5]);
  }
  const operands = [reshape(b, d, [-1, groups, out / groups, area]), reshape(b, under, [-1, groups, columns, area])];
  // Without groups there is no dimension for them, which keeps both operands where they are.
  const matrices = groups > 1 ? operands : operands.map((x) => reshape(b, x, b.shape(x).toSpliced(1, 1)));
  const squares = sumOfSquares(b, b.add('matmul', matrices, { transposeA: false, transposeB: true }));
  return transpose(b, reshape(b, squares, [out, kh, kw, into]), [0, 3, 1, 2]);
};

function patchesOf(b: ProgramBuilder, x: Ref, window: KernelAttributes['patches']): Ref {
  const { kernel, stride, padding: p } = window;
  const [n, channels, height, width] = b.shape(x);
  const isPixel = kernel[0] * kernel[1] * stride[0] * stride[1] === 1 && p.top + p.left + p.bottom + p.right === 0;
  return isPixel ? reshape(b, x, [n, 1, 1, channels, height * width]) : b.add('patches', [x], window);
}

const convBias: SquareRule<'conv'> = (_, { builder: b, d }) => sumOfSquares(b, sum(b, d, [2, 3]));

/** g = Σ d (x − μ) / √(σ² + ε) over a sample's positions. */
const batchNormWeight: SquareRule<'batchNorm'> = ({ attributes, inputs: [x, , , mean, variance] }, context) => {
  const { builder: b, d } = context;
  const product = sum(b, b.add('multiply', [d, x], {}), [2, 3]);
  const shift = b.add('multiply', [sum(b, d, [2, 3]), mean], {});
  const inverse = b.add('inverseRoot', [variance], attributes);
  return sumOfSquares(b, b.add('multiply', [b.add('subtract', [product, shift], {}), inverse], {}));
};

/** Sums all but the normalised dimension for each sample: [N, C]. */
function perSample(b: ProgramBuilder, x: Ref, axis: number): Ref {
  const shape = b.shape(x);
  const moved = [...shape.map((_, i) => i).filter((i) => i !== axis), axis];
  return sum(b, positions(b, axis === shape.length - 1 ? x : transpose(b, x, moved)), [1]);
}

/** g = Σ d x̂ over a sample's positions. */
const layerNormWeight: SquareRule<'layerNorm'> = ({ attributes: { axis }, inputs: [x] }, { builder: b, d, self }) => {
  const [mean, inverse] = [1, 2].map((output) => ({ node: self, output }));
  const standard = b.add('multiply', [b.add('subtract', [x, mean], {}), inverse], {});
  return sumOfSquares(b, perSample(b, b.add('multiply', [d, standard], {}), axis));
};

type LayerKernel = 'linear' | 'conv' | 'batchNorm' | 'layerNorm';

/** Rules by the input that the parameter is: 1 the weight, 2 the bias. */
const squareRules: { readonly [K in LayerKernel]: Readonly<Record<1 | 2, SquareRule<K>>> } = {
  linear: { 1: linearWeight, 2: linearBias },
  conv: { 1: convWeight, 2: convBias },
  batchNorm: { 1: batchNormWeight, 2: (_, { builder: b, d }) => sumOfSquares(b, sum(b, d, [2, 3])) },
  layerNorm: {
    1: layerNormWeight,
    2: ({ attributes }, { builder: b, d }) => sumOfSquares(b, perSample(b, d, attributes.axis)),
  },
};

const isLayer = (kind: KernelKind): kind is LayerKernel => kind in squareRules;

/** The use of each parameter that one layer, and nothing else, uses as its weight or bias. */
function layerUses(nodes: readonly KernelNode[]): ReadonlyMap<string, Use> {
  const uses = new Map<string, Use[]>();
  nodes.forEach((node, index) => {
    node.inputs.forEach((ref, input) => {
      const source = nodes[ref.node];
      if (source.kind !== 'state') return;
      const { name } = source.attributes;
      uses.set(name, [...(uses.get(name) ?? []), { node, index, input }]);
    });
  });
  const single = [...uses].filter(([, [use, ...others]]) => {
    return others.length === 0 && isLayer(use.node.kind) && (use.input === 1 || use.input === 2);
  });
  return new Map(single.map(([name, [use]]) => [name, use]));
}

export type SquaredGradientOptions = ScoringLoss & {
  /** State-dict names; by default weights and biases of all layers and norms (not embeddings, tokens, tables and layer scales). */
  readonly parameters?: readonly string[];
};

/**
 * `images`, `labels` (or `targets`) → `loss`, `losses` [N], `logits`; adds to the states named by `gradientName` the sum over the batch of
 * the squared gradients of the single samples' losses, with the network in evaluation.
 *
 * Needs memory for one layer's gradients of every sample. Throws where a parameter asked for is not a layer's weight or bias.
 */
export function squaredGradientProgram(graph: Graph, options: SquaredGradientOptions): Program {
  const b = new ProgramBuilder();
  const { losses, logits } = emitScoringLosses(b, graph, options);
  const uses = layerUses(b.nodes);
  const chosen = options.parameters ?? trainableParameters(graph).flatMap(({ name }) => (uses.has(name) ? [name] : []));
  const layers = chosen.map((name) => {
    const use = uses.get(name);
    if (!use) throw new Error(`${name} is not the weight or bias of one layer: its squares need a run for each image`);
    return use;
  });
  const outputs = layers.map(({ index }) => ({ node: index, output: 0 }));
  const gradients = emitGradients(b, sum(b, losses, [0]), outputs);
  chosen.forEach((name, i) => {
    const { node, index, input } = layers[i];
    b.source = node.source;
    // A table entry is taken by a kind known only at run time.
    const rule = squareRules[node.kind as LayerKernel][input as 1 | 2] as SquareRule<KernelKind>;
    const squares = rule(node, { builder: b, d: gradients[i], self: index });
    const total = b.state(gradientName(name), b.shape(squares), { initial: 0, like: name });
    b.update(gradientName(name), b.add('add', [total, squares], {}));
  });
  b.source = '';
  b.output('loss', emitBatchMean(b, losses));
  b.output('losses', losses);
  if (logits) b.output('logits', logits);
  return b.finish();
}
