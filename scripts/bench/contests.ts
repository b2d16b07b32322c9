/** What is compared with what: each contest opens its sides, times their lanes in turns and gives rows of the table. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { buildModel } from '../../src/engine/architectures/registry.ts';
import type { BackendName } from '../../src/engine/compute/executor.ts';
import { onnxModel } from '../../src/engine/export/onnx.ts';
import { pytorchSource } from '../../src/engine/export/pytorch.ts';
import { initialiseWeights } from '../../src/engine/training/initialise.ts';
import type { DecodeTask, EvaluateTask, FinetuneTask } from './file-tasks.ts';
import { busySeconds, foreignShare } from './machine.ts';
import { type Photographs, photographs } from './photographs.ts';
import type { Answer, Command, Task } from './protocol.ts';
import { Side } from './side.ts';
import { RIVALS, type Rival, type Row } from './table.ts';
import { type ComputeTask, computeTasks } from './tasks.ts';
import { describeTurns, type Lane, type Pace, timeTurns } from './turns.ts';

export interface BenchContext {
  readonly threads: number;
  readonly pace: Pace;
  /** For files that a contest needs. */
  readonly temporary: string;
  /** Where photographs are looked for. */
  readonly data?: string;
}

export interface Contest {
  readonly name: string;
  measure(context: BenchContext): Promise<Row[]>;
}

const here = import.meta.dirname;
const hasModules = (names: string): boolean => spawnSync('python3', ['-c', `import ${names}`]).status === 0;
const startEspalier = () =>
  new Side<Answer>(process.execPath, ['--import', 'tsx', path.join(here, 'espalier-side.ts')]);
const startTorch = () => new Side<Answer>('python3', [path.join(here, 'torch_side.py')]);

const send = (side: Side<Answer>, command: Command): Promise<Answer> => side.ask(command);

const laneOf =
  (side: Side<Answer>, lane: string): Lane =>
  async (run) => {
    const start = performance.now();
    const before = busySeconds();
    const { seconds = Number.NaN, cpu } = await send(side, { run, lane });
    const after = busySeconds();
    if (before === undefined || after === undefined || cpu === undefined) return { seconds };
    return { seconds, cpu, foreign: foreignShare(after - before, cpu, (performance.now() - start) / 1000) };
  };

const isText = (value: string | undefined): value is string => !!value;

interface Opposition {
  readonly torch: boolean;
  /** What one run is. */
  readonly unit: string;
  readonly images: number;
  readonly most?: number;
  readonly rivals?: readonly Rival[];
}

/** A task on both sides, PyTorch's only where there is one, and in the rivals that Python has. */
async function againstTorch(
  task: Task,
  { threads, pace, temporary }: BenchContext,
  settings: Opposition,
): Promise<Row> {
  const common = { threads, python: path.join(temporary, 'model.py'), onnx: path.join(temporary, 'model.onnx') };
  const { torch, rivals = [] } = settings;
  const others = [...(torch ? [undefined] : []), ...rivals];
  const sides = [startEspalier(), ...others.map(startTorch)];
  try {
    const opened = [await send(sides[0], { open: { ...task, ...common } })];
    for (const [i, engine] of others.entries())
      opened.push(await send(sides[1 + i], { open: { ...task, ...common, ...(engine && { engine }) } }));
    const lanes = sides.map((side) => laneOf(side, 'run'));
    const timing = await timeTurns(lanes, pace, settings.most ? { least: settings.most, most: settings.most } : {});
    const closed: Answer[] = [];
    for (const side of sides) closed.push(await send(side, { close: true }));
    const [ours, ...rates] = timing.seconds.map((seconds) => settings.images / seconds);
    const other = torch ? rates[0] : undefined;
    const byRival = rivals.map((rival, i) => [rival, rates[i + (torch ? 1 : 0)]] as const);
    return {
      work: task.name,
      ours,
      ...(other !== undefined && { other }),
      rivals: Object.fromEntries(byRival),
      start: opened[0].first,
      peak: closed[0].peak,
      otherPeak: torch ? closed[1]?.peak : undefined,
      notes: [
        ...closed.map(({ remark }) => remark),
        describeTurns(timing, settings.unit),
        ...opened.map(({ label }) => label),
      ].filter(isText),
    };
  } finally {
    for (const side of sides) side.kill();
  }
}

/** Python's module of each rival, and the work that it does. */
const RIVAL_WORK: { readonly [R in Rival]: { readonly module: string; readonly kind: ComputeTask['kind'] } } = {
  'ONNX Runtime': { module: 'onnxruntime', kind: 'predict' },
  OpenVINO: { module: 'openvino', kind: 'predict' },
  'torch.compile': { module: 'torch', kind: 'train' },
};

const rivalsOf = ({ kind, products }: ComputeTask): readonly Rival[] =>
  RIVALS.filter(
    (rival) => RIVAL_WORK[rival].kind === kind && products === 'float32' && hasModules(RIVAL_WORK[rival].module),
  );

