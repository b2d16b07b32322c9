/** Writing the folder of a scoring job: gradients of a network on training images, from many processes. */
import { readdirSync } from 'node:fs';
import path from 'node:path';
import type { Criterion } from '../../../common/criteria.ts';
import { UserError } from '../../../common/errors.ts';
import { flagDefaults } from '../../../common/flags.ts';
import type { RunContext } from '../../../common/progress.ts';
import { writeSafetensors } from '../../checkpoint/safetensors/safetensors-write.ts';
import { IMAGENET_SYNSETS } from '../../data/imagenet-synsets.ts';
import { pytorchSource } from '../../export/pytorch.ts';
import { writeFileAtomically } from '../../files/atomic-write.ts';
import { evaluationTransform } from '../../training/finetune-data.ts';
import { runName } from '../../training/run-directory.ts';
import { type TrainingOptions, trainingFlags } from '../../training/training-options.ts';
import type { GradientData } from '../collect-gradients.ts';
import { type Model, type ModelRequest, modelMetadata, openModel } from '../opening/model.ts';
import { describeNetwork, knownNames } from './job-folder.ts';
import type { JobOptions, LaunchOptions } from './job-options.ts';
import { checkPlace, copyPrograms, inPlace, JOB_FILE } from './job-place.ts';
import { jobScripts, scoringPage } from './job-scripts.ts';

export interface ScoreJobRequest {
  readonly model: ModelRequest;
  /** The images and how many, as for scoring here. */
  readonly data: GradientData;
  readonly criterion: Criterion;
  readonly job: JobOptions;
  readonly launch: LaunchOptions;
  readonly outputDir?: string;
  readonly overwrite?: boolean;
}

/** @throws UserError for a criterion without gradients, numbers below 1 and a network without weights */
function check({ criterion, data, launch }: ScoreJobRequest, model: Model): void {
  if (criterion !== 'taylor' && criterion !== 'hessian')
    throw new UserError(`--pruning-type ${criterion} needs no gradients: \`espalier prune\` scores by it at once.`);
  for (const [flag, value] of [
    ['taylor-batchs', data.batches],
    ['train-batch-size', data.batchSize ?? 1],
    ['nodes', launch.nodes],
    ['processes', launch.processes],
  ] as const)
    if (value < 1) throw new UserError(`--${flag} must be at least 1, not ${value}`);
  if (!model.hasWeights)
    throw new UserError(`${model.graph.name} has no weights: give a checkpoint with --ckpt, or open a file.`);
}

function jobFile(asked: ScoreJobRequest, model: Model, classNames: readonly string[] | undefined): object {
  const { data, criterion, job, launch } = asked;
  const { graph } = model;
  const { interpolation, noImagenetMeanStd = false, valResize } = data;
  const transform = { interpolation, noImagenetMeanStd, ...(valResize !== undefined && { valResizeSize: valResize }) };
  return {
    version: 1,
    kind: 'score',
    request: {
      model: asked.model,
      dataPath: path.resolve(data.dataPath),
      options: {
        pruningType: criterion,
        batches: data.batches,
        batchSize: data.batchSize ?? 64,
        seed: data.seed,
        workers: data.workers ?? null,
      },
    },
    job,
    launch: { ...launch, dataSource: launch.dataSource ?? null },
    network: describeNetwork('model', graph),
    teacher: null,
    images: {
      classNames: classNames ?? null,
      otherClassNames: classNames || graph.classes !== IMAGENET_SYNSETS.length ? null : IMAGENET_SYNSETS,
      evaluation: evaluationTransform(graph, transform),
    },
  };
}

/** @returns the folder, its files and what the person should know */
export async function writeScoreJob(
  asked: ScoreJobRequest,
  context: RunContext = {},
): Promise<{ readonly folder: string; readonly files: readonly string[]; readonly notes: readonly string[] }> {
  const model = await openModel(asked.model);
  check(asked, model);
  const { data, job, launch } = asked;
  const { graph, record } = model;
  const options: TrainingOptions = flagDefaults(trainingFlags);
  const dataPath = path.resolve(data.dataPath);
  const request = {
    model: asked.model,
    dataPath,
    ...(data.synsets !== undefined && { synsets: data.synsets }),
    options,
  };
  const { names, notes } = await knownNames(model, { request });
  const folder = path.resolve(asked.outputDir ?? path.join('.espalier', 'jobs', runName(graph.name)));
  checkPlace(folder, asked.overwrite ?? false);
  await inPlace(folder, async (place) => {
    const write = (name: string, text: string): Promise<void> => writeFileAtomically(path.join(place, name), text);
    const weights = await model.weights(context);
    await write('model.py', pytorchSource(graph, 'weights.safetensors'));
    await writeSafetensors(path.join(place, 'weights.safetensors'), weights, modelMetadata(graph, record), context);
    await copyPrograms(place);
    const scripts = jobScripts({ model: graph.name, program: 'score.py', launch, job, dataPath });
    for (const [name, text] of Object.entries(scripts)) await write(name, text);
    await write('README.md', scoringPage(graph.name, asked.criterion));
    await write(JOB_FILE, `${JSON.stringify(jobFile(asked, model, names), null, 2)}\n`);
  });
  return { folder, files: readdirSync(folder).sort(), notes: [...new Set([...model.notes, ...notes])] };
}
