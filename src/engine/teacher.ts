/** The teacher of a distillation: logits for every training batch, computed once where the images are fixed. */

import { readSafetensors } from '../checkpoint/safetensors.ts';
import { writeSafetensors } from '../checkpoint/safetensors-write.ts';
import type { Executor } from '../compute/executor.ts';
import { predictProgram } from '../compute/programs.ts';
import type { Batch } from '../data/loader.ts';
import type { Graph } from '../graph/graph.ts';
import { float32Tensor, toFloat32 } from '../graph/tensor.ts';
import { UserError } from '../support/errors.ts';
import type { RunContext } from '../support/progress.ts';
import type { Teacher } from '../training/finetune.ts';
import { openModel } from './model.ts';

export interface TeacherRequest {
  /** File or zoo name. */
  readonly model: string;
  readonly ckpt?: string;
  /** File that keeps the logits; only right when an image always looks the same (no augmentation). */
  readonly cache?: string;
}

export interface OpenTeacher {
  readonly graph: Graph;
  readonly logits: Teacher;
  /** Saves the cache, frees the device. */
  close(): Promise<void>;
}

/** Opens the teacher in a session of its own. Throws UserError when its classes are not the student's. */
export async function openTeacher(
  request: TeacherRequest,
  student: Graph,
  executor: Executor,
  context: RunContext = {},
): Promise<OpenTeacher> {
  const model = await openModel({ model: request.model, ...(request.ckpt && { ckpt: request.ckpt }) });
  const { graph } = model;
  if (graph.classes !== student.classes)
    throw new UserError(`the teacher ${request.model} has ${graph.classes} classes, the student ${student.classes}`);
  const weights = await model.weights(context);
  const session = await executor.open({ predict: predictProgram(graph) }, context);
  await session.assign(weights);
  const compute = async ({ images }: Batch): Promise<Float32Array> => (await session.run('predict', { images })).logits;
  const cache = request.cache ? await LogitsCache.open(request.cache, graph.classes) : undefined;
  return {
    graph,
    logits: cache ? (batch) => cache.batch(batch, compute) : compute,
    close: async () => {
      await cache?.save();
      await session.dispose();
    },
  };
}

/** Logits by image file. */
class LogitsCache {
  readonly #file: string;
  readonly #classes: number;
  readonly #rows: Map<string, Float32Array>;
  #changed = false;

  private constructor(file: string, classes: number, rows: Map<string, Float32Array>) {
    this.#file = file;
    this.#classes = classes;
    this.#rows = rows;
  }

  static async open(file: string, classes: number): Promise<LogitsCache> {
    const known = await readSafetensors(file).catch(() => undefined);
    const rows = [...(known?.weights ?? [])].flatMap(([name, tensor]): [string, Float32Array][] =>
      tensor.shape[0] === classes ? [[name, toFloat32(tensor)]] : [],
    );
    return new LogitsCache(file, classes, new Map(rows));
  }

  /** Rows that are known, or all of the batch computed anew. */
  async batch(batch: Batch, compute: Teacher): Promise<Float32Array> {
    const known = batch.files.map((file) => this.#rows.get(file));
    if (known.every((row) => row !== undefined)) {
      const logits = new Float32Array(batch.count * this.#classes);
      known.forEach((row, i) => {
        logits.set(row as Float32Array, i * this.#classes);
      });
      return logits;
    }
    const logits = await compute(batch);
    batch.files.forEach((file, i) => {
      this.#rows.set(file, logits.slice(i * this.#classes, (i + 1) * this.#classes));
    });
    this.#changed = true;
    return logits;
  }

  async save(): Promise<void> {
    if (!this.#changed) return;
    const tensors = [...this.#rows].map(([file, row]) => [file, float32Tensor([this.#classes], row)] as const);
    await writeSafetensors(this.#file, new Map(tensors));
  }
}
