/** Learning-rate schedules, as torch.optim.lr_scheduler computes them. */
import { UserError } from '../../common/errors.ts';

/** Schedules by epoch have PyTorch's class names in lower case; `onecycle` moves every step. */
export const SCHEDULE_NAMES = ['steplr', 'cosineannealinglr', 'exponentiallr', 'onecycle', 'constant'] as const;
export type ScheduleName = (typeof SCHEDULE_NAMES)[number];

export interface ScheduleOptions {
  readonly lrScheduler: ScheduleName;
  /** Base rate; the peak of `onecycle`. */
  readonly lr: number;
  readonly epochs: number;
  readonly lrWarmupEpochs: number;
  readonly lrWarmupMethod: 'linear' | 'constant';
  /** Factor that the warm-up starts from. */
  readonly lrWarmupDecay: number;
  readonly lrStepSize: number;
  readonly lrGamma: number;
  readonly lrMin: number;
}

/** OneCycleLR's defaults: share of the steps spent rising, peak / start, start / end. */
const ONE_CYCLE = { rise: 0.3, startDivisor: 25, endDivisor: 1e4 };

const cosineBetween = (from: number, to: number, share: number): number =>
  to + ((from - to) / 2) * (1 + Math.cos(Math.PI * share));

type EpochSchedule = (options: ScheduleOptions, epoch: number, epochs: number) => number;

/** Rate in an epoch counted from the end of the warm-up; `epochs` is how many there are after it. */
const epochSchedules: { readonly [K in Exclude<ScheduleName, 'onecycle'>]: EpochSchedule } = {
  steplr: ({ lr, lrGamma, lrStepSize }, epoch) => lr * lrGamma ** Math.floor(epoch / lrStepSize),
  cosineannealinglr: ({ lr, lrMin }, epoch, epochs) => cosineBetween(lr, lrMin, epochs > 0 ? epoch / epochs : 1),
  exponentiallr: ({ lr, lrGamma }, epoch) => lr * lrGamma ** epoch,
  constant: ({ lr }) => lr,
};

/** torch.optim.lr_scheduler.OneCycleLR with cosine annealing and a constant momentum. */
function oneCycle(peak: number, step: number, totalSteps: number): number {
  const start = peak / ONE_CYCLE.startDivisor;
  const top = ONE_CYCLE.rise * totalSteps - 1;
  if (step <= top) return cosineBetween(start, peak, step / top);
  return cosineBetween(peak, start / ONE_CYCLE.endDivisor, Math.min(1, (step - top) / (totalSteps - 1 - top)));
}

/**
 * Learning rate of one step.
 *
 * @param epoch counted from 0
 * @param step of the epoch, counted from 0
 */
export function learningRate(options: ScheduleOptions, epoch: number, step: number, stepsPerEpoch: number): number {
  const { lrScheduler: name, lrWarmupEpochs: warmup, lrWarmupDecay: start } = options;
  if (name === 'onecycle') return oneCycle(options.lr, epoch * stepsPerEpoch + step, options.epochs * stepsPerEpoch);
  if (epoch < warmup) {
    const factor = options.lrWarmupMethod === 'linear' ? start + ((1 - start) * epoch) / warmup : start;
    return options.lr * factor;
  }
  const schedule = epochSchedules[name];
  if (!schedule)
    throw new UserError(`unknown learning-rate schedule "${name}": use one of ${SCHEDULE_NAMES.join(', ')}`);
  return schedule(options, epoch - warmup, options.epochs - warmup);
}
