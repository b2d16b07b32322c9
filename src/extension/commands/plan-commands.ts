/** Target, plan and pruning. */

import { existsSync } from 'node:fs';
import path from 'node:path';
import * as vscode from 'vscode';
import { REPAIR_IMAGES, type RepairSettings } from '../../protocol/prune-values.ts';
import type { Pin } from '../../protocol/values.ts';
import { costUnit, formatMacs } from '../cost-text.ts';
import type { ModelSession } from '../model/model-session.ts';
import { modelTitle } from '../model/model-uri.ts';
import { settingsToApply } from '../model/plan-settings.ts';
import { RequestError } from '../supervision/request-error.ts';
import type { GroupsElement } from '../views/groups-tree.ts';
import { answered, CANCELLED } from './questions.ts';
import { chooseModel, needWeights, openEditor, openSession, type Services } from './services.ts';
import { setTarget } from './target-commands.ts';

/** `models/resnet50.pth` at half the MACs → `models/resnet50-50pct.safetensors`. */
function proposedOutput(session: ModelSession): string {
  const { source } = session;
  const folder =
    source.kind === 'file' ? path.dirname(source.path) : (vscode.workspace.workspaceFolders?.[0]?.uri.fsPath ?? '.');
  const stem = path.basename(modelTitle(source), path.extname(modelTitle(source)));
  const { plan } = session.state;
  const share = plan ? Math.round((plan.after.macs / plan.before.macs) * 100) : 0;
  for (let n = 1; ; n++) {
    const file = path.join(folder, `${stem}-${share}pct${n > 1 ? `-${n}` : ''}.safetensors`);
    if (!existsSync(file)) return file;
  }
}

/** Where to save; asks again before something is overwritten. */
export async function chooseOutput(
  proposed: string,
  filters: Record<string, string[]>,
): Promise<{ readonly output: string; readonly overwrite: boolean }> {
  const target = await answered(
    vscode.window.showSaveDialog({ defaultUri: vscode.Uri.file(proposed), filters, title: vscode.l10n.t('Save As') }),
  );
  // The dialog itself asks before it returns a file that is there.
  return { output: target.fsPath, overwrite: existsSync(target.fsPath) };
}

/** Writes the pruned model: the plan's, or for the target asked for first. */
export async function prune(
  services: Services,
  argument?: unknown,
  given?: { readonly output?: string },
): Promise<void> {
  const session = await openSession(services, await chooseModel(services, argument, vscode.l10n.t('Prune Model')));
  await pruneSession(services, session, given?.output);
}

/** The same for a session, with a repair where one was chosen. */
export async function pruneSession(
  services: Services,
  session: ModelSession,
  wanted?: string,
  repair?: RepairSettings,
): Promise<void> {
  needWeights(session);
  if (!session.scores) await session.scoreByWeights();
  if (!session.state.plan || session.state.planStale) {
    if (session.state.target === null) await setTarget(services, session.source);
    else await session.computePlan();
  }
  const { plan } = session.state;
  if (!plan) throw CANCELLED;
  if (wanted && existsSync(wanted)) throw new RequestError('user', vscode.l10n.t('{0} exists already.', wanted));
  const { output, overwrite } = wanted
    ? { output: wanted, overwrite: false }
    : await chooseOutput(proposedOutput(session), {
        Safetensors: ['safetensors'],
        PyTorch: ['pth', 'pt'],
        ONNX: ['onnx'],
      });
  // Sensitivity is measured with the layers behind repaired: without, it would say nothing of what is written.
  const { settings, latency } = session.state;
  const { spread } = settings;
  const repairing = repair ?? (spread && { dataPath: spread.dataPath, images: REPAIR_IMAGES, allocate: 'uniform' });
  const subject = `${session.state.title} → ${path.basename(output)}`;
  await services.runs.start(
    {
      kind: 'prune',
      source: session.source,
      scores: session.scores,
      plan: settings,
      ...(latency && { times: latency.key }),
      output,
      overwrite,
      ...(repairing && { repair: repairing }),
    },
    subject,
  );
}

