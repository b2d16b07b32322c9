/** Pruning with the remaining weights refitted: no labels, no training. */
import * as vscode from 'vscode';
import { REPAIR_IMAGES, type RepairSettings } from '../../protocol/prune-values.ts';
import { pruneSession } from './plan-commands.ts';
import { chooseOne } from './questions.ts';
import { chooseModel, needDataset, openSession, type Services } from './services.ts';

async function chooseAllocation(): Promise<RepairSettings['allocate']> {
  const chosen = await chooseOne(
    [
      {
        label: vscode.l10n.t('Repair the plan as it is'),
        description: vscode.l10n.t('the same share of each scope'),
        allocate: 'uniform' as const,
      },
      {
        label: vscode.l10n.t('Spread the target by sensitivity, then repair'),
        description: vscode.l10n.t('measures what each group is worth; widths differ from the plan shown'),
        allocate: 'sensitivity' as const,
      },
    ],
    {
      title: vscode.l10n.t('Prune and Repair'),
      placeHolder: vscode.l10n.t('Repair the remaining weights (no training): how is the target spread?'),
    },
  );
  return chosen.allocate;
}

/** Asks how the target is spread and for a folder of images (or takes them as given), then prunes and repairs. */
export async function pruneAndRepair(
  services: Services,
  argument?: unknown,
  given?: Partial<RepairSettings> & { readonly output?: string },
): Promise<void> {
  const session = await openSession(services, await chooseModel(services, argument, vscode.l10n.t('Prune and Repair')));
  // Beside the target it was chosen already.
  const allocate = given?.allocate ?? (session.state.settings.spread ? 'uniform' : await chooseAllocation());
  const dataPath = given?.dataPath ?? (await needDataset(services));
  const { images = REPAIR_IMAGES } = given ?? {};
  await pruneSession(services, session, given?.output, { dataPath, images, allocate });
  void services.status.tellBackendOnce();
}
