/** Residual blocks that can be taken out whole, because what leaves them has the shape of what enters. */
import type { Graph, GraphNode, ValueId } from '../../graph/graph.ts';
import { leavingValues, nodesById } from '../../graph/graph.ts';
import { inferShapes } from '../../graph/shapes.ts';
import type { Removed } from './cost.ts';

export interface Block {
  /** Module path: `stages.2.blocks.5`. */
  readonly path: string;
  /** Path of what holds it and its siblings: `stages.2.blocks`. */
  readonly stage: string;
  /** Place among its siblings, from 0. */
  readonly position: number;
  /** The value that takes its output's place when it goes; undefined where it cannot go. */
  readonly input?: ValueId;
  readonly output?: ValueId;
}

const splitPath = (path: string): { parent: string; name: string } => {
  const at = path.lastIndexOf('.');
  return { parent: path.slice(0, Math.max(0, at)), name: path.slice(at + 1) };
};

export const isInside = (path: string, module: string): boolean => path === module || path.startsWith(`${module}.`);

/**
 * Blocks of the network by stage, in Graph order: modules of a type of which some are residual blocks that can go. Only
 * blocks with an `input` can.
 */
export function findBlocks(graph: Graph): ReadonlyMap<string, readonly Block[]> {
  const numbered = graph.modules.filter(({ path }) => /\d$/.test(splitPath(path).name));
  const shapes = inferShapes(graph);
  const stored = nodesById(graph);
  const borders = new Map(numbered.map(({ path }) => [path, residualBorder(graph, path, shapes, stored)]));
  const residual = numbered.filter(({ path }) => borders.get(path));
  // A whole stage may look like a block: the innermost is meant.
  const innermost = residual.filter(({ path }) => !residual.some((other) => other.path.startsWith(`${path}.`)));
  const types = new Set(innermost.map(({ type }) => type));
  const stages = new Map<string, Block[]>();
  for (const { path, type } of numbered) {
    if (!types.has(type)) continue;
    const stage = splitPath(path).parent;
    const siblings = stages.get(stage) ?? [];
    stages.set(stage, siblings);
    siblings.push({ path, stage, position: siblings.length, ...borders.get(path) });
  }
  return stages;
}

/** One value in, one out, of one shape, with the input added to something on the way: what a residual block is. */
function residualBorder(
  graph: Graph,
  path: string,
  shapes: ReadonlyMap<ValueId, readonly number[]>,
  byId: ReadonlyMap<ValueId, GraphNode>,
): { input: ValueId; output: ValueId } | undefined {
  const inside = new Set(graph.nodes.filter(({ module }) => isInside(module, path)).map(({ id }) => id));
  const entering = new Set<ValueId>();
  const leaving = new Set([...leavingValues(graph)].filter((id) => inside.has(id)));
  let residual = false;
  for (const node of graph.nodes) {
    for (const id of node.inputs) {
      if (inside.has(node.id) && !inside.has(id)) entering.add(id);
      if (!inside.has(node.id) && inside.has(id)) leaving.add(id);
    }
  }
  for (const id of entering) if (byId.get(id)?.kind === 'constant') entering.delete(id);
  if (entering.size !== 1 || leaving.size !== 1) return undefined;
  const [input] = entering;
  const [output] = leaving;
  for (const node of graph.nodes)
    if (inside.has(node.id) && node.kind === 'add' && node.inputs.includes(input)) residual = true;
  return residual && String(shapes.get(input)) === String(shapes.get(output)) ? { input, output } : undefined;
}

/** The stage whose blocks are taken out: the second to last, as the paper does for ConvNeXt; the only one where there is one. */
export function removalStage(graph: Graph): readonly Block[] {
  const stages = [...findBlocks(graph).values()];
  return stages.at(-2) ?? stages.at(-1) ?? [];
}

/** What goes with blocks, for the cost of a plan. */
export function removedWith(graph: Graph, paths: readonly string[]): Removed {
  const nodes = graph.nodes.filter(({ module }) => paths.some((path) => isInside(module, path)));
  const own = new Set(nodes.flatMap(({ parameters }) => Object.values(parameters)));
  return { nodes: new Set(nodes.map(({ id }) => id)), parameters: own };
}
