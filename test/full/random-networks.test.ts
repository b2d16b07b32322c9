/**
 * Random small networks, as ONNX files and as exported programs: each gives the logits of ONNX Runtime or PyTorch on both backends, says the
 * same when it is written and read again, and prunes to the masked network; or it is refused in words.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { UserError } from '../../src/common/errors.ts';
import type { Executor } from '../../src/engine/compute/executor.ts';
import { createOnnxRuntimeExecutor } from '../../src/engine/compute/onnxruntime/onnxruntime-executor.ts';
import { loadTensorFlow } from '../../src/engine/compute/runtime/binding.ts';
import { tensorFlowExecutor } from '../../src/engine/compute/tensorflow/tensorflow-executor.ts';
import type { Graph } from '../../src/engine/graph/graph.ts';
import type { Weights } from '../../src/engine/graph/tensor.ts';
import { openModel, saveModel } from '../../src/engine/jobs/opening/model.ts';
import { EMPTY_RECORD } from '../../src/engine/jobs/record.ts';
import { couple } from '../../src/engine/pruning/coupling/couple.ts';
import { isPrunable } from '../../src/engine/pruning/coupling/groups.ts';
import { assertExact } from '../engine/pruning/masked.ts';
import { workFolder } from '../engine/training/tiny.ts';
import { image } from '../support/detfill.ts';
import { hasTensorFlow, logitsBy, relativeDifference } from '../support/logits.ts';
import { noPythonWith, PYTHON } from '../support/python.ts';

/** How many of each form, and the first seed: other seeds are other networks. */
const COUNT = Number(process.env['RANDOM_NETWORKS'] ?? 200);
const FIRST = Number(process.env['RANDOM_NETWORKS_FIRST'] ?? 0);
const SIDE = 12;
const TOLERANCE = 1e-4;
const FORMATS = ['safetensors', 'pth', 'onnx', 'pt2'];

interface Drawn {
  readonly seed: number;
  readonly logits: readonly number[];
  readonly operators: readonly string[];
}

/** Norms over channels see how many there are, so that masks are no reference. */
const isMaskable = ({ nodes }: Graph): boolean =>
  !nodes.some(({ kind }) => kind === 'layerNorm' || kind === 'groupNorm');

async function assertPruned(graph: Graph): Promise<void> {
  if (!isMaskable(graph) || !couple(graph).groups.some(isPrunable)) return;
  await assertExact(graph, { ratio: 0.4 }).catch((error) => {
    // A chance of the draw: whatever is left gives zeros.
    if (!String(error).includes('the masked network computes nothing')) throw error;
  });
}

/** What of a network is not as it should be. */
class Judge {
  readonly #folder: string;
  readonly #executors: readonly (readonly [string, Executor])[];

  constructor(folder: string, executors: readonly (readonly [string, Executor])[]) {
    this.#folder = folder;
    this.#executors = executors;
  }

  async #difference(executor: Executor, graph: Graph, weights: Weights, { logits }: Drawn): Promise<number> {
    return relativeDifference(await logitsBy(executor, graph, weights), logits);
  }

  async judge(file: string, drawn: Drawn): Promise<string[]> {
    const wrong: string[] = [];
    const { graph, weights } = await openModel({ model: path.join(this.#folder, file) });
    for (const [backend, executor] of this.#executors) {
      const difference = await this.#difference(executor, graph, await weights(), drawn);
      if (!(difference < TOLERANCE)) wrong.push(`${difference.toExponential(1)} off on ${backend}`);
    }
    for (const format of FORMATS) {
      const copy = path.join(this.#folder, `again.${format}`);
      await saveModel(copy, graph, await weights(), EMPTY_RECORD);
      const again = await openModel({ model: copy });
      const difference = await this.#difference(this.#executors[0][1], again.graph, await again.weights(), drawn);
      if (!(difference < TOLERANCE)) wrong.push(`${difference.toExponential(1)} off as ${format}`);
    }
    await assertPruned(graph);
    return wrong;
  }
}

for (const [format, script, packages] of [
  ['onnx', 'random_onnx.py', ['onnx', 'onnxruntime', 'numpy']],
  ['pt2', 'random_pt2.py', ['torch', 'numpy']],
] as const)
  test(`${COUNT} random networks as .${format}`, { skip: noPythonWith(...packages) }, async (t) => {
    const folder = workFolder();
    writeFileSync(path.join(folder, 'image.input'), image([1, 3, SIDE, SIDE]).data);
    const args = [path.resolve(import.meta.dirname, script), folder, String(FIRST), String(COUNT)];
    const printed = execFileSync(PYTHON, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    const judge = new Judge(folder, [
      ['ONNX Runtime', await createOnnxRuntimeExecutor()],
      ...(hasTensorFlow ? [['TensorFlow', tensorFlowExecutor(loadTensorFlow())] as const] : []),
    ]);
    const refusals = new Map<string, number>();
    const wrong: string[] = [];
    const all = printed.trim().split('\n');
    for (const line of all) {
      const drawn = JSON.parse(line) as Drawn;
      const told = `${drawn.seed} (${drawn.operators.join(', ')})`;
      try {
        wrong.push(...(await judge.judge(`${drawn.seed}.${format}`, drawn)).map((what) => `${told}: ${what}`));
      } catch (error) {
        if (!(error instanceof UserError)) wrong.push(`${told}: ${error}`);
        else {
          const kind =
            (process.env['VERBOSE'] ? told : '') +
            error.message.replace(/^\S+: /, '').replace(/[\w/.]*\d[\w/.]*/g, '#');
          refusals.set(kind, (refusals.get(kind) ?? 0) + 1);
        }
      }
    }
    const refused = [...refusals.values()].reduce((a, b) => a + b, 0);
    t.diagnostic(`${all.length} drawn, ${refused} refused`);
    for (const [kind, count] of [...refusals].sort((a, b) => b[1] - a[1]))
      t.diagnostic(`${count} refused: ${kind.slice(0, 200)}`);
    assert.deepEqual(wrong, []);
    assert.ok(refused < all.length / 2, 'most are refused');
  });
