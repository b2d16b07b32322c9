/** Attention heads of a pruned checkpoint: a state dict gives heads × head dimension of a layer, not the two factors. */
import { attentionHeads } from '../graph/attention-heads.ts';
import type { Graph } from '../graph/graph.ts';
import { attentionModules, shapeTable } from '../graph/macs.ts';

interface HeadOption {
  readonly heads: number;
  readonly headDim: number;
}

/** What the heads of one attention module may be. */
export interface HeadChoice {
  /** Module path: `blocks.0.attn`. */
  readonly attention: string;
  /** heads × head dimension. */
  readonly width: number;
  /** Most heads first. */
  readonly options: readonly HeadOption[];
  /** The likeliest number of heads. */
  readonly suggested: number;
}

type Shapes = ReadonlyMap<string, readonly number[]>;

/** How far a layer may stray from the network's usual head dimension before fewer, wider heads look likelier. */
const WIDE_HEADS_PRIOR = 0.05;

/**
 * Factorisations of a width into heads: none wider than before pruning, and no more than the family's largest network has,
 * for a pruned network may be as narrow as a smaller one.
 */
function optionsFor(width: number, dense: HeadOption): HeadOption[] {
  const all = Array.from({ length: dense.heads }, (_, i) => dense.heads - i)
    .filter((heads) => width % heads === 0)
    .map((heads) => ({ heads, headDim: width / heads }));
  const narrow = all.filter(({ headDim }) => headDim <= dense.headDim);
  return narrow.length ? narrow : all.slice(0, 1);
}

const distance = (a: number, b: number): number => Math.abs(Math.log(a / b));
const nearest = (options: readonly HeadOption[], headDim: number): HeadOption =>
  options.reduce((best, option) =>
    distance(option.headDim, headDim) < distance(best.headDim, headDim) ? option : best,
  );

/** The head dimension that all layers come nearest to: pruning narrows the heads of a network by similar amounts. */
function commonHeadDim(layers: readonly (readonly HeadOption[])[], dense: number): number {
  let best = { headDim: dense, cost: Number.POSITIVE_INFINITY };
  for (let headDim = dense; headDim >= 1; headDim--) {
    const strays = layers.reduce((sum, options) => sum + distance(nearest(options, headDim).headDim, headDim), 0);
    const cost = strays / layers.length + WIDE_HEADS_PRIOR * distance(headDim, dense);
    if (cost < best.cost - 1e-12) best = { headDim, cost };
  }
  return best.headDim;
}

interface OpenLayer {
  readonly attention: string;
  readonly width: number;
  readonly dense: HeadOption;
}

/** Attention modules of the file whose heads neither its shapes nor a record gives. */
function openLayers(dense: Graph, file: Shapes, known: (attention: string) => number | undefined): OpenLayer[] {
  const table = shapeTable(dense);
  return attentionModules(dense).flatMap(({ module, product }) => {
    const rows = file.get(`${module}.qkv.weight`)?.[0];
    if (rows === undefined || rows % 3 || known(module) || file.has(`${module}.relative_position_bias_table`))
      return [];
    const heads = table.value(product).at(-3) as number;
    const headDim = table.parameter(`${module}.qkv.weight`)[0] / (3 * heads);
    return [{ attention: module, width: rows / 3, dense: { heads, headDim } }];
  });
}

/**
 * The layers whose number of heads is open, with their possible factorisations; empty when every width is a multiple of the
 * dense head dimension (then heads may have been removed whole) or allows one factorisation only.
 *
 * @param dense the unpruned network
 * @param file parameter shapes of the checkpoint
 * @param most gives the heads of the family's largest network
 * @param known heads that a record gives
 */
export function openHeads(
  dense: Graph,
  file: Shapes,
  most: () => number,
  known: (attention: string) => number | undefined,
): readonly HeadChoice[] {
  const layers = openLayers(dense, file, known);
  if (layers.every(({ width, dense: { headDim } }) => width % headDim === 0)) return [];
  const heads = most();
  const options = layers.map(({ width, dense: usual }) => optionsFor(width, { heads, headDim: usual.headDim }));
  if (options.every((list) => list.length === 1)) return [];
  const headDim = commonHeadDim(options, Math.max(...layers.map((layer) => layer.dense.headDim)));
  return layers.map(({ attention, width }, i) => ({
    attention,
    width,
    options: options[i],
    suggested: nearest(options[i], headDim).heads,
  }));
}

/** Most heads of any attention module. */
export const mostHeads = (graph: Graph): number => Math.max(0, ...attentionHeads(graph).map(({ heads }) => heads));

/** Heads of each attention module of a Graph, as `BuildOptions.heads` takes them: to build it anew for another image size. */
export function headsLike(graph: Graph): (attention: string) => number | undefined {
  const heads = new Map(attentionHeads(graph).map((found) => [found.attention, found.heads]));
  return (attention) => heads.get(attention);
}
