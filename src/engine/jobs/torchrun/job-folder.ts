/** Writing a job's folder: networks as Python, weights, the program that trains them, its settings, and what starts it. */
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { UserError } from '../../../common/errors.ts';
import type { RunContext } from '../../../common/progress.ts';
import { writeSafetensors } from '../../checkpoint/safetensors/safetensors-write.ts';
import { readSynsets } from '../../data/class-map.ts';
import { IMAGENET_SYNSETS } from '../../data/imagenet-synsets.ts';
import { pytorchSource } from '../../export/pytorch.ts';
import { writeFileAtomically } from '../../files/atomic-write.ts';
import { type Graph, logitsOf } from '../../graph/graph.ts';
import { graphCost } from '../../graph/macs.ts';
import type { Weights } from '../../graph/tensor.ts';
import { leastTrainingBatch } from '../../training/batch-limits.ts';
import { runningStatistics } from '../../training/batch-norm-statistics.ts';
import { evaluationTransform, trainingTransform } from '../../training/finetune-data.ts';
import { initialiseWeights } from '../../training/initialise.ts';
import { runName } from '../../training/run-directory.ts';
import { dataFor, openImages } from '../evaluate.ts';
import { type FinetuneModels, openFinetuneModels } from '../finetune-models.ts';
import { evaluationData } from '../finetune-request.ts';
import { requireImages } from '../image-input.ts';
import { type Model, modelMetadata } from '../opening/model.ts';
import { openTeacherModel } from '../teacher.ts';
import { checkPlace, copyPrograms, inPlace, JOB_FILE } from './job-place.ts';
import { checkJob, globalBatch, type JobRequest, type KeptJob, settledJob } from './job-request.ts';
import { jobScripts, trainingPage } from './job-scripts.ts';

export interface JobReport {
  readonly folder: string;
  readonly files: readonly string[];
  readonly request: JobRequest;
  readonly notes: readonly string[];
}

interface Network {
  readonly model: Model;
  readonly graph: Graph;
  readonly weights: (context: RunContext) => Promise<Weights>;
}

interface Contents {
  readonly asked: JobRequest;
  readonly models: FinetuneModels;
  readonly student: Network;
  readonly teacher?: Network;
  readonly classNames: readonly string[] | undefined;
  readonly parent: string | undefined;
  readonly notes: readonly string[];
}

export const describeNetwork = (name: string, graph: Graph) => ({
  module: name,
  name: graph.name,
  weights: `${name === 'model' ? 'weights' : name}.safetensors`,
  classes: graph.classes,
  frozen: graph.parameters.filter(({ trainable, dtype }) => !trainable && dtype !== 'int64').map((p) => p.name),
});

/** Python of a network; where it is trained and evaluated with images of two sizes, it must be the same for both. */
function sourceOf({ model, training }: FinetuneModels): string {
  const code = (graph: Graph): string => pytorchSource(graph, 'weights.safetensors');
  const source = code(model.graph);
  const body = (text: string): string => text.slice(text.indexOf('import '));
  if (training !== model.graph && body(code(training)) !== body(source))
    throw new UserError(
      `--train-crop-size and --val-crop-size: ${model.graph.name} computes otherwise for images of ${training.input.height} than of ` +
        `${model.graph.input.height} pixels, and a job has one network: give both the same size.`,
    );
  return source;
}

/** Names of the outputs, where they are known: from a file, the model, or the images where they are here. */
export async function knownNames(
  model: Model,
  { request }: Pick<JobRequest, 'request'>,
): Promise<{ names?: readonly string[]; notes: string[] }> {
  const { synsets, dataPath } = request;
  const { graph, record } = model;
  logitsOf(graph);
  requireImages(graph);
  if (existsSync(dataPath)) {
    const data = dataFor(model, evaluationData(request));
    const [train, validation] = await Promise.all([openImages(graph, data, 'train'), openImages(graph, data, 'val')]);
    return { names: train.outputNames, notes: [...new Set([...train.notes, ...validation.notes])] };
  }
  const notes = [`${dataPath} is not on this machine: its folders are matched to the classes where the job runs`];
  const names = synsets === undefined ? record.classNames : readSynsets(synsets);
  const fits = names?.length === graph.classes;
  if (synsets !== undefined && !fits)
    throw new UserError(`${synsets} has ${names?.length} names but ${graph.name} has ${graph.classes} outputs.`);
  return { ...(names && fits && { names }), notes };
}

