/** What each group is worth, measured on images; and whether the target is spread by it. */
import path from 'node:path';
import * as vscode from 'vscode';
import type { ModelSession } from '../model/model-session.ts';
import { checkData } from './data-check.ts';
import { askText, chooseOne } from './questions.ts';
import { chooseModel, needDataset, needWeights, openSession, type Services } from './services.ts';

/** Training images that are measured on, unless it is said otherwise. */
const IMAGES = 500;

async function askImages(): Promise<number> {
  const text = await askText({
    title: vscode.l10n.t('Measure Sensitivity'),
    prompt: vscode.l10n.t(
      'Training images to measure on, without their labels: each group is narrowed alone, the layers behind it repaired, and the answers compared.',
    ),
    value: String(IMAGES),
    validateInput: (value) => (/^[1-9]\d{0,5}$/.test(value.trim()) ? undefined : vscode.l10n.t('A number from 1 up.')),
  });
  return Number(text);
}

async function measure(services: Services, session: ModelSession, spread: boolean, given?: number): Promise<void> {
  needWeights(session);
  if (!session.scores) await session.scoreByWeights();
  const { scores, source } = session;
  if (!scores) return;
  const dataPath = await needDataset(services);
  await checkData(services, source, dataPath, ['train']);
  const images = given ?? (await askImages());
  const subject = `${session.state.title} · ${path.basename(dataPath)}`;
  await services.runs.start({ kind: 'sensitivity', source, scores, settings: { dataPath, images }, spread }, subject);
  void services.status.tellBackendOnce();
}

/** Measures, for the heat map, the error curves and spreading by it. */
export async function measureSensitivity(
  services: Services,
  argument?: unknown,
  given?: { readonly images?: number },
): Promise<void> {
  const title = vscode.l10n.t('Measure Sensitivity');
  const session = await openSession(services, await chooseModel(services, argument, title));
  await measure(services, session, false, given?.images);
}

/** Asks how the target is spread, and measures first where that was not done. */
export async function spreadTarget(
  services: Services,
  argument?: unknown,
  given?: { readonly spread?: 'uniform' | 'sensitivity'; readonly images?: number },
): Promise<void> {
  const title = vscode.l10n.t('Spread Target');
  const session = await openSession(services, await chooseModel(services, argument, title));
  const spread = given?.spread ?? (await chooseSpread(title));
  const measured = session.state.sensitivity?.settings;
  if (spread === 'uniform') await session.changeSettings({ spread: undefined });
  else if (measured) await session.changeSettings({ spread: measured });
  else await measure(services, session, true, given?.images);
}

async function chooseSpread(title: string): Promise<'uniform' | 'sensitivity'> {
  const chosen = await chooseOne(
    [
      {
        label: vscode.l10n.t('Same share of each scope'),
        description: vscode.l10n.t('the paper’s way'),
        spread: 'uniform' as const,
      },
      {
        label: vscode.l10n.t('By sensitivity'),
        description: vscode.l10n.t('more goes where it costs the answers least; pruning repairs what is left'),
        spread: 'sensitivity' as const,
      },
    ],
    { title, placeHolder: vscode.l10n.t('How is the target spread over the groups?') },
  );
  return chosen.spread;
}