function computeContest(task: ComputeTask): Contest {
  return {
    name: task.name,
    async measure(context) {
      const graph = buildModel(task.model, { classes: task.classes, inputSize: task.size });
      if (graph) writeFileSync(path.join(context.temporary, 'model.py'), pytorchSource(graph, 'none.pth'));
      const rivals = rivalsOf(task);
      if (graph && rivals.some((rival) => rival !== 'torch.compile'))
        writeFileSync(path.join(context.temporary, 'model.onnx'), onnxModel(graph, initialiseWeights(graph, 0)));
      const settings = { torch: hasModules('torch'), unit: 'runs', images: task.batch, most: task.most, rivals };
      const row = await againstTorch(task, context, settings);
      return [{ ...row, ...(task.atLeast !== undefined && { atLeast: task.atLeast }) }];
    },
  };
}

const findPhotographs = ({ temporary, data }: BenchContext): Promise<Photographs> =>
  photographs(path.join(temporary, 'photographs'), data);

const decodeContest: Contest = {
  name: 'JPEG decode, resize 256, crop 224 on one core',
  async measure(context) {
    const { files, description } = await findPhotographs(context);
    const task: DecodeTask = { kind: 'decode', name: this.name, files };
    const row = await againstTorch(task, context, { torch: hasModules('torchvision'), unit: 'images', images: 1 });
    return [{ ...row, notes: [description, ...row.notes] }];
  },
};

/** Lanes of one Espalier process in turns. `least`: runs of a turn, so that its first batch counts little. */
async function ownLanes<K extends string>(
  task: Task,
  names: readonly K[],
  { threads, pace }: BenchContext,
  images: number,
  least: number,
): Promise<{ readonly rates: Record<K, number>; readonly opened: Answer; readonly turns: string; peak?: number }> {
  const side = startEspalier();
  const milliseconds = (seconds: number): string => ((1000 * seconds) / images).toFixed(1);
  try {
    const opened = await send(side, { open: { ...task, threads } });
    const timing = await timeTurns(
      names.map((name) => laneOf(side, name)),
      pace,
      { least },
    );
    const { peak } = await send(side, { close: true });
    const rates = Object.fromEntries(names.map((name, i) => [name, images / timing.seconds[i]])) as Record<K, number>;
    const cpu = names.map((name, i) => `${name} ${milliseconds(timing.cpu[i])}`).join(', ');
    const turns = `${describeTurns(timing, 'batches')}; processor ms an image: ${cpu}`;
    return { rates, opened, turns, ...(peak !== undefined && { peak }) };
  } finally {
    side.kill();
  }
}

/** The issue asks that files cost at most 10 %. */
const FROM_FILES = 0.9;
const BATCH = 16;
const LEAST_BATCHES = 16;

const evaluateContest: Contest = {
  name: `resnet50 evaluate from JPEG files against memory, batch ${BATCH}`,
  async measure(context) {
    const { files, description } = await findPhotographs(context);
    const task: EvaluateTask = { kind: 'evaluate', name: this.name, files, model: 'resnet50', batch: BATCH };
    const measured = await ownLanes(task, ['files', 'memory'], context, BATCH, LEAST_BATCHES);
    const { rates, opened, turns, peak } = measured;
    return [
      {
        work: this.name,
        ours: rates.files,
        other: rates.memory,
        atLeast: FROM_FILES,
        peak,
        notes: [description, turns, opened.label].filter(isText),
      },
    ];
  },
};

const finetuneContest: Contest = {
  name: `deit_tiny_distilled_patch16_224 finetune with the DeiT recipe from JPEG files, batch ${BATCH}`,
  async measure(context) {
    const { files, description } = await findPhotographs(context);
    const model = 'deit_tiny_distilled_patch16_224';
    const task: FinetuneTask = { kind: 'finetune', name: this.name, files, model, batch: BATCH };
    const lanes = ['one worker', 'two workers', 'files', 'memory'] as const;
    const { rates, opened, turns, peak } = await ownLanes(task, lanes, context, BATCH, LEAST_BATCHES);
    const notes = [description, turns, opened.label].filter(isText);
    const alone = (lane: 'one worker' | 'two workers'): Row => ({
      work: `DeiT augmentation from JPEG (RandAugment, erase, mixup or cutmix), ${lane}, against the train step`,
      ours: rates[lane],
      other: rates.memory,
      atLeast: 1,
      notes,
    });
    const together: Row = {
      work: `${this.name}, against memory`,
      ours: rates.files,
      other: rates.memory,
      peak,
      notes,
    };
    return [alone('one worker'), alone('two workers'), together];
  },
};

/** All contests of the backends asked for, in the table's order. */
export function allContests(backends: readonly BackendName[]): readonly Contest[] {
  const fromFiles = backends.includes('tensorflow') ? [decodeContest, evaluateContest, finetuneContest] : [];
  const compute = (backend: BackendName) => computeTasks(backend).map(computeContest);
  return [
    ...(backends.includes('tensorflow') ? compute('tensorflow') : []),
    ...fromFiles,
    ...(backends.includes('embedded') ? compute('embedded') : []),
  ];
}
