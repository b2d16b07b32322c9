/** What the host would send to the run, comparison and data set pages. */
import type { HostToCompare, HostToDataset, HostToRun, Message } from '../../../src/protocol/panels.ts';
import type { TradeOff } from '../../../src/protocol/trade-off.ts';
import type { RunPoint } from '../../../src/protocol/values.ts';

const STEPS = 40;

/** Losses that fall with some noise, three epochs of which the second is the best. */
function points(from: number): RunPoint[] {
  return [0, 1, 2].flatMap((epoch): RunPoint[] => [
    ...Array.from({ length: STEPS }, (_, i): RunPoint => {
      const step = epoch * STEPS + i;
      const noise = 0.08 * Math.sin(step * 12.9898);
      const loss = from / (1 + step / 30) + noise + 0.1;
      return { kind: 'step', step, epoch, loss, learningRate: 0.05 * 0.99 ** step, imagesPerSecond: 410 + 60 * noise };
    }),
    {
      kind: 'epoch',
      step: (epoch + 1) * STEPS - 1,
      epoch,
      loss: from / (1 + epoch),
      validationLoss: from / (1.2 + 0.6 * epoch),
      top1: [0.62, 0.764, 0.75][epoch],
      top5: 0.9,
      images: 2000,
      imagesPerSecond: 400,
    },
  ]);
}

export const runSnapshot: Message<HostToRun> = {
  type: 'run/snapshot',
  value: {
    run: {
      id: 'a',
      title: '#3 · resnet20 50 % · 3 epochs',
      state: 'cancelled',
      subject: 'Finetuning · resnet20-50pct.safetensors · images',
      summary: '',
      hasCurves: true,
      epochs: 3,
      referenceTop1: 0.781,
      canPause: false,
      canStopAfterEpoch: false,
      canResume: true,
      result: 'best',
      settings: { recipe: 'cifar', epochs: 3, lr: 0.05 },
    },
    points: points(2),
    log: ['epoch 1: training loss 2, validation top-1 62.0 %'],
    compared: [{ id: 'b', title: '#2 · lr 0.01', points: points(1.6) }],
    tradeOff: null,
  },
};

/** The dense network, and two targets in every way. */
export const tradeOff: TradeOff = {
  points: [
    { mode: 'dense', target: '100%', macs: 40.93e6, params: 269_720, top1: 0.8135, images: 2000, latency: 1.62 },
    ...(['pruned', 'repaired', 'sensitivity', 'reconstruction'] as const).flatMap((mode, i) =>
      [0.75, 0.5].map((share) => ({
        mode,
        target: `${100 * share}%`,
        macs: 40.93e6 * share,
        params: Math.round(269_720 * share),
        top1: 0.4 + 0.1 * i * share,
        images: 2000,
        ...(i > 0 && { agreement: 0.6 + 0.1 * i * share }),
        latency: 1.62 * (0.3 + 0.7 * share),
        plan: `plans/taylor-${mode}-${100 * share}.json`,
      })),
    ),
  ],
  backend: 'ONNX Runtime 1.30, CPU',
};

export const exploredSnapshot: Message<HostToRun> = {
  type: 'run/snapshot',
  value: {
    run: {
      id: 'c',
      title: '#4 · trade-off of resnet20',
      state: 'done',
      subject: 'Exploring the trade-off · resnet20.pth · images',
      summary: '9 networks measured',
      hasCurves: false,
      epochs: 0,
      canPause: false,
      canStopAfterEpoch: false,
      canResume: false,
      result: 'report',
      settings: { targets: '75% 50%', images: 1000 },
    },
    points: [],
    log: [],
    compared: [],
    tradeOff,
  },
};

const measured = {
  dataPath: '/data',
  split: 'val',
  loss: 0.3,
  images: 2000,
  bytes: 1_100_000,
  imagesPerSecond: 800,
  backend: 'ONNX Runtime 1.30, CPU',
  device: 'a processor',
  notes: [],
  canCompareImages: true,
  params: 270_000,
  name: 'resnet20',
} as const;

export const compareSnapshot: Message<HostToCompare> = {
  type: 'compare/snapshot',
  value: {
    baseline: 'dense',
    rows: [
      {
        ...measured,
        id: 'dense',
        label: 'resnet20.pth',
        source: { kind: 'file', path: '/models/resnet20.pth' },
        top1: 0.781,
        top5: 0.99,
        macs: 41e6,
        macsTrue: 41e6,
        latency: { p50Milliseconds: 2.5, runs: 100 },
        throughput: { imagesPerSecond: 900, batchSize: 64 },
      },
      {
        ...measured,
        id: 'half',
        label: 'resnet20-50pct.safetensors',
        parent: 'dense',
        source: { kind: 'file', path: '/models/resnet20-50pct.safetensors' },
        top1: 0.764,
        top5: 0.995,
        macs: 20.5e6,
        macsTrue: 20.5e6,
      },
    ],
  },
};

const PIXEL = 'data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7';

export const datasetSnapshot: Message<HostToDataset> = {
  type: 'dataset/snapshot',
  value: {
    summary: {
      root: '/data/images',
      splits: ['train', 'val'].map((name) => ({
        name,
        classes: 2,
        images: 120,
        fewest: { className: 'cat', images: 50 },
        most: { className: 'dog', images: 70 },
      })),
      classNames: ['cat', 'dog'],
      samples: ['cat', 'dog'].map((className) => ({ file: `/data/${className}.png`, className, split: 'train' })),
      warnings: ['1 image could not be read.'],
    },
    uris: [PIXEL, PIXEL],
  },
};
