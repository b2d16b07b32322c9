/** Settings that a plan is made with: their defaults, and as a saved plan has them. */
import path from 'node:path';
import * as vscode from 'vscode';
import type { LatencyView } from '../../protocol/latency-values.ts';
import type { SensitivitySettings } from '../../protocol/sensitivity-values.ts';
import { DEFAULT_PLAN, type PlanSettings } from '../../protocol/values.ts';
import { setting } from '../settings.ts';
import { RequestError } from '../supervision/request-error.ts';
import { parsePlanSettings, type SavedSettings } from './plan-settings-schema.ts';

/** Settings of a model that was never planned before. */
export function defaultPlan(uri: vscode.Uri): PlanSettings {
  const scope = uri.scheme === 'file' ? uri : undefined;
  return {
    ...DEFAULT_PLAN,
    target: { kind: 'macs', text: setting('espalier.plan.target', scope) },
    roundTo: setting('espalier.plan.roundTo', scope),
    maxRatio: setting('espalier.plan.maxRatio', scope),
    ignore: setting('espalier.plan.ignore', scope),
  };
}

/** Settings that a saved plan was made with. Throws a RequestError of kind `user`, naming the file, when the text is no such plan. */
function savedSettings(text: string, name: string): ReturnType<typeof parsePlanSettings> {
  try {
    return parsePlanSettings(text);
  } catch (error) {
    throw new RequestError(
      'user',
      vscode.l10n.t('{0} is no plan that Espalier saved ({1}).', name, (error as Error).message),
    );
  }
}

/** Settings that a plan may leave to the target: what it does not say is not what the plan before it said. */
const UNSET = { headRatio: undefined, headDimRatio: undefined, scopeRatios: undefined, spread: undefined };

/** What a plan that is taken as it is leaves no room for. */
const GIVEN = { ...UNSET, removeLayers: 0 };

/** A saved plan's settings as they replace the present ones, and the MACs that its widths have. */
interface Applied {
  readonly settings: SavedSettings;
  readonly macs: number | undefined;
  /** The time that it was made for, where none are known here: its MACs are the target in its place. */
  readonly lost?: string;
}

/**
 * @param file the plan's own
 * @param measured what the sensitivity is measured on here; a plan that was spread by another measurement is refused
 * @param times those of this machine; without them, a plan that was made for a time is one of so many MACs
 */
export function settingsToApply(
  text: string,
  file: string,
  measured: SensitivitySettings | undefined,
  times: LatencyView | null,
): Applied {
  const name = path.basename(file);
  const { settings, macs } = savedSettings(text, name);
  if (!settings) return { settings: { ...GIVEN, target: { kind: 'given', file } }, macs };
  const { spread } = settings;
  if (spread && (spread.dataPath !== measured?.dataPath || spread.images !== measured.images))
    throw new RequestError(
      'user',
      vscode.l10n.t(
        'The target of {0} was spread by sensitivity, measured on {1} images of {2}. Measure it on the same first ("Espalier: Measure Sensitivity…"), then apply the plan again.',
        name,
        spread.images,
        spread.dataPath,
      ),
    );
  const { target, roundTo = times?.roundTo } = settings;
  const all = { ...UNSET, ...settings };
  if (target.kind !== 'ms' || (times && times.roundTo === roundTo)) return { settings: all, macs };
  if (macs === undefined)
    throw new RequestError(
      'user',
      vscode.l10n.t(
        '{0} was made for {1}, and no times are measured here: choose ms beside the target first.',
        name,
        target.text,
      ),
    );
  return { settings: { ...all, target: { kind: 'macs', text: String(macs) } }, macs, lost: target.text };
}
