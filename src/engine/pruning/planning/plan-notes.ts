/** What a person should know of a plan before its figures: what cannot be pruned, and what stayed whole although it was asked for. */
import { formatCounted } from '../../../common/format.ts';
import { type Groups, headsName, rootName } from '../coupling/groups.ts';
import type { Plan } from './plan-types.ts';

/** Groups that are frozen in every network: its interface. */
const INTERFACE = /^(the channels of the image|class logits)$/;
/** Share of the channels from which on frozen groups decide what a ratio comes to. */
const MUCH = 0.1;
const SHOWN = 3;

const percent = (share: number): string => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;

function listed(names: readonly string[]): string {
  const shown = names.slice(0, SHOWN).join(', ');
  return names.length > SHOWN ? `${shown} and ${names.length - SHOWN} more` : shown;
}

/** Says which groups cannot be pruned and why, where they are much of the network. */
export function frozenNotes({ groups }: Groups): string[] {
  const own = groups.filter(({ frozen }) => !INTERFACE.test(frozen ?? ''));
  const frozen = own.filter((group) => group.frozen !== undefined);
  const total = own.reduce((sum, { channels }) => sum + channels, 0);
  const share = frozen.reduce((sum, { channels }) => sum + channels, 0) / total;
  if (!(share >= MUCH)) return [];
  const reasons = new Map<string, string[]>();
  for (const group of frozen) {
    const reason = group.frozen ?? '';
    reasons.set(reason, [...(reasons.get(reason) ?? []), rootName(group)]);
  }
  const why = [...reasons].map(([reason, names]) => `${reason} (${listed(names)})`).join('; ');
  return [
    `${frozen.length} of ${formatCounted(own.length, 'group')}, with ${percent(share)} of the channels, cannot be pruned: ${why}`,
  ];
}

/** Says which groups stayed whole because they would have lost everything, so that the ratio was not reached. */
export function keptWholeNotes({ groups, heads, options, before, after }: Plan): string[] {
  const whole = [
    ...groups.filter(({ stayed }) => stayed === 'emptied').map(rootName),
    ...heads.filter(({ stayed }) => stayed === 'emptied').map((each) => `the heads of ${headsName(each)}`),
  ];
  if (!whole.length) return [];
  const all = groups.filter(({ scope }) => scope !== undefined).length;
  return [
    `the ratio ${options.ratio} was not reached, ${percent(after.macs / before.macs)} of the MACs are left: ` +
      `${whole.length} of ${formatCounted(all, 'group')} would have lost everything and stayed whole (${listed(whole)})`,
  ];
}
