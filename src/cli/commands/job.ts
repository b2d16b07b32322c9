/** `espalier job`: a folder that trains or scores a model with PyTorch on many GPUs, and what starts, follows and stops it. */
import path from 'node:path';
import { UserError } from '../../common/errors.ts';
import { formatPercent } from '../../common/format.ts';
import type { RunContext } from '../../common/progress.ts';
import { parseCommands } from '../../engine/jobs/torchrun/job-commands.ts';
import { type JobPlace, startJob } from '../../engine/jobs/torchrun/job-engines.ts';
import { writeJob } from '../../engine/jobs/torchrun/job-folder.ts';
import { checkJobFolder } from '../../engine/jobs/torchrun/job-preflight.ts';
import { globalBatch, readJobHead } from '../../engine/jobs/torchrun/job-request.ts';
import { writeScoreJob } from '../../engine/jobs/torchrun/job-score.ts';
import { type JobStatus, jobLog, jobStatus, leftRunning, stopJob } from '../../engine/jobs/torchrun/job-status.ts';
import { type CommandResult, command } from '../command.ts';
import {
  describeJob,
  type JobGiven,
  type JobValues,
  jobCommandFlags,
  jobRequest,
  scoreJobRequest,
} from '../job-settings.ts';
import { say } from '../terminal.ts';

const starts = {
  torchrun: 'sh run.sh',
  slurm: 'sbatch job.sbatch',
  skypilot: 'sky launch job.sky.yaml',
} as const;

async function check({ folder, commands }: JobPlace): Promise<CommandResult> {
  const checks = await checkJobFolder(folder, commands);
  for (const { name, ok, text } of checks) say(`${ok ? 'ok    ' : 'FAILED'} ${name}: ${text}`);
  const failed = checks.filter(({ ok }) => !ok);
  if (failed.length)
    throw new UserError(`The job in ${folder} cannot run here: ${failed.map(({ name }) => name).join(', ')} failed.`);
  return { json: { folder, checks }, text: `the job in ${folder} can run here` };
}

async function start(place: JobPlace): Promise<CommandResult> {
  const { launch, model } = await readJobHead(place.folder);
  const { engine, id, time } = await startJob(place, launch.engine, model);
  return { json: { folder: place.folder, engine, id, time }, text: `started: ${engine} ${id}` };
}

function describeStatus({
  state,
  word,
  epoch,
  epochs,
  step,
  loss,
  imagesPerSecond,
  top1,
  bestTop1,
  remaining,
  error,
  batches,
}: JobStatus): string {
  return [
    `${state}${word && word !== state ? ` (${word})` : ''}`,
    ...(epochs ? [`${epoch} of ${epochs} epochs`] : []),
    ...(batches ? [`${batches.done} of ${batches.total} batches`] : []),
    ...(step === undefined
      ? []
      : [`step ${step}: loss ${loss?.toPrecision(5)}, ${imagesPerSecond?.toFixed(0)} images/s`]),
    ...(top1 === undefined ? [] : [`top-1 ${formatPercent(top1)}, best ${formatPercent(bestTop1 ?? 0)}`]),
    ...(remaining === undefined ? [] : [`about ${Math.ceil(remaining / 60)} min left`]),
    ...(error ? [error] : []),
  ].join(', ');
}

async function status(place: JobPlace): Promise<CommandResult> {
  const { notes, ...found } = await jobStatus(place);
  const left = leftRunning(found);
  for (const note of [...notes, ...(left ? [left] : [])]) say(note);
  return { json: { folder: place.folder, ...found }, text: describeStatus({ ...found, notes }) };
}

async function stop(place: JobPlace): Promise<CommandResult> {
  const notes = await stopJob(place);
  for (const note of notes) say(note);
  return {
    json: { folder: place.folder, stopped: true },
    text: `stopped; \`espalier job --start ${place.folder}\` goes on`,
  };
}

async function logs(place: JobPlace): Promise<CommandResult> {
  const text = await jobLog(place);
  return { json: { folder: place.folder, text }, text };
}

/** What is done with a folder that is there. */
const actions = { check, start, status, logs, stop } as const;

async function score(
  values: JobValues,
  given: JobGiven,
  positionals: readonly string[],
  context: RunContext,
): Promise<CommandResult> {
  const asked = scoreJobRequest(values, given, positionals);
  const { folder, files, notes } = await writeScoreJob(asked, context);
  for (const note of notes) say(note);
  return { json: { folder, files }, text: `job: ${folder} (start it there with \`${starts[asked.launch.engine]}\`)` };
}

export const job = command({
  summary:
    'write a folder that finetunes or scores with PyTorch on many GPUs: torchrun, SLURM or SkyPilot; start, follow, stop it',
  usage: '--model FILE --data-path DIR --output DIR, or --check|--start|--status|--logs|--stop FOLDER',
  most: 1,
  flags: jobCommandFlags,
  run: async ({ values, given, positionals }, context) => {
    for (const [name, act] of Object.entries(actions) as [keyof typeof actions, (typeof actions)['check']][]) {
      const folder = values[name];
      if (folder !== undefined) return act({ folder: path.resolve(folder), commands: parseCommands(values.commands) });
    }
    if (values.score) return score(values, given, positionals, context);
    const asked = await jobRequest(values, given, positionals);
    for (const line of describeJob(asked, values, given)) say(line);
    const { folder, files, request, notes } = await writeJob(asked.asked, context, asked.kept);
    for (const note of notes) say(note);
    return {
      json: { folder, files, images_a_step: globalBatch(request) },
      text: `job: ${folder} (start it there with \`${starts[request.launch.engine]}\`)`,
    };
  },
});
