/** The parts of a job's train.py against ours, to 1e-6: rates, weight decay, averages, losses, mixing, order of images. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { before, describe, test } from 'node:test';
import { flagDefaults, flagName } from '../../../../src/common/flags.ts';
import { buildModel } from '../../../../src/engine/architectures/registry.ts';
import { emitLoss } from '../../../../src/engine/compute/programs/losses.ts';
import { ProgramBuilder } from '../../../../src/engine/compute/programs/program-builder.ts';
import { mixBatch } from '../../../../src/engine/data/augment/mixing.ts';
import { deriveSeed, Random } from '../../../../src/engine/data/random.ts';
import { epochOrder } from '../../../../src/engine/data/sampler.ts';
import { pytorchSource } from '../../../../src/engine/export/pytorch.ts';
import type { Graph } from '../../../../src/engine/graph/graph.ts';
import { decayAtStep, updatesAfter } from '../../../../src/engine/training/average.ts';
import { learningRate } from '../../../../src/engine/training/schedules.ts';
import { type TrainingOptions, trainingFlags } from '../../../../src/engine/training/training-options.ts';
import { weightDecayOf } from '../../../../src/engine/training/weight-decay.ts';
import { uniform } from '../../../support/detfill.ts';
import { interpret, values } from '../../../support/interpreter.ts';
import { noPythonWith, runPython } from '../../../support/python.ts';
import { readReference } from '../../../support/reference.ts';
import { repositoryRoot } from '../../checkpoint/files.ts';
import { workFolder } from '../../training/tiny.ts';

const defaults = flagDefaults(trainingFlags);
type Changes = Partial<TrainingOptions>;

/** Settings as train.py has them. */
const settings = (changes: Changes): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries({ ...defaults, ...changes }).map(([key, value]) => [
      flagName(key).replaceAll('-', '_'),
      value ?? null,
    ]),
  );

const SCHEDULES: readonly Changes[] = [
  { epochs: 100 },
  { epochs: 50, lrScheduler: 'cosineannealinglr', lrMin: 1e-3 },
  { epochs: 50, lrScheduler: 'cosineannealinglr', lrWarmupEpochs: 5, lrWarmupMethod: 'linear', lrWarmupDecay: 0.033 },
  { epochs: 50, lrScheduler: 'cosineannealinglr', lrWarmupEpochs: 5, lrWarmupDecay: 0.01 },
  { epochs: 20, lrScheduler: 'exponentiallr', lrGamma: 0.97 },
  { epochs: 5, lrScheduler: 'onecycle', lr: 0.05 },
  { epochs: 3, lrScheduler: 'constant' },
];
/** In training.json, in the order above. */
const RECORDED = [
  'steplr step 30 gamma .1, 100 epochs',
  'cosine, 50 epochs, min 1e-3',
  'cosine, 50 epochs, 5 linear warm-up from .033',
  'cosine, 50 epochs, 5 constant warm-up .01',
  'exponential .97, 20 epochs',
];
const STEPS = 7;

const DECAYS: readonly (readonly [string, Changes])[] = [
  ['resnet20', { opt: 'sgd' }],
  ['resnet20', { biasWeightDecay: 0.2, normWeightDecay: 0 }],
  ['deit_tiny_distilled_patch16_224', { opt: 'adamw', transformerEmbeddingDecay: 0.3, normWeightDecay: 0 }],
  ['swin_tiny_patch4_window7_224', { opt: 'rmsprop', transformerEmbeddingDecay: 0.3, biasWeightDecay: 0 }],
];

const AVERAGE = { modelEma: true, modelEmaDecay: 0.999, modelEmaSteps: 2, epochs: 64 };
const AVERAGES = [0, 1, 2].map((lrWarmupEpochs) => ({ ...AVERAGE, lrWarmupEpochs }));
const averageWeights = Array.from({ length: 20 }, (_, i) => Math.sin(i + 1));

const numbers = (name: string, count: number): number[] => [...uniform(name, count, 'job')].map((u) => u * 6 - 3);
const rows = (flat: readonly number[], width: number): number[][] =>
  Array.from({ length: flat.length / width }, (_, i) => flat.slice(i * width, (i + 1) * width));

const CLASSES = 5;
const LABELS = [0, 3, 1, 4];
const SOFT = LABELS.map((label, i) => {
  const row = new Array<number>(CLASSES).fill(0);
  row[label] += 0.7;
  row[LABELS[(i + 3) % 4]] += 0.3;
  return row;
});
interface LossCase {
  readonly targets: readonly number[] | readonly (readonly number[])[];
  readonly heads: number;
  readonly options: Changes;
  readonly hasTeacher: boolean;
}
const LOSSES: readonly LossCase[] = [
  { targets: LABELS, heads: 1, options: {}, hasTeacher: false },
  { targets: LABELS, heads: 2, options: { labelSmoothing: 0.1 }, hasTeacher: false },
  { targets: SOFT, heads: 1, options: { labelSmoothing: 0.1 }, hasTeacher: false },
  { targets: SOFT, heads: 2, options: { labelSmoothing: 0.1 }, hasTeacher: true },
  {
    targets: SOFT,
    heads: 1,
    options: { distillation: 'soft', distillationTemperature: 4, distillationWeight: 0.9 },
    hasTeacher: true,
  },
];
const head = (i: number): number[] => numbers(`head ${i}`, LABELS.length * CLASSES);
const teacher = numbers('teacher', LABELS.length * CLASSES);

