/** Finetuning: recipe, settings that can be edited as a file, start. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import * as vscode from 'vscode';
import { JOB_ENGINES, type RunPlace } from '../../protocol/run-place.ts';
import type { FinetuneSettings, ModelSource } from '../../protocol/values.ts';
import { FINETUNE_FILE } from '../contributions.ts';
import { modelTitle } from '../model/model-uri.ts';
import { runId } from '../runs/run-record.ts';
import { RequestError } from '../supervision/request-error.ts';
import { choosePlace } from './choose-place.ts';
import { checkData } from './data-check.ts';
import { askSettings } from './finetune-picks.ts';
import { needFile } from './load-commands.ts';
import { chooseOne } from './questions.ts';
import { chooseModel, needDataset, openSession, type Services } from './services.ts';

/** What is in the file of a run that is about to start. */
interface FinetuneFile extends FinetuneSettings {
  readonly model: string;
}

/** The paper's recipes and the short one, with what they are for. The first is proposed by the model's family. */
const RECIPES: readonly { readonly name: string; readonly families: readonly string[]; readonly what: () => string }[] =
  [
    { name: 'cifar', families: ['cifar-resnet'], what: () => vscode.l10n.t('small images, minutes on a processor') },
    {
      name: 'resnet',
      families: ['resnet', 'regnet', 'vgg', 'densenet'],
      what: () => vscode.l10n.t('SGD, step schedule, 100 epochs'),
    },
    {
      name: 'mobilenet',
      families: ['mobilenet', 'efficientnet'],
      what: () => vscode.l10n.t('SGD, cosine schedule, 300 epochs'),
    },
    {
      name: 'deit',
      families: ['deit', 'swin'],
      what: () => vscode.l10n.t('AdamW, distillation from RegNetY-16GF, mixup and cutmix, 300 epochs'),
    },
    { name: 'convnext', families: ['convnext'], what: () => vscode.l10n.t('AdamW, mixup and cutmix, EMA, 300 epochs') },
  ];

async function chooseRecipe(family: string): Promise<string> {
  const fits = (recipe: (typeof RECIPES)[number]): number => Number(recipe.families.includes(family));
  const sorted = [...RECIPES].sort((a, b) => fits(b) - fits(a));
  const chosen = await chooseOne(
    sorted.map((recipe) => ({
      label: recipe.name,
      description: recipe.what(),
      detail: fits(recipe) ? vscode.l10n.t('for this family') : undefined,
    })),
    {
      title: vscode.l10n.t('Finetune (1/2)'),
      placeHolder: vscode.l10n.t('With which recipe?'),
    },
  );
  return chosen.label;
}

/** Which model to finetune: the pruned one of the active editor before the dense one. */
async function chooseSubject(services: Services, argument: unknown): Promise<ModelSource> {
  const source = await chooseModel(services, argument, vscode.l10n.t('Finetune'), true);
  const pruned = services.sessions.find(source)?.prunedFile;
  if (!pruned) return source;
  const picks: readonly { label: string; description: string; source: ModelSource }[] = [
    { label: path.basename(pruned), description: vscode.l10n.t('pruned'), source: { kind: 'file', path: pruned } },
    { label: modelTitle(source), description: vscode.l10n.t('dense'), source },
  ];
  return (await chooseOne(picks, { placeHolder: vscode.l10n.t('Finetune which model?') })).source;
}

/** The workspace's images; where none were chosen yet, they may lie where the job is to run. */
async function chooseImages(services: Services): Promise<{ readonly here?: string; readonly place?: RunPlace }> {
  if (services.datasets.current || !vscode.workspace.isTrusted) return { here: await needDataset(services) };
  const here = { label: vscode.l10n.t('Select Data Set…'), description: vscode.l10n.t('on this machine') };
  const there = {
    label: vscode.l10n.t('They lie elsewhere'),
    description: vscode.l10n.t('the job runs there, by SLURM, SkyPilot or your own hand'),
  };
  const chosen = await chooseOne([here, there], { placeHolder: vscode.l10n.t('Which images?') });
  const place = chosen === there ? await choosePlace(undefined) : undefined;
  return place ? { place } : { here: await needDataset(services) };
}

