/** Distillation: whom the teacher may teach, and logits that are computed once. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readdir, readFile, stat, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { before, test } from 'node:test';
import { UserError } from '../../../src/common/errors.ts';
import { buildModel } from '../../../src/engine/architectures/registry.ts';
import type { Executor } from '../../../src/engine/compute/executor.ts';
import type { Graph } from '../../../src/engine/graph/graph.ts';
import { finetuneModel } from '../../../src/engine/jobs/finetune.ts';
import { saveModel } from '../../../src/engine/jobs/opening/model.ts';
import { EMPTY_RECORD } from '../../../src/engine/jobs/record.ts';
import { initialiseWeights } from '../../../src/engine/training/initialise.ts';
import { RunDirectory } from '../../../src/engine/training/run-directory.ts';
import type { TrainingOptions } from '../../../src/engine/training/training-options.ts';
import { executor, skipWithoutRuntime, tinyImages, tinyRequest, workFolder } from '../training/tiny.ts';

const skip = skipWithoutRuntime;
const work = workFolder();
const place = (name: string): string => path.join(work, name);
let images = '';

async function saveRandom(name: string, options: { classes?: number; seed?: number } = {}): Promise<string> {
  const { classes = 10, seed = 7 } = options;
  const graph = buildModel('resnet20', { inputSize: 32, classes }) as Graph;
  await saveModel(place(name), graph, initialiseWeights(graph, seed), EMPTY_RECORD);
  return place(name);
}

before(async () => {
  images = await tinyImages(work);
  await saveRandom('teacher.safetensors');
  await saveRandom('other.safetensors', { seed: 8 });
});

/** Losses of a distilled run. */
async function losses(name: string, changes: Partial<TrainingOptions>, by: Executor = executor()): Promise<unknown[]> {
  const options = { teacherModel: place('teacher.safetensors'), epochs: 1, ...changes, outputDir: place(name) };
  await finetuneModel(tinyRequest(images, options), { executor: by });
  const lines = await (await RunDirectory.open(place(name))).metrics();
  return lines.filter(({ kind }) => kind === 'step').map(({ loss }) => loss);
}

/** Counts the sessions that only predict: the teacher's. */
function counting(): { executor: Executor; teachers(): number } {
  const inner = executor();
  let teachers = 0;
  return {
    executor: {
      ...inner,
      open: (programs, context) => {
        if (Object.keys(programs).join() === 'predict') teachers++;
        return inner.open(programs, context);
      },
    },
    teachers: () => teachers,
  };
}

test('hard and soft distillation on the class head of a student with one head', { skip }, async () => {
  const [none, hard, soft] = [
    await losses('none', { teacherModel: undefined }),
    await losses('hard', { distillation: 'hard' }),
    await losses('soft', { distillation: 'soft', distillationTemperature: 3 }),
  ];
  assert.equal(new Set([none[0], hard[0], soft[0]]).size, 3);
  const whole = await losses('whole', { distillationWeight: 0 });
  assert.deepEqual(whole, none);
});

test('outputs computed once are the same as computed every time', { skip }, async () => {
  const fixed: Partial<TrainingOptions> = { noAugment: true, epochs: 2, distillation: 'soft' };
  const cached = { ...fixed, teacherCache: place('logits.safetensors') };
  const live = await losses('live', fixed);
  const first = counting();
  assert.deepEqual((await losses('first', cached, first.executor)).length, live.length);
  assert.equal(first.teachers(), 1);
  const written = (await stat(place('logits.safetensors'))).mtimeMs;
  const second = counting();
  const again = await losses('second', cached, second.executor);
  assert.equal(second.teachers(), 0);
  assert.equal((await stat(place('logits.safetensors'))).mtimeMs, written);
  // In batches of another composition the last bit of a logit may differ; training in float32 makes more of it with every step.
  again.forEach((loss, i) => {
    const allowed = (i === 0 ? 1e-6 : 1e-3) * Number(live[i]);
    assert.ok(Math.abs(Number(loss) - Number(live[i])) <= allowed, `step ${i}: ${loss}, live ${live[i]}`);
  });
  const third = counting();
  const other = { ...cached, teacherModel: place('other.safetensors') };
  assert.notDeepEqual(await losses('third', other, third.executor), again);
  assert.equal(third.teachers(), 1);
});

