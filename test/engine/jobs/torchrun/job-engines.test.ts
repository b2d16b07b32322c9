/**
 * Starting, following and stopping jobs. SLURM and SkyPilot are stand-ins here: programs that record their arguments and say what the real
 * ones say by their documentation. torchrun is started for real, with a shell in its place.
 */
import assert from 'node:assert/strict';
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { before, describe, test } from 'node:test';
import { flagDefaults } from '../../../../src/common/flags.ts';
import { type JobCommands, parseCommands } from '../../../../src/engine/jobs/torchrun/job-commands.ts';
import { readStarted, startJob } from '../../../../src/engine/jobs/torchrun/job-engines.ts';
import { writeJob } from '../../../../src/engine/jobs/torchrun/job-folder.ts';
import { jobFlags, type LaunchOptions, launchFlags } from '../../../../src/engine/jobs/torchrun/job-options.ts';
import { checkJobFolder } from '../../../../src/engine/jobs/torchrun/job-preflight.ts';
import { jobLog, jobStatus, leftRunning, stopJob } from '../../../../src/engine/jobs/torchrun/job-status.ts';
import { tinyImages, tinyRequest, workFolder } from '../../training/tiny.ts';
import { skipWithoutTorch, until } from './job-runs.ts';

const folder = workFolder();
let images: string;
const recordFile = path.join(folder, 'record');

/** A program that records how it was called, prints a text and ends with a code. */
function standIn(name: string, says: string, code = 0): readonly string[] {
  const file = path.join(folder, name);
  writeFileSync(`${file}.says`, says);
  const program = `#!/bin/sh\nprintf '%s' "${name}" >>'${recordFile}'\nfor word; do printf '|%s' "$word" >>'${recordFile}'; done\necho >>'${recordFile}'\ncat '${file}.says'\nexit ${code}\n`;
  writeFileSync(file, program);
  chmodSync(file, 0o755);
  return [file];
}

/** What was called since the last time. */
function called(): string[] {
  const lines = existsSync(recordFile) ? readFileSync(recordFile, 'utf8').trim().split('\n') : [];
  writeFileSync(recordFile, '');
  return lines;
}

async function madeJob(name: string, launch: Partial<LaunchOptions>): Promise<string> {
  const outputDir = path.join(folder, name);
  await writeJob({
    request: tinyRequest(images, { outputDir, batchSize: 8 }),
    job: { ...flagDefaults(jobFlags), gradAccumSteps: 1 },
    launch: { ...flagDefaults(launchFlags), ...launch },
  });
  return outputDir;
}

before(async () => {
  images = await tinyImages(folder);
});

describe('SLURM, by stand-ins', () => {
  test('is submitted from its folder, followed while it is queued and after, and cancelled', async () => {
    const job = await madeJob('a job of slurm', { engine: 'slurm' });
    const commands = (squeue: readonly string[], sacct: readonly string[]): JobCommands => ({
      sbatch: standIn('sbatch', '4242;cluster\n'),
      scancel: standIn('scancel', ''),
      squeue,
      sacct,
    });
    const queued = (word: string) => commands(standIn('squeue', `${word}\n`), standIn('sacct', ''));
    const started = await startJob({ folder: job, commands: queued('PENDING') }, 'slurm', 'resnet20');
    assert.equal(started.id, '4242');
    assert.deepEqual(called(), [`sbatch|--parsable|--chdir=${job}|job.sbatch`]);
    assert.deepEqual(await readStarted(job), started);

    for (const [word, state] of [
      ['PENDING', 'waiting'],
      ['RUNNING', 'running'],
    ] as const) {
      const status = await jobStatus({ folder: job, commands: queued(word) });
      assert.deepEqual([status.state, status.word], [state, word]);
      assert.deepEqual(called(), ['squeue|--noheader|--format=%T|--jobs=4242']);
    }
    await assert.rejects(startJob({ folder: job, commands: queued('RUNNING') }, 'slurm', 'resnet20'), /runs already/);
    called();

    // squeue has forgotten it: exit code 1.
    const forgotten = commands(standIn('squeue', '', 1), standIn('sacct', 'CANCELLED by 1000\n'));
    const status = await jobStatus({ folder: job, commands: forgotten });
    assert.deepEqual([status.state, status.word], ['lost', 'CANCELLED by 1000']);
    assert.equal(called()[1], 'sacct|--noheader|--parsable2|--allocations|--format=State|--jobs=4242');

    await stopJob({ folder: job, commands: forgotten });
    assert.deepEqual(called(), ['scancel|4242']);
    writeFileSync(path.join(job, 'slurm-4242.out'), 'epoch 1\n');
    assert.equal(await jobLog({ folder: job, commands: forgotten }), 'epoch 1');
  });

  test('what sbatch refuses is said', async () => {
    const job = await madeJob('refused', { engine: 'slurm' });
    const commands = { sbatch: standIn('sbatch', 'sbatch: error: invalid partition specified: gpu\n', 1) };
    await assert.rejects(startJob({ folder: job, commands }, 'slurm', 'x'), /sbatch failed .*invalid partition/s);
    assert.equal(await readStarted(job), undefined);
    const missing = { sbatch: ['no-such-program-here'] };
    await assert.rejects(
      startJob({ folder: job, commands: missing }, 'slurm', 'x'),
      /was not found.*--commands sbatch/,
    );
  });
});

