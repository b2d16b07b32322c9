/** Scoring: by which criterion, where, on which images; and what another criterion would change. */
import path from 'node:path';
import * as vscode from 'vscode';
import { CRITERIA, CRITERION_NAMES, type Criterion, needsGradients } from '../../common/criteria.ts';
import { formatInteger } from '../../common/format.ts';
import type { KeptChange } from '../../protocol/graph-view.ts';
import { isElsewhere, type RunPlace } from '../../protocol/run-place.ts';
import type { ModelSource, ScoreSettings } from '../../protocol/values.ts';
import { settings } from '../contributions.ts';
import type { ModelSession } from '../model/model-session.ts';
import { changesBy } from '../model/session-requests.ts';
import { setting } from '../settings.ts';
import { choosePlace, describePlace } from './choose-place.ts';
import { checkData } from './data-check.ts';
import { answered, askText, chooseOne } from './questions.ts';
import { chooseModel, needDataset, needWeights, openSession, type Services } from './services.ts';

/** Who asks for a criterion does not wait longer for what it would change. */
const CHANGES_WITHIN_MS = 1500;

type ScoringPick = vscode.QuickPickItem & { readonly act: Criterion | 'where' | 'file' };

/** Criteria, the preferred one first, and where gradients come from; of a job, only criteria that have some. */
function scoringPicks(
  place: RunPlace | undefined,
  changes: ReadonlyMap<Criterion, KeptChange | null>,
): readonly ScoringPick[] {
  const preferred = setting('espalier.score.criterion');
  const explanations = settings['espalier.score.criterion'].choices;
  const fitting = CRITERION_NAMES.filter((criterion) => !place || needsGradients(criterion));
  const all = fitting.toSorted((a, b) => Number(b === preferred) - Number(a === preferred));
  const icon = (name: string): Pick<ScoringPick, 'iconPath'> => ({ iconPath: new vscode.ThemeIcon(name) });
  return [
    ...all.map((act) => ({
      label: CRITERIA[act].label,
      description: explanations[act],
      detail: changeText(changes.get(act)),
      act,
    })),
    { label: vscode.l10n.t('Where'), description: describePlace(place), act: 'where', ...icon('server') },
    {
      label: vscode.l10n.t('Gradients from a File…'),
      description: vscode.l10n.t('as a scoring job writes them'),
      act: 'file',
      ...icon('file'),
    },
  ];
}

/** What of the present plan would stay otherwise, by each criterion; empty without a plan. */
async function changesOf(
  { worker, datasets }: Services,
  session: ModelSession,
): Promise<ReadonlyMap<Criterion, KeptChange | null>> {
  if (!session.state.plan || session.state.planStale) return new Map();
  const dataPath = datasets.current ?? undefined;
  const size = { batches: setting('espalier.score.batches'), batchSize: setting('espalier.score.batchSize') };
  const others = CRITERION_NAMES.filter((criterion) => criterion !== session.scores?.criterion).map(
    (criterion): ScoreSettings => ({ criterion, seed: 0, ...size, ...(needsGradients(criterion) && { dataPath }) }),
  );
  const late = new Promise<readonly null[]>((resolve) => setTimeout(() => resolve([]), CHANGES_WITHIN_MS));
  const found = await Promise.race([changesBy(worker, session.planRequest(), others), late]);
  return new Map(others.map(({ criterion }, i) => [criterion, found[i] ?? null]));
}

/** `at this target, 41 of the 224 channels that stay would be others`; undefined without a plan, or for the present scores. */
function changeText(change: KeptChange | null | undefined): string | undefined {
  if (change === undefined) return undefined;
  if (change === null) return vscode.l10n.t('what it would change at this target is said when it has scored');
  return vscode.l10n.t(
    'at this target, {0} of the {1} channels that stay would be others',
    formatInteger(change.others),
    formatInteger(change.kept),
  );
}

/** What to score by, and where: by a job, or from what one has written. */
async function chooseScoring(
  services: Services,
  session: ModelSession,
): Promise<Pick<ScoreSettings, 'criterion' | 'place' | 'gradients'>> {
  const changes = await changesOf(services, session);
  let place: RunPlace | undefined;
  const title = vscode.l10n.t('Score Channels (1/2)');
  for (;;) {
    const { act } = await chooseOne(scoringPicks(place, changes), {
      placeHolder: vscode.l10n.t('By which criterion?'),
      title,
    });
    if (act === 'file') return chooseGradients(title);
    if (act !== 'where') return { criterion: act, ...(place && { place }) };
    place = await choosePlace(services.datasets.current ?? undefined);
  }
}

async function chooseGradients(title: string): Promise<Pick<ScoreSettings, 'criterion' | 'gradients'>> {
  const [file] = await answered(vscode.window.showOpenDialog({ filters: { Safetensors: ['safetensors'] }, title }));
  const criteria = CRITERION_NAMES.filter(needsGradients).map((criterion) => ({
    label: CRITERIA[criterion].label,
    criterion,
  }));
  const { criterion } = await chooseOne(criteria, {
    title,
    placeHolder: vscode.l10n.t('Gradients for which criterion?'),
  });
  return { criterion, gradients: file.fsPath };
}

async function chooseBatches(): Promise<{ batches: number; batchSize: number }> {
  const batchSize = setting('espalier.score.batchSize');
  const usual = setting('espalier.score.batches');
  const text = await askText({
    title: vscode.l10n.t('Score Channels (2/2)'),
    prompt: vscode.l10n.t('Batches of {0} images', batchSize),
    value: String(usual),
    validateInput: (value) => (/^[1-9]\d*$/.test(value.trim()) ? undefined : vscode.l10n.t('A number from 1 up.')),
  });
  return { batches: Number(text), batchSize };
}

/** The images of a scoring here or by a job on this machine, looked at; of one elsewhere, their folder there. */
async function imagesFor(
  services: Services,
  source: ModelSource,
  { place, dataPath: given }: Partial<ScoreSettings>,
): Promise<string> {
  if (place && isElsewhere(place)) return place.dataPath;
  const dataPath = given ?? place?.dataPath ?? (await needDataset(services));
  await checkData(services, source, dataPath, ['train']);
  return dataPath;
}

/** Asks for criterion and batches (or takes the settings given) and puts the run into the queue. */
export async function score(services: Services, argument?: unknown, given?: Partial<ScoreSettings>): Promise<void> {
  const session = await openSession(services, await chooseModel(services, argument, vscode.l10n.t('Score Channels')));
  needWeights(session);
  const { source, state } = session;
  const { criterion, ...from } = given?.criterion
    ? { criterion: given.criterion }
    : await chooseScoring(services, session);
  const chosen = { ...from, ...given };
  const usesData = needsGradients(criterion) && chosen.gradients === undefined;
  const dataPath = usesData ? await imagesFor(services, source, chosen) : undefined;
  const size = usesData && given?.batches === undefined ? await chooseBatches() : { batches: 0, batchSize: 0 };
  const runSettings: ScoreSettings = { seed: 0, ...size, ...chosen, criterion, dataPath };
  const images = dataPath ?? chosen.gradients;
  const subject = images === undefined ? state.title : `${state.title} · ${path.basename(images)}`;
  await services.runs.start({ kind: 'score', source, settings: runSettings }, subject);
  void services.status.tellBackendOnce();
}
