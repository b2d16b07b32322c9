/** Models: the list of those known by name, opening, statistics of a layer. */

import { UserError } from '../common/errors.ts';
import type { HeadChoice } from '../engine/architectures/head-choices.ts';
import { variants } from '../engine/architectures/registry.ts';
import { graphCost } from '../engine/graph/macs.ts';
import { toFloat32 } from '../engine/graph/tensor.ts';
import { AmbiguousHeadsError } from '../engine/jobs/opening/model.ts';
import type { ParameterStatistics } from '../protocol/graph-view.ts';
import type { ArchitectureChoice, Lineage, ModelInfo, ZooEntry } from '../protocol/values.ts';
import type { Handler } from './handler.ts';
import { findModel, forgetModel, headsId, type OpenModel } from './open-models.ts';

let zoo: readonly ZooEntry[] | undefined;

export const listModels: Handler<'models/list'> = () => {
  zoo ??= variants.map((variant) => {
    const { macs, params } = graphCost(variant.build());
    return { name: variant.name, family: variant.family, macs, params };
  });
  return zoo;
};

function infoOf({ model, source }: OpenModel): ModelInfo {
  const { graph, record } = model;
  const last = record.history.at(-1);
  const lineage: Lineage | undefined = last && { step: last.step, parent: last.parent, summary: last.summary };
  return {
    ...graphCost(graph),
    source,
    name: graph.name,
    family: graph.family,
    classes: graph.classes,
    input: [graph.input.channels, graph.input.height, graph.input.width],
    layers: graph.nodes.filter((node) => node.parameters.weight !== undefined).length,
    hasWeights: model.hasWeights,
    bytes: model.bytes,
    ...(lineage && { lineage }),
    notes: model.notes,
  };
}

/** Ways to split the widths into heads: the likeliest, then one for every head dimension that fits all layers. */
function headChoices(candidates: readonly HeadChoice[]): ArchitectureChoice[] {
  const choice = (heads: readonly number[], label: string): ArchitectureChoice => {
    const dims = candidates.map(({ width }, i) => width / heads[i]);
    return {
      id: headsId(heads),
      label,
      detail: `heads ${[...new Set(heads)].join(', ')} of ${[...new Set(dims)].join(', ')} channels`,
    };
  };
  const suggested = candidates.map((candidate) => candidate.suggested);
  const dims = new Set(candidates.flatMap(({ options }) => options.map(({ headDim }) => headDim)));
  const uniform = [...dims]
    .sort((a, b) => b - a)
    .flatMap((headDim) => {
      const heads = candidates.map(({ options }) => options.find((option) => option.headDim === headDim)?.heads);
      return heads.every((count) => count !== undefined) ? [choice(heads, `head dimension ${headDim}`)] : [];
    });
  const first = choice(suggested, 'likeliest');
  return [first, ...uniform.filter(({ id }) => id !== first.id)];
}

export const openModel: Handler<'model/open'> = async ({ source }, { progress }) => {
  progress({ phase: 'read', done: 0, total: 0 });
  try {
    const open = await findModel(source);
    return { kind: 'model', model: infoOf(open), graph: open.view, groups: open.groupsView };
  } catch (error) {
    if (!(error instanceof AmbiguousHeadsError)) throw error;
    return { kind: 'ambiguous', question: error.message, choices: headChoices(error.candidates) };
  }
};

export const closeModel: Handler<'model/close'> = ({ source }) => {
  forgetModel(source);
  return null;
};

function statisticsOf(name: string, numbers: Float32Array): ParameterStatistics {
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  let sum = 0;
  let squares = 0;
  let zeros = 0;
  for (const number of numbers) {
    if (number < min) min = number;
    if (number > max) max = number;
    if (number === 0) zeros++;
    sum += number;
    squares += number * number;
  }
  const count = Math.max(1, numbers.length);
  const mean = sum / count;
  return { name, min, max, mean, std: Math.sqrt(Math.max(0, squares / count - mean * mean)), zeros: zeros / count };
}

export const modelDetails: Handler<'model/details'> = async ({ source, node }, context) => {
  const { model } = await findModel(source);
  const found = model.graph.nodes.find(({ id }) => id === node);
  if (!found) throw new UserError(`${model.graph.name} has no layer ${node}.`);
  const names = Object.values(found.parameters);
  if (!model.hasWeights || names.length === 0) return { statistics: [] };
  const weights = await model.weights(context);
  return {
    statistics: names.flatMap((name) => {
      const tensor = weights.get(name);
      return tensor ? [statisticsOf(name, toFloat32(tensor))] : [];
    }),
  };
};