async function prepare(asked: JobRequest, kept: KeptJob | undefined): Promise<Contents> {
  checkJob(asked);
  const { options, model: wanted } = asked.request;
  const models = await openFinetuneModels(kept ? { ...wanted, model: kept.weights } : wanted, options);
  const { model } = models;
  if (options.bnRecalibrate > 0 && !runningStatistics(model.graph).length)
    throw new UserError(`--bn-recalibrate: ${model.graph.name} has no batch norm.`);
  const named = kept?.teacherWeights ? { teacherModel: kept.teacherWeights, teacherCkpt: undefined } : options;
  const teacher = await openTeacherModel(named, models.training);
  const found = kept?.classNames ? { names: kept.classNames, notes: [] } : await knownNames(model, asked);
  const weights = async (context: RunContext): Promise<Weights> =>
    model.hasWeights ? model.weights(context) : initialiseWeights(model.graph, options.seed);
  const own = (one: Model): Network => ({ model: one, graph: one.graph, weights: (context) => one.weights(context) });
  return {
    asked,
    models,
    student: { model, graph: model.graph, weights },
    ...(teacher && { teacher: own(teacher) }),
    classNames: found.names,
    parent: kept ? kept.parent : model.file,
    notes: [...new Set([...model.notes, ...(teacher?.notes ?? []), ...found.notes])],
  };
}

/** Everything that train.py reads and that makes the same folder again; what has no value is null. */
function jobFile({ asked, models, teacher, classNames, parent }: Contents): object {
  const { request, job, launch } = asked;
  const { options } = request;
  const { graph } = models.model;
  const share = options.teacherModel ? `, teacher ${path.basename(options.teacherModel)}` : '';
  const processes = launch.nodes * launch.processes;
  return {
    version: 1,
    kind: 'train',
    request: {
      ...request,
      options: Object.fromEntries(Object.entries(options).map(([key, value]) => [key, value ?? null])),
    },
    job,
    launch: { ...launch, dataSource: launch.dataSource ?? null },
    network: {
      ...describeNetwork('model', graph),
      cost: graphCost(graph),
      leastBatch: leastTrainingBatch(models.training),
      parent: parent ?? null,
      summary: `${options.epochs} epochs, ${options.opt}, lr ${options.lr}, batch ${globalBatch(asked)} on ${processes} process${processes === 1 ? '' : 'es'}${share}`,
    },
    teacher: teacher ? describeNetwork('teacher', teacher.graph) : null,
    images: {
      classNames: classNames ?? null,
      // For data whose own folders do not number the classes.
      otherClassNames: classNames || graph.classes !== IMAGENET_SYNSETS.length ? null : IMAGENET_SYNSETS,
      training: trainingTransform(models.training, options),
      evaluation: evaluationTransform(graph, options),
    },
  };
}

async function writeContents(folder: string, contents: Contents, context: RunContext): Promise<void> {
  const { asked, models, student, teacher } = contents;
  const write = (name: string, text: string): Promise<void> => writeFileAtomically(path.join(folder, name), text);
  const weights = async (name: string, { model, graph, weights: read }: Network): Promise<void> =>
    writeSafetensors(path.join(folder, name), await read(context), modelMetadata(graph, model.record), context);
  await write('model.py', sourceOf(models));
  await weights('weights.safetensors', student);
  if (teacher) {
    await write('teacher.py', pytorchSource(teacher.graph, 'teacher.safetensors'));
    await weights('teacher.safetensors', teacher);
  }
  await copyPrograms(folder);
  const { job, launch, request } = asked;
  const { name: model } = student.graph;
  const scripts = jobScripts({ model, program: 'train.py', job, launch, dataPath: request.dataPath });
  for (const [name, text] of Object.entries(scripts)) await write(name, text);
  await write('README.md', trainingPage(model, asked));
  await write(JOB_FILE, `${JSON.stringify(jobFile(contents), null, 2)}\n`);
}

/**
 * Writes the folder of a job.
 *
 * @param kept the job that this one is made from again: its networks are then those in its folder
 * @throws UserError for what a job cannot do, settings that do not fit the model, and a folder that holds something
 */
export async function writeJob(asked: JobRequest, context: RunContext = {}, kept?: KeptJob): Promise<JobReport> {
  const settled = settledJob(asked);
  const contents = await prepare(settled, kept);
  const { outputDir, overwrite } = settled.request.options;
  const folder = path.resolve(outputDir ?? path.join('.espalier', 'jobs', runName(contents.student.graph.name)));
  checkPlace(folder, overwrite);
  // The folder may be moved: where it lies is none of its settings.
  const options = { ...settled.request.options, outputDir: undefined, overwrite: false };
  const portable = { ...settled, request: { ...settled.request, options } };
  await inPlace(folder, (temporary) => writeContents(temporary, { ...contents, asked: portable }, context));
  return { folder, files: readdirSync(folder).sort(), request: portable, notes: contents.notes };
}
