/** What a run computes with is one of its settings: backend, device and precision change its numbers. */
import { UserError } from '../../common/errors.ts';
import type { RunContext } from '../../common/progress.ts';
import { type BackendOptions, createExecutor } from '../compute/backends.ts';
import type { BackendName, Executor } from '../compute/executor.ts';
import { RunDirectory } from '../training/run-directory.ts';
import { isRunFile, type RunBackend } from './finetune-request.ts';

/** Of a run that says no more than the label. */
const backendOfLabel = (label: string): BackendName => (label.startsWith('TensorFlow') ? 'tensorflow' : 'embedded');

/**
 * What the run in a folder has computed with.
 * @throws UserError where there is no run, or its run.json is damaged
 */
export async function recordedBackend(place: string): Promise<RunBackend> {
  const { backend: label, compute } = await (await RunDirectory.open(place)).readRun(isRunFile);
  return { ...compute, label, backend: compute?.backend ?? backendOfLabel(label) };
}

/**
 * The executor of a run: a resumed one goes on with what it was begun with.
 * @param chosen what the person asks for; `auto` leaves the backend to the run
 * @param recorded of `recordedBackend`
 * @throws UserError where what the run was begun with is not there, and nothing else is asked for
 */
export async function runExecutor(chosen: BackendOptions, recorded?: RunBackend): Promise<Executor> {
  if (!recorded) return createExecutor(chosen);
  const asked = chosen.backend !== undefined && chosen.backend !== 'auto';
  if (asked && chosen.backend !== recorded.backend) return createExecutor(chosen);
  const { backend, threads, label } = recorded;
  const options = { ...chosen, backend, threads: chosen.threads ?? threads };
  let executor: Executor;
  try {
    executor = await createExecutor(options);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new UserError(`The run was begun with ${label}. ${error.message} ${goingOn(other(backend))}`);
  }
  if (executor.label !== label && !asked)
    throw new UserError(
      `The run was begun with ${label}; here it would go on with ${executor.label}, whose numbers differ. ${goingOn(backend)}`,
    );
  return executor;
}

const other = (backend: BackendName): BackendName => (backend === 'tensorflow' ? 'embedded' : 'tensorflow');
const goingOn = (backend: BackendName): string =>
  `To go on all the same, ask for it by name: --backend ${backend}, in the editor the setting espalier.backend.`;

/** What is said of a run that goes on with something else than it was begun with; undefined where it is the same. */
export const backendRemark = ({ label }: Executor, recorded: RunBackend | undefined): string | undefined =>
  recorded && recorded.label !== label
    ? `the run was begun with ${recorded.label} and goes on with ${label}: its numbers are not those of one unbroken run`
    : undefined;

/** The executor of a run that may be resumed from a folder; what is not as it was is told to `note`. */
export async function executorOfRun(
  chosen: BackendOptions,
  from: string | undefined,
  { note }: RunContext = {},
): Promise<Executor> {
  const recorded = from === undefined ? undefined : await recordedBackend(from);
  const executor = await runExecutor(chosen, recorded);
  const remark = backendRemark(executor, recorded);
  if (remark) note?.(remark);
  return executor;
}
