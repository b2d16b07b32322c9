/** Where a run computes: this machine, or a job of PyTorch's by torchrun, SLURM or SkyPilot. */
import * as vscode from 'vscode';
import { ENGINE_NAMES, type JobEngine, type RunPlace } from '../../protocol/run-place.ts';
import { setting } from '../settings.ts';
import { askText, chooseOne } from './questions.ts';

interface PlacePick extends vscode.QuickPickItem {
  readonly engine?: JobEngine;
  readonly onlyWrite?: boolean;
}

const picks = (): readonly PlacePick[] => [
  {
    label: vscode.l10n.t('This machine'),
    description: vscode.l10n.t('TensorFlow, or ONNX Runtime, which comes with Espalier'),
  },
  {
    label: vscode.l10n.t('torchrun on this machine'),
    description: vscode.l10n.t('Python with PyTorch, a process a GPU'),
    engine: 'torchrun',
  },
  { label: ENGINE_NAMES.slurm, description: vscode.l10n.t('sbatch, from a login node'), engine: 'slurm' },
  { label: ENGINE_NAMES.skypilot, description: vscode.l10n.t('sky launch: clouds, Kubernetes'), engine: 'skypilot' },
  {
    label: vscode.l10n.t('Only write the folder'),
    description: vscode.l10n.t('a job that you start yourself'),
    engine: 'torchrun',
    onlyWrite: true,
  },
];

/** `SLURM · 8 processes`, for the list of settings. */
export function describePlace(place: RunPlace | undefined): string {
  const found = picks().find(
    ({ engine, onlyWrite = false }) => engine === place?.engine && onlyWrite === (place?.onlyWrite ?? false),
  );
  const label = found?.label ?? place?.engine ?? '';
  if (!place) return label;
  const { nodes, processes } = place;
  const each = processes === 1 ? vscode.l10n.t('1 process') : vscode.l10n.t('{0} processes', processes);
  return nodes === 1
    ? vscode.l10n.t('{0} · {1}', label, each)
    : vscode.l10n.t('{0} · {1} on each of {2} machines', label, each, nodes);
}

const DATA_PATHS = { slurm: 'espalier.jobs.slurmDataPath', skypilot: 'espalier.jobs.skypilotDataPath' } as const;

/** The folder of the images where an engine runs jobs; kept in the workspace's settings, the person's where there is no workspace. */
export async function askDataPath(engine: JobEngine, proposed: string): Promise<string> {
  const id = engine === 'torchrun' ? undefined : DATA_PATHS[engine];
  const keeps = id ? vscode.l10n.t('It is kept in the setting {0}.', id) : '';
  const answer = await askText({
    title: vscode.l10n.t('Images where {0} runs the job', ENGINE_NAMES[engine]),
    prompt: `${vscode.l10n.t('The folder that holds train/ and val/ there.')} ${keeps}`.trim(),
    value: proposed,
    validateInput: (value) => (value.trim() ? undefined : vscode.l10n.t('A folder.')),
  });
  const folder = answer.trim();
  const { Workspace, Global } = vscode.ConfigurationTarget;
  const target = vscode.workspace.workspaceFolders?.length ? Workspace : Global;
  if (id) await vscode.workspace.getConfiguration().update(id, folder, target);
  return folder;
}

/** The folder of the images there: asked once for each engine. */
async function dataPathOf(engine: JobEngine, here: string, onlyWrite: boolean): Promise<string> {
  if (engine === 'torchrun' && !onlyWrite) return here;
  const known = engine === 'torchrun' ? '' : setting(DATA_PATHS[engine]);
  return known || askDataPath(engine, here);
}

const isCount = (text: string): boolean => Number.isInteger(Number(text)) && Number(text) > 0;

async function askCount(title: string, prompt: string, value: number): Promise<number> {
  const answer = await askText({
    title,
    prompt,
    value: String(value),
    validateInput: (text) => (isCount(text) ? undefined : vscode.l10n.t('A whole number from 1 up.')),
  });
  return Number(answer);
}

/**
 * Asks where a run is to compute; undefined: on this machine. In a workspace that is not trusted there is no other place.
 * @param here folder of the images on this machine; undefined where there are none: then it runs elsewhere
 */
export async function choosePlace(here: string | undefined): Promise<RunPlace | undefined> {
  const isOffered = ({ engine, onlyWrite }: PlacePick): boolean =>
    vscode.workspace.isTrusted
      ? here !== undefined || (engine !== undefined && (engine !== 'torchrun' || onlyWrite === true))
      : engine === undefined;
  const { engine, onlyWrite = false } = await chooseOne(picks().filter(isOffered), {
    title: vscode.l10n.t('Where'),
    placeHolder: vscode.l10n.t('Where does it run?'),
  });
  if (!engine) return undefined;
  const nodes =
    engine === 'torchrun' && !onlyWrite
      ? 1
      : await askCount(
          vscode.l10n.t('Machines'),
          vscode.l10n.t('How many the job has.'),
          setting('espalier.jobs.nodes'),
        );
  const processes = await askCount(
    vscode.l10n.t('Processes'),
    vscode.l10n.t('On each machine, one a GPU. The batch size is for one of them.'),
    setting('espalier.jobs.processes'),
  );
  const dataPath = await dataPathOf(engine, here ?? '', onlyWrite);
  return { engine, nodes, processes, dataPath, ...(onlyWrite && { onlyWrite }) };
}
