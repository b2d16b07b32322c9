/** The finetuning loop: the paper's train.py on one machine, resumable at any step. */
import type { ProgramInputs, Session } from '../compute/executor.ts';
import { optimizerInputs } from '../compute/optimizers.ts';
import { mixBatch, mixingRandom } from '../data/augment/mixing.ts';
import type { Batch, ImageLoader } from '../data/loader.ts';
import { evaluate } from '../evaluation/evaluate.ts';
import { type Metrics, MetricsSum } from '../evaluation/metrics.ts';
import type { Graph } from '../graph/graph.ts';
import type { Weights } from '../graph/tensor.ts';
import { type RunContext, throwIfAborted } from '../support/progress.ts';
import { decayAtStep, updatesAfter } from './average.ts';
import { type FinetuneProgram, isMixing, optimizerOf } from './finetune-programs.ts';
import type { TrainingOptions } from './options.ts';
import { BEST, LATEST, type MetricsLine, type RunDirectory } from './run-directory.ts';
import { type RunProgress, START, writeRunState } from './run-state.ts';
import { learningRate } from './schedules.ts';

/** A long epoch is saved in between, so that a kill loses no more than this. */
const SAVE_INTERVAL_MS = 10 * 60_000;

/** Teacher's logits of a batch, [N, classes]. */
export type Teacher = (batch: Batch) => Promise<Float32Array>;

export interface FinetuneJob {
  readonly graph: Graph;
  /** With the run's tensors assigned. */
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
  readonly bestTop1: number;
  readonly lastTop1: number;
  /** Mean training loss of the last epoch. */
  readonly loss: number;
  readonly imagesPerSecond: number;
  readonly stopped: 'finished' | 'afterEpoch';
}

/** Trains from `job.progress` to the last epoch. Aborting leaves `latest` as it was saved last. */
export async function finetune(job: FinetuneJob, context: RunContext = {}): Promise<FinetuneSummary> {
  const loop = new FinetuneLoop(job, context);
  return loop.run();
}

class FinetuneLoop {
  readonly #job: FinetuneJob;
  readonly #context: RunContext;
  readonly #stepsPerEpoch: number;
  #progress: RunProgress;
  #savedAt = performance.now();
  #stopAfterEpoch = false;
  #imagesPerSecond = 0;
  #loss = 0;

  constructor(job: FinetuneJob, context: RunContext) {
    this.#job = job;
    this.#context = context;
    this.#progress = job.progress ?? START;
    this.#stepsPerEpoch = Math.min(job.training.batchesPerEpoch, job.options.maxSteps ?? Number.POSITIVE_INFINITY);
  }

  async run(): Promise<FinetuneSummary> {
    const { options } = this.#job;
    while (this.#progress.epoch < options.epochs && !this.#stopAfterEpoch) {
      await this.#trainEpoch();
      await this.#endEpoch();
    }
    const { epoch, bestTop1, lastTop1 } = this.#progress;
    return {
      epochs: epoch,
      bestTop1,
      lastTop1,
      loss: this.#loss,
      imagesPerSecond: this.#imagesPerSecond,
      stopped: epoch < options.epochs ? 'afterEpoch' : 'finished',
    };
  }

  async #trainEpoch(): Promise<void> {
    const { training } = this.#job;
    const { signal } = this.#context;
    const { epoch, stepInEpoch } = this.#progress;
    const accuracy = new MetricsSum();
    const started = performance.now();
    let images = 0;
    const batches = training.batches({
      epoch,
      startBatch: stepInEpoch,
      maxBatches: this.#stepsPerEpoch - stepInEpoch,
      ...(signal && { signal }),
    });
    for await (const batch of batches) {
      throwIfAborted(signal);
      if ((await this.#job.gate?.()) === 'stop') this.#stopAfterEpoch = true;
      // Batch statistics of one image have no variance.
      if (batch.count > 1 || this.#stepsPerEpoch === 1) await this.#step(batch, accuracy);
      images += batch.count;
      this.#imagesPerSecond = images / ((performance.now() - started) / 1000);
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
    accuracy.add(logits, batch.labels);
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
    if (performance.now() - this.#savedAt > SAVE_INTERVAL_MS) await this.#save();
  }

  async #endEpoch(): Promise<void> {
    const { options } = this.#job;
    const { epoch, step, lossSum, imageCount, bestTop1 } = this.#progress;
    this.#loss = lossSum / Math.max(1, imageCount);
    const validation = await this.#validate('predict');
    const averaged = options.modelEma ? await this.#validate('predictAverage') : undefined;
    const top1 = Math.max(validation.top1, averaged?.top1 ?? 0);
    this.#progress = {
      ...this.#progress,
      epoch: epoch + 1,
      stepInEpoch: 0,
      lossSum: 0,
      imageCount: 0,
      lastTop1: validation.top1,
      bestTop1: Math.max(bestTop1, top1),
    };
    await this.#write({
      kind: 'epoch',
      epoch,
      step: step - 1,
      loss: this.#loss,
      top1: validation.top1,
      top5: validation.top5,
      validationLoss: validation.loss,
      images: validation.images,
      imagesPerSecond: this.#imagesPerSecond,
      ...(averaged && { averageTop1: averaged.top1 }),
    });
    if (top1 > bestTop1 || epoch === 0) await this.#saveModel(BEST, averaged && averaged.top1 > validation.top1);
    if (options.checkpointInterval > 0 && (epoch + 1) % options.checkpointInterval === 0)
      await this.#saveModel(`model_${epoch}.safetensors`);
    await this.#save();
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

  /** Everything that the next step depends on. */
  async #save(): Promise<void> {
    const { session, run, metadata } = this.#job;
    await writeRunState(run.file(LATEST), await session.read(), this.#progress, metadata);
    this.#savedAt = performance.now();
  }

  /** The weights alone, or their average under the weights' names. */
  async #saveModel(name: string, average = false): Promise<void> {
    const { session, run, metadata, graph } = this.#job;
    const all = await session.read(
      graph.parameters.map((p) => (average && p.dtype !== 'int64' ? `ema/${p.name}` : p.name)),
    );
    const weights: Weights = new Map([...all].map(([key, tensor]) => [key.replace(/^ema\//, ''), tensor]));
    await writeRunState(run.file(name), weights, this.#progress, metadata);
  }
}
