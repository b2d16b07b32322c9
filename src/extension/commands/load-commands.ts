/** Opening models: checkpoints from disk, recent ones, zoo models without weights. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import * as vscode from 'vscode';
import { formatCount } from '../../common/format.ts';
import type { ModelSource } from '../../protocol/values.ts';
import { CHECKPOINT_EXTENSIONS } from '../contributions.ts';
import { costUnit, formatMacs } from '../cost-text.ts';
import { modelTitle, shortPath } from '../model/model-uri.ts';
import { RequestError } from '../supervision/request-error.ts';
import { answered, chooseOne } from './questions.ts';
import { chooseModel, openEditor, type Services, sourceOfArgument } from './services.ts';

interface LoadPick extends vscode.QuickPickItem {
  readonly run: () => unknown;
}

/** The folder of a file, nothing for the workspace's own. */
function folderOf(file: string): string {
  const folder = path.dirname(file);
  const isRoot = vscode.workspace.workspaceFolders?.some(({ uri }) => uri.fsPath === folder);
  return isRoot ? '' : shortPath(folder);
}

/** How many files of the workspace the quick pick offers. */
const OFFERED_FILES = 30;

async function browse(): Promise<void> {
  const folder = vscode.workspace.workspaceFolders?.[0]?.uri;
  const [file] = await answered(
    vscode.window.showOpenDialog({
      canSelectMany: false,
      defaultUri: folder,
      title: vscode.l10n.t('Load Checkpoint'),
      openLabel: vscode.l10n.t('Load'),
      filters: {
        [vscode.l10n.t('Checkpoints')]: [...new Set(CHECKPOINT_EXTENSIONS.map((e) => e.split('.').at(-1) as string))],
        '*': ['*'],
      },
    }),
  );
  await openEditor({ kind: 'file', path: file.fsPath });
}

/** A quick pick: browse, recent files, files of the workspace, zoo models. A path as argument is opened at once. */
export async function loadCheckpoint(services: Services, argument?: unknown): Promise<void> {
  const given = typeof argument === 'string' ? { kind: 'file' as const, path: argument } : sourceOfArgument(argument);
  if (given) return openEditor(given);
  const { memory } = services;
  const recent = memory.get('recentFiles').filter((file) => existsSync(file));
  const pattern = `**/*{${CHECKPOINT_EXTENSIONS.join(',')}}`;
  const found = await vscode.workspace.findFiles(pattern, '**/{node_modules,.espalier}/**', OFFERED_FILES);
  const file = (place: string): LoadPick => ({
    label: path.basename(place),
    description: folderOf(place),
    iconPath: new vscode.ThemeIcon('file-binary'),
    run: () => openEditor({ kind: 'file', path: place }),
  });
  const section = (label: string, picks: readonly LoadPick[]): LoadPick[] =>
    picks.length ? [{ label, kind: vscode.QuickPickItemKind.Separator, run: () => undefined }, ...picks] : [];
  const inWorkspace = found
    .map(({ fsPath }) => fsPath)
    .filter((place) => !recent.includes(place))
    .sort();
  const picks: LoadPick[] = [
    { label: vscode.l10n.t('Browse…'), iconPath: new vscode.ThemeIcon('folder-opened'), run: browse },
    {
      label: vscode.l10n.t('Model without weights…'),
      iconPath: new vscode.ThemeIcon('library'),
      run: () => openZooModel(services),
    },
    {
      label: vscode.l10n.t('PyTorch model from code…'),
      iconPath: new vscode.ThemeIcon('code'),
      run: () => vscode.commands.executeCommand('espalier.openFromCode'),
    },
    ...section(vscode.l10n.t('recent'), recent.map(file)),
    ...section(vscode.l10n.t('in this workspace'), inWorkspace.map(file)),
  ];
  const chosen = await chooseOne(picks, {
    placeHolder: vscode.l10n.t('Load a checkpoint'),
    matchOnDescription: true,
  });
  await chosen.run();
}

export async function openFile(_: Services, argument?: unknown): Promise<void> {
  const source = sourceOfArgument(argument);
  if (source) await openEditor(source);
}

export async function openZooModel({ worker }: Services, argument?: unknown): Promise<void> {
  if (typeof argument === 'string') return openEditor({ kind: 'zoo', name: argument });
  const models = worker.request('models/list', {});
  const picks = models.then((entries) =>
    [...entries]
      .sort((a, b) => (a.family === b.family ? a.macs - b.macs : a.family < b.family ? -1 : 1))
      .flatMap((entry, i, all): (vscode.QuickPickItem & { name: string })[] => [
        ...(i === 0 || all[i - 1].family !== entry.family
          ? [{ label: entry.family, kind: vscode.QuickPickItemKind.Separator, name: '' }]
          : []),
        {
          label: entry.name,
          name: entry.name,
          description: vscode.l10n.t(
            '{0} {2} · {1} parameters',
            formatMacs(entry.macs),
            formatCount(entry.params),
            costUnit(),
          ),
        },
      ]),
  );
  const { name } = await chooseOne(picks, { placeHolder: vscode.l10n.t('Open a model without weights') });
  await openEditor({ kind: 'zoo', name });
}

export async function openModel(services: Services, argument?: unknown): Promise<void> {
  await openEditor(await chooseModel(services, argument, vscode.l10n.t('Open Model')));
}

export async function retryModel(services: Services, argument?: unknown): Promise<void> {
  const session = services.sessions.find(await chooseModel(services, argument, vscode.l10n.t('Read Model Again')));
  await session?.open(true);
}

export async function removeModel({ library }: Services, argument?: unknown, several?: unknown): Promise<void> {
  const chosen = (Array.isArray(several) && several.length ? several : [argument]).map(sourceOfArgument);
  for (const source of chosen) if (source) await library.remove(source);
}

export async function revealModelFile(_: Services, argument?: unknown): Promise<void> {
  const source = sourceOfArgument(argument);
  if (source?.kind === 'file') await vscode.commands.executeCommand('revealInExplorer', vscode.Uri.file(source.path));
}

/** A folder for something new, the workspace's own proposed. */
export async function chooseFolder(title: string, openLabel: string): Promise<string> {
  const [folder] = await answered(
    vscode.window.showOpenDialog({
      canSelectFiles: false,
      canSelectFolders: true,
      defaultUri: vscode.workspace.workspaceFolders?.[0]?.uri,
      title,
      openLabel,
    }),
  );
  return folder.fsPath;
}

/** Refuses to go on where a file is of another kind than expected. */
export function needFile(source: ModelSource): string {
  if (source.kind === 'file') return source.path;
  throw new RequestError('user', vscode.l10n.t('{0} has no file: load a checkpoint.', modelTitle(source)));
}
