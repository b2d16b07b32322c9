/** Taking whole blocks out of a Graph. */

import { UserError } from '../../../common/errors.ts';
import type { Graph, GraphNode } from '../../graph/graph.ts';
import { validateGraph } from '../../graph/validate.ts';
import { type Block, findBlocks, isInside, removedWith } from '../planning/blocks.ts';

/**
 * The Graph without some blocks: the rest of their stage are numbered anew and keep their order, and stochastic depth is
 * spread linearly over all blocks that are left. `renamed`: old parameter names to new ones, of those that stay.
 */
export function removeBlocks(
  graph: Graph,
  paths: readonly string[],
): { readonly graph: Graph; readonly renamed: ReadonlyMap<string, string> } {
  const stages = findBlocks(graph);
  const blocks = [...stages.values()].flat();
  const gone = paths.map((path) => blocks.find((block) => block.path === path));
  const missing = paths.find((_, i) => gone[i]?.input === undefined);
  if (missing !== undefined) throw new UserError(`${graph.name} has no block ${missing} that can be removed`);
  const rename = renumbering([...stages.values()], new Set(paths));
  const replacement = new Map(gone.map((block) => [block?.output as string, block?.input as string]));
  const renamedValue = (id: string): string => {
    const other = replacement.get(id);
    return other === undefined ? rename(id) : renamedValue(other);
  };
  const { nodes: without, parameters: lost } = removedWith(graph, paths);
  const stays = graph.parameters.filter(({ name }) => !lost.has(name));
  const renamed = new Map(stays.map(({ name }) => [name, rename(name)]));
  const nodes = graph.nodes
    .filter(({ id }) => !without.has(id))
    .map((node) => ({
      ...node,
      id: rename(node.id),
      module: rename(node.module),
      inputs: node.inputs.map(renamedValue),
      parameters: Object.fromEntries(Object.entries(node.parameters).map(([role, name]) => [role, rename(name)])),
    })) as GraphNode[];
  const smaller: Graph = {
    ...graph,
    nodes: spreadDropPath(
      nodes,
      blocks.filter(({ path }) => !paths.includes(path)).map(({ path }) => rename(path)),
    ),
    parameters: stays.map((spec) => ({ ...spec, name: rename(spec.name) })),
    modules: graph.modules
      .filter(({ path }) => !paths.some((block) => isInside(path, block)))
      .map((module) => ({ ...module, path: rename(module.path) })),
    outputs: graph.outputs.map((output) => ({ ...output, value: renamedValue(output.value) })),
    trainingOutputs: graph.trainingOutputs.map(renamedValue),
    ...(graph.tiedChannels && {
      tiedChannels: graph.tiedChannels
        .filter((pair) => !pair.some((id) => without.has(id)))
        .map(([a, b]) => [rename(a), rename(b)] as const),
    }),
  };
  validateGraph(smaller);
  return { graph: smaller, renamed };
}

/** New names: blocks that stay take the numbers of their stage from the first on. */
function renumbering(stages: readonly (readonly Block[])[], gone: ReadonlySet<string>): (name: string) => string {
  const names = new Map<string, string>();
  for (const stage of stages) {
    if (!stage.some(({ path }) => gone.has(path))) continue;
    const stays = stage.filter(({ path }) => !gone.has(path));
    for (const [i, { path }] of stays.entries()) names.set(path, stage[i].path);
  }
  return (name) => {
    for (let end = name.indexOf('.'); ; end = name.indexOf('.', end + 1)) {
      const path = end < 0 ? name : name.slice(0, end);
      const to = names.get(path);
      if (to !== undefined) return to + name.slice(path.length);
      if (end < 0) return name;
    }
  };
}

/** Linear from 0 at the first block to what the last one had (Huang et al. 2016). */
function spreadDropPath(nodes: readonly GraphNode[], blocks: readonly string[]): GraphNode[] {
  const most = Math.max(0, ...nodes.map((node) => (node.kind === 'dropPath' ? node.attributes.probability : 0)));
  return nodes.map((node) => {
    if (node.kind !== 'dropPath') return node;
    const at = blocks.findIndex((path) => isInside(node.module, path));
    if (at < 0 || blocks.length < 2) return node;
    return { ...node, attributes: { probability: (most * at) / (blocks.length - 1) } };
  });
}