test('an image that was replaced makes the outputs be computed anew; one that was only touched does not', {
  skip,
}, async () => {
  const changes: Partial<TrainingOptions> = { noAugment: true, teacherCache: place('kept.safetensors') };
  const folder = path.join(images, 'train');
  const image = path.join(
    folder,
    (await readdir(folder, { recursive: true })).find((name) => /\.\w+$/.test(name)) ?? '',
  );
  const teachers = async (name: string): Promise<number> => {
    const counted = counting();
    await losses(name, changes, counted.executor);
    return counted.teachers();
  };
  assert.equal(await teachers('kept-1'), 1);
  assert.equal(await teachers('kept-2'), 0);
  const bytes = await readFile(image);
  const { atime, mtime } = await stat(image);
  await writeFile(image, bytes);
  assert.equal(await teachers('touched'), 0);
  const changed = Buffer.from(bytes);
  changed[changed.length - 10] ^= 1;
  await writeFile(image, changed);
  await utimes(image, atime, mtime);
  assert.equal(await teachers('replaced'), 1);
  await writeFile(image, bytes);
});

test('outputs that cannot be kept are used all the same, and it is said', { skip }, async () => {
  const notes: string[] = [];
  const teacherCache = path.join(place('teacher.safetensors'), 'logits.safetensors');
  const options = { teacherModel: place('teacher.safetensors'), epochs: 1, noAugment: true, teacherCache };
  const request = tinyRequest(images, { ...options, outputDir: place('not-kept') });
  await finetuneModel(request, { executor: executor() }, { note: (text) => notes.push(text) });
  assert.equal(notes.length, 1);
  assert.match(notes[0], /^The teacher's outputs could not be kept for the next time\. Cannot write /);
});

test('a file that holds something else is not overwritten', { skip }, async () => {
  const file = place('keep.safetensors');
  await writeFile(file, await readFile(place('teacher.safetensors')));
  const before = await readFile(file);
  await assert.rejects(
    losses('keep', { noAugment: true, teacherCache: file }),
    (error) => error instanceof UserError && /keep\.safetensors holds no teacher outputs/.test(error.message),
  );
  assert.deepEqual(await readFile(file), before);
});

test('a teacher whose outputs are no numbers is told apart from a student that diverges', { skip }, async () => {
  const graph = buildModel('resnet20', { inputSize: 32, classes: 10 }) as Graph;
  const weights = new Map(initialiseWeights(graph, 7));
  // Finite, but a sum of them is not.
  const last = weights.get('linear.weight') ?? assert.fail();
  weights.set('linear.weight', { ...last, data: new Float32Array(last.data.length).fill(3e38) } as typeof last);
  await saveModel(place('broken.safetensors'), graph, weights, EMPTY_RECORD);
  for (const more of [{}, { noAugment: true, teacherCache: place('broken-logits.safetensors') }])
    await assert.rejects(
      losses('broken-teacher', { teacherModel: place('broken.safetensors'), overwrite: true, ...more }),
      (error) =>
        error instanceof UserError &&
        /the teacher .*broken\.safetensors gives (-?Infinity|NaN) for .*train/.test(error.message),
    );
  assert.ok(!existsSync(place('broken-logits.safetensors')));
});

test('teachers that cannot teach this student', { skip }, async () => {
  const threeClasses = await saveRandom('three.safetensors', { classes: 3 });
  for (const [teacherModel, message] of [
    ['resnet32', /the teacher resnet32 has no weights: give its checkpoint with --teacher-ckpt/],
    [threeClasses, /three\.safetensors has 3 classes, the student 10/],
    ['nobody', /nobody is neither a file nor a known model/],
  ] as const)
    await assert.rejects(
      losses('refused', { teacherModel }),
      (error) => error instanceof UserError && message.test(error.message),
    );
  for (const changes of [{ teacherCkpt: 'x' }, { teacherCache: 'x', noAugment: true }])
    await assert.rejects(
      losses('refused', { teacherModel: undefined, ...changes }),
      (error) => error instanceof UserError && /name the teacher with --teacher-model/.test(error.message),
    );
  assert.ok(!existsSync(place('refused')));
});
