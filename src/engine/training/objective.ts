/** What a run learns from, and what its epochs are judged by. */
import type { RunContext } from '../../common/progress.ts';
import type { ProgramInputs, ProgramOutputs, Session } from '../compute/executor.ts';
import { mixBatch, mixingRandom } from '../data/augment/mixing.ts';
import type { Batch, ImageLoader } from '../data/loader.ts';
import type { Graph } from '../graph/graph.ts';
import { evaluate } from './evaluation.ts';
import { type FinetuneProgram, isMixing } from './finetune-programs.ts';
import { MetricsSum } from './metrics.ts';
import type { TrainingOptions } from './training-options.ts';

/** Teacher's logits of a batch, [N, classes]. */
export type Teacher = (batch: Batch) => Promise<Float32Array>;

/** What validation gave. */
export interface Verdict {
  /** The larger the better: the best epoch has the largest. */
  readonly score: number;
  /** For metrics.jsonl, by their names there. */
  readonly measures: Readonly<Record<string, number>>;
}

/** Adds up the steps of one epoch, for the line that a person watches. */
export interface StepJudge {
  add(outputs: ProgramOutputs, batch: Batch): void;
  /** `top-1 93.1 %`; '' for nothing. */
  readonly text: string;
}

export interface Objective {
  /** What `score` is. */
  readonly judgedBy: 'top1' | 'distance';
  /** Inputs of the train program besides images, optimiser and seed. */
  targets(batch: Batch, place: { readonly epoch: number; readonly stepInEpoch: number }): Promise<ProgramInputs>;
  newEpoch(): StepJudge;
  /** Runs `program` over the validation images. */
  validate(program: FinetuneProgram, context: RunContext): Promise<Verdict>;
  /** Verdicts on the weights and on their moving average, as one line of metrics. */
  measures(weights: Verdict, average: Verdict | undefined): Readonly<Record<string, number>>;
}

/** What a run of classification is judged with. */
export interface ClassificationSetup {
  readonly graph: Graph;
  readonly session: Session<FinetuneProgram>;
  readonly options: TrainingOptions;
  readonly validation: ImageLoader;
  readonly teacher?: Teacher;
}

/** Labels, mixed where asked for, and a teacher's logits; judged by top-1. */
export function classification({ graph, session, options, validation, teacher }: ClassificationSetup): Objective {
  return {
    judgedBy: 'top1',
    targets: async (batch, { epoch, stepInEpoch }) => {
      const random = mixingRandom(options.seed, epoch, stepInEpoch);
      const labels: ProgramInputs = isMixing(options)
        ? { targets: mixBatch(options, batch, graph.classes, random).targets }
        : { labels: batch.labels };
      return { ...labels, ...(teacher && { teacher: await teacher(batch) }) };
    },
    newEpoch: () => {
      const sum = new MetricsSum();
      return {
        add: ({ logits }, { labels }) => sum.add(logits, labels),
        get text() {
          return `top-1 ${(100 * sum.result.top1).toFixed(1)} %`;
        },
      };
    },
    validate: async (program, context) => {
      const { top1, top5, loss, images } = await evaluate(session, program, validation, context);
      return { score: top1, measures: { top1, top5, validationLoss: loss, images } };
    },
    measures: (weights, average) => ({
      ...weights.measures,
      ...(average && { averageTop1: average.measures.top1, averageLoss: average.measures.validationLoss }),
    }),
  };
}
