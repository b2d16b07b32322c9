/** The finetuning loop: the paper's train.py on one machine, resumable at any step. */

import { UserError } from '../../common/errors.ts';
import { type RunContext, throwIfAborted } from '../../common/progress.ts';
import type { ProgramInputs, Session } from '../compute/executor.ts';
import { optimizerInputs } from '../compute/programs/optimizers.ts';
import { mixBatch, mixingRandom } from '../data/augment/mixing.ts';
import type { Batch, ImageLoader } from '../data/loader.ts';
import type { Graph } from '../graph/graph.ts';
import { decayAtStep, updatesAfter } from './average.ts';
import { leastTrainingBatch } from './batch-limits.ts';
import { evaluate } from './evaluation.ts';
import { type FinetuneProgram, isMixing, optimizerOf } from './finetune-programs.ts';
import { type Metrics, MetricsSum } from './metrics.ts';
import { BEST, type MetricsLine, type RunDirectory } from './run-directory.ts';
import { RunSaver } from './run-saver.ts';
import { type RunProgress, startAt } from './run-state.ts';
import { learningRate } from './schedules.ts';
import type { TrainingOptions } from './training-options.ts';

/** Teacher's logits of a batch, [N, classes]. */
export type Teacher = (batch: Batch) => Promise<Float32Array>;

export interface FinetuneJob {
  /** The network in training; `training` gives images of its size. */
  readonly graph: Graph;
  /** Of `finetunePrograms`, with the run's tensors assigned. */
  readonly session: Session<FinetuneProgram>;
  readonly options: TrainingOptions;
  readonly training: ImageLoader;
  readonly validation: ImageLoader;
  readonly run: RunDirectory;
  /** Metadata of the checkpoints: what makes them open as models. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly teacher?: Teacher;
  /** Where to go on from; the beginning by default. */
  readonly progress?: RunProgress;
  /** Hears every line of metrics.jsonl. */
  readonly onMetrics?: (line: MetricsLine) => void;
  /** Awaited before every step: a pause is a promise that stays open. Returning 'stop' ends the run after the epoch. */
  readonly gate?: () => Promise<'stop' | undefined>;
}

export interface FinetuneSummary {
  readonly epochs: number;
  /** Shares of the validation images, 0 to 1. */
  readonly bestTop1: number;
  readonly lastTop1: number;
  /** Mean training loss of the last epoch. */
  readonly loss: number;
  readonly imagesPerSecond: number;
  readonly stopped: 'finished' | 'afterEpoch';
}

/** Steps of an epoch: all batches, or as many as `--max-steps` leaves. */
const stepsPerEpoch = (training: ImageLoader, options: TrainingOptions): number =>
  Math.min(training.batchesPerEpoch, options.maxSteps ?? Number.POSITIVE_INFINITY);

/**
 * Trains from `job.progress` to the last epoch. Aborting saves `latest` at the step it stands at.
 *
 * @throws the signal's reason when aborted; UserError when the loss is no number, for unreadable images and for a full disk
 */
export async function finetune(job: FinetuneJob, context: RunContext = {}): Promise<FinetuneSummary> {
  const loop = new FinetuneLoop(job, context);
  return loop.run();
}

/** Settles as `work` does, or with the signal's reason as soon as it is aborted. */
async function orAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return work;
  let listener: () => void = () => undefined;
  const aborted = new Promise<never>((_, reject) => {
    listener = () => reject(signal.reason);
    signal.addEventListener('abort', listener, { once: true });
    if (signal.aborted) listener();
  });
  return Promise.race([work, aborted]).finally(() => signal.removeEventListener('abort', listener));
}

class FinetuneLoop {
  readonly #job: FinetuneJob;
  readonly #context: RunContext;
  readonly #stepsPerEpoch: number;
  readonly #leastBatch: number;
  readonly #saver: RunSaver;
  #progress: RunProgress;
  #stopAfterEpoch = false;
  /** When this epoch's steps began, and how many images they have had since. */
  #since = 0;
  #images = 0;
  #imagesPerSecond = 0;

  constructor(job: FinetuneJob, context: RunContext) {
    const { options } = job;
    this.#job = job;
    this.#context = context;
    this.#stepsPerEpoch = stepsPerEpoch(job.training, options);
    this.#leastBatch = leastTrainingBatch(job.graph);
    this.#progress = job.progress ?? startAt(options.startEpoch, this.#stepsPerEpoch);
    this.#saver = new RunSaver({ ...job, interval: options.saveInterval * 60_000 }, this.#progress);
  }

  async run(): Promise<FinetuneSummary> {
    const { options } = this.#job;
    try {
      while (this.#progress.epoch < options.epochs && !this.#stopAfterEpoch) {
        await this.#trainEpoch();
        await this.#endEpoch();
      }
    } catch (error) {
      // Aborting happens between two steps only, where progress and tensors belong together.
      const { signal } = this.#context;
      if (signal?.aborted && error === signal.reason) await this.#saver.saveLatest(this.#progress);
      throw error;
    }
    const { epoch, bestTop1 = 0, lastTop1 = 0, lastLoss = 0 } = this.#progress;
    return {
      epochs: epoch,
      bestTop1,
      lastTop1,
      loss: lastLoss,
      imagesPerSecond: this.#imagesPerSecond,
      stopped: epoch < options.epochs ? 'afterEpoch' : 'finished',
    };
  }

