/** Opening models: zoo models by name. */
import { findVariant, variants } from '../architectures/registry.ts';
import type { Graph } from '../graph/graph.ts';
import { graphCost } from '../graph/macs.ts';
import type { ModelInfo, ModelSource, ZooEntry } from '../protocol/values.ts';
import { UserError } from '../support/errors.ts';
import { graphViewOf } from './graph-view.ts';
import type { Handler } from './handlers.ts';

let zoo: readonly ZooEntry[] | undefined;

export const listModels: Handler<'models/list'> = () => {
  zoo ??= variants.map((variant) => {
    const { macs, params } = graphCost(variant.build());
    return { name: variant.name, family: variant.family, macs, params };
  });
  return zoo;
};

function infoOf(graph: Graph, source: ModelSource): ModelInfo {
  return {
    ...graphCost(graph),
    source,
    name: graph.name,
    family: graph.family,
    classes: graph.classes,
    input: [graph.input.channels, graph.input.height, graph.input.width],
    layers: graph.nodes.filter((node) => node.parameters.weight !== undefined).length,
    hasWeights: false,
    bytes: 0,
    notes: [],
  };
}

export const openModel: Handler<'model/open'> = ({ source }) => {
  if (source.kind === 'file') throw new UserError(`${source.path}: reading checkpoints is not built yet.`);
  const variant = findVariant(source.name);
  if (!variant)
    throw new UserError(`No model is called "${source.name}". "Open Model Without Weights…" lists those known.`);
  const graph = variant.build();
  return {
    kind: 'model',
    model: infoOf(graph, source),
    graph: graphViewOf(graph),
    groups: { groups: [], scopes: [], carried: [] },
  };
};
