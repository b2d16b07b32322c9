/** What the slider and its text mean: multiply-accumulates in the unit of the settings, or milliseconds on this machine. */
import { macsOfText, meantShare } from '../../../src/common/flop-target.ts';
import { formatMilliseconds, formatRoughPercent } from '../../../src/common/format.ts';
import { parseLatencyTarget } from '../../../src/common/latency-target.ts';
import type { GraphEditorState, TargetWish } from '../../../src/protocol/graph-editor.ts';
import type { PlanSettings } from '../../../src/protocol/plan-settings.ts';
import type { PlanView } from '../../../src/protocol/graph-view.ts';
import { COST_UNIT, formatMacs } from '../../shared/cost.ts';
import { t } from '../../shared/l10n.ts';

export interface TargetUnit {
  readonly name: string;
  /** How amounts are written. */
  readonly hint: string;
  /** Of the model as it is; 0 while it is unknown. */
  dense(host: GraphEditorState): number;
  /** Where the slider begins. */
  least(host: GraphEditorState): number;
  /** Asked for; null before that. */
  target(host: GraphEditorState): number | null;
  /** What can be reached. */
  range(host: GraphEditorState): { readonly min: number; readonly max: number } | null;
  format(amount: number): string;
  read(text: string, dense: number): number | undefined;
  /** What a text was probably meant as, in place of what it says. */
  meant(text: string): string | undefined;
  unreadable(text: string): string;
  tooLow(least: string, reason: string): string;
  tooHigh(most: string): string;
  wish(amount: number): TargetWish;
  isSame(a: number, b: number): boolean;
  /** What a plan comes to, and what is to be known of that figure. */
  reached(plan: PlanView, host: GraphEditorState): { readonly text: string; readonly title: string };
}

/** The file of a plan that is taken as it is. */
const givenName = ({ target }: PlanSettings): readonly string[] =>
  target.kind === 'given' ? [t('plan {0}', target.file.split(/[\\/]/).at(-1) ?? '')] : [];

export const COST: TargetUnit = {
  name: COST_UNIT,
  hint: t('2.05G, 4200M, 50% or -30%'),
  dense: ({ view }) => view?.cost.macs ?? 0,
  least: () => 0,
  target: ({ target }) => target,
  range: ({ range }) => range,
  format: formatMacs,
  read: (text, dense) => macsOfText(text, dense, COST_UNIT),
  meant: meantShare,
  unreadable: (text) => t('"{0}" is no target: write 2.05G, 4200M, 50% or -30%.', text),
  tooLow: (least, reason) => t('cannot be lower than {0}: {1}', least, reason),
  tooHigh: (most) => t('cannot be higher than {0}', most),
  wish: (macs) => ({ macs }),
  isSame: (a, b) => Math.round(a) === Math.round(b),
  reached: ({ after, time }, { settings }) => ({
    text: [t('{0} reached', formatMacs(after.macs)), ...givenName(settings)].join(' · '),
    title: [
      ...(time ? [t('{0} predicted on this machine', formatMilliseconds(time.predicted))] : []),
      ...(settings.target.kind === 'given' ? [settings.target.file] : []),
    ].join(' · '),
  }),
};

/** The host keeps so many milliseconds more or less than it is told. */
const KEPT_MS = 2e-4;

export const TIME: TargetUnit = {
  name: 'ms',
  hint: t('12ms, 0.5 s or 60% of what it takes now'),
  dense: ({ latency }) => latency?.dense ?? 0,
  least: ({ range }) => range?.milliseconds?.min ?? 0,
  target: ({ settings, target, latency }) =>
    target === null || settings.target.kind !== 'ms'
      ? null
      : (TIME.read(settings.target.text, latency?.dense ?? 0) ?? null),
  range: ({ range }) => range?.milliseconds ?? null,
  format: formatMilliseconds,
  read: (text, dense) => {
    const target = parseLatencyTarget(text);
    return target && ('fraction' in target ? target.fraction * dense : target.milliseconds);
  },
  meant: (text) => (/^\s*\d+(?:[.,]\d+)?\s*$/.test(text) ? `${text.trim()}ms` : undefined),
  unreadable: (text) => t('"{0}" is no time: write 12ms, 0.5 s or 60%.', text),
  tooLow: (least, reason) => t('cannot be faster than {0}: {1}', least, reason),
  tooHigh: (most) => t('takes {0} as it is', most),
  wish: (milliseconds) => ({ milliseconds }),
  isSame: (a, b) => Math.abs(a - b) < KEPT_MS,
  reached: (plan, host) => {
    const { after, time } = plan;
    const { latency } = host;
    if (!time || !latency) return COST.reached(plan, host);
    // Nothing goes: that was measured.
    if (after.macs === plan.before.macs)
      return {
        text: t('{0} as it is · {1}', formatMilliseconds(latency.dense), formatMacs(after.macs)),
        title: latency.where,
      };
    return {
      text: t(
        '{0} predicted (± {1}) · {2}',
        formatMilliseconds(time.predicted),
        formatRoughPercent(latency.error),
        formatMacs(after.macs),
      ),
      title: t(
        'Predicted from the times of its layers: the largest error on {0} networks held out was {1}. Pruning runs several plans whole and takes one that keeps the time. {2} {3}; {4}',
        latency.heldOut,
        formatRoughPercent(latency.error),
        formatMacs(after.macs),
        COST_UNIT,
        latency.where,
      ),
    };
  },
};

/** The unit that the host plans in. */
export const unitOf = ({ settings, latency }: GraphEditorState): TargetUnit =>
  settings.target.kind === 'ms' && latency ? TIME : COST;
