/** What the tables show of a row. */

import { formatCount, formatFigure, formatLocalInteger, formatRoughPercent } from '../../../src/common/format.ts';
import { COST_UNIT, formatMacs } from '../../shared/cost.ts';
import { t } from '../../shared/l10n.ts';
import { roughFigure } from '../model/describe.ts';
import { pathTail } from '../path-tail.ts';
import type { Column } from './grid.ts';
import type { LayerRow, ScopeRow } from './rows.ts';

/** Letters of a layer's path that its column holds. */
const LAYER_LETTERS = 26;

/** Columns of the layers table. `total`: MACs of the dense model; `mark`: a scope's stripe. */
export const layerColumns = (total: () => number, mark: (scope: number) => Element): Column<LayerRow>[] => [
  ...widthColumns(mark),
  ...costColumns(total),
];

/** Which layer it is, and its width. */
function widthColumns(mark: (scope: number) => Element): Column<LayerRow>[] {
  return [
    {
      key: 'name',
      title: t('Layer'),
      width: 168,
      grow: 3,
      text: (row) => pathTail(row.name, LAYER_LETTERS),
      hint: t('Layers with weights'),
      sortBy: (row) => row.name,
      full: (row) => row.name,
    },
    { key: 'type', title: t('Type'), width: 76, grow: 1.4, text: (row) => row.type },
    {
      key: 'scope',
      title: t('Scope'),
      hint: t('Scope of its outputs'),
      width: 104,
      grow: 1.2,
      text: (row) => row.scopeName,
      sortBy: (row) => row.scope,
      mark: (row) => (row.scope < 0 ? undefined : mark(row.scope)),
    },
    {
      key: 'width',
      title: t('Width'),
      hint: t('Output channels'),
      number: true,
      width: 54,
      text: (row) => formatLocalInteger(row.width),
      sortBy: (row) => row.width,
    },
    {
      key: 'kept',
      title: t('Kept'),
      hint: t('Output channels that stay'),
      number: true,
      width: 54,
      text: (row) => formatLocalInteger(row.kept),
      sortBy: (row) => row.kept,
    },
    {
      key: 'share',
      title: t('Kept %'),
      number: true,
      width: 58,
      text: (row) => formatRoughPercent(row.kept / Math.max(1, row.width)),
      heat: (row) => row.kept / Math.max(1, row.width),
      sortBy: (row) => row.kept / Math.max(1, row.width),
    },
  ];
}

/** What it costs before and after. */
function costColumns(total: () => number): Column<LayerRow>[] {
  return [
    {
      key: 'macs',
      title: COST_UNIT,
      number: true,
      width: 70,
      text: (row) => formatMacs(row.macs),
      sortBy: (row) => row.macs,
    },
    {
      key: 'after',
      title: t('After'),
      hint: t('{0} after pruning', COST_UNIT),
      number: true,
      width: 70,
      text: (row) => formatMacs(row.keptMacs),
      sortBy: (row) => row.keptMacs,
    },
    {
      key: 'cost',
      title: t('Share'),
      hint: t('Share of the model’s MACs'),
      number: true,
      width: 56,
      text: (row) => formatRoughPercent(row.macs / total()),
      heat: (row) => row.macs / total(),
      sortBy: (row) => row.macs,
    },
    {
      key: 'params',
      title: t('Params'),
      number: true,
      width: 70,
      text: (row) => formatCount(row.params),
      sortBy: (row) => row.params,
    },
    {
      key: 'score',
      title: t('Score'),
      hint: t('Share of its scope’s scores that lie below its median'),
      number: true,
      width: 56,
      text: (row) => (row.importance === undefined ? '–' : formatRoughPercent(row.importance)),
      heat: (row) => row.importance,
      sortBy: (row) => row.importance ?? -1,
    },
    {
      key: 'sensitivity',
      title: t('Sensitivity'),
      hint: t(
        'How far the network’s answers move (KL divergence) when half of its channels go and the layers behind are repaired; measured with "Measure Sensitivity…"',
      ),
      number: true,
      width: 84,
      text: (row) => (row.sensitivity === undefined ? '–' : roughFigure(row.sensitivity)),
      heat: (row) => row.heat,
      sortBy: (row) => row.sensitivity ?? -1,
    },
  ];
}

export function scopeColumns(mark: (scope: number) => Element): Column<ScopeRow>[] {
  const kinds: Readonly<Record<string, string>> = {
    channels: t('channels'),
    heads: t('heads'),
    headDim: t('head dims'),
  };
  return [
    {
      key: 'scope',
      title: t('Scope'),
      width: 64,
      text: (row) => row.name,
      sortBy: (row) => row.scope,
      mark: (row) => mark(row.scope),
    },
    { key: 'label', title: t('Structure'), width: 160, grow: 3, text: (row) => row.label },
    { key: 'kind', title: t('Kind'), width: 84, text: (row) => kinds[row.kind] ?? row.kind },
    {
      key: 'groups',
      title: t('Groups'),
      number: true,
      width: 70,
      text: (row) => formatLocalInteger(row.groups),
      sortBy: (row) => row.groups,
    },
    {
      key: 'channels',
      title: t('Channels'),
      number: true,
      width: 80,
      text: (row) => formatLocalInteger(row.channels),
      sortBy: (row) => row.channels,
    },
    {
      key: 'kept',
      title: t('Kept'),
      number: true,
      width: 80,
      text: (row) => formatLocalInteger(row.kept),
      sortBy: (row) => row.kept,
    },
    {
      key: 'share',
      title: t('Kept %'),
      number: true,
      width: 70,
      text: (row) => formatRoughPercent(row.kept / Math.max(1, row.channels)),
      sortBy: (row) => row.kept / Math.max(1, row.channels),
    },
    {
      key: 'threshold',
      title: t('Threshold'),
      hint: t('Channels with this score or less go'),
      number: true,
      width: 90,
      text: (row) => (row.threshold === null ? '–' : formatFigure(row.threshold)),
      sortBy: (row) => row.threshold ?? -1,
    },
  ];
}
