/** What a model's session asks the worker for, where nothing is wrong when there is nothing. */
import * as vscode from 'vscode';
import { formatInteger } from '../../common/format.ts';
import type { KeptChange, NodeDetails, ScoresView, SensitivityView } from '../../protocol/graph-view.ts';
import type { PlanRequest } from '../../protocol/messages.ts';
import type { SensitivitySettings } from '../../protocol/sensitivity-values.ts';
import type { ModelInfo, ModelSource, ScoreSettings } from '../../protocol/values.ts';
import type { Worker } from '../supervision/worker.ts';

/** Scores that the worker has, or can make without images. */
export const cachedScores = (
  worker: Worker,
  source: ModelSource,
  settings: ScoreSettings,
): Promise<ScoresView | null> => worker.request('score/cached', { source, settings }).catch(() => null);

/** What was measured in an earlier window, where it fits the scores. */
export async function cachedSensitivity(
  worker: Worker,
  source: ModelSource,
  scores: ScoreSettings | null,
  settings: SensitivitySettings | undefined,
): Promise<SensitivityView | null> {
  if (!scores || !settings) return null;
  return worker.request('sensitivity/cached', { source, scores, settings }).catch(() => null);
}

/** What plans by other scores would keep otherwise; nothing where that cannot be said. */
export const changesBy = (
  worker: Worker,
  request: PlanRequest,
  others: readonly ScoreSettings[],
): Promise<readonly (KeptChange | null)[]> => worker.request('plan/changes', { ...request, others }).catch(() => []);

/** What scoring anew has changed at the present target. */
export const changedText = (label: string, { kept, others }: KeptChange): string =>
  vscode.l10n.t(
    'Ranked by {0}: {1} of the {2} channels that stay are others than before.',
    label,
    formatInteger(others),
    formatInteger(kept),
  );

/** Statistics of a layer's parameters, or why there are none. */
export async function nodeDetails(
  worker: Worker,
  source: ModelSource,
  node: string,
): Promise<{ readonly details: NodeDetails | null; readonly problem: string }> {
  try {
    return { details: await worker.request('model/details', { source, node }), problem: '' };
  } catch (error) {
    return { details: null, problem: error instanceof Error ? error.message : String(error) };
  }
}

/** Why nothing can be run with a model; '' when it can. */
export function whyNotRun(info: ModelInfo | undefined): string {
  if (!vscode.workspace.isTrusted)
    return vscode.l10n.t('This workspace is not trusted: models can be looked at, nothing is run.');
  if (info && !info.hasWeights)
    return vscode.l10n.t('This model has no weights: load a checkpoint to score, prune or evaluate it.');
  return '';
}
