/** Times of this machine in a model's session: those that hold, and what becomes of a target in milliseconds where none do. */
import * as vscode from 'vscode';
import { formatMilliseconds } from '../../common/format.ts';
import { parseLatencyTarget } from '../../common/latency-target.ts';
import type { GraphEditorState } from '../../protocol/graph-editor.ts';
import type { LatencyView } from '../../protocol/latency-values.ts';
import { DEFAULT_PLAN, type ModelSource, type PlanSettings, type PlanTarget } from '../../protocol/values.ts';
import { costUnit, formatMacs } from '../cost-text.ts';
import { RequestError } from '../supervision/request-error.ts';
import type { Worker } from '../supervision/worker.ts';
import type { Memory } from '../workspace-memory.ts';

/** A target counts as the same as a plan's predicted time that is rounded up to so many digits after the point. */
const DIGITS = 4;

type TimesChange = Pick<GraphEditorState, 'latency'> & Partial<Pick<GraphEditorState, 'settings' | 'message'>>;

/** The session that they are in. */
interface TimedSession {
  readonly key: string;
  readonly source: ModelSource;
  readonly state: GraphEditorState;
  changeSettings(change: Partial<PlanSettings>): Promise<unknown>;
}

export class SessionTimes {
  /** What was said when there were none any more: it holds until there are some. */
  private lost: string | undefined;

  constructor(
    private readonly session: TimedSession,
    private readonly services: { readonly worker: Worker; readonly memory: Memory },
    private readonly change: (change: TimesChange) => void,
  ) {}

  /** Those that a run has measured, or that were kept. */
  async take(latency: LatencyView): Promise<void> {
    this.change({ latency, ...(this.session.state.message === this.lost && { message: '' }) });
    await this.services.memory.updateModel(this.session.key, { times: latency.key });
  }

  /**
   * Another worker, runtime or multiple of widths: those that were kept of it, or none; which is said.
   *
   * @param before key of those that held until now
   */
  async renew(before = this.session.state.latency?.key): Promise<void> {
    const { source, state } = this.session;
    const { roundTo } = state.settings;
    const latency = await this.services.worker.request('latency/cached', { source, roundTo }).catch(() => null);
    if (!latency) return this.forget();
    if (before !== undefined && before !== latency.key)
      this.change({ latency, message: vscode.l10n.t('The times are those of {0} now.', latency.where) });
    await this.take(latency);
  }

  /** There are none: a target in milliseconds is one in MACs. */
  async forget(): Promise<void> {
    const change = withoutTimes(this.session.state);
    this.lost = change.message;
    this.change(change);
    await this.services.memory.updateModel(this.session.key, { plan: this.session.state.settings, times: undefined });
  }

  /** Something else may compute from now on. */
  async check(): Promise<void> {
    if (!this.session.state.latency) return;
    await this.renew();
    // Any change makes a given plan a target: it has no time to be planned for.
    if (this.session.state.settings.target.kind === 'given') return;
    await this.session.changeSettings({}).catch(() => undefined);
  }
}

/** Without times a target in milliseconds is that of the MACs that it came to. */
function withoutTimes({ settings, target, latency }: GraphEditorState): TimesChange {
  if (settings.target.kind !== 'ms')
    return {
      latency: null,
      ...(latency && { message: vscode.l10n.t('The measured times do not hold any more: choose ms to measure anew.') }),
    };
  const macs: PlanTarget = target === null ? DEFAULT_PLAN.target : { kind: 'macs', text: String(Math.round(target)) };
  return {
    latency: null,
    settings: { ...settings, target: macs },
    message:
      target === null
        ? vscode.l10n.t('No times hold for what computes now: the target is in {0}. Choose ms to measure.', costUnit())
        : vscode.l10n.t(
            'No times hold for what computes now: in place of the time asked for ({0}) the target is the {1} {2} that it came to. Choose ms to measure anew.',
            settings.target.text,
            formatMacs(target),
            costUnit(),
          ),
  };
}

/** Whether a text names a time; a share is one where the target is in milliseconds. */
export const isTime = (text: string, { settings }: GraphEditorState): boolean => {
  const target = parseLatencyTarget(text);
  return target !== undefined && ('milliseconds' in target || settings.target.kind === 'ms');
};

/** @throws RequestError of kind `user` where no times are known, or the time is out of reach */
export function needTime(text: string, { latency, range }: GraphEditorState): void {
  const target = parseLatencyTarget(text);
  if (!latency || !target)
    throw new RequestError(
      'user',
      vscode.l10n.t('The times of this machine are not measured: "Espalier: Measure Latency…" does it.'),
    );
  const asked = 'fraction' in target ? target.fraction * latency.dense : target.milliseconds;
  const least = range?.milliseconds?.min ?? 0;
  if (asked < least)
    throw new RequestError(
      'user',
      vscode.l10n.t('It cannot be faster than {0}: {1}.', formatMilliseconds(least), range?.reason ?? ''),
    );
  if (asked > latency.dense)
    throw new RequestError('user', vscode.l10n.t('The dense model takes {0}.', formatMilliseconds(latency.dense)));
}

/** A time as settings keep it. */
export const timeText = (milliseconds: number): string =>
  `${(Math.ceil(milliseconds * 10 ** DIGITS) / 10 ** DIGITS).toFixed(DIGITS)} ms`;
