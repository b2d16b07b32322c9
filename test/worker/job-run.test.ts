/** A finetuning run that is a job: written, handed over, followed and stopped. SLURM's programs are stand-ins that record their arguments. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { chmod, copyFile, mkdir } from 'node:fs/promises';
import path from 'node:path';
import { before, test } from 'node:test';
import { buildModel } from '../../src/engine/architectures/registry.ts';
import { saveModel } from '../../src/engine/jobs/opening/model.ts';
import { EMPTY_RECORD } from '../../src/engine/jobs/record.ts';
import { initialiseWeights } from '../../src/engine/training/initialise.ts';
import type { RunEnd, ScoreStart } from '../../src/protocol/run-files.ts';
import type { FinetuneResult, ProgressReport } from '../../src/protocol/values.ts';
import { checkFinetune } from '../../src/worker/finetune-run.ts';
import { runJob } from '../../src/worker/job-run.ts';
import { isJobStart, type JobStart } from '../../src/worker/job-start.ts';
import { RunControls } from '../../src/worker/run-controls.ts';
import { errorShape } from '../../src/worker/wire-errors.ts';
import { tinyImages, workFolder } from '../engine/training/tiny.ts';

const work = workFolder();
type TrainingStart = Extract<JobStart, { readonly settings: unknown }>;
let start: TrainingStart;

/** The result of a training. */
async function trainedIn(end: Promise<RunEnd>): Promise<FinetuneResult> {
  const found = await end;
  return found.kind === 'ended' ? found.result : assert.fail(found.kind);
}

before(async () => {
  const graph = buildModel('resnet20') ?? assert.fail();
  const file = path.join(work, 'dense.safetensors');
  await saveModel(file, graph, initialiseWeights(graph, 1), EMPTY_RECORD);
  const dataPath = await tinyImages(work);
  start = {
    source: { kind: 'file', path: file },
    settings: {
      recipe: 'cifar',
      dataPath,
      flags: { epochs: 2, 'batch-size': 8, opt: 'sgd', lr: 0.01 },
      place: { engine: 'slurm', nodes: 1, processes: 2, dataPath: '/cluster/images' },
    },
    resume: false,
    job: { python: 'python3', slurm: ['partition=gpu'], skypilot: [], commands: [] },
  };
});

interface Cluster {
  readonly directory: string;
  readonly commands: readonly string[];
  /** How the programs were called. */
  calls(): readonly string[];
  /** What squeue says from now on; empty: it has forgotten the job. */
  says(word: string): void;
}

async function cluster(name: string): Promise<Cluster> {
  const directory = path.join(work, name);
  await mkdir(directory);
  const record = path.join(directory, 'calls.txt');
  const word = path.join(directory, 'word.txt');
  const program = async (command: string, body: string): Promise<string> => {
    const file = path.join(directory, command);
    writeFileSync(file, `#!/bin/sh\necho "${command} $*" >>'${record}'\n${body}\n`);
    await chmod(file, 0o755);
    return `${command}=${file}`;
  };
  writeFileSync(word, 'PENDING');
  writeFileSync(record, '');
  return {
    directory,
    commands: [
      await program('sbatch', 'echo 77'),
      await program('squeue', `test -s '${word}' || exit 1\ncat '${word}'`),
      await program('sacct', 'echo COMPLETED'),
      await program('scancel', `: >'${word}'`),
    ],
    calls: () => readFileSync(record, 'utf8').trim().split('\n'),
    says: (text) => writeFileSync(word, text),
  };
}

const step = (epoch: number, at: number) =>
  JSON.stringify({ kind: 'step', epoch, step: at, loss: 1.5, learningRate: 0.01, imagesPerSecond: 100 });

