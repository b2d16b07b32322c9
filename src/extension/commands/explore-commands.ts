/** The trade-off of accuracy against cost, measured before any training. */
import path from 'node:path';
import * as vscode from 'vscode';
import { needsGradients } from '../../common/criteria.ts';
import { parseFlopTarget } from '../../common/flop-target.ts';
import type { ExploreSettings } from '../../protocol/explore-values.ts';
import { setting } from '../settings.ts';
import { checkData } from './data-check.ts';
import { askText } from './questions.ts';
import { chooseModel, needDataset, needWeights, openSession, type Services } from './services.ts';

const TARGETS = '80% 65% 50% 35%';
/** Training images that are fitted to, and validation images that are evaluated on, unless it is said otherwise. */
const IMAGES = 1000;

const wordsOf = (text: string): string[] => text.trim().split(/[\s,;]+/);

async function askTargets(): Promise<string[]> {
  const answer = await askText({
    title: vscode.l10n.t('Explore Trade-off'),
    prompt: vscode.l10n.t(
      'MACs to prune to: each is pruned in four ways (as it is, repaired, spread by sensitivity, by reconstruction) and measured.',
    ),
    value: TARGETS,
    validateInput: (text) => {
      const wrong = wordsOf(text).find((word) => !parseFlopTarget(word));
      return wrong === undefined
        ? undefined
        : vscode.l10n.t('"{0}" is no target: write 2.05G, 4200M, 50% or -30%.', wrong);
    },
  });
  return wordsOf(answer);
}

/** Asks for targets (or takes them as given), then prunes, repairs and measures a network for each way and target. */
export async function exploreTradeOff(
  services: Services,
  argument?: unknown,
  given?: Partial<Pick<ExploreSettings, 'targets' | 'images' | 'limit'>>,
): Promise<void> {
  const session = await openSession(
    services,
    await chooseModel(services, argument, vscode.l10n.t('Explore Trade-off')),
  );
  needWeights(session);
  const dataPath = await needDataset(services);
  await checkData(services, session.source, dataPath, ['train', 'val']);
  const targets = given?.targets ?? (await askTargets());
  const criterion = session.scores?.criterion ?? setting('espalier.score.criterion');
  const batches = needsGradients(criterion) ? (session.scores?.batches ?? setting('espalier.score.batches')) : 0;
  const settings: ExploreSettings = {
    dataPath,
    targets,
    images: given?.images ?? IMAGES,
    limit: given?.limit ?? IMAGES,
    score: { criterion, batches, batchSize: setting('espalier.score.batchSize'), seed: 0 },
  };
  const { source } = session;
  const subject = `${session.state.title} · ${path.basename(dataPath)}`;
  await services.runs.start({ kind: 'explore', source, settings, plan: session.state.settings }, subject);
  void services.status.tellBackendOnce();
}
