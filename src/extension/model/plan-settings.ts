/** Settings that a plan is made with: their defaults, and as a saved plan has them. */
import * as vscode from 'vscode';
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
export function savedSettings(text: string, name: string): SavedSettings {
  try {
    return parsePlanSettings(text);
  } catch (error) {
    throw new RequestError(
      'user',
      vscode.l10n.t('{0} is no plan that Espalier saved ({1}).', name, (error as Error).message),
    );
  }
}
