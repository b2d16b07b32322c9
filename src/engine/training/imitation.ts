/** Finetuning by imitation: a network learns the dense network's raw outputs, whatever its task, on images without labels. */
import { UserError } from '../../common/errors.ts';
import type { RunContext } from '../../common/progress.ts';
import type { Executor, ProgramInputs, Session } from '../compute/executor.ts';
import { denseInput, programOutputName } from '../compute/programs/output-losses.ts';
import { predictProgram } from '../compute/programs/programs.ts';
import type { ImageLoader } from '../data/loader.ts';
import type { Graph } from '../graph/graph.ts';
import { inferShapes } from '../graph/shapes.ts';
import type { Weights } from '../graph/tensor.ts';
import { AgreementSum } from './agreement.ts';
import type { FinetuneProgram } from './finetune-programs.ts';
import type { Objective, Verdict } from './objective.ts';
import { type OutputSpec, type OutputStatistics, StatisticsSum, statisticsInputs } from './output-statistics.ts';

/** The outputs that depend on the image, as programs call them. */
export function varyingOutputs(graph: Graph): readonly OutputSpec[] {
  const shapes = inferShapes(graph);
  return graph.outputs
    .map(({ name, value }) => ({ name: programOutputName(graph, name), shape: shapes.get(value) ?? [] }))
    .filter(({ shape }) => shape[0] < 0);
}

/** Batches that the outputs' statistics are taken from. */
const STATISTICS_BATCHES = 8;

/** The dense network in a session of its own. */
export class DenseNetwork {
  private constructor(
    private readonly session: Session<'predict'>,
    readonly outputs: readonly OutputSpec[],
    /** Of the first batches of the images that it was opened with. */
    readonly statistics: ReadonlyMap<string, OutputStatistics>,
  ) {}

  /** @param images what its outputs' statistics are taken from: the same ones wherever a run is resumed */
  static async open(
    { graph, weights }: { readonly graph: Graph; readonly weights: Weights },
    images: ImageLoader,
    executor: Executor,
    context: RunContext = {},
  ): Promise<DenseNetwork> {
    const session = await executor.open({ predict: predictProgram(graph) }, context);
    try {
      await session.assign(weights);
      const outputs = varyingOutputs(graph);
      const sums = new StatisticsSum(outputs);
      const { signal } = context;
      for await (const batch of images.batches({ maxBatches: STATISTICS_BATCHES, ...(signal && { signal }) }))
        sums.add(await session.run('predict', { images: batch.images }));
      return new DenseNetwork(session, outputs, sums.result);
    } catch (error) {
      await session.dispose();
      throw error;
    }
  }

  run(images: Float32Array): Promise<Readonly<Record<string, Float32Array>>> {
    return this.session.run('predict', { images });
  }

  /** What the train program of an imitation takes for a batch. */
  async targets(images: Float32Array): Promise<ProgramInputs> {
    const values = await this.run(images);
    const dense = Object.fromEntries(this.outputs.map(({ name }) => [denseInput(name), values[name]]));
    return { ...dense, ...statisticsInputs(this.statistics) };
  }

  close(): Promise<void> {
    return this.session.dispose();
  }
}

/** @throws UserError where there is nothing to imitate: outputs that are no numbers, or the same for all images */
export function requireVariance({ outputs, statistics }: DenseNetwork, name: string): void {
  const found = outputs.map((output) => ({ output: output.name, ...statistics.get(output.name) }));
  const wrong = found.find(({ mean }) => mean?.some((value) => !Number.isFinite(value)));
  if (wrong)
    throw new UserError(
      `The output ${wrong.output} of ${name} is no number on these images: its weights are damaged, or belong to another input.`,
    );
  if (found.every(({ precision }) => precision?.every((p) => p === 0)))
    throw new UserError(`${name} gives the same outputs for all images: there is nothing to imitate.`);
}

export interface ImitationSetup {
  readonly session: Session<FinetuneProgram>;
  readonly dense: DenseNetwork;
  readonly validation: ImageLoader;
}

/** Judged by the same loss on the validation images, smaller being better. */
export function imitation({ session, dense, validation }: ImitationSetup): Objective {
  return {
    judgedBy: 'distance',
    targets: ({ images }) => dense.targets(images),
    newEpoch: () => ({ add: () => undefined, text: '' }),
    validate: async (program, { signal, progress }): Promise<Verdict> => {
      const sum = new AgreementSum(dense.outputs, dense.statistics);
      let done = 0;
      for await (const { images, count } of validation.batches(signal ? { signal } : {})) {
        sum.add(await dense.run(images), await session.run(program, { images }), count);
        done += count;
        progress?.({ phase: 'validate', done, total: validation.entries });
      }
      const { loss, outputs, images } = sum.result;
      const relativeError = Math.max(...outputs.map((output) => output.relativeError));
      return { score: -loss, measures: { distance: loss, validationLoss: loss, relativeError, images } };
    },
    measures: (weights, average) => ({
      ...weights.measures,
      ...(average && { averageDistance: average.measures.distance }),
    }),
  };
}
