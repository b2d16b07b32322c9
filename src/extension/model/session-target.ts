/** The target of a model's session: read from text, set in MACs or as a time, and taken from one unit to the other. */
import type { CostUnit } from '../../common/cost-unit.ts';
import type { GraphEditorState } from '../../protocol/graph-editor.ts';
import type { PlanView } from '../../protocol/graph-view.ts';
import type { LatencyView } from '../../protocol/latency-values.ts';
import { DEFAULT_PLAN, type ModelInfo, type PlanSettings } from '../../protocol/values.ts';
import { keptTarget, macsAsked } from './macs-asked.ts';
import { isTime, needTime, type SessionTimes, timeText } from './session-times.ts';

/** The session that it is set in. */
interface TargetSession {
  readonly info: ModelInfo | undefined;
  readonly state: GraphEditorState;
  readonly times: SessionTimes;
  changeSettings(change: Partial<PlanSettings>, macs?: number): Promise<PlanView | undefined>;
  computePlan(): Promise<PlanView | undefined>;
}

/** A given plan stands for settings that nobody knows: as soon as one changes, it is a target of as many MACs. */
export const withoutGiven = (settings: PlanSettings, macs: number | null): PlanSettings =>
  settings.target.kind === 'given' && macs !== null
    ? { ...settings, target: { kind: 'macs', text: String(Math.round(macs)) } }
    : settings;

/** A prediction may be above what the dense model takes, at whose time nothing would go. */
const BELOW_DENSE = 0.999;

const sameNetwork = ({ before, after }: PlanView, predicted: number, dense: number): number =>
  after.macs === before.macs ? dense : Math.min(predicted, BELOW_DENSE * dense);

export class SessionTarget {
  constructor(private readonly session: TargetSession) {}

  /** MACs that a text asks of this model. Throws a RequestError of kind `user` when it cannot be read or is out of reach. */
  parse(text: string, unit: CostUnit = 'MACs'): number {
    return macsAsked(text, this.session.info?.macs ?? 0, unit);
  }

  /** Sets the target, as text in a unit or as a time, and plans for it. Settings keep shares, MACs and times. */
  async set(text: string, unit: CostUnit = 'MACs'): Promise<PlanView | undefined> {
    const { session } = this;
    if (isTime(text, session.state)) {
      needTime(text, session.state);
      return session.changeSettings({ target: { kind: 'ms', text } }, this.aboutNow);
    }
    const macs = this.parse(text, unit);
    return session.changeSettings({ target: { kind: 'macs', text: keptTarget(text, macs, unit) } }, macs);
  }

  /** Plans for so many MACs: the slider. */
  setMacs(macs: number): Promise<PlanView | undefined> {
    return this.session.changeSettings({ target: { kind: 'macs', text: String(Math.round(macs)) } }, macs);
  }

  /** Plans for so many milliseconds, as predicted. */
  setMilliseconds(milliseconds: number): Promise<PlanView | undefined> {
    return this.session.changeSettings({ target: { kind: 'ms', text: timeText(milliseconds) } }, this.aboutNow);
  }

  /** MACs until a plan says them. */
  private get aboutNow(): number {
    const { state, info } = this.session;
    return state.target ?? info?.macs ?? 0;
  }

  /** Sets its unit; it asks for about the same network as before. */
  async setUnit(unit: 'cost' | 'ms'): Promise<void> {
    const { session } = this;
    const { settings, target, latency, plan } = session.state;
    if ((settings.target.kind === 'ms') === (unit === 'ms')) return;
    if (unit === 'cost') {
      if (target === null || !plan) await session.changeSettings({ target: DEFAULT_PLAN.target });
      else await this.setMacs(plan.after.macs);
      return;
    }
    if (!latency) return;
    const present = target === null ? undefined : ((await session.computePlan()) ?? session.state.plan)?.time;
    const now = session.state.plan;
    if (present && now) await this.setMilliseconds(sameNetwork(now, present.predicted, latency.dense));
    else await session.changeSettings({ target: { kind: 'ms', text: '50%' } });
  }

  /** Takes over what a run has measured; the target is a time from then on: the one given, else that of the present plan. */
  async takeTimes(view: LatencyView, text: string | undefined): Promise<void> {
    const { session } = this;
    // Rounded otherwise meanwhile: these are times of other widths.
    if (session.state.settings.roundTo !== view.roundTo) return;
    await session.times.take(view);
    if (text === undefined) await this.setUnit('ms');
    else await this.set(text);
  }
}
