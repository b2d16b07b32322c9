/** The teacher of a distillation: logits for every training batch, computed once where the images are fixed. */

import { UserError } from '../../common/errors.ts';
import type { RunContext } from '../../common/progress.ts';
import type { Executor } from '../compute/executor.ts';
import { predictProgram } from '../compute/programs/programs.ts';
import type { Sample } from '../data/image-folder.ts';
import type { Graph } from '../graph/graph.ts';
import { formatShape } from '../graph/shapes.ts';
import { trainingTransform } from '../training/finetune-data.ts';
import { varyingOutputs } from '../training/imitation.ts';
import type { Teacher } from '../training/objective.ts';
import type { TrainingOptions } from '../training/training-options.ts';
import { type Model, openModel } from './opening/model.ts';
import { pretrainedAdvice } from './opening/pretrained.ts';
import { cachedTeacher } from './teacher-cache.ts';

export interface OpenTeacher {
  readonly logits: Teacher;
  /** Frees the device. */
  close(): Promise<void>;
}

/** Who teaches whom, and on what. */
export interface Lessons {
  /** Of `openTeacherModel`. */
  readonly teacher: Model;
  /** The network in training. */
  readonly student: Graph;
  readonly samples: readonly Sample[];
  /** A file of the teacher's outputs that is only read. */
  readonly readCache?: string;
}

type TeacherOptions = Pick<TrainingOptions, 'teacherModel' | 'teacherCkpt'> & Partial<Pick<TrainingOptions, 'imitate'>>;

/**
 * The teacher that the options name, for the student's images: it sees what the student sees. Undefined where they name none.
 * @throws UserError when it has no weights, or its classes are not the student's
 */
export async function openTeacherModel(
  { teacherModel: name, teacherCkpt: ckpt, imitate }: TeacherOptions,
  student: Graph,
): Promise<Model | undefined> {
  if (name === undefined) return undefined;
  const inputSize = student.input.height;
  const request = { model: name, pretrained: 'timm', ...(ckpt !== undefined && { ckpt }) } as const;
  const asSaved = await openModel(request);
  const model = asSaved.graph.input.height === inputSize ? asSaved : await openModel({ ...request, inputSize });
  if (!model.hasWeights)
    throw new UserError(
      `the teacher ${name} has no weights: give its checkpoint with --teacher-ckpt, or a file.${pretrainedAdvice(name)}`,
    );
  if (imitate) requireSameOutputs(model.graph, student);
  else if (model.graph.classes !== student.classes)
    throw new UserError(`the teacher ${name} has ${model.graph.classes} classes, the student ${student.classes}.`);
  return model;
}

/** @throws UserError where one network's outputs are not the other's: there is no distance between them */
export function requireSameOutputs(dense: Graph, student: Graph): void {
  const say = (graph: Graph): string =>
    varyingOutputs(graph)
      .map(({ name, shape }) => `${name} ${formatShape(shape)}`)
      .join(', ');
  if (say(dense) !== say(student))
    throw new UserError(
      `the dense network ${dense.name} gives ${say(dense)}, the other ${say(student)}: give the network that it was pruned from.`,
    );
}

/** Throws UserError where the teacher gives what nobody can learn: the run's loss would be no number, and look like the student's fault. */
function checkLessons(logits: Float32Array, files: readonly string[], name: string | undefined): void {
  const at = logits.findIndex((value) => !Number.isFinite(value));
  if (at < 0) return;
  const file = files[Math.floor((at * files.length) / logits.length)];
  throw new UserError(
    `the teacher ${name} gives ${logits[at]} for ${file}: its weights are damaged, or overflow in this precision. Take another --teacher-model or --teacher-ckpt.`,
  );
}

/** Opens the teacher in a session of its own, or its outputs where they have been computed before. */
export async function openTeacher(
  options: TrainingOptions,
  { teacher, student, samples, readCache }: Lessons,
  executor: Executor,
  context: RunContext = {},
): Promise<OpenTeacher> {
  const { teacherCache, batchSize, workers } = options;
  const weights = await teacher.weights(context);
  const open = async () => {
    const session = await executor.open({ predict: predictProgram(teacher.graph) }, context);
    await session.assign(weights);
    const compute: Teacher = async ({ images, files }) => {
      const { logits } = await session.run('predict', { images });
      checkLessons(logits, files, options.teacherModel);
      return logits;
    };
    return { compute, close: () => session.dispose() };
  };
  if (teacherCache === undefined) {
    const { compute, close } = await open();
    return { logits: compute, close };
  }
  const transform = trainingTransform(student, options);
  const { graph } = teacher;
  const { classes } = student;
  const readFirst = readCache !== undefined && { readFirst: readCache };
  const source = { file: teacherCache, ...readFirst, graph, weights, classes, samples, transform, batchSize, workers };
  return { logits: await cachedTeacher(source, open, context), close: async () => undefined };
}