const BATCHES = [
  { samples: 100, epoch: 3, batch: 8, accumulation: 1, ranks: 2, options: { seed: 5 } },
  { samples: 103, epoch: 0, batch: 4, accumulation: 3, ranks: 3, options: { seed: 2 ** 33 + 1 } },
  { samples: 600, epoch: 1, batch: 16, accumulation: 1, ranks: 2, options: { raSampler: true } },
];

const SEEDS = [[0], [1, 2, 3], [2 ** 40 + 5, 7], [4294967295, 0, 1]];
const SIDE = 6;
/** A generator that draws what it is told. */
class Chosen extends Random {
  constructor(
    private readonly lambda: number,
    private readonly draws: number[],
  ) {
    super(0);
  }
  override beta(): number {
    return this.lambda;
  }
  override int(): number {
    return this.draws.shift() as number;
  }
}
const MIXED = [
  { kind: 'mixup', lambda: 0.3, centre: [] as number[] },
  { kind: 'cutmix', lambda: 0.4, centre: [1, 5] },
  { kind: 'cutmix', lambda: 0.05, centre: [3, 2] },
];
const pixels = numbers('pixels', LABELS.length * SIDE * SIDE * 3).map(Math.fround);

interface Results {
  readonly rates: readonly (readonly number[])[];
  readonly decays: readonly Readonly<Record<string, number>>[];
  readonly averages: readonly (readonly number[])[];
  readonly losses: readonly number[];
  readonly batches: readonly { readonly order: readonly number[]; readonly ranks: readonly (readonly number[][])[] }[];
  readonly mixed: readonly { readonly images: readonly number[]; readonly targets: readonly number[] }[];
  readonly failures: readonly string[];
  readonly seeds: readonly number[];
}

function assertNear(actual: readonly number[], expected: readonly number[], what: string): void {
  assert.equal(actual.length, expected.length, what);
  actual.forEach((value, i) => {
    const difference = Math.abs(value - expected[i]);
    assert.ok(difference <= 1e-6 * Math.max(1, Math.abs(expected[i])), `${what} ${i}: ${value}, ours ${expected[i]}`);
  });
}

/** Our loss by the double-precision interpreter. */
function ourLoss({ targets, heads, options, hasTeacher }: LossCase): number {
  const all = { ...defaults, ...options };
  const b = new ProgramBuilder();
  const isSoft = Array.isArray(targets[0]);
  const names = Array.from({ length: heads }, (_, i) => `head${i}`);
  const refs = names.map((name) => b.input(name, [-1, CLASSES]));
  const { distillation: kind, distillationWeight: weight, distillationTemperature: temperature } = all;
  const loss = emitLoss(
    b,
    refs,
    { targets: isSoft ? 'soft' : 'labels', labelSmoothing: all.labelSmoothing },
    hasTeacher ? { kind, weight, temperature } : undefined,
  );
  b.output('loss', loss);
  const shape = [LABELS.length, CLASSES];
  const inputs = {
    ...Object.fromEntries(names.map((name, i) => [name, values(shape, head(i))])),
    ...(isSoft ? { targets: values(shape, SOFT.flat()) } : { labels: values([LABELS.length], LABELS) }),
    ...(hasTeacher && { teacher: values(shape, teacher) }),
  };
  return interpret(b.finish(), inputs).outputs['loss'].data[0];
}

