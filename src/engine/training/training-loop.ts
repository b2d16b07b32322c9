/** The finetuning loop: the paper's train.py on one machine, resumable at any step. */

import { abortion } from '../../common/abortion.ts';
import { UserError } from '../../common/errors.ts';
import { type RunContext, throwIfAborted } from '../../common/progress.ts';
import type { Session } from '../compute/executor.ts';
import { optimizerInputs } from '../compute/programs/optimizers.ts';
import type { Batch, ImageLoader } from '../data/loader.ts';
import type { Graph } from '../graph/graph.ts';
import { decayAtStep, updatesAfter } from './average.ts';
import { leastTrainingBatch } from './batch-limits.ts';
import { type FinetuneProgram, optimizerOf } from './finetune-programs.ts';
import { classification, type Objective, type StepJudge, type Teacher, type Verdict } from './objective.ts';
import { BEST, type MetricsLine, type RunDirectory } from './run-directory.ts';
import { RunSaver } from './run-saver.ts';
import { type RunProgress, startAt } from './run-state.ts';
import { learningRate } from './schedules.ts';
import type { TrainingOptions } from './training-options.ts';

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
  /** What is learnt and judged; by default classification by labels. */
  readonly objective?: Objective;
  /** Where to go on from; the beginning by default. */
  readonly progress?: RunProgress;
  /** Hears every line of metrics.jsonl. */
  readonly onMetrics?: (line: MetricsLine) => void;
  /** Awaited before every step: a pause is a promise that stays open. Returning 'stop' ends the run after the epoch. */
  readonly gate?: () => Promise<'stop' | undefined>;
}

export interface FinetuneSummary {
  readonly epochs: number;
  /** Of a classifier's: shares of the validation images, 0 to 1. */
  readonly bestTop1?: number;
  readonly lastTop1?: number;
  /** Of imitation: the loss on the validation images. */
  readonly bestDistance?: number;
  readonly lastDistance?: number;
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
  const { aborted, stop } = abortion(signal);
  return Promise.race([work, aborted]).finally(stop);
}

class FinetuneLoop {
  readonly #job: FinetuneJob;
  readonly #objective: Objective;
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
    this.#objective = job.objective ?? classification(job);
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
    const { epoch, lastLoss = 0 } = this.#progress;
    return {
      epochs: epoch,
      ...this.#scores(),
      loss: lastLoss,
      imagesPerSecond: this.#imagesPerSecond,
      stopped: epoch < options.epochs ? 'afterEpoch' : 'finished',
    };
  }

  #scores(): Pick<FinetuneSummary, 'bestTop1' | 'lastTop1' | 'bestDistance' | 'lastDistance'> {
    const { bestScore: best = 0, lastScore: last = 0 } = this.#progress;
    return this.#objective.judgedBy === 'top1'
      ? { bestTop1: best, lastTop1: last }
      : { bestDistance: -best, lastDistance: -last };
  }

  async #trainEpoch(): Promise<void> {
    const { training, gate } = this.#job;
    const { signal } = this.#context;
    const { epoch, stepInEpoch } = this.#progress;
    const judge = this.#objective.newEpoch();
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
      if (batch.count >= this.#leastBatch) await this.#step(batch, judge);
      await this.#afterStep(batch, judge);
    }
  }

  async #step(batch: Batch, judge: StepJudge): Promise<void> {
    const { session, options } = this.#job;
    const { epoch, stepInEpoch, step } = this.#progress;
    const rate = learningRate(options, epoch, stepInEpoch, this.#stepsPerEpoch);
    const inputs = {
      images: batch.images,
      ...(await this.#objective.targets(batch, { epoch, stepInEpoch })),
      ...optimizerInputs(optimizerOf(options), rate, step + 1),
      seed: Int32Array.of(options.seed, step),
    };
    const outputs = await session.run('train', inputs, batch.count);
    const { loss, gradientNorm } = outputs;
    this.#checkLoss(loss[0], rate);
    judge.add(outputs, batch);
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

  async #afterStep(batch: Batch, judge: StepJudge): Promise<void> {
    const { epoch, step, lossSum, imageCount } = this.#progress;
    const { epochs } = this.#job.options;
    this.#progress = { ...this.#progress, stepInEpoch: batch.index + 1, step: step + 1 };
    const done = epoch * this.#stepsPerEpoch + batch.index + 1;
    const message = [
      `epoch ${epoch + 1}/${epochs}`,
      `loss ${(lossSum / Math.max(1, imageCount)).toFixed(3)}`,
      ...(judge.text ? [judge.text] : []),
      `${this.#imagesPerSecond.toFixed(0)} images/s`,
    ].join(', ');
    this.#context.progress?.({ phase: 'finetune', done, total: epochs * this.#stepsPerEpoch, message });
    await this.#saver.saveIfDue(this.#progress);
  }

  async #endEpoch(): Promise<void> {
    const { options } = this.#job;
    const { epoch, step, lossSum, imageCount, bestScore } = this.#progress;
    const loss = lossSum / Math.max(1, imageCount);
    const validation = await this.#validate('predict');
    const averaged = options.modelEma ? await this.#validate('predictAverage') : undefined;
    const score = Math.max(validation.score, averaged?.score ?? Number.NEGATIVE_INFINITY);
    const isBest = bestScore === undefined || score > bestScore;
    this.#progress = {
      ...this.#progress,
      epoch: epoch + 1,
      stepInEpoch: 0,
      lossSum: 0,
      imageCount: 0,
      lastLoss: loss,
      lastScore: validation.score,
      bestScore: isBest ? score : bestScore,
    };
    await this.#write({
      kind: 'epoch',
      epoch,
      step: step - 1,
      loss,
      ...this.#objective.measures(validation, averaged),
      imagesPerSecond: this.#imagesPerSecond,
    });
    if (isBest) await this.#saver.saveModel(BEST, this.#progress, averaged && averaged.score > validation.score);
    if (options.checkpointInterval > 0 && (epoch + 1) % options.checkpointInterval === 0)
      await this.#saver.saveModel(`model_${epoch}.safetensors`, this.#progress);
    await this.#saver.saveLatest(this.#progress);
  }

  #validate(program: FinetuneProgram): Promise<Verdict> {
    const { signal, progress } = this.#context;
    return this.#objective.validate(program, {
      ...(signal && { signal }),
      ...(progress && { progress: (report) => progress({ ...report, phase: 'validate' }) }),
    });
  }

  async #write(line: MetricsLine): Promise<void> {
    await this.#job.run.append(line);
    this.#job.onMetrics?.(line);
  }
}
