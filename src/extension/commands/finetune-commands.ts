/** Finetuning: recipe, settings that can be edited as a file, start. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import * as vscode from 'vscode';
import type { FinetuneSettings, ModelSource } from '../../protocol/values.ts';
import { FINETUNE_FILE } from '../contributions.ts';
import { modelTitle } from '../model/model-uri.ts';
import { runId } from '../runs/run-record.ts';
import { RequestError } from '../supervision/request-error.ts';
import { checkData } from './data-check.ts';
import { needFile } from './load-commands.ts';
import { askText, chooseOne } from './questions.ts';
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

/** `5 epochs, batches of 64, sgd, learning rate 0.05`. */
function describe({ flags }: FinetuneSettings): string {
  return vscode.l10n.t(
    '{0} epochs, batches of {1}, {2}, learning rate {3}',
    String(flags['epochs'] ?? '?'),
    String(flags['batch-size'] ?? '?'),
    String(flags['opt'] ?? '?'),
    String(flags['lr'] ?? '?'),
  );
}

/** Asks for recipe and whether to edit its settings; then the run goes into the queue. */
export async function finetune(
  services: Services,
  argument?: unknown,
  given?: Partial<FinetuneSettings>,
): Promise<void> {
  const source = await chooseSubject(services, argument);
  const file = needFile(source);
  const dataPath = given?.dataPath ?? (await needDataset(services));
  await checkData(services, source, dataPath, ['train', 'val']);
  const family = services.sessions.find(source)?.info?.family ?? services.library.find(source)?.info?.family;
  const recipe =
    given?.recipe ?? (await chooseRecipe(family ?? (await openSession(services, source)).info?.family ?? ''));
  const defaults = await services.worker.request('finetune/defaults', { source, recipe, dataPath });
  const proposed: FinetuneSettings = { ...defaults, flags: { ...defaults.flags, ...given?.flags } };
  const { how, settings } = given ? { how: 'start', settings: proposed } : await askSettings(source, proposed);
  if (how === 'edit') await editSettings(services, { model: file, ...settings });
  else await begin(services, source, settings);
}

/** The settings that are changed most, by name, and what a value must be. */
const ASKED_FLAGS: readonly {
  readonly flag: string;
  readonly label: () => string;
  readonly fits: (value: number) => boolean;
  readonly wrong: () => string;
}[] = [
  {
    flag: 'epochs',
    label: () => vscode.l10n.t('Epochs'),
    fits: (value) => Number.isInteger(value) && value > 0,
    wrong: () => vscode.l10n.t('A whole number from 1 up.'),
  },
  {
    flag: 'lr',
    label: () => vscode.l10n.t('Learning rate'),
    fits: (value) => value > 0,
    wrong: () => vscode.l10n.t('A number above 0, such as 0.01.'),
  },
  {
    flag: 'batch-size',
    label: () => vscode.l10n.t('Batch size'),
    fits: (value) => Number.isInteger(value) && value > 0,
    wrong: () => vscode.l10n.t('A whole number from 1 up.'),
  },
];

type SettingsPick = vscode.QuickPickItem & { readonly act: 'start' | 'edit' | (typeof ASKED_FLAGS)[number] };

/** Start, change one of the common settings and see the list again, or edit them all as a file. */
async function askSettings(
  source: ModelSource,
  proposed: FinetuneSettings,
): Promise<{ readonly how: 'start' | 'edit'; readonly settings: FinetuneSettings }> {
  let settings = proposed;
  for (;;) {
    const { flags } = settings;
    const picks: readonly SettingsPick[] = [
      {
        label: vscode.l10n.t('Start'),
        detail: describe(settings),
        iconPath: new vscode.ThemeIcon('play'),
        act: 'start',
      },
      ...ASKED_FLAGS.map((asked) => ({
        label: asked.label(),
        description: String(flags[asked.flag] ?? ''),
        iconPath: new vscode.ThemeIcon('settings'),
        act: asked,
      })),
      {
        label: vscode.l10n.t('Edit settings first'),
        detail: vscode.l10n.t('all flags, as JSON'),
        iconPath: new vscode.ThemeIcon('edit'),
        act: 'edit',
      },
    ];
    const { act } = await chooseOne(picks, {
      title: vscode.l10n.t('Finetune (2/2)'),
      placeHolder: modelTitle(source),
    });
    if (act === 'start' || act === 'edit') return { how: act, settings };
    const text = await askText({
      title: act.label(),
      value: String(flags[act.flag] ?? ''),
      validateInput: (value) => (value.trim() !== '' && act.fits(Number(value)) ? undefined : act.wrong()),
    });
    settings = { ...settings, flags: { ...flags, [act.flag]: Number(text) } };
  }
}

async function begin(services: Services, source: ModelSource, settings: FinetuneSettings, id?: string): Promise<void> {
  const problems = await services.worker.request('finetune/check', { flags: settings.flags });
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
  const { model, recipe, dataPath, flags } = value;
  if (typeof model !== 'string' || typeof dataPath !== 'string' || typeof flags !== 'object' || flags === null)
    throw new RequestError('user', vscode.l10n.t('The settings lack one of "model", "dataPath", "flags".'));
  const wrong = Object.entries(flags).find(([, flag]) => !['string', 'number', 'boolean'].includes(typeof flag));
  if (wrong || (recipe !== undefined && typeof recipe !== 'string'))
    throw new RequestError(
      'user',
      vscode.l10n.t('"{0}" in the settings is no text, number or truth.', wrong ? wrong[0] : 'recipe'),
    );
  return { model, recipe: recipe ?? '', dataPath, flags: flags as FinetuneFile['flags'] };
}