  async #trainEpoch(): Promise<void> {
    const { training, gate } = this.#job;
    const { signal } = this.#context;
    const { epoch, stepInEpoch } = this.#progress;
    const accuracy = new MetricsSum();
    this.#since = performance.now();
    this.#images = 0;
    const batches = training.batches({
      epoch,
      startBatch: stepInEpoch,
      maxBatches: this.#stepsPerEpoch - stepInEpoch,
      ...(signal && { signal }),
    });
    for await (const batch of batches) {
      throwIfAborted(signal);
      if (gate && (await orAborted(gate(), signal)) === 'stop') this.#stopAfterEpoch = true;
      // A last batch of one image has no statistics where norms see one value of it.
      if (batch.count >= this.#leastBatch) await this.#step(batch, accuracy);
      await this.#afterStep(batch, accuracy);
    }
  }

  async #step(batch: Batch, accuracy: MetricsSum): Promise<void> {
    const { session, options, graph, teacher } = this.#job;
    const { epoch, stepInEpoch, step } = this.#progress;
    const rate = learningRate(options, epoch, stepInEpoch, this.#stepsPerEpoch);
    const targets: ProgramInputs = isMixing(options)
      ? { targets: mixBatch(options, batch, graph.classes, mixingRandom(options.seed, epoch, stepInEpoch)).targets }
      : { labels: batch.labels };
    const inputs = {
      images: batch.images,
      ...targets,
      ...optimizerInputs(optimizerOf(options), rate, step + 1),
      seed: Int32Array.of(options.seed, step),
      ...(teacher && { teacher: await teacher(batch) }),
    };
    const { loss, logits, gradientNorm } = await session.run('train', inputs, batch.count);
    this.#checkLoss(loss[0], rate);
    accuracy.add(logits, batch.labels);
    this.#images += batch.count;
    this.#imagesPerSecond = this.#images / ((performance.now() - this.#since) / 1000);
    await this.#updateAverage(stepInEpoch);
    this.#progress = {
      ...this.#progress,
      lossSum: this.#progress.lossSum + loss[0] * batch.count,
      imageCount: this.#progress.imageCount + batch.count,
    };
    await this.#write({
      kind: 'step',
      epoch,
      step,
      loss: loss[0],
      learningRate: rate,
      imagesPerSecond: this.#imagesPerSecond,
      ...(gradientNorm && { gradientNorm: gradientNorm[0] }),
    });
  }

  #checkLoss(loss: number, rate: number): void {
    if (Number.isFinite(loss)) return;
    const { epoch, step } = this.#progress;
    throw new UserError(
      `the loss became ${loss} in epoch ${epoch + 1}, at step ${step + 1} with a learning rate of ${rate}: try a lower --lr, ` +
        `a warm-up or --clip-grad-norm. ${this.#job.run.path} keeps what was saved before.`,
    );
  }

  async #updateAverage(stepInEpoch: number): Promise<void> {
    const { session, options } = this.#job;
    const { epoch, averageUpdates } = this.#progress;
    const decay = decayAtStep(options, stepInEpoch, averageUpdates);
    if (decay === undefined) return;
    await session.run('average', { decay });
    this.#progress = { ...this.#progress, averageUpdates: updatesAfter(options, epoch, averageUpdates) };
  }

  async #afterStep(batch: Batch, accuracy: MetricsSum): Promise<void> {
    const { epoch, step, lossSum, imageCount } = this.#progress;
    const { epochs } = this.#job.options;
    this.#progress = { ...this.#progress, stepInEpoch: batch.index + 1, step: step + 1 };
    const done = epoch * this.#stepsPerEpoch + batch.index + 1;
    const message = [
      `epoch ${epoch + 1}/${epochs}`,
      `loss ${(lossSum / Math.max(1, imageCount)).toFixed(3)}`,
      `top-1 ${(100 * accuracy.result.top1).toFixed(1)} %`,
      `${this.#imagesPerSecond.toFixed(0)} images/s`,
    ].join(', ');
    this.#context.progress?.({ phase: 'finetune', done, total: epochs * this.#stepsPerEpoch, message });
    await this.#saver.saveIfDue(this.#progress);
  }

  async #endEpoch(): Promise<void> {
    const { options } = this.#job;
    const { epoch, step, lossSum, imageCount, bestTop1 } = this.#progress;
    const loss = lossSum / Math.max(1, imageCount);
    const validation = await this.#validate('predict');
    const averaged = options.modelEma ? await this.#validate('predictAverage') : undefined;
    const top1 = Math.max(validation.top1, averaged?.top1 ?? 0);
    const isBest = bestTop1 === undefined || top1 > bestTop1;
    this.#progress = {
      ...this.#progress,
      epoch: epoch + 1,
      stepInEpoch: 0,
      lossSum: 0,
      imageCount: 0,
      lastLoss: loss,
      lastTop1: validation.top1,
      bestTop1: isBest ? top1 : bestTop1,
    };
    await this.#write({
      kind: 'epoch',
      epoch,
      step: step - 1,
      loss,
      top1: validation.top1,
      top5: validation.top5,
      validationLoss: validation.loss,
      images: validation.images,
      imagesPerSecond: this.#imagesPerSecond,
      ...(averaged && { averageTop1: averaged.top1, averageLoss: averaged.loss }),
    });
    if (isBest) await this.#saver.saveModel(BEST, this.#progress, averaged && averaged.top1 > validation.top1);
    if (options.checkpointInterval > 0 && (epoch + 1) % options.checkpointInterval === 0)
      await this.#saver.saveModel(`model_${epoch}.safetensors`, this.#progress);
    await this.#saver.saveLatest(this.#progress);
  }

  async #validate(program: FinetuneProgram): Promise<Metrics> {
    const { signal, progress } = this.#context;
    return evaluate(this.#job.session, program, this.#job.validation, {
      ...(signal && { signal }),
      ...(progress && { progress: (report) => progress({ ...report, phase: 'validate' }) }),
    });
  }

  async #write(line: MetricsLine): Promise<void> {
    await this.#job.run.append(line);
    this.#job.onMetrics?.(line);
  }
}
