/** Evaluation, comparison, export. */
import path from 'node:path';
import * as vscode from 'vscode';
import type { EvaluateSettings, ExportFormat } from '../../protocol/values.ts';
import { modelTitle } from '../model/model-uri.ts';
import { setting } from '../settings.ts';
import { checkData } from './data-check.ts';
import { chooseOutput } from './plan-commands.ts';
import { chooseOne } from './questions.ts';
import { chooseModel, chooseModels, needDataset, needWeights, openSession, type Services } from './services.ts';

/** Asks for models (or takes those of the tree) and measures them, one after the other. */
export async function evaluate(
  services: Services,
  argument?: unknown,
  several?: unknown,
  given?: Partial<EvaluateSettings>,
): Promise<void> {
  const sources = await chooseModels(services, argument, several);
  const dataPath = given?.dataPath ?? (await needDataset(services));
  for (const source of sources) await checkData(services, source, dataPath, ['val']);
  const settings: EvaluateSettings = {
    split: 'val',
    batchSize: setting('espalier.evaluate.batchSize'),
    benchmark: true,
    ...given,
    dataPath,
  };
  const subject = `${sources.map(modelTitle).join(', ')} · ${path.basename(dataPath)}`;
  await services.runs.start({ kind: 'evaluate', sources, settings }, subject);
  void services.status.tellBackendOnce();
}

/** Shows the comparison; models of the tree that were not measured yet are evaluated first. */
export async function compare(services: Services, argument?: unknown, several?: unknown): Promise<void> {
  services.comparePanels.open();
  if (argument !== undefined) await evaluate(services, argument, several);
}

const FORMATS: readonly {
  readonly format: ExportFormat;
  readonly extension: string;
  readonly what: () => string;
}[] = [
  {
    format: 'safetensors',
    extension: 'safetensors',
    what: () => vscode.l10n.t('weights with the network beside them; opens here again'),
  },
  { format: 'pth', extension: 'pth', what: () => vscode.l10n.t('state dict that torch.load(weights_only=True) opens') },
  {
    format: 'module',
    extension: 'pth',
    what: () =>
      vscode.l10n.t('whole pickled module, for scripts that torch.load it with timm, torchvision or your classes'),
  },
  { format: 'onnx', extension: 'onnx', what: () => vscode.l10n.t('network and weights for other runtimes') },
  {
    format: 'pytorch',
    extension: 'py',
    what: () => vscode.l10n.t('one Python file with the pruned widths, weights beside it'),
  },
];

/** `resnet20-50pct.safetensors, finetuned` → `resnet20_50pct_finetuned`: a name that Python can import. */
function identifierOf(title: string): string {
  const words = title.replace(/\.(safetensors|pth|pt|th|bin|onnx|ckpt|pt2)\b/gi, '').replace(/\W+/g, '_');
  const name = words.replace(/^_+|_+$/g, '') || 'model';
  return /^\d/.test(name) ? `model_${name}` : name;
}

export async function exportModel(services: Services, argument?: unknown): Promise<void> {
  const session = await openSession(services, await chooseModel(services, argument, vscode.l10n.t('Export Model')));
  needWeights(session);
  const { format, extension } = await chooseOne(
    FORMATS.map((format) => ({ ...format, label: format.format, description: format.what() })),
    {
      title: vscode.l10n.t('Export {0}', session.state.title),
      placeHolder: vscode.l10n.t('In which format?'),
    },
  );
  const { source } = session;
  const title = modelTitle(source);
  const workspace = vscode.workspace.workspaceFolders?.[0]?.uri.fsPath;
  const folder = workspace ?? (source.kind === 'file' ? path.dirname(source.path) : '.');
  const proposed = path.join(folder, `${identifierOf(title)}.${extension}`);
  const { output, overwrite } = await chooseOutput(proposed, { [format]: [extension] });
  await services.runs.start(
    { kind: 'export', source, format, output, overwrite },
    `${title} → ${path.basename(output)}`,
  );
}
