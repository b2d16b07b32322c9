/** `espalier info`: what a model is and costs. */

import { flag } from '../../common/flags.ts';
import { formatPreciseCount } from '../../common/format.ts';
import { dumpGraph } from '../../engine/graph/dump.ts';
import { type Graph, isClassifier } from '../../engine/graph/graph.ts';
import { openModel } from '../../engine/jobs/opening/model.ts';
import { graphInfo } from '../../engine/jobs/opening/model-info.ts';
import { command, modelFlags } from '../command.ts';
import { modelRequest } from '../requests.ts';
import { formatTable } from '../terminal.ts';

/** Heads of the attention layers. */
function headsText(heads: readonly number[]): string[] {
  if (!heads.length) return [];
  const alike = heads.every((count) => count === heads[0]);
  const counts = alike
    ? `${heads[0]} in each of ${heads.length} attention layers`
    : `${heads.join(', ')}, layer by layer`;
  return [`heads ${counts}`];
}

const outputsText = (graph: Graph): string =>
  isClassifier(graph) ? `${graph.classes} classes` : `outputs ${graph.outputs.map(({ name }) => name).join(', ')}`;

export const info = command({
  summary: 'MACs, parameters, heads and layers of a model',
  readsOnly: true,
  usage: 'MODEL|FILE',
  most: 1,
  flags: {
    ...modelFlags,
    inputSize: flag.integer(undefined, "side of the image (default: the model's)"),
    graph: flag.boolean('print every operation of the graph'),
  },
  run: async ({ values, positionals }) => {
    const model = await openModel(modelRequest(values, positionals));
    const { graph } = model;
    const { macs, macsTrue, params, heads, layers } = graphInfo(graph);
    const rows = layers.map((l) => [
      l.name,
      l.type,
      l.output,
      formatPreciseCount(l.macs),
      formatPreciseCount(l.params),
    ]);
    const text = [
      `${graph.name} (${graph.family}), ${outputsText(graph)}, input ${graph.input.channels}×${graph.input.height}×${graph.input.width}`,
      `MACs ${formatPreciseCount(macs)} (paper's counter), ${formatPreciseCount(macsTrue)} (real widths); params ${formatPreciseCount(params)}`,
      ...headsText(Object.values(heads)),
      ...model.notes,
      ...model.record.history.map(
        (step) => `${step.step}: ${step.summary}${step.parent ? ` (from ${step.parent})` : ''}`,
      ),
      '',
      values.graph ? dumpGraph(graph) : formatTable([['layer', 'type', 'output', 'MACs', 'params'], ...rows]),
    ];
    return {
      json: {
        model: graph.name,
        family: graph.family,
        classes: graph.classes,
        outputs: graph.outputs.map(({ name }) => name),
        input: [graph.input.channels, graph.input.height, graph.input.width],
        macs,
        macs_true: macsTrue,
        params,
        num_heads: heads,
        layers,
        notes: model.notes,
        // Which channels stayed is long, and `repair` reads it from the file.
        history: model.record.history.map(({ kept: _, ...step }) => step),
      },
      text: text.join('\n'),
    };
  },
});
