/** Choosing and looking at the data set. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import * as vscode from 'vscode';
import { shortPath } from '../model/model-uri.ts';
import { chooseFolder } from './load-commands.ts';
import { chooseOne } from './questions.ts';
import type { Services } from './services.ts';

interface FolderPick extends vscode.QuickPickItem {
  readonly folder?: string;
}

async function chooseDataset({ datasets }: Services): Promise<string> {
  const recent = datasets.recent.filter((folder) => existsSync(folder));
  const browse = (): Promise<string> =>
    chooseFolder(
      vscode.l10n.t('Select the data set: its folder holds train/ and val/, with one folder per class'),
      vscode.l10n.t('Select'),
    );
  if (recent.length === 0) return browse();
  const picks: FolderPick[] = [
    { label: vscode.l10n.t('Browse…'), iconPath: new vscode.ThemeIcon('folder-opened') },
    ...recent.map((folder) => ({
      label: path.basename(folder),
      description: shortPath(folder),
      iconPath: new vscode.ThemeIcon(folder === datasets.current ? 'check' : 'folder'),
      folder,
    })),
  ];
  const chosen = await chooseOne(picks, { placeHolder: vscode.l10n.t('Which images?'), matchOnDescription: true });
  return chosen.folder ?? browse();
}

/** Asks for a folder (or takes the path given), checks it, and shows what is in it unless told to be quiet. */
export async function selectDataset(services: Services, argument?: unknown): Promise<void> {
  const folder = typeof argument === 'string' ? argument : await chooseDataset(services);
  const summary = await services.datasets.use(folder);
  const quiet = typeof argument === 'object' && argument !== null && 'quiet' in argument;
  if (!quiet) services.datasets.show(summary);
  const [split] = summary.splits;
  vscode.window.setStatusBarMessage(
    vscode.l10n.t('{0}: {1} classes, {2} images', path.basename(folder), split.classes, split.images),
    5000,
  );
}

export async function showDataset(services: Services): Promise<void> {
  const { current } = services.datasets;
  if (current) services.datasets.show(await services.datasets.validate(current));
  else await selectDataset(services);
}