export async function savePlan(services: Services, argument?: unknown): Promise<void> {
  const session = await openSession(services, await chooseModel(services, argument, vscode.l10n.t('Save Plan')));
  if (!session.state.plan) await setTarget(services, session.source);
  const { json } = await session.exportPlan();
  const { output } = await chooseOutput(proposedOutput(session).replace(/\.safetensors$/, '.plan.json'), {
    JSON: ['json'],
  });
  await vscode.workspace.fs.writeFile(vscode.Uri.file(output), Buffer.from(json));
}

/** Takes the settings of a saved plan over, or its widths where it says no settings. `given`: the file, where it is known. */
export async function applyPlan(services: Services, argument?: unknown, given?: string): Promise<void> {
  const session = await openSession(services, await chooseModel(services, argument, vscode.l10n.t('Apply Plan')));
  // From a run's page: the model is behind it.
  if (given !== undefined) await openEditor(session.source);
  const file = given === undefined ? await askPlan() : vscode.Uri.file(given);
  const text = Buffer.from(await vscode.workspace.fs.readFile(file)).toString('utf8');
  const { sensitivity, latency } = session.state;
  const { settings, macs, lost } = settingsToApply(text, file.fsPath, sensitivity?.settings, latency);
  const { target } = settings;
  await session.changeSettings(
    settings,
    target.kind === 'macs' ? session.target.parse(target.text) : target.kind === 'ratio' ? undefined : macs,
  );
  if (lost !== undefined && macs !== undefined)
    void vscode.window.showInformationMessage(
      vscode.l10n.t(
        '{0} was made for {1}, and no such times are measured here: the target is the {2} {3} that it came to.',
        path.basename(file.fsPath),
        lost,
        formatMacs(macs),
        costUnit(),
      ),
    );
}

async function askPlan(): Promise<vscode.Uri> {
  const [file] = await answered(
    vscode.window.showOpenDialog({ filters: { JSON: ['json'] }, title: vscode.l10n.t('Apply Plan') }),
  );
  return file;
}

/** Shows what a saved plan does otherwise than the present one, as a table. */
export async function comparePlan(services: Services, argument?: unknown): Promise<void> {
  const title = vscode.l10n.t('Compare Plan With');
  const session = await openSession(services, await chooseModel(services, argument, title));
  if (!session.state.plan) await setTarget(services, session.source);
  const [file] = await answered(vscode.window.showOpenDialog({ filters: { JSON: ['json'] }, title }));
  const text = Buffer.from(await vscode.workspace.fs.readFile(file)).toString('utf8');
  const { markdown } = await services.worker.request('plan/diff', {
    ...session.planRequest(),
    other: text,
    name: path.basename(file.fsPath),
  });
  const document = await vscode.workspace.openTextDocument({
    language: 'markdown',
    content: `# ${session.state.title}\n\n${markdown}\n`,
  });
  await vscode.commands.executeCommand('markdown.showPreview', document.uri);
}

/** Layers that an argument stands for: an element of the Groups view, a layer in the graph, else what is selected. */
function layersOf({ groupsTree, sessions }: Services, argument: unknown): readonly string[] {
  if (typeof argument === 'object' && argument !== null) {
    if ('layer' in argument && typeof argument.layer === 'string') return [argument.layer];
    if ('type' in argument) return groupsTree.layersOf(argument as GroupsElement);
  }
  return sessions.active?.selection.nodes ?? [];
}

const pin =
  (side: Pin['side'], pinned: boolean) =>
  async (services: Services, argument?: unknown): Promise<void> => {
    const session = services.sessions.active;
    if (!session) return;
    for (const layer of layersOf(services, argument)) await session.pin(layer, side, pinned);
  };

export const pinLayer = pin('both', true);
export const pinLayerOutputs = pin('out', true);
export const pinLayerInputs = pin('in', true);
export const unpinLayer = pin('both', false);

export async function copyLayerName(services: Services, argument?: unknown): Promise<void> {
  const names = layersOf(services, argument);
  if (names.length > 0) await vscode.env.clipboard.writeText(names.join('\n'));
}

export async function revealLayer({ groupsTree, sessions, editors }: Services, argument?: unknown): Promise<void> {
  const { active } = sessions;
  if (!active || typeof argument !== 'object' || argument === null) return;
  groupsTree.selectInGraph(argument as GroupsElement, true);
  editors.editorsOf(active)[0]?.panel.reveal(undefined, true);
}
