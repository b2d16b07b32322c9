/** Takes into layers what exporters leave beside them: biases, padding, factors of scores, transposed operands. */
import type { Draft, DraftGraph, DraftId } from './draft.ts';
import { numberOf } from './match-activations.ts';
import { vectorAlong } from './match-layer-norm.ts';
import { type Rewrite, rewriteAll } from './rewrites.ts';

/** layer + vector: a layer with a bias. */
const bias: Rewrite = (graph, id, draft, uses) => {
  if (draft.kind !== 'add') return;
  const inputs = graph.inputsOf(id);
  for (const i of [0, 1]) {
    const layer = graph.get(inputs[i]);
    if ((layer.kind !== 'linear' && layer.kind !== 'conv') || layer.stored.bias || uses.get(inputs[i]) !== 1) continue;
    const shape = graph.shape(inputs[i]);
    const vector = vectorAlong(graph, inputs[1 - i], layer.kind === 'conv' ? 1 : shape.length - 1, shape);
    if (!vector || String(graph.shape(id)) !== String(shape)) continue;
    graph.replace(id, { ...layer, stored: { ...layer.stored, bias: vector } } as Draft);
    return;
  }
};

/** A convolution of a padded image: a convolution with padding. */
const padding: Rewrite = (graph, id, draft, uses) => {
  if (draft.kind !== 'conv') return;
  let [x] = graph.inputsOf(id);
  let { top, left, bottom, right } = draft.attributes.padding;
  for (let pad = graph.as(x, 'pad'); pad && pad.attributes.axis >= 2 && uses.get(x) === 1; pad = graph.as(x, 'pad')) {
    const { axis, before, after } = pad.attributes;
    if (axis === 2) [top, bottom] = [top + before, bottom + after];
    else [left, right] = [left + before, right + after];
    [x] = graph.inputsOf(x);
  }
  if (x === graph.inputsOf(id)[0]) return;
  graph.replace(id, {
    ...draft,
    inputs: [x],
    attributes: { ...draft.attributes, padding: { top, left, bottom, right } },
  });
};

/** x · number and x / number. */
const scale: Rewrite = (graph, id, draft) => {
  if (draft.kind !== 'multiply' && draft.kind !== 'divide') return;
  const inputs = graph.inputsOf(id);
  const at = draft.kind === 'divide' ? 1 : inputs.findIndex((input) => numberOf(graph, input) !== undefined);
  const number = at < 0 ? undefined : numberOf(graph, inputs[at]);
  const x = inputs[1 - at];
  if (number === undefined || x === undefined || String(graph.shape(x)) !== String(graph.shape(id))) return;
  const by = draft.kind === 'divide' ? 1 / number : number;
  const { ofSizes } = graph.get(inputs[at]).origin;
  const origin = { ...draft.origin, ...(ofSizes && { ofSizes }) };
  graph.replace(id, { kind: 'scale', attributes: { by }, inputs: [x], stored: {}, origin });
};

/** −x, and x times 1. */
const trivial: Rewrite = (graph, id, draft) => {
  if (draft.kind === 'scale' && draft.attributes.by === 1) graph.redirect(id, graph.inputsOf(id)[0]);
  if (draft.kind === 'foreign' && draft.attributes.operator === 'Neg')
    graph.replace(id, { ...draft, kind: 'scale', attributes: { by: -1 } });
};

/** The order with its last two dimensions exchanged. */
const swapped = (permutation: readonly number[]): readonly number[] => [
  ...permutation.slice(0, -2),
  permutation.at(-1) as number,
  permutation.at(-2) as number,
];

const isIdentity = (permutation: readonly number[]): boolean => permutation.every((axis, i) => axis === i);

/** a · transpose(b): a product that takes b transposed, so that keys lie as queries do. */
const transposedOperand: Rewrite = (graph, id, draft) => {
  if (draft.kind !== 'matmul' || draft.attributes.transposeB) return;
  const [a, b] = graph.inputsOf(id);
  const transpose = graph.as(b, 'transpose');
  if (!transpose) return;
  const { permutation } = transpose.attributes;
  if ((permutation.at(-2) as number) < (permutation.at(-1) as number)) return;
  const order = swapped(permutation);
  const [x] = graph.inputsOf(b);
  const keys = isIdentity(order)
    ? x
    : graph.addBefore(id, { ...transpose, inputs: [x], attributes: { permutation: order } });
  graph.replace(id, { ...draft, inputs: [a, keys], attributes: { transposeB: true } });
};

interface Scaled {
  readonly x: DraftId;
  readonly by: number;
  /** Whether the number was computed of sizes. */
  readonly follows: boolean;
}

/** A value without the number that it is multiplied by, if only this product takes it. */
function withoutScale(graph: DraftGraph, id: DraftId, uses: ReadonlyMap<DraftId, number>): Scaled {
  const scaled = graph.as(id, 'scale');
  const by = scaled?.attributes.by;
  return typeof by === 'number' && uses.get(id) === 1
    ? { x: graph.inputsOf(id)[0], by, follows: scaled?.origin.ofSizes === true }
    : { x: id, by: 1, follows: true };
}

/** The factor that attention has for this many head dimensions, up to rounding in float32. */
const isAttentionFactor = (by: number, dimensions: number): boolean => Math.abs(by * Math.sqrt(dimensions) - 1) < 1e-4;

/**
 * Factors 1/√(head dimension) of queries, keys or scores as one factor of the queries. Where the network computes them of
 * the dimension they follow it when heads get narrower; a number in the file stays that number.
 */
const attentionScale: Rewrite = (graph, id, draft, uses) => {
  const scores = draft.kind === 'scale' ? graph.as(graph.inputsOf(id)[0], 'matmul') : undefined;
  const isAfter = scores !== undefined && uses.get(graph.inputsOf(id)[0]) === 1;
  const product = isAfter ? scores : draft.kind === 'matmul' ? draft : undefined;
  if (!product) return;
  const [a, b] = product.inputs.map((input) => withoutScale(graph, graph.resolve(input), uses));
  const after = isAfter && draft.kind === 'scale' ? draft.attributes.by : 1;
  const follows = a.follows && b.follows && (!isAfter || draft.origin.ofSizes === true);
  if (typeof after !== 'number') return;
  const by = a.by * b.by * after;
  const dimensions = graph.shape(a.x).at(-1) as number;
  if (by === 1 || !isAttentionFactor(by, dimensions)) return;
  // A number that stands before the queries already is where it goes.
  if (!follows && by === a.by) return;
  const scaled: Draft = {
    kind: 'scale',
    attributes: { by: follows ? 'rsqrt(last dimension)' : by },
    inputs: [a.x],
    stored: {},
    origin: a.by === 1 ? product.origin : graph.get(product.inputs[0]).origin,
  };
  graph.replace(id, { ...product, inputs: [graph.addBefore(id, scaled), b.x] });
};

/** Factors may stand on either side of the keys' transpose. */
const rewrites: readonly Rewrite[] = [bias, padding, scale, trivial, attentionScale, transposedOperand, attentionScale];

export const fuseLayers = (graph: DraftGraph, outputs: readonly DraftId[]): void =>
  rewriteAll(graph, outputs, rewrites);
