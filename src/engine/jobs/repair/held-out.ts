/** Both networks of a repair whole, for what they give on the held-out images. */

import type { RunContext } from '../../../common/progress.ts';
import type { Executor, Session } from '../../compute/executor.ts';
import { type Networks, TEACHER_PREFIX } from '../../compute/programs/moments-program.ts';
import { predictProgram } from '../../compute/programs/programs.ts';
import type { Weights } from '../../graph/tensor.ts';
import { type Divergence, divergence, type OutputValues } from '../../training/divergence.ts';
import { type CalibrationBatch, type CalibrationRequest, calibrationBatches } from './calibration.ts';
import { joinedOutputs, teacherStates } from './repair-session.ts';

type Which = keyof Networks;

async function outputsOf(
  session: Session<Which>,
  which: Which,
  batches: readonly CalibrationBatch[],
): Promise<OutputValues> {
  const parts: Readonly<Record<string, Float32Array>>[] = [];
  for (const { images, held } of batches) if (held) parts.push(await session.run(which, { images }));
  return joinedOutputs(parts);
}

export class HeldOut {
  private constructor(
    private readonly session: Session<Which>,
    private readonly batches: readonly CalibrationBatch[],
    private readonly classes: number,
    /** What the dense network gives. */
    readonly teacher: OutputValues,
  ) {}

  static async open(
    { student, teacher, teacherWeights }: Networks & { readonly teacherWeights: Weights },
    batches: readonly CalibrationBatch[],
    executor: Executor,
    context: RunContext,
  ): Promise<HeldOut> {
    const programs = {
      teacher: predictProgram(teacher, { statePrefix: TEACHER_PREFIX }),
      student: predictProgram(student),
    };
    const session = await executor.open(programs, context);
    await session.assign(teacherStates(teacherWeights));
    return new HeldOut(session, batches, student.classes, await outputsOf(session, 'teacher', batches));
  }

  /** Of the student with these weights, from the dense network. */
  async divergence(weights: Weights): Promise<Divergence> {
    await this.session.assign(weights);
    return divergence(this.teacher, await outputsOf(this.session, 'student', this.batches), this.classes);
  }

  close(): Promise<void> {
    return this.session.dispose();
  }
}

/** Of a network from the dense one, on the images that a repair of this request holds out. */
export async function heldOutDivergence(
  networks: Networks & { readonly weights: Weights; readonly teacherWeights: Weights },
  request: CalibrationRequest,
  executor: Executor,
  context: RunContext,
): Promise<Divergence> {
  const batches = await calibrationBatches(networks.student, request, context, 'held');
  const heldOut = await HeldOut.open(networks, batches, executor, context);
  try {
    return await heldOut.divergence(networks.weights);
  } finally {
    await heldOut.close();
  }
}
