/** A network through two files, each of any format: what Espalier writes it reads, and it stays the same network. */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import path from 'node:path';
import type { Graph } from '../../../src/engine/graph/graph.ts';
import { graphCost } from '../../../src/engine/graph/macs.ts';
import { toFloat32, type Weights } from '../../../src/engine/graph/tensor.ts';
import { type Model, openModel, saveModel } from '../../../src/engine/jobs/opening/model.ts';
import { EMPTY_RECORD } from '../../../src/engine/jobs/record.ts';
import { logitsOf, relativeDifference } from '../../support/logits.ts';
import type { Network } from '../export/exported.ts';

const FORMATS = ['safetensors', 'pth', 'pt2', 'onnx'] as const;
type Format = (typeof FORMATS)[number];

const TOLERANCE = 1e-5;

/** The tensors, but for counters, as one list of numbers, in the order of their names. */
function elements(weights: Weights): string {
  const floats = [...weights].filter(([, { dtype }]) => dtype === 'float32');
  const sums = floats.map(([name, tensor]) => {
    const values = toFloat32(tensor);
    return `${name} [${tensor.shape}] ${values.reduce((sum, value, i) => sum + value * Math.sin(i), 0)}`;
  });
  return sums.sort().join('\n');
}

async function through(folder: string, name: string, format: Format, model: Network): Promise<Model & Network> {
  const file = path.join(folder, `${name}.${format}`);
  await saveModel(file, model.graph, model.weights, EMPTY_RECORD);
  const opened = await openModel({ model: file });
  const weights = await opened.weights();
  rmSync(file);
  return { ...opened, weights } as unknown as Model & Network;
}

/** Graphs whose files keep them are the same; those of exported files are built of their operators. */
function assertSame(found: Graph, before: Graph, format: Format, what: string): void {
  if (format === 'safetensors' || format === 'pth') assert.deepEqual(found, before, what);
  // The reference's counter sees modules, which exported files do not tell from functions.
  assert.equal(graphCost(found).params, graphCost(before).params, what);
}

/** @param byLogits compare what is computed too, which takes longer */
export async function assertRoundTrips(folder: string, network: Network, byLogits: boolean): Promise<void> {
  const expected = byLogits ? await logitsOf(network.graph, network.weights) : undefined;
  const tensors = elements(network.weights);
  for (const first of FORMATS) {
    const one = await through(folder, network.graph.name, first, network);
    assertSame(one.graph, network.graph, first, first);
    assert.equal(elements(one.weights), tensors, first);
    for (const second of FORMATS) {
      const what = `${first}, then ${second}`;
      const two = await through(folder, network.graph.name, second, one);
      assertSame(two.graph, one.graph, second, what);
      assert.equal(elements(two.weights), tensors, what);
      if (!expected) continue;
      const difference = relativeDifference(await logitsOf(two.graph, two.weights), expected);
      assert.ok(difference < TOLERANCE, `${what}: logits differ by ${difference.toExponential(1)}`);
    }
  }
}
