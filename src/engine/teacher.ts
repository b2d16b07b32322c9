/** The teacher of a distillation: logits for every training batch, computed once where the images are fixed. */
import type { Executor } from '../compute/executor.ts';
import { predictProgram } from '../compute/programs.ts';
import type { Sample } from '../data/image-folder.ts';
import type { Graph } from '../graph/graph.ts';
import { UserError } from '../support/errors.ts';
import type { RunContext } from '../support/progress.ts';
import type { Teacher } from '../training/finetune.ts';
import { trainingTransform } from '../training/finetune-data.ts';
import type { TrainingOptions } from '../training/options.ts';
import { type Model, openModel } from './model.ts';
import { cachedTeacher } from './teacher-cache.ts';

export interface OpenTeacher {
  readonly logits: Teacher;
  /** Frees the device. */
  close(): Promise<void>;
}

/** Whom the teacher teaches, and on what. */
export interface Lessons {
  /** The network in training. */
  readonly graph: Graph;
  readonly samples: readonly Sample[];
}

/** The teacher's network for the student's images: it sees what the student sees. */
async function openTeacherModel(name: string, ckpt: string | undefined, student: Graph): Promise<Model> {
  const inputSize = student.input.height;
  const request = { model: name, ...(ckpt !== undefined && { ckpt }) };
  const asSaved = await openModel(request);
  const model = asSaved.graph.input.height === inputSize ? asSaved : await openModel({ ...request, inputSize });
  if (!model.hasWeights)
    throw new UserError(`the teacher ${name} has no weights: give its checkpoint with --teacher-ckpt, or a file.`);
  if (model.graph.classes !== student.classes)
    throw new UserError(`the teacher ${name} has ${model.graph.classes} classes, the student ${student.classes}.`);
  return model;
}

/**
 * Opens the teacher that the options name, in a session of its own; undefined where they name none.
 * @throws UserError when it has no weights, or its classes are not the student's
 */
export async function openTeacher(
  options: TrainingOptions,
  { graph: student, samples }: Lessons,
  executor: Executor,
  context: RunContext = {},
): Promise<OpenTeacher | undefined> {
  const { teacherModel, teacherCkpt, teacherCache, batchSize, workers } = options;
  if (teacherModel === undefined) return undefined;
  const model = await openTeacherModel(teacherModel, teacherCkpt, student);
  const weights = await model.weights(context);
  const open = async () => {
    const session = await executor.open({ predict: predictProgram(model.graph) }, context);
    await session.assign(weights);
    const compute: Teacher = async ({ images }) => (await session.run('predict', { images })).logits;
    return { compute, close: () => session.dispose() };
  };
  if (teacherCache === undefined) {
    const { compute, close } = await open();
    return { logits: compute, close };
  }
  const transform = trainingTransform(student, options);
  const source = { file: teacherCache, weights, classes: student.classes, samples, transform, batchSize, workers };
  return { logits: await cachedTeacher(source, open, context), close: async () => undefined };
}
