/** Finds layer norms that an exporter wrote out: (x − mean) / √(variance + eps), and the scale and shift after it. */
import type { Draft, DraftGraph, DraftId, StoredTensor } from './draft.ts';
import { eachOf, numberOf } from './match-activations.ts';
import { filledTensor, reshapedTensor } from './onnx-values.ts';

/** mean(x) over one dimension that stays. */
function meanOf(graph: DraftGraph, id: DraftId): { x: DraftId; axis: number } | undefined {
  const mean = graph.as(id, 'mean');
  if (mean?.attributes.axes.length !== 1 || !mean.attributes.keepDimensions) return undefined;
  return { x: graph.inputsOf(id)[0], axis: mean.attributes.axes[0] };
}

/** x − mean(x). */
function centred(graph: DraftGraph, id: DraftId): { x: DraftId; axis: number } | undefined {
  if (!graph.as(id, 'subtract')) return undefined;
  const [x, mean] = graph.inputsOf(id);
  const found = meanOf(graph, mean);
  return found?.x === x ? found : undefined;
}

/** The variance of x plus eps: mean((x − mean(x))²) + eps, the square as a product. */
function varianceOf(graph: DraftGraph, id: DraftId): { x: DraftId; axis: number; eps: number } | undefined {
  if (!graph.as(id, 'add')) return undefined;
  const inputs = graph.inputsOf(id);
  const at = inputs.findIndex((input) => numberOf(graph, input) !== undefined);
  const mean = at < 0 ? undefined : meanOf(graph, inputs[1 - at]);
  if (!mean || !graph.as(mean.x, 'multiply')) return undefined;
  const factors = graph.inputsOf(mean.x).map((factor) => centred(graph, factor));
  const [a, b] = factors;
  if (!a || !b || a.x !== b.x || a.axis !== mean.axis || b.axis !== mean.axis) return undefined;
  return { x: a.x, axis: a.axis, eps: Number((numberOf(graph, inputs[at]) as number).toPrecision(6)) };
}

/** Whether one element of a value is this function of the element that enters. */
const isFunction = (draft: Draft, of: (x: number) => number): boolean => {
  const isFunctionOfOne = draft.inputs.length === 1 && (draft.kind === 'foreign' || draft.kind === 'activation');
  const each = isFunctionOfOne ? eachOf(draft) : undefined;
  return Boolean(each && [0.3, 1.7, 4.1].every((x) => Math.abs(each(x) - of(x)) < 1e-9));
};

/** What a value is one over the root of, if it is: by whatever operators. */
function inverseRootOf(graph: DraftGraph, id: DraftId): DraftId | undefined {
  const draft = graph.get(id);
  const [first, second] = graph.inputsOf(id);
  if (isFunction(draft, (x) => x ** -0.5)) return first;
  const isInverse = isFunction(draft, (x) => 1 / x);
  const root = isInverse ? first : draft.kind === 'divide' && numberOf(graph, first) === 1 ? second : undefined;
  return root === undefined ? undefined : rootOf(graph, root);
}

const rootOf = (graph: DraftGraph, id: DraftId): DraftId | undefined =>
  isFunction(graph.get(id), Math.sqrt) ? graph.inputsOf(id)[0] : undefined;

/** The norm without scale and shift that ends here. */
function normAt(graph: DraftGraph, id: DraftId): { x: DraftId; axis: number; eps: number } | undefined {
  const { kind } = graph.get(id);
  if (kind !== 'divide' && kind !== 'multiply') return undefined;
  const [a, b] = graph.inputsOf(id);
  const orders =
    kind === 'divide'
      ? [[a, b]]
      : [
          [a, b],
          [b, a],
        ];
  for (const [value, scale] of orders) {
    const above = centred(graph, value);
    const squared = above && (kind === 'divide' ? rootOf(graph, scale) : inverseRootOf(graph, scale));
    const below = squared === undefined ? undefined : varianceOf(graph, squared);
    if (above && below && above.x === below.x && above.axis === below.axis) return below;
  }
  return undefined;
}

/** Of a constant that becomes a parameter: a name that no state dict can have. */
const UNNAMED = '?';

/** A stored vector that broadcasts along one dimension of a value: [C, 1, 1] along the channels of an image. */
export function vectorAlong(
  graph: DraftGraph,
  id: DraftId,
  axis: number,
  shape: readonly number[],
): StoredTensor | undefined {
  const own = graph.shape(id);
  const at = axis - (shape.length - own.length);
  if (own.length > shape.length || own.some((size, i) => size !== (i === at ? shape[axis] : 1))) return undefined;
  let source = id;
  while (graph.as(source, 'reshape')) [source] = graph.inputsOf(source);
  const draft = graph.get(source);
  if (draft.kind === 'parameter') return reshapedTensor(draft.stored.value as StoredTensor, [shape[axis]]);
  if (draft.kind !== 'constant') return undefined;
  const { tensor } = draft.attributes;
  if (tensor.data.length !== shape[axis]) return undefined;
  const flat = { ...tensor, shape: [shape[axis]] };
  return { name: UNNAMED, shape: flat.shape, read: () => flat };
}

/** Puts layer norms in the place of what computes them, scale and shift taken in. */
export function matchLayerNorms(graph: DraftGraph, outputs: readonly DraftId[]): void {
  const { order, uses } = graph.live(outputs);
  for (const id of order) {
    const draft = graph.get(id);
    const norm = normAt(graph, id);
    if (norm) {
      const { x, axis, eps } = norm;
      const size = graph.shape(x)[axis];
      const stored = { weight: filledTensor('', size, 1), bias: filledTensor('', size, 0) };
      graph.replace(id, { kind: 'layerNorm', attributes: { eps, axis }, inputs: [x], stored, origin: draft.origin });
    } else if (draft.kind === 'multiply' || draft.kind === 'add') absorb(graph, id, draft, uses);
  }
}

/** norm · weight, or norm + bias, as one norm. */
function absorb(graph: DraftGraph, id: DraftId, draft: Draft, uses: ReadonlyMap<DraftId, number>): void {
  const role = draft.kind === 'multiply' ? 'weight' : 'bias';
  const inputs = graph.inputsOf(id);
  inputs.forEach((input, i) => {
    const norm = graph.as(input, 'layerNorm');
    // What is taken in must not be in the norm yet: only then is it still filled in. A shift before the scale is none.
    const isFree = norm && norm.stored[role]?.name === '' && (role === 'bias' || norm.stored.bias?.name === '');
    if (!norm || !isFree || uses.get(input) !== 1) return;
    const vector = vectorAlong(graph, inputs[1 - i], norm.attributes.axis, graph.shape(input));
    if (vector) graph.replace(id, { ...norm, stored: { ...norm.stored, [role]: vector }, origin: draft.origin });
  });
}
