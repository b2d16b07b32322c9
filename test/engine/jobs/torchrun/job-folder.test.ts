/** A job's folder: what it holds, that it can be made again, what a job refuses, and the files of the engines. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import path from 'node:path';
import { before, describe, test } from 'node:test';
import { flagDefaults } from '../../../../src/common/flags.ts';
import { buildModel } from '../../../../src/engine/architectures/registry.ts';
import type { Graph } from '../../../../src/engine/graph/graph.ts';
import { saveModel } from '../../../../src/engine/jobs/opening/model.ts';
import { EMPTY_RECORD } from '../../../../src/engine/jobs/record.ts';
import { writeJob } from '../../../../src/engine/jobs/torchrun/job-folder.ts';
import { jobFlags, launchFlags } from '../../../../src/engine/jobs/torchrun/job-options.ts';
import { globalBatch, type JobRequest, readJob } from '../../../../src/engine/jobs/torchrun/job-request.ts';
import type { TrainingOptions } from '../../../../src/engine/training/training-options.ts';
import { fillWeights } from '../../../support/detfill.ts';
import { noPythonWith, PYTHON } from '../../../support/python.ts';
import { TINY, tinyImages, tinyRequest, workFolder } from '../../training/tiny.ts';
import { HOSTILE } from './hostile-names.ts';

const folder = workFolder();
const place = (...names: string[]): string => path.join(folder, ...names);
const model = place('small.safetensors');
const teacher = place('teacher.safetensors');
let images: string;

interface Changes {
  readonly options?: Partial<TrainingOptions>;
  readonly job?: Partial<JobRequest['job']>;
  readonly launch?: Partial<JobRequest['launch']>;
  readonly dataPath?: string;
}

const asked = ({ options = {}, job = {}, launch = {}, dataPath = images }: Changes = {}): JobRequest => ({
  request: { ...tinyRequest(dataPath, options), model: { model } },
  job: { ...flagDefaults(jobFlags), gradAccumSteps: 1, ...job },
  launch: { ...flagDefaults(launchFlags), ...launch },
});

const contentsOf = (at: string): Record<string, string> =>
  Object.fromEntries(readdirSync(at).map((name) => [name, readFileSync(path.join(at, name), 'base64')]));

before(async () => {
  images = await tinyImages(folder);
  for (const [file, name] of [
    [model, 'resnet20'],
    [teacher, 'resnet32'],
  ]) {
    const graph = buildModel(name, { inputSize: TINY.size }) as Graph;
    await saveModel(file, graph, fillWeights(graph), EMPTY_RECORD);
  }
});

describe('the folder', () => {
  test('holds what trains, what starts it and what makes it again', async () => {
    const outputDir = place('whole');
    const { files } = await writeJob(asked({ options: { outputDir, teacherModel: teacher } }));
    const expected =
      'README.md check.py images.py job.json job.sbatch job.sky.yaml model.py recipe.py requirements.txt run.sh run_folder.py score.py teacher.py teacher.safetensors train.py weights.safetensors';
    assert.deepEqual(files, expected.split(' '));
    assert.match(readFileSync(place('whole', 'requirements.txt'), 'utf8'), /^torch==[\d.]+\ntorchvision==[\d.]+\n$/);
    assert.deepEqual(
      readdirSync(folder).filter((name) => name.startsWith('.')),
      [],
    );
  });

  test('is made again from job.json, byte for byte, after the model it was made from has gone', async () => {
    const options = {
      outputDir: place('first'),
      teacherModel: teacher,
      scaleLr: true,
      mixupAlpha: 0.2,
      drop: 0.1,
    };
    await writeJob(
      asked({ options, job: { gradAccumSteps: 2 }, launch: { processes: 2, sky: ['accelerators=A100:2'] } }),
    );
    await rename(model, `${model}.away`);
    await rename(teacher, `${teacher}.away`);
    try {
      const kept = await readJob(place('first', 'job.json'));
      const again = { ...kept.request, options: { ...kept.request.options, outputDir: place('second') } };
      await writeJob({ ...kept, request: again }, {}, kept);
    } finally {
      await rename(`${model}.away`, model);
      await rename(`${teacher}.away`, teacher);
    }
    assert.deepEqual(contentsOf(place('second')), contentsOf(place('first')));
  });

  test('the linear rule goes by the images of all processes', async () => {
    const launch = { processes: 4, nodes: 2 };
    const options = { outputDir: place('scaled'), lr: 0.1, scaleLr: true, batchSize: 32, lrBatchSize: 256 };
    const { request } = await writeJob(asked({ options, job: { gradAccumSteps: 2 }, launch }));
    assert.equal(globalBatch(request), 512);
    assert.equal(request.request.options.lr, 0.2);
    assert.equal(request.request.options.batchSize, 32);
  });

  test('takes the place of nothing but a job, and of a job only with --overwrite', async () => {
    mkdirSync(place('other'));
    writeFileSync(place('other', 'mine.txt'), 'x');
    const into = (name: string, overwrite = false): Promise<unknown> =>
      writeJob(asked({ options: { outputDir: place(name), overwrite } }));
    await assert.rejects(into('other', true), /holds something else than a job/);
    await into('twice');
    await assert.rejects(into('twice'), /holds a job already/);
    writeFileSync(place('twice', 'latest.safetensors'), 'x');
    await assert.rejects(into('twice'), /holds a job that has begun \(latest\.safetensors\)/);
    await into('twice', true);
    assert.ok(!existsSync(place('twice', 'latest.safetensors')));
  });

  test('data that lie elsewhere: nothing is asked of them here', async () => {
    const { notes } = await writeJob(
      asked({ dataPath: '/elsewhere/data', options: { outputDir: place('elsewhere') } }),
    );
    assert.match(notes.join('\n'), /\/elsewhere\/data is not on this machine/);
    const job = JSON.parse(readFileSync(place('elsewhere', 'job.json'), 'utf8'));
    assert.equal(job.images.classNames, null);
  });
});

describe('what a job cannot do is refused with the reason', () => {
  const cases: readonly (readonly [string, Changes, RegExp])[] = [
    [
      'a cache of the teacher',
      { options: { teacherCache: 'x', teacherModel: 'y', noAugment: true } },
      /--teacher-cache: a job cannot do that: .*at every step/,
    ],
    ['resuming', { options: { resume: 'x' } }, /--resume: a job cannot do that/],
    ['measuring', { options: { testOnly: true } }, /--test-only: a job cannot do that: `espalier evaluate`/],
    ['no process', { launch: { processes: 0 } }, /--processes must be at least 1/],
    ['nesterov without momentum', { options: { opt: 'sgd_nesterov', momentum: 0 } }, /--momentum above 0/],
    [
      'an option of sbatch that is a program',
      { launch: { slurm: ['time=1\n#SBATCH --wrap=x'] } },
      /--slurm .* name=value/,
    ],
    ['resources that are YAML', { launch: { sky: ['accelerators=H100: {a'] } }, /--sky .* name=value/],
  ];
  for (const [what, changes, message] of cases)
    test(what, async () => {
      const outputDir = place('refused');
      await assert.rejects(writeJob(asked({ ...changes, options: { ...changes.options, outputDir } })), message);
      assert.ok(!existsSync(outputDir));
    });

  test('a damaged job.json', async () => {
    await writeJob(asked({ options: { outputDir: place('damaged') } }));
    const file = place('damaged', 'job.json');
    const text = readFileSync(file, 'utf8');
    for (const [wrong, message] of [
      [text.slice(0, 50), /is damaged/],
      [text.replace('"epochs": 2', '"epochs": "2"'), /is no job's/],
      [text.replace('"version": 1', '"version": 9'), /is no job's/],
    ] as const) {
      writeFileSync(file, wrong);
      await assert.rejects(readJob(file), message);
    }
  });
});

describe('files of the engines', () => {
  const launch = {
    nodes: 2,
    processes: 8,
    slurm: ['partition=gpu', 'time=24:00:00'],
    sky: ['accelerators=H100:8', 'use_spot=true'],
  };

  test('job.sbatch: options first, as sbatch reads them, then srun', async () => {
    await writeJob(asked({ options: { outputDir: place('slurm') }, launch }));
    const lines = readFileSync(place('slurm', 'job.sbatch'), 'utf8').split('\n');
    assert.equal(lines[0], '#!/bin/bash');
    const end = lines.indexOf('');
    const options = Object.fromEntries(
      lines.slice(1, end).map((line) => /^#SBATCH --([a-z-]+)(?:=(\S+))?$/.exec(line)?.slice(1) ?? assert.fail(line)),
    );
    assert.equal(options['nodes'], '2');
    assert.equal(options['ntasks-per-node'], '1');
    assert.equal(options['gpus-per-node'], '8');
    assert.equal(options['partition'], 'gpu');
    assert.ok(!lines.slice(end).some((line) => line.startsWith('#SBATCH')));
    execFileSync('bash', ['-n', place('slurm', 'job.sbatch')]);
    execFileSync('sh', ['-n', place('slurm', 'run.sh')]);
  });

  test('job.sky.yaml has the documented keys and no others', { skip: noPythonWith('yaml') }, async () => {
    const dataPath = '/data of "mine": {x}';
    const outputDir = place('sky');
    await writeJob(asked({ options: { outputDir }, launch: { ...launch, dataSource: "s3://it's" }, dataPath }));
    const code = 'import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1]))))';
    const task = JSON.parse(execFileSync(PYTHON, ['-c', code, place('sky', 'job.sky.yaml')], { encoding: 'utf8' }));
    const { setup, run, ...rest } = task;
    assert.deepEqual(rest, {
      name: 'espalier-resnet20',
      workdir: '.',
      num_nodes: 2,
      resources: { accelerators: 'H100:8', use_spot: true },
      file_mounts: { [dataPath]: { source: "s3://it's", mode: 'MOUNT' } },
    });
    assert.equal(setup, 'pip install -r requirements.txt\n');
    execFileSync('bash', ['-n', '-c', run]);
  });

  test('hostile folders and Pythons: run.sh runs the Python that it names, in its own folder', async () => {
    for (const [i, name] of HOSTILE.entries()) {
      const outputDir = place(`hostile ${i}`, `job${name.replaceAll('/', '')}`);
      const python = path.join(place(`hostile ${i}`), name.replaceAll('/', ''));
      await writeJob(asked({ options: { outputDir }, launch: { python } }));
      const program = '#!/bin/sh\npwd >"$RECORD"\nprintf "%s\\n" "$@" >>"$RECORD"\n';
      writeFileSync(python, program, { mode: 0o755 });
      const record = place(`hostile ${i}`, 'record');
      execFileSync('sh', [path.join(outputDir, 'run.sh')], { cwd: folder, env: { ...process.env, RECORD: record } });
      const text = readFileSync(record, 'utf8');
      assert.equal(text.slice(0, outputDir.length), outputDir);
      assert.match(text, /\n-m\ntorch\.distributed\.run\n--standalone\n[\s\S]*\ntrain\.py\n$/);
      assert.ok(![folder, outputDir].some((at) => existsSync(path.join(at, 'owned'))), name);
    }
  });
});
