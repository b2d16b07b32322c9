/** What the command line says of a repair. */
import { flag } from '../common/flags.ts';
import { formatPercent } from '../common/format.ts';
import { ATTENTION_REPAIRS, type LayerRepair, type RepairReport } from '../engine/jobs/repair/repair-report.ts';
import type { Divergence } from '../engine/training/divergence.ts';
import { formatTable } from './terminal.ts';

/** Images of `--repair` alone. */
export const DEFAULT_REPAIR_IMAGES = 1000;

export const attentionRepairFlags = {
  repairAttention: flag.choice(
    ATTENTION_REPAIRS,
    'better',
    'attention whose heads lost dims: refitted to the dims that stayed, factorised, or whichever diverges less',
  ),
};

const layerRow = ({ layer, inputs, rows, lambda, errorBefore, errorAfter, outputDistance }: LayerRepair): string[] => [
  layer,
  String(inputs),
  String(rows),
  lambda.toExponential(0),
  formatPercent(errorBefore),
  formatPercent(errorAfter),
  formatPercent(outputDistance),
];

const HEADINGS = ['layer', 'inputs', 'rows', 'λ', 'error before', 'after', 'outputs'];

export const divergenceText = ({ kl, agreement, distance }: Divergence): string =>
  kl === undefined || agreement === undefined
    ? `distance of the outputs ${formatPercent(distance)}`
    : `KL ${kl.toFixed(4)}, same class as the dense network ${formatPercent(agreement)}`;

/** A row a layer, then what was compared on the held-out images. */
export function repairText(report: RepairReport): string {
  const { layers, left, candidates, chosen, fittedImages, heldImages, distanceImages, seconds } = report;
  return [
    formatTable([HEADINGS, ...layers.map(layerRow)]),
    `errors: share of the variation of the dense layer's outputs (of what a ReLU passes, where one follows), on up to ${heldImages} held-out images; outputs: squared distance of the network's to the dense one's, repaired up to this layer, on ${distanceImages} of them`,
    ...Object.entries(left).map(([layer, reason]) => `${layer} stays as it is: ${reason}`),
    ...candidates.map(
      ({ outcome, divergence }) =>
        `${outcome === chosen ? '→' : ' '} ${outcome.padEnd(30)} ${divergenceText(divergence)} (${heldImages} held-out images)`,
    ),
    `repaired on ${fittedImages} images in ${seconds.toFixed(1)} s`,
  ].join('\n');
}

export const repairJson = ({ weights: _, left, ...report }: RepairReport) => ({
  ...report,
  layers: report.layers.map(({ errorBefore, errorAfter, outputDistance, ...layer }) => ({
    ...layer,
    error_before: errorBefore,
    error_after: errorAfter,
    output_distance: outputDistance,
  })),
  left_alone: left,
});