/** Asks for recipe and whether to edit its settings; then the run goes into the queue. */
export async function finetune(
  services: Services,
  argument?: unknown,
  given?: Partial<FinetuneSettings>,
): Promise<void> {
  const source = await chooseSubject(services, argument);
  const file = needFile(source);
  const { here, place } =
    given?.dataPath === undefined ? await chooseImages(services) : { here: given.dataPath, place: given.place };
  // Images elsewhere are looked at there, before the job is handed over.
  if (here !== undefined) await checkData(services, source, here, ['train', 'val']);
  const dataPath = here ?? place?.dataPath ?? '';
  const family = services.sessions.find(source)?.info?.family ?? services.library.find(source)?.info?.family;
  const recipe =
    given?.recipe ?? (await chooseRecipe(family ?? (await openSession(services, source)).info?.family ?? ''));
  const defaults = await services.worker.request('finetune/defaults', { source, recipe, dataPath });
  const proposed: FinetuneSettings = {
    ...defaults,
    flags: { ...defaults.flags, ...given?.flags },
    ...(place && { place }),
  };
  const { how, settings } = given ? { how: 'start', settings: proposed } : await askSettings(source, proposed, here);
  if (how === 'edit') await editSettings(services, { model: file, ...settings });
  else await begin(services, source, settings);
}

async function begin(services: Services, source: ModelSource, settings: FinetuneSettings, id?: string): Promise<void> {
  const problems = await services.worker.request('finetune/check', {
    flags: settings.flags,
    ...(settings.place && { isJob: true }),
  });
  if (problems.length > 0)
    throw new RequestError('user', vscode.l10n.t('These settings cannot be used: {0}.', problems.join('; ')));
  const subject = `${modelTitle(source)} · ${path.basename(settings.dataPath)}`;
  const record = await services.runs.start({ kind: 'finetune', source, settings }, subject, id);
  services.runPanels.open(record);
  void services.status.tellBackendOnce();
}

/** Writes the settings into the folder of the run to be, and shows them; its editor has a button to start. */
async function editSettings({ runs }: Services, settings: FinetuneFile): Promise<void> {
  const id = await runs.store.freeId(runId('finetune', path.basename(settings.model)));
  const folder = runs.store.directory(id);
  await mkdir(folder, { recursive: true });
  const file = path.join(folder, FINETUNE_FILE);
  await writeFile(file, `${JSON.stringify(settings, null, 2)}\n`);
  const document = await vscode.workspace.openTextDocument(file);
  await vscode.window.showTextDocument(document);
}

/** Starts the run whose settings file is open. */
export async function startFinetune(services: Services, argument?: unknown): Promise<void> {
  const uri = argument instanceof vscode.Uri ? argument : vscode.window.activeTextEditor?.document.uri;
  if (!uri || path.basename(uri.fsPath) !== FINETUNE_FILE)
    throw new RequestError(
      'user',
      vscode.l10n.t('Open the settings of a run first: "Espalier: Finetune…", "Edit settings first".'),
    );
  await vscode.workspace.textDocuments.find((document) => document.uri.fsPath === uri.fsPath)?.save();
  const { model, ...settings } = parseSettings(await readFile(uri.fsPath, 'utf8'));
  const id = path.basename(path.dirname(uri.fsPath));
  const own = services.runs.store.directory(id) === path.dirname(uri.fsPath) && !services.runs.find(id);
  await begin(services, { kind: 'file', path: model }, settings, own ? id : undefined);
}

function parseSettings(text: string): FinetuneFile {
  let value: Readonly<Record<keyof FinetuneFile, unknown>>;
  try {
    value = Object(JSON.parse(text));
  } catch (error) {
    throw new RequestError('user', vscode.l10n.t('The settings are no JSON: {0}', (error as Error).message));
  }
  const { model, recipe, dataPath, flags, place } = value;
  if (typeof model !== 'string' || typeof dataPath !== 'string' || typeof flags !== 'object' || flags === null)
    throw new RequestError('user', vscode.l10n.t('The settings lack one of "model", "dataPath", "flags".'));
  const wrong = Object.entries(flags).find(([, flag]) => !['string', 'number', 'boolean'].includes(typeof flag));
  if (wrong || (recipe !== undefined && typeof recipe !== 'string'))
    throw new RequestError(
      'user',
      vscode.l10n.t('"{0}" in the settings is no text, number or truth.', wrong ? wrong[0] : 'recipe'),
    );
  if (place !== undefined && !isPlace(place))
    throw new RequestError(
      'user',
      vscode.l10n.t('"place" needs an engine (torchrun, slurm, skypilot), nodes, processes and dataPath.'),
    );
  return { model, recipe: recipe ?? '', dataPath, flags: flags as FinetuneFile['flags'], ...(place && { place }) };
}

const isCount = (value: unknown): boolean => Number.isInteger(value) && (value as number) > 0;

function isPlace(value: unknown): value is RunPlace {
  const { engine, nodes, processes, dataPath, onlyWrite } = Object(value) as Partial<Record<keyof RunPlace, unknown>>;
  return (
    JOB_ENGINES.includes(engine as RunPlace['engine']) &&
    isCount(nodes) &&
    isCount(processes) &&
    typeof dataPath === 'string' &&
    ['undefined', 'boolean'].includes(typeof onlyWrite)
  );
}
