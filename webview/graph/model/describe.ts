/** Items and groups in words: for tooltips, the inspector and screen readers. */

import { formatCount, formatFigure, formatLocalInteger, formatRoughPercent } from '../../../src/common/format.ts';
import { COST_UNIT, formatMacs } from '../../shared/cost.ts';
import { t } from '../../shared/l10n.ts';
import type { Overlay } from './figures.ts';
import type { GroupIndex } from './group-lookup.ts';
import { pathOf } from './search.ts';
import { contents, type Tree } from './tree.ts';

/** Two significant digits, as sensitivities are known: `0.042`, `1.3e-5`. */
export const roughFigure = (value: number): string => formatFigure(Number(value.toPrecision(2)));

/** `layer3.5.conv2`, or `layer3.1 – 5` for a run. */
export function titleOf(tree: Tree, item: number): string {
  const { kind, name, parent } = tree.items[item];
  if (kind !== 'run') return pathOf(tree, item);
  const around = tree.items[parent].key;
  return around ? `${around}.${name}` : name;
}

export function typeOf(tree: Tree, index: number): string {
  const item = tree.items[index];
  if (item.kind === 'node') return item.type;
  if (item.kind === 'run') return `${item.children.length} × ${item.type || t('blocks')}`;
  return [item.type, contents(tree, index)].filter(Boolean).join(', ');
}

/** `256 → 198`, or `256` where nothing changes. */
export const change = (before: number, after: number): string =>
  before === after ? formatLocalInteger(before) : `${formatLocalInteger(before)} → ${formatLocalInteger(after)}`;

export const countChange = (before: number, after: number): string =>
  before === after ? formatCount(before) : `${formatCount(before)} → ${formatCount(after)}`;

/** The same of MACs, in the unit that is shown. */
export const macsChange = (before: number, after: number): string =>
  before === after ? formatMacs(before) : `${formatMacs(before)} → ${formatMacs(after)}`;

/** Lines that say what an item is, how wide, what it costs. */
export function itemLines(tree: Tree, overlay: Overlay, item: number): string[] {
  const f = overlay.figures[item];
  const lines = [typeOf(tree, item)];
  if (f.width > 0) {
    const into = f.inWidth > 0 ? t(', in {0}', change(f.inWidth, f.keptInWidth)) : '';
    lines.push(t('out {0}', change(f.width, f.keptWidth)) + into);
  }
  if (f.macs > 0) {
    const total = overlay.figures[0].macs;
    lines.push(
      t(
        '{0} {2}, {1} of the model',
        macsChange(f.macs, f.keptMacs),
        formatRoughPercent(f.macs / Math.max(1, total)),
        COST_UNIT,
      ),
    );
  }
  if (f.params > 0) lines.push(t('{0} parameters', countChange(f.params, f.keptParams)));
  if (f.removed) lines.push(t('removed by the plan'));
  return lines;
}

/** A group in one line: `layer1.0.conv1.out: 64 channels, 5 members, block inside`. */
export function groupLine(index: GroupIndex, group: number): string {
  const { name, channels, channelGroups, members, scope, frozen } = index.view.groups[group];
  const unit = scope >= 0 && index.view.scopes[scope]?.kind === 'heads' ? t('heads') : t('channels');
  const repeated = channelGroups > 1 ? t(' in each of {0} groups', channelGroups) : '';
  const place = frozen ? t('not pruned: {0}', frozen) : (index.view.scopes[scope]?.name ?? '');
  return `${name}: ${t('{0} {1}{2}, {3} members', formatLocalInteger(channels), unit, repeated, members.length)}, ${place}`;
}

/** One sentence for a screen reader. */
export function spoken(tree: Tree, overlay: Overlay, groups: GroupIndex | null, item: number, member: boolean): string {
  const parts = [tree.items[item].name, ...itemLines(tree, overlay, item)];
  const { scope } = overlay.figures[item];
  if (groups && scope >= 0) parts.push(t('scope {0}', groups.view.scopes[scope].name));
  if (member) parts.push(t('in the selected group'));
  return parts.join(', ').replaceAll('→', t('to'));
}
