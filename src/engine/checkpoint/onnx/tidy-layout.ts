/** Takes out what exporters write around operations that they lack: transposes around norms, rolls as cuts and joins. */
import type { DraftGraph, DraftId, DraftWith } from './draft.ts';

import { type Rewrite, rewriteAll } from './rewrites.ts';

const isIdentity = (permutation: readonly number[]): boolean => permutation.every((axis, i) => axis === i);
/** First `inner`, then `outer`. */
const composed = (inner: readonly number[], outer: readonly number[]): readonly number[] => outer.map((i) => inner[i]);

/** transpose(transpose(x)) as one, or none. */
const transposes: Rewrite = (graph, id, draft) => {
  if (draft.kind !== 'transpose') return;
  const [x] = graph.inputsOf(id);
  const inner = graph.as(x, 'transpose');
  const permutation = inner
    ? composed(inner.attributes.permutation, draft.attributes.permutation)
    : draft.attributes.permutation;
  const source = inner ? graph.inputsOf(x)[0] : x;
  if (isIdentity(permutation)) graph.redirect(id, source);
  else if (inner) graph.replace(id, { ...draft, inputs: [source], attributes: { permutation } });
};

/** A norm between a transpose and its inverse: a norm over the dimension that was moved to the end. */
const channelNorm: Rewrite = (graph, id, draft, uses) => {
  if (draft.kind !== 'transpose') return;
  const [y] = graph.inputsOf(id);
  const norm = graph.as(y, 'layerNorm');
  const [moved] = norm ? graph.inputsOf(y) : [];
  const before = moved === undefined ? undefined : graph.as(moved, 'transpose');
  if (!norm || !before || uses.get(y) !== 1) return;
  const { permutation } = before.attributes;
  if (!isIdentity(composed(permutation, draft.attributes.permutation))) return;
  const attributes = { ...norm.attributes, axis: permutation[norm.attributes.axis] };
  graph.replace(id, { ...norm, attributes, inputs: graph.inputsOf(moved) });
};

/** A mean whose dimensions of size 1 are dropped right after. */
const meanWithoutDimensions: Rewrite = (graph, id, draft, uses) => {
  if (draft.kind !== 'reshape') return;
  const [x] = graph.inputsOf(id);
  const mean = graph.as(x, 'mean');
  if (!mean?.attributes.keepDimensions || uses.get(x) !== 1) return;
  const { axes } = mean.attributes;
  const dropped = graph.shape(x).filter((_, i) => !axes.includes(i));
  if (String(dropped) !== String(draft.attributes.shape)) return;
  graph.replace(id, { ...mean, attributes: { axes, keepDimensions: false } });
};

/** concat(x from `cut` on, x up to `cut`): x rolled. */
const roll: Rewrite = (graph, id, draft, uses) => {
  if (draft.kind !== 'concat') return;
  const inputs = graph.inputsOf(id);
  const [second, first] = inputs.map((input) => graph.as(input, 'slice'));
  if (inputs.length !== 2 || !first || !second) return;
  const [x] = graph.inputsOf(inputs[0]);
  const { axis } = draft.attributes;
  const size = graph.shape(x)[axis];
  const cut = second.attributes.start;
  const isRoll =
    graph.inputsOf(inputs[1])[0] === x &&
    [first, second].every(({ attributes }) => attributes.axis === axis && attributes.step === 1) &&
    second.attributes.end === size &&
    first.attributes.start === 0 &&
    first.attributes.end === cut;
  if (!isRoll) return;
  const shift = cut <= size / 2 ? -cut : size - cut;
  // Along several dimensions: one after the other.
  const before = uses.get(x) === 2 ? graph.as(x, 'roll') : undefined;
  const attributes = before
    ? { axes: [...before.attributes.axes, axis], shifts: [...before.attributes.shifts, shift] }
    : { axes: [axis], shifts: [shift] };
  graph.replace(id, {
    kind: 'roll',
    attributes,
    inputs: before ? graph.inputsOf(x) : [x],
    stored: {},
    origin: draft.origin,
  });
};

/** Several reshapes one after another as the last one. */
const reshapes: Rewrite = (graph, id, draft, uses) => {
  if (draft.kind !== 'reshape') return;
  const [x] = graph.inputsOf(id);
  const inner: DraftWith<'reshape'> | undefined = graph.as(x, 'reshape');
  const source = inner && uses.get(x) === 1 ? graph.inputsOf(x)[0] : x;
  if (String(graph.shape(source)) === String(draft.attributes.shape)) graph.redirect(id, source);
  else if (source !== x) graph.replace(id, { ...draft, inputs: [source] });
};

const rewrites: readonly Rewrite[] = [transposes, channelNorm, reshapes, meanWithoutDimensions, roll];

export const tidyLayout = (graph: DraftGraph, outputs: readonly DraftId[]): void =>
  rewriteAll(graph, outputs, rewrites);