test('SkyPilot, by stand-ins: launched, asked by exit codes, its files brought here, taken down', async () => {
  called();
  const job = await madeJob('sky job', { engine: 'skypilot', sky: ['accelerators=H100:1'] });
  const commands = (code: number): JobCommands => ({
    sky: standIn('sky', 'a line\n', code),
    rsync: standIn('rsync', ''),
  });
  const started = await startJob({ folder: job, commands: commands(0) }, 'skypilot', 'resnet20');
  const { id } = started;
  assert.match(id, /^espalier-resnet20-[0-9a-f]{6}$/);
  const launched = [`sky|launch|--yes|--detach-run|--cluster|${id}|job.sky.yaml`];
  assert.deepEqual(called(), launched);
  const running = await jobStatus({ folder: job, commands: commands(101) });
  assert.equal(running.state, 'running');
  const from = `${id}:sky_workdir`;
  assert.deepEqual(called(), [
    `sky|logs|--status|${id}`,
    `rsync|-az|--ignore-missing-args|${from}/metrics.jsonl|${from}/run.json|${from}/failure.txt|${job}/`,
  ]);
  const failed = await jobStatus({ folder: job, commands: commands(100) });
  assert.deepEqual([failed.state, failed.word], ['lost', 'FAILED']);
  assert.match(leftRunning(failed) ?? '', new RegExp(`sky down ${id}`));
  assert.equal(leftRunning(running), undefined);
  called();
  // Another job of the same model has a cluster of its own; the same job, started again, the one that it had.
  const other = await madeJob('sky job too', { engine: 'skypilot' });
  assert.notEqual((await startJob({ folder: other, commands: commands(0) }, 'skypilot', 'resnet20')).id, id);
  called();
  await startJob({ folder: job, commands: commands(0) }, 'skypilot', 'resnet20');
  assert.deepEqual(called().slice(-1), launched);
  assert.equal(await jobLog({ folder: job, commands: commands(0) }), 'a line');
  await stopJob({ folder: job, commands: commands(0) });
  const names = ['metrics.jsonl', 'run.json', 'failure.txt', 'best.safetensors', 'latest.safetensors'];
  assert.deepEqual(called(), [
    `sky|logs|--no-follow|${id}`,
    `rsync|-az|--ignore-missing-args|${names.map((name) => `${from}/${name}`).join('|')}|${job}/`,
    `sky|down|--yes|${id}`,
  ]);
});

test('torchrun: a process of its own, found again by its folder, stopped by an order', async () => {
  const job = await madeJob('local job', {});
  // In torchrun's place: it waits for the order as train.py does.
  writeFileSync(
    path.join(job, 'run.sh'),
    'echo begun\nwhile [ ! -e order.json ]; do sleep 0.05; done\ncat order.json\n',
  );
  const place = { folder: job, commands: {} };
  assert.equal((await jobStatus(place)).state, 'not started');
  await startJob(place, 'torchrun', 'resnet20');
  const running = await jobStatus(place);
  assert.equal(running.state, 'running');
  assert.ok(await until(() => existsSync(path.join(job, 'job.log'))));
  await stopJob(place);
  assert.equal((await jobStatus(place)).state, 'lost');
  assert.match(await jobLog(place), /^begun\n\{"action":"stop"/);
});

test("commands of a cluster of one's own", () => {
  assert.deepEqual(parseCommands(['sbatch=ssh login sbatch', 'sky=/opt/sky']), {
    sbatch: ['ssh', 'login', 'sbatch'],
    sky: ['/opt/sky'],
  });
  for (const wrong of ['sbatch', 'qsub=x', 'sbatch='])
    assert.throws(() => parseCommands([wrong]), /--commands .*names are sh, python, sbatch/);
});

describe('preflight', { skip: skipWithoutTorch }, () => {
  test('finds Python, packages, data and room, and makes one step', async () => {
    const job = await madeJob('checked', { python: process.env['ESPALIER_TEST_PYTHON'] ?? 'python3' });
    const checks = await checkJobFolder(job);
    assert.deepEqual(
      checks.map(({ name }) => name),
      ['python', 'packages', 'GPUs', 'data', 'disk', 'one step'],
    );
    assert.deepEqual(
      checks.filter(({ ok }) => !ok),
      [],
    );
    assert.match(checks[3].text, /^160 images for training, 40 for validation, 10 classes/);
    assert.match(checks[5].text, /^loss /);
    assert.ok(!existsSync(path.join(job, 'latest.safetensors')) && !existsSync(path.join(job, 'run.json')));
  });

  test('says what is missing and what to do', async () => {
    const job = await madeJob('unfit', { python: '/no/such/python' });
    const [python] = await checkJobFolder(job);
    assert.ok(!python.ok);
    assert.match(python.text, /\/no\/such\/python was not found.*--python/);
    writeFileSync(path.join(job, 'requirements.txt'), 'no-such-package==1.0\n');
    const checks = await checkJobFolder(job, { python: ['python3'] });
    assert.deepEqual(
      checks.map(({ ok }) => ok),
      [true, false],
    );
    assert.match(checks[1].text, /no-such-package not found by .*pip install -r requirements\.txt/);
  });
});