/** What train.py leaves of a run of two epochs of four steps. */
async function trained(directory: string): Promise<void> {
  const job = path.join(directory, 'job');
  const epochs = [0, 1].map((epoch) =>
    JSON.stringify({ kind: 'epoch', epoch, step: 4 * epoch + 3, top1: 0.25 * (epoch + 1) }),
  );
  writeFileSync(path.join(job, 'metrics.jsonl'), `${[step(0, 3), epochs[0], step(1, 7), epochs[1]].join('\n')}\n`);
  writeFileSync(
    path.join(job, 'run.json'),
    JSON.stringify({ state: 'done', stepsPerEpoch: 4, request: { options: { batchSize: 16 } } }),
  );
  await copyFile(path.join(job, 'weights.safetensors'), path.join(job, 'best.safetensors'));
}

async function until(condition: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 30_000; !condition(); ) {
    if (Date.now() > deadline) throw new Error('waited in vain');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

function begin({ directory, commands }: Cluster, resume = false, asked: JobStart = start) {
  const controller = new AbortController();
  const reports: ProgressReport[] = [];
  const notes: string[] = [];
  const result = runJob(
    directory,
    { ...asked, resume, job: { ...asked.job, commands } },
    {
      controls: new RunControls(controller),
      context: { signal: controller.signal, note: (text) => notes.push(text) },
      report: (report) => reports.push(report),
      pollMs: 20,
    },
  );
  // Looked at when it is awaited.
  result.catch(() => undefined);
  return { controller, reports, notes, result };
}

test('a start is a job’s only with how jobs are started here', () => {
  assert.ok(isJobStart(start));
  const { job: _, ...without } = start;
  assert.ok(!isJobStart(without));
});

test('is written, submitted, shown while it waits and runs, found again by another watcher, and gives its best model', async () => {
  const slurm = await cluster('followed');
  const first = begin(slurm);
  await until(() => first.reports.some(({ phase }) => phase === 'waiting'));
  const job = path.join(slurm.directory, 'job');
  assert.match(slurm.calls()[0], /^sbatch --test-only --chdir=.*followed\/job job\.sbatch$/);
  assert.match(slurm.calls()[1], /^sbatch --parsable --chdir=.*followed\/job job\.sbatch$/);
  assert.match(readFileSync(path.join(job, 'job.sbatch'), 'utf8'), /partition=gpu/);
  assert.equal(JSON.parse(readFileSync(path.join(job, 'job.json'), 'utf8')).request.dataPath, '/cluster/images');
  assert.match(first.reports.at(-1)?.message ?? '', /SLURM 77: PENDING/);
  assert.ok(first.notes.some((note) => note.startsWith('/cluster/images is not on this machine')));
  assert.ok(first.notes.some((note) => /not looked at: with espalier\.jobs\.commands/.test(note)));

  writeFileSync(path.join(job, 'metrics.jsonl'), `${step(0, 3)}\n`);
  writeFileSync(
    path.join(job, 'run.json'),
    JSON.stringify({ state: 'running', stepsPerEpoch: 4, request: { options: { batchSize: 16 } } }),
  );
  slurm.says('RUNNING');
  await until(() => first.reports.some(({ phase }) => phase === 'finetune'));
  const running = first.reports.find(({ phase, total }) => phase === 'finetune' && total > 0);
  assert.deepEqual([running?.done, running?.total, running?.message], [4, 8, 'SLURM 77 · epoch 1 of 2']);
  // 4 steps of 16 images at 100 a second.
  assert.equal(running?.eta, 0.64);

  const second = begin(slurm, true);
  await until(() => second.reports.some(({ phase }) => phase === 'finetune'));
  assert.equal(slurm.calls().filter((line) => line.startsWith('sbatch --parsable')).length, 1, 'submitted once');
  await trained(slurm.directory);
  slurm.says('');
  for (const { result } of [first, second]) {
    const { best, bestTop1, epochs, stopped } = await trainedIn(result);
    assert.deepEqual([best, bestTop1, epochs, stopped], [path.join(job, 'best.safetensors'), 0.5, 2, 'finished']);
  }
});

test('is cancelled where the run is stopped', async () => {
  const slurm = await cluster('stopped');
  const { controller, reports, result } = begin(slurm);
  await until(() => reports.some(({ phase }) => phase === 'waiting'));
  controller.abort();
  await assert.rejects(result, { name: 'AbortError' });
  assert.equal(slurm.calls().at(-1), 'scancel 77');
});

test('is told to stop after its epoch by the file that train.py reads', async () => {
  const slurm = await cluster('ordered');
  slurm.says('RUNNING');
  const controller = new AbortController();
  const controls = new RunControls(controller);
  const result = runJob(
    slurm.directory,
    { ...start, job: { ...start.job, commands: slurm.commands } },
    {
      controls,
      context: { signal: controller.signal },
      report: () => undefined,
      pollMs: 20,
    },
  );
  const order = path.join(slurm.directory, 'job', 'order.json');
  await until(() => existsSync(path.join(slurm.directory, 'job', 'started.json')));
  controls.stopAfterEpoch();
  await until(() => existsSync(order));
  assert.equal(JSON.parse(readFileSync(order, 'utf8')).action, 'stopAfterEpoch');
  await trained(slurm.directory);
  slurm.says('');
  assert.equal((await trainedIn(result)).bestTop1, 0.5);
});

test('that ended before its end says so, with its last words', async () => {
  const slurm = await cluster('lost');
  const { reports, result } = begin(slurm);
  await until(() => reports.some(({ phase }) => phase === 'waiting'));
  writeFileSync(path.join(slurm.directory, 'job', 'slurm-77.out'), 'CUDA out of memory\n');
  slurm.says('');
  await assert.rejects(result, /did not reach its end: it ended without saying why.*CUDA out of memory/s);
});

test('that is only to be written is not handed over', async () => {
  const slurm = await cluster('written');
  const { place } = start.settings;
  const asked: TrainingStart = {
    ...start,
    settings: { ...start.settings, place: { ...place, onlyWrite: true } },
    job: { ...start.job, commands: slurm.commands },
  };
  const controller = new AbortController();
  const watch = { controls: new RunControls(controller), context: {}, report: () => undefined };
  const { best } = await trainedIn(runJob(slurm.directory, asked, watch));
  assert.equal(best, path.join(slurm.directory, 'job'));
  assert.ok(existsSync(path.join(best, 'run.sh')));
  assert.deepEqual(slurm.calls(), ['']);
});

test('that its engine or its place does not take is not handed over, and says all that is wrong in the editor’s words', async () => {
  const slurm = await cluster('refused');
  const sbatch = path.join(slurm.directory, 'sbatch');
  writeFileSync(sbatch, '#!/bin/sh\necho "invalid partition specified: gpu" >&2\nexit 1\n');
  const python = path.join(slurm.directory, 'python');
  const check = JSON.stringify({ name: 'GPUs', ok: false, text: '1 GPUs here: make it with --processes 1' });
  writeFileSync(python, `#!/bin/sh\necho '${check}'\nexit 1\n`);
  await chmod(python, 0o755);
  const { result, notes } = begin({ ...slurm, commands: [...slurm.commands, `python=${python}`] });
  const error = await result.then(
    () => assert.fail('was handed over'),
    (reason: unknown) => errorShape(reason, new AbortController().signal),
  );
  assert.equal(error.kind, 'user');
  assert.match(error.message, /GPUs: 1 GPUs here: choose 1 processes a machine under "Where"/);
  assert.match(error.message, /invalid partition specified: gpu.*correct the setting espalier\.jobs\.slurm/s);
  assert.ok(notes.every((note) => note.startsWith('FAILED') || note.startsWith('/cluster/images')));
  assert.ok(!existsSync(path.join(slurm.directory, 'job', 'started.json')));
});

test('settings that only a job has stand among the others, and are known by name', async () => {
  const flags = { 'grad-accum-steps': 2, 'sync-bn': true, 'amp-type': 'float16', 'max-restarts': 1, epochs: 3 };
  const wrong = (isJob: boolean, more: object = {}) =>
    checkFinetune({ flags: { ...flags, ...more }, isJob }, { signal: new AbortController().signal } as never);
  assert.deepEqual(await wrong(true), []);
  assert.deepEqual((await wrong(false)).length, 4);
  assert.match((await wrong(true, { 'sync-batch': true })).join(), /unknown option "sync-batch"/);
  const slurm = await cluster('flags');
  const asked: TrainingStart = {
    ...start,
    settings: { ...start.settings, flags, place: { ...start.settings.place, onlyWrite: true } },
  };
  const controls = new RunControls(new AbortController());
  await runJob(slurm.directory, asked, { controls, context: {}, report: () => undefined });
  const { request, job, launch } = JSON.parse(readFileSync(path.join(slurm.directory, 'job', 'job.json'), 'utf8'));
  assert.deepEqual([job.gradAccumSteps, job.syncBn, job.ampType, launch.maxRestarts], [2, true, 'float16', 1]);
  assert.deepEqual([request.options.epochs, launch.processes, launch.slurm], [3, 2, ['partition=gpu']]);
});

const scoring = (): ScoreStart => {
  const { source, job, settings } = start;
  const scores = { criterion: 'taylor', batches: 5, batchSize: 8, seed: 0, place: settings.place } as const;
  return { source, scores, job, resume: false };
};

test('scoring: its batches are shown, its gradients are given', async () => {
  const slurm = await cluster('scored');
  const { result, reports } = begin(slurm, false, scoring());
  await until(() => reports.some(({ phase }) => phase === 'waiting'));
  const job = path.join(slurm.directory, 'job');
  const { kind, request, launch } = JSON.parse(readFileSync(path.join(job, 'job.json'), 'utf8'));
  assert.deepEqual([kind, request.dataPath, launch.processes], ['score', '/cluster/images', 2]);
  assert.deepEqual([request.options.pruningType, request.options.batches, request.options.batchSize], ['taylor', 5, 8]);
  const progress = { done: 2, total: 5, imagesPerSecond: 10, remaining: 2.4 };
  writeFileSync(path.join(job, 'scoring.json'), JSON.stringify(progress));
  slurm.says('RUNNING');
  await until(() => reports.some(({ phase, total }) => phase === 'score' && total > 0));
  const shown = reports.find(({ phase, total }) => phase === 'score' && total > 0);
  assert.deepEqual(shown, { phase: 'score', message: 'SLURM 77', done: 2, total: 5, eta: 2.4 });
  writeFileSync(path.join(job, 'gradients.safetensors'), '');
  slurm.says('');
  assert.deepEqual(await result, { kind: 'scored', gradients: path.join(job, 'gradients.safetensors') });
});

test('scoring that failed says why its first process did, and that is stopped is cancelled', async () => {
  const slurm = await cluster('scoring-failed');
  const { result, reports } = begin(slurm, false, scoring());
  await until(() => reports.some(({ phase }) => phase === 'waiting'));
  writeFileSync(path.join(slurm.directory, 'job', 'failure.txt'), '/cluster/images/a.png cannot be read: mend it\n');
  slurm.says('');
  await assert.rejects(result, /did not reach its end: \/cluster\/images\/a\.png cannot be read: mend it\./);
  const other = await cluster('scoring-stopped');
  const second = begin(other, false, scoring());
  await until(() => second.reports.some(({ phase }) => phase === 'waiting'));
  second.controller.abort();
  await assert.rejects(second.result, { name: 'AbortError' });
  assert.equal(other.calls().at(-1), 'scancel 77');
});

/** SkyPilot's programs: what `sky` was asked is recorded, and `rsync` brings what lies in a folder that stands for the cluster. */
async function cloud(name: string): Promise<Cluster & { readonly remote: string }> {
  const directory = path.join(work, name);
  const [remote, record, code] = ['remote', 'calls.txt', 'code.txt'].map((file) => path.join(directory, file));
  await mkdir(remote, { recursive: true });
  writeFileSync(record, '');
  writeFileSync(code, '101');
  const sky = path.join(directory, 'sky');
  const rsync = path.join(directory, 'rsync');
  const status = `case "$*" in "logs --status "*) exit "$(cat '${code}')";; esac`;
  writeFileSync(sky, `#!/bin/sh\necho "sky $*" >>'${record}'\n${status}\n`);
  const fetch = `for word; do case $word in *:*) f='${remote}'/"\${word##*/}"; test -e "$f" && cp "$f" '${directory}/job/';; esac; done\nexit 0`;
  writeFileSync(rsync, `#!/bin/sh\necho "rsync $*" >>'${record}'\n${fetch}\n`);
  for (const program of [sky, rsync]) await chmod(program, 0o755);
  return {
    directory,
    remote,
    commands: [`sky=${sky}`, `rsync=${rsync}`],
    calls: () => readFileSync(record, 'utf8').trim().split('\n'),
    says: (text) => writeFileSync(code, text),
  };
}

const inTheClouds = (): TrainingStart => ({
  ...start,
  settings: { ...start.settings, place: { engine: 'skypilot', nodes: 1, processes: 2, dataPath: '/data' } },
  job: { ...start.job, skypilot: ['accelerators=H100:2'] },
});

test('SkyPilot: looked at, launched, its files brought here while it runs and at its end', async () => {
  const sky = await cloud('clouds');
  const { result, reports, notes } = begin(sky, false, inTheClouds());
  await until(() => reports.some(({ phase }) => phase === 'finetune'));
  const [looked, launched] = sky.calls();
  assert.equal(looked, 'sky launch --dryrun --yes job.sky.yaml');
  const [, id] =
    /^sky launch --yes --detach-run --cluster (espalier-resnet20-\w{6}) job\.sky\.yaml$/.exec(launched) ?? [];
  assert.ok(id, launched);
  const job = path.join(sky.directory, 'job');
  assert.match(readFileSync(path.join(job, 'job.sky.yaml'), 'utf8'), /accelerators: "H100:2"/);
  assert.ok(notes.includes(`handed to SkyPilot: ${id}`));
  const running = { state: 'running', stepsPerEpoch: 4, request: { options: { batchSize: 16 } } };
  writeFileSync(path.join(sky.remote, 'run.json'), JSON.stringify(running));
  writeFileSync(path.join(sky.remote, 'metrics.jsonl'), `${step(0, 3)}\n`);
  await until(() => reports.some(({ total }) => total === 8));
  const shown = reports.find(({ total }) => total === 8);
  assert.deepEqual([shown?.message, shown?.done], [`SkyPilot ${id} · epoch 1 of 2`, 4]);
  const ends = [0, 1].map((epoch) => JSON.stringify({ kind: 'epoch', epoch, step: 4 * epoch + 3, top1: 0.5 }));
  writeFileSync(path.join(sky.remote, 'metrics.jsonl'), `${[step(0, 3), ends[0], step(1, 7), ends[1]].join('\n')}\n`);
  writeFileSync(path.join(sky.remote, 'run.json'), JSON.stringify({ ...running, state: 'done' }));
  await copyFile(path.join(job, 'weights.safetensors'), path.join(sky.remote, 'best.safetensors'));
  sky.says('0');
  const { best, bestTop1 } = await trainedIn(result);
  assert.deepEqual([best, bestTop1], [path.join(job, 'best.safetensors'), 0.5]);
  assert.match(sky.calls().at(-1) ?? '', /^rsync .*espalier-resnet20-\w+:sky_workdir\/best\.safetensors/);
  assert.match(notes.at(-1) ?? '', new RegExp(`sky down ${id}`));
});

test('SkyPilot: stopping brings the results here, then takes the cluster down', async () => {
  const sky = await cloud('taken-down');
  const { result, controller, reports } = begin(sky, false, inTheClouds());
  await until(() => reports.some(({ phase }) => phase === 'finetune'));
  writeFileSync(path.join(sky.remote, 'latest.safetensors'), 'as it was');
  controller.abort();
  await assert.rejects(result, { name: 'AbortError' });
  assert.equal(readFileSync(path.join(sky.directory, 'job', 'latest.safetensors'), 'utf8'), 'as it was');
  assert.match(sky.calls().at(-1) ?? '', /^sky down --yes espalier-resnet20-\w{6}$/);
});