describe("train.py's parts", { skip: noPythonWith('torch', 'torchvision') }, () => {
  const folder = workFolder();
  let results: Results;
  before(() => {
    const decays = DECAYS.map(([name, options]) => {
      const file = path.join(folder, `${name}.py`);
      writeFileSync(file, pytorchSource(buildModel(name) as Graph, 'none.pth'));
      return { file, settings: settings(options) };
    });
    const cases = {
      programs: path.join(repositoryRoot, 'media', 'job'),
      schedules: SCHEDULES.map((changes) => ({ settings: settings(changes), steps: STEPS })),
      decays,
      averages: AVERAGES.map((changes) => ({
        settings: settings(changes),
        batch: 32,
        epochs: 4,
        steps: 5,
        weights: averageWeights,
      })),
      losses: LOSSES.map(({ targets, heads, options, hasTeacher }) => ({
        targets,
        heads: Array.from({ length: heads }, (_, i) => rows(head(i), CLASSES)),
        settings: settings(options),
        ...(hasTeacher && { teacher: rows(teacher, CLASSES) }),
      })),
      batches: BATCHES.map(({ options, ...rest }) => ({ ...rest, settings: settings(options) })),
      mixed: MIXED.map((one) => ({
        ...one,
        shape: [LABELS.length, SIDE, SIDE, 3],
        images: pixels,
        labels: LABELS,
        classes: CLASSES,
      })),
      seeds: SEEDS,
    };
    const file = path.join(folder, 'cases.json');
    writeFileSync(file, JSON.stringify(cases));
    results = runPython<Results>('engine/jobs/torchrun/check_recipe.py', file);
  });

  test('learning rates of every schedule and warm-up, and those that PyTorch recorded', () => {
    const { schedules } = readReference<{ schedules: Record<string, number[]> }>('training.json');
    for (const [i, changes] of SCHEDULES.entries()) {
      const all = { ...defaults, ...changes };
      const ours = Array.from({ length: all.epochs * STEPS }, (_, at) =>
        learningRate(all, Math.floor(at / STEPS), at % STEPS, STEPS),
      );
      assertNear(results.rates[i], ours, `schedule ${i}, step`);
      if (!RECORDED[i]) continue;
      const byEpoch = results.rates[i].filter((_, at) => at % STEPS === 0);
      assertNear(byEpoch, schedules[RECORDED[i]], `recorded schedule ${RECORDED[i]}, epoch`);
    }
  });

  for (const [i, [name, changes]] of DECAYS.entries())
    test(`weight decay of every parameter of ${name}: ${JSON.stringify(changes)}`, () => {
      const graph = buildModel(name) as Graph;
      const decayOf = weightDecayOf(graph, { ...defaults, ...changes });
      const ours = Object.fromEntries(graph.parameters.filter((p) => p.trainable).map((p) => [p.name, decayOf(p)]));
      assert.deepEqual(results.decays[i], ours);
    });

  for (const [i, options] of AVERAGES.entries())
    test(`moving average with ${options.lrWarmupEpochs} epochs of warm-up`, () => {
      const all = { ...defaults, ...options, batchSize: 32 };
      let [average, updates] = [0, 0];
      const ours = averageWeights.map((weight, at) => {
        const decay = decayAtStep(all, at % 5, updates);
        if (decay !== undefined) {
          average = decay * average + (1 - decay) * weight;
          updates = updatesAfter(all, Math.floor(at / 5), updates);
        }
        return average;
      });
      assertNear(results.averages[i], ours, 'step');
    });

  test('losses: smoothing, soft targets, two heads, hard and soft distillation', () => {
    assertNear(results.losses, LOSSES.map(ourLoss), 'loss');
  });

  test('order of an epoch is ours, and all ranks together take a step as one process does', () => {
    for (const [i, { samples, epoch, batch, accumulation, ranks, options }] of BATCHES.entries()) {
      const { seed, raSampler, raReps } = { ...defaults, ...options };
      const ours = epochOrder(samples, epoch, { shuffle: true, seed, ...(raSampler && { repeats: raReps }) });
      const found = results.batches[i];
      assert.deepEqual(found.order, [...ours]);
      const step = batch * ranks * accumulation;
      for (let start = 0; start + step <= ours.length; start += step)
        for (let part = 0; part < accumulation; part++) {
          const at = (start / step) * accumulation + part;
          const taken = found.ranks.flatMap((one) => one[at]).sort((a, b) => a - b);
          const from = start + part * batch * ranks;
          assert.deepEqual(
            taken,
            Array.from({ length: batch * ranks }, (_, k) => from + k),
          );
        }
      const seen = found.ranks.flat(2);
      assert.equal(new Set(seen).size, seen.length);
      assert.ok(ours.length - seen.length < ranks, 'only what is too little for every rank is left out');
    }
  });

  test('mixup and cutmix: images and targets', () => {
    for (const [i, { kind, lambda, centre }] of MIXED.entries()) {
      const images = Float32Array.from(pixels);
      const batch = { images, labels: Int32Array.from(LABELS), count: LABELS.length, size: SIDE };
      const random = new Chosen(lambda, [kind === 'mixup' ? 0 : 1, ...centre]);
      const { targets } = mixBatch({ mixupAlpha: 1, cutmixAlpha: 1 }, batch, CLASSES, random);
      assertNear(results.mixed[i].images, [...images], `${kind}: pixel`);
      assertNear(results.mixed[i].targets, [...targets], `${kind}: target`);
    }
  });

  test('the first failure is the one that is kept, without where it was', () => {
    assert.deepEqual(results.failures, ['a.png: mend it', 'a.png: mend it', 'KeyboardInterrupt']);
  });

  test('seeds', () => {
    assert.deepEqual(
      results.seeds,
      SEEDS.map((parts) => deriveSeed(...parts)),
    );
  });
});
