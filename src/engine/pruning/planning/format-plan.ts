/** A plan as text, for golden tests and for reading before it is carried out. */
import { formatCounted } from '../../../common/format.ts';
import type { Cost } from '../../graph/macs.ts';
import { headsName, rootName } from '../coupling/groups.ts';
import type { Plan, PlannedGroup, PlannedHeads, PlannedScope } from './plan-types.ts';
import { shorten } from './scopes.ts';

/** How many kept indices a line shows. */
const SHOWN = 8;

const megas = (n: number): string => `${(n / 1e6).toFixed(2)} M`;

export function formatPlan(plan: Plan): string {
  const width = Math.max(0, ...plan.groups.map((group) => rootName(group).length));
  const heading = [
    `plan for ${plan.model}`,
    formatCost('before', plan.before),
    formatCost('after', plan.after),
    ...(plan.targetMacs === undefined ? [] : [`target ${megas(plan.targetMacs)} MACs`]),
  ];
  const scopes = plan.scopes.flatMap((scope) => [
    formatScope(scope),
    ...plan.groups.filter((group) => group.scope === scope.id).map((group) => formatGroup(group, width)),
  ]);
  const rest = plan.groups.filter(({ scope }) => scope === undefined);
  const frozen = rest.length ? ['no scope', ...rest.map((group) => formatGroup(group, width))] : [];
  const heads = plan.heads.length ? ['heads', ...plan.heads.map((each) => formatHeads(each, width))] : [];
  const { blocks } = plan;
  const removed = blocks ? [`blocks of ${blocks.stage}`, `  removed ${blocks.removed.join(' ')}   ${blocks.why}`] : [];
  return [...heading, ...scopes, ...frozen, ...heads, ...removed].join('\n');
}

const formatCost = (when: string, { macs, macsTrue, params }: Cost): string =>
  `${when}: ${megas(macs)} MACs (${megas(macsTrue)} true), ${megas(params)} parameters`;

function formatScope({ id, kind, chain, ratio, groups, channels, threshold }: PlannedScope): string {
  const what = kind === 'isomorphic' ? shorten(chain) : kind;
  const limit = threshold === undefined ? '' : `, threshold ${threshold.toPrecision(4)}`;
  return `scope ${id} · ${what} · ${formatCounted(groups, 'group')}, ${formatCounted(channels, 'channel')}, ratio ${ratio.toPrecision(4)}${limit}`;
}

function formatGroup(group: PlannedGroup, column: number): string {
  const { width, channelGroups, kept, why } = group;
  const per = channelGroups > 1 ? `${channelGroups} × ` : '';
  return `  ${rootName(group).padEnd(column)}   ${per}${width} → ${per}${kept.length}   ${formatKept(kept, width)}   ${why}`;
}

function formatHeads(heads: PlannedHeads, column: number): string {
  const { count: all, kept, why } = heads;
  return `  ${headsName(heads).padEnd(column)}   ${all} → ${kept.length}   ${formatKept(kept, all)}   ${why}`;
}

function formatKept(kept: readonly number[], all: number): string {
  if (kept.length === all) return '[all]';
  return `[${kept.slice(0, SHOWN).join(' ')}${kept.length > SHOWN ? ' …' : ''}]`;
}
