/** What a network's layers take on this machine, so that the target can be a time. */
import * as vscode from 'vscode';
import { formatMilliseconds } from '../../common/format.ts';
import type { ModelSession } from '../model/model-session.ts';
import { chooseOne } from './questions.ts';
import { chooseModel, needWeights, openSession, type Services } from './services.ts';

/** Says what is measured and that it takes a while, and asks whether to begin; whether anew, where some are kept. */
async function askToMeasure({ worker }: Services, session: ModelSession, target: string | undefined): Promise<boolean> {
  const { backend, device } = await worker.request('runtime/status', {});
  const { latency } = session.state;
  const detail = vscode.l10n.t('{0} on {1}, all threads, one image a run', backend, device);
  const chosen = await chooseOne(
    [
      {
        label: vscode.l10n.t('Measure This Machine'),
        description: vscode.l10n.t('other work meanwhile makes it worse'),
        detail,
        anew: false,
      },
      ...(latency
        ? [
            {
              label: vscode.l10n.t('Measure Anew'),
              description: vscode.l10n.t('takes nothing of what was measured before ({0})', latency.where),
              detail,
              anew: true,
            },
          ]
        : []),
    ],
    {
      title: target ? vscode.l10n.t('Measure Latency, for a Target of {0}', target) : vscode.l10n.t('Measure Latency'),
      placeHolder: vscode.l10n.t('It takes minutes: each layer is run alone at several widths, then ten networks'),
    },
  );
  return chosen.anew;
}

/** Measures; the target is in milliseconds from then on. */
export async function measureLatency(
  services: Services,
  argument?: unknown,
  given?: { readonly anew?: boolean; readonly target?: string },
): Promise<void> {
  const title = vscode.l10n.t('Measure Latency');
  const session = await openSession(services, await chooseModel(services, argument, title));
  needWeights(session);
  if (!session.scores) await session.scoreByWeights();
  // What computes now may have been measured in an earlier window, or before it was another's turn.
  if (!session.state.latency && given?.anew === undefined) {
    await session.times.renew();
    const { latency } = session.state;
    if (latency) return void (await session.target.takeTimes(latency, given?.target));
  }
  const anew = given?.anew ?? (await askToMeasure(services, session, given?.target));
  const { source, scores, state } = session;
  const target = given?.target;
  await services.runs.start(
    { kind: 'latency', source, scores, plan: state.settings, anew, ...(target !== undefined && { target }) },
    state.title,
  );
  void services.status.tellBackendOnce();
}

/** What can be written as a target besides a cost: times, and how short they can be. */
export function timeHint({ state }: ModelSession): string {
  const { latency, range } = state;
  const milliseconds = range?.milliseconds;
  if (!latency) return vscode.l10n.t('or a time such as 12ms, which is measured first');
  return vscode.l10n.t(
    'or a time from {0} to {1}',
    formatMilliseconds(milliseconds?.min ?? 0),
    formatMilliseconds(latency.dense),
  );
}
