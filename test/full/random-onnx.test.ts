/** Random small ONNX classifiers: each gives ONNX Runtime's logits and prunes to the masked network, or is refused in words. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { UserError } from '../../src/common/errors.ts';
import { createOnnxRuntimeExecutor } from '../../src/engine/compute/onnxruntime/onnxruntime-executor.ts';
import { loadTensorFlow } from '../../src/engine/compute/runtime/binding.ts';
import { tensorFlowExecutor } from '../../src/engine/compute/tensorflow/tensorflow-executor.ts';
import type { Graph } from '../../src/engine/graph/graph.ts';
import { openModel, saveModel } from '../../src/engine/jobs/opening/model.ts';
import { EMPTY_RECORD } from '../../src/engine/jobs/record.ts';
import { couple } from '../../src/engine/pruning/coupling/couple.ts';
import { isPrunable } from '../../src/engine/pruning/coupling/groups.ts';
import { assertExact } from '../engine/pruning/masked.ts';
import { workFolder } from '../engine/training/tiny.ts';
import { image } from '../support/detfill.ts';
import { hasTensorFlow, logitsBy, relativeDifference } from '../support/logits.ts';
import { noPythonWith, PYTHON } from '../support/python.ts';

const COUNT = Number(process.env['RANDOM_ONNX'] ?? 300);
const FIRST = Number(process.env['RANDOM_ONNX_FIRST'] ?? 0);
const SIDE = 12;

interface Drawn {
  readonly seed: number;
  readonly logits: readonly number[];
  readonly operators: readonly string[];
}

/** Norms over channels see how many there are, so that masks are no reference. */
const isMaskable = ({ nodes }: Graph): boolean =>
  !nodes.some(({ kind }) => kind === 'layerNorm' || kind === 'groupNorm');

const prunes = (graph: Graph): boolean => couple(graph).groups.some(isPrunable);

test(`${COUNT} random ONNX files are right or refused`, {
  skip: noPythonWith('onnx', 'onnxruntime', 'numpy'),
}, async (t) => {
  const folder = workFolder();
  writeFileSync(path.join(folder, 'image.input'), image([1, 3, SIDE, SIDE]).data);
  const script = path.resolve(import.meta.dirname, 'random_onnx.py');
  const printed = execFileSync(PYTHON, [script, folder, String(FIRST), String(COUNT)], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const executors = [
    ['ONNX Runtime', await createOnnxRuntimeExecutor()] as const,
    ...(hasTensorFlow ? [['TensorFlow', tensorFlowExecutor(loadTensorFlow())] as const] : []),
  ];
  const refusals = new Map<string, number>();
  const wrong: string[] = [];
  let right = 0;
  for (const line of printed.trim().split('\n')) {
    const { seed, logits, operators } = JSON.parse(line) as Drawn;
    const told = `${seed} (${operators.join(', ')})`;
    try {
      const { graph, weights } = await openModel({ model: path.join(folder, `${seed}.onnx`) });
      for (const [backend, executor] of executors) {
        const difference = relativeDifference(await logitsBy(executor, graph, await weights()), logits);
        if (!(difference < 1e-4)) wrong.push(`${told}: ${difference.toExponential(1)} off on ${backend}`);
      }
      for (const extension of ['safetensors', 'pth', 'onnx', 'pt2']) {
        const file = path.join(folder, `again.${extension}`);
        await saveModel(file, graph, await weights(), EMPTY_RECORD);
        const again = await openModel({ model: file });
        const [, executor] = executors[0];
        const difference = relativeDifference(await logitsBy(executor, again.graph, await again.weights()), logits);
        if (!(difference < 1e-4)) wrong.push(`${told}: ${difference.toExponential(1)} off as ${extension}`);
      }
      if (isMaskable(graph) && prunes(graph)) await assertExact(graph, { ratio: 0.4 });
      right++;
    } catch (error) {
      if (String(error).includes('the masked network computes nothing')) continue;
      if (error instanceof UserError) {
        const kind = error.message.replace(/^\S+: /, '').replace(/[\w/]*\d[\w/.]*/g, '#');
        refusals.set(kind, (refusals.get(kind) ?? 0) + 1);
      } else wrong.push(`${told}: ${error}`);
    }
  }
  t.diagnostic(`${right} opened`);
  for (const [kind, count] of [...refusals].sort((a, b) => b[1] - a[1])) t.diagnostic(`${count} refused: ${kind}`);
  assert.deepEqual(wrong, []);
});
