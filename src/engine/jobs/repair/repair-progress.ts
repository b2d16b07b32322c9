/** Layers of a repair that are done, kept on disk until all are: one that was stopped goes on after the last of them. */
import { createHash } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { readSafetensors } from '../../checkpoint/safetensors/safetensors.ts';
import { writeSafetensors } from '../../checkpoint/safetensors/safetensors-write.ts';
import { graphToJson } from '../../graph/serialize.ts';
import type { Weights } from '../../graph/tensor.ts';
import { RECTIFIED_ROUNDS } from '../../pruning/repair/rectified.ts';
import type { CalibrationBatch } from './calibration.ts';
import type { LayerRepair, RepairInputs } from './repair-report.ts';

export interface RepairedLayer {
  /** What the repair changed. */
  readonly tensors: Weights;
  readonly report: LayerRepair;
}

/** Where repairs under way are kept, beside a workspace's runs. */
export const repairFolder = (workspace: string): string => path.join(workspace, '.espalier', 'cache', 'repair');

const REPORT_KEY = 'espalier.repair';

/** Everything that a repair's result depends on, as a folder name. */
function keyOf(
  { student, weights, teacher, teacherWeights, kept }: RepairInputs,
  batches: readonly CalibrationBatch[],
): string {
  const hash = createHash('sha256');
  hash.update(`${RECTIFIED_ROUNDS} rounds\n`).update(graphToJson(student)).update(graphToJson(teacher));
  for (const [name, { from, kept: indices }] of kept)
    hash.update(`${name} ${from} ${indices.map((list) => list?.join() ?? '*').join(';')}\n`);
  const bytes = ({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array =>
    new Uint8Array(buffer, byteOffset, byteLength);
  for (const each of [weights, teacherWeights])
    for (const [name, { dtype, data }] of each) hash.update(`${name} ${dtype}\n`).update(bytes(data));
  for (const { images, held } of batches) hash.update(String(held)).update(bytes(images));
  return hash.digest('hex').slice(0, 40);
}

export class RepairProgress {
  private constructor(private readonly folder: string) {}

  static async open(
    cache: string,
    inputs: RepairInputs,
    batches: readonly CalibrationBatch[],
  ): Promise<RepairProgress> {
    const folder = path.join(cache, keyOf(inputs, batches));
    await mkdir(folder, { recursive: true });
    return new RepairProgress(folder);
  }

  private file(index: number): string {
    return path.join(this.folder, `${index}.safetensors`);
  }

  /** A layer that was done before; undefined where it was not, or its file cannot be read. */
  async read(index: number, layer: string): Promise<RepairedLayer | undefined> {
    const saved = await readSafetensors(this.file(index)).catch(() => undefined);
    const text = saved?.metadata[REPORT_KEY];
    if (!saved || text === undefined) return undefined;
    const report = JSON.parse(text) as LayerRepair;
    return report.layer === layer ? { tensors: saved.weights, report } : undefined;
  }

  async write(index: number, { tensors, report }: RepairedLayer): Promise<void> {
    await writeSafetensors(this.file(index), tensors, { [REPORT_KEY]: JSON.stringify(report) });
  }

  /** Takes everything away: the repair is done. */
  async end(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}
