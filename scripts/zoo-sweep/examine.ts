/**
 * One network of the sweep: PyTorch exports it with shaken weights, Espalier opens the file, computes its outputs, prunes it at random to 70 %
 * of its MACs and writes it back; PyTorch computes what the dense network gives whose removed entries are zero, and runs what was written.
 *
 * `source` is a library, or a Python file with functions that make networks.
 */
import { spawn } from 'node:child_process';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { readCheckpoint } from '../../src/engine/checkpoint/checkpoint.ts';
import { writeSafetensors } from '../../src/engine/checkpoint/safetensors/safetensors-write.ts';
import type { Executor } from '../../src/engine/compute/executor.ts';
import { predictProgram } from '../../src/engine/compute/programs/programs.ts';
import type { Graph } from '../../src/engine/graph/graph.ts';
import { graphCost } from '../../src/engine/graph/macs.ts';
import type { Weights } from '../../src/engine/graph/tensor.ts';
import { openModel, saveModel } from '../../src/engine/jobs/opening/model.ts';
import { couple } from '../../src/engine/pruning/coupling/couple.ts';
import { compilePlanner } from '../../src/engine/pruning/planning/planner.ts';
import { parseTarget, planForTarget } from '../../src/engine/pruning/planning/target.ts';
import { prune } from '../../src/engine/pruning/rebuilding/apply-plan.ts';
import { scoreGroups } from '../../src/engine/pruning/scoring/importance.ts';
import { averagesOverRemoved, masked, maskedNetwork } from './masked-network.ts';
import type { Row, SweepRequest } from './rows.ts';

/** PyTorch's process: one request a line, one answer a line. */
export class TorchSide {
  private readonly child = spawn('python3', [path.join(import.meta.dirname, 'torch_side.py')], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  private readonly lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();

  async ask(request: object): Promise<{
    readonly error?: string;
    readonly computed?: readonly string[];
    readonly structure?: unknown;
    readonly exporter?: number;
    readonly note?: string;
  }> {
    this.child.stdin.write(`${JSON.stringify(request)}\n`);
    const { value, done } = await this.lines.next();
    return done ? { error: 'PyTorch ended' } : JSON.parse(value);
  }

  end(): void {
    this.child.stdin.end();
  }
}

export const outputsIn = async (file: string): Promise<readonly Float32Array[]> => {
  const { weights } = await readCheckpoint(file);
  return [...weights.keys()]
    .sort((a, b) => Number(a) - Number(b))
    .map((name) => weights.get(name)?.data as Float32Array);
};

/** Largest difference over the largest value, of all outputs. */
export function difference(found: readonly Float32Array[], wanted: readonly Float32Array[]): number {
  if (found.length !== wanted.length) throw new Error(`${found.length} outputs instead of ${wanted.length}`);
  return Math.max(
    ...wanted.map((values, i) => {
      if (values.length !== found[i].length)
        throw new Error(`output ${i} has ${found[i].length} numbers, not ${values.length}`);
      let [off, scale] = [0, 1e-12];
      for (let k = 0; k < values.length; k++) {
        off = Math.max(off, Math.abs(values[k] - found[i][k]));
        scale = Math.max(scale, Math.abs(values[k]));
      }
      return off / scale;
    }),
  );
}

/**
 * How far the outputs of two images are apart, relative to the largest, of the output in which that is least: where it is next to nothing, as
 * of a last ReLU that leaves zeros, the comparison could not fail.
 */
export function variation(outputs: readonly Float32Array[]): number {
  return Math.min(
    ...outputs.map((values) =>
      difference([values.subarray(0, values.length / 2)], [values.subarray(values.length / 2)]),
    ),
  );
}

async function outputsOf(
  executor: Executor,
  graph: Graph,
  weights: Weights,
  images: Float32Array,
): Promise<Float32Array[]> {
  const session = await executor.open({ predict: predictProgram(graph) });
  try {
    await session.assign(weights);
    const outputs = await session.run('predict', { images });
    return Object.values(outputs) as Float32Array[];
  } finally {
    await session.dispose();
  }
}

/** Fills the row as far as it comes; throws what is in the way. */
export async function examine(row: Row, request: SweepRequest, torch: TorchSide, executor: Executor): Promise<void> {
  const { folder } = request;
  const need = async (asked: object): ReturnType<TorchSide['ask']> => {
    const answer = await torch.ask({ ...asked, folder });
    if (answer.error) throw new Error(`PyTorch: ${answer.error}`);
    return answer;
  };
  const exported = await need({ action: 'export', ...request });
  if (exported.exporter !== undefined) row.exporter = exported.exporter;
  if (exported.note !== undefined) row.note = exported.note;
  const suffix = request.form === 'pt2' ? 'pt2' : 'onnx';
  const model = await openModel({ model: path.join(folder, `dense.${suffix}`) });
  const opaque = model.graph.nodes.flatMap(({ kind, attributes }) => (kind === 'opaque' ? [attributes.operator] : []));
  row.frozen = opaque.length;
  const weights = await model.weights();
  const images = (await readCheckpoint(path.join(folder, 'images.safetensors'))).weights.get('images')
    ?.data as Float32Array;
  const wanted = await outputsIn(path.join(folder, 'dense.safetensors'));
  row.opens = true;
  if (!opaque.length) row.dense = difference(await outputsOf(executor, model.graph, weights, images), wanted);
  row.variation = variation(wanted);
  const groups = couple(model.graph);
  const scores = await scoreGroups(groups, weights, { criterion: 'random', seed: 3 });
  const before = graphCost(model.graph).macs;
  const plan = planForTarget(compilePlanner(groups, scores), {}, parseTarget('70%'));
  const pruned = prune(model.graph, weights, plan, groups);
  row.macs = graphCost(pruned.graph).macs / before;
  const inPyTorch = async (): Promise<readonly Float32Array[] | undefined> => {
    if (suffix !== 'pt2' || averagesOverRemoved(model.graph, pruned.graph)) return undefined;
    await writeSafetensors(path.join(folder, 'masked.safetensors'), masked(weights, pruned), {});
    if ((await need({ action: 'masked' })).computed?.length) return undefined;
    return outputsIn(path.join(folder, 'masked.outputs.safetensors'));
  };
  // By ONNX Runtime: another one than computed what was pruned.
  const inOnnxRuntime = async (): Promise<readonly Float32Array[]> => {
    const reference = maskedNetwork(model.graph, weights, pruned);
    await saveModel(path.join(folder, 'masked.onnx'), reference.graph, reference.weights, model.record);
    await need({ action: 'returned', file: 'masked.onnx' });
    return outputsIn(path.join(folder, 'returned.safetensors'));
  };
  const reference = (await inPyTorch()) ?? (await inOnnxRuntime());
  await saveModel(path.join(folder, `pruned.${suffix}`), pruned.graph, pruned.weights, model.record);
  const back = await need({ action: 'returned', file: `pruned.${suffix}` });
  const written = await outputsIn(path.join(folder, 'returned.safetensors'));
  // Where Espalier cannot compute the network, PyTorch alone says whether what was written is the masked one.
  const found = opaque.length ? written : await outputsOf(executor, pruned.graph, pruned.weights, images);
  row.variation = Math.min(row.variation, variation(found));
  row.pruned = difference(found, reference);
  if (opaque.length)
    row.note = `Espalier does not compute it (${[...new Set(opaque)].join(', ')}): PyTorch alone compares`;
  else row.returned = difference(written, found);
  const [given, returned] = [exported, back].map(({ structure }) => JSON.stringify(structure));
  if (given !== returned) throw new Error(`the module returned ${given}, and what was written returns ${returned}`);
}
