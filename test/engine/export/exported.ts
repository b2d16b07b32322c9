/** Exports a model in every format and compares what PyTorch and ONNX Runtime make of it. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { findVariant } from '../../../src/engine/architectures/registry.ts';
import type { BuildOptions } from '../../../src/engine/architectures/variant.ts';
import type { Graph } from '../../../src/engine/graph/graph.ts';
import { graphCost } from '../../../src/engine/graph/macs.ts';
import type { Weights } from '../../../src/engine/graph/tensor.ts';
import { exportModel } from '../../../src/engine/jobs/export.ts';
import { openModel, saveModel } from '../../../src/engine/jobs/opening/model.ts';
import { EMPTY_RECORD } from '../../../src/engine/jobs/record.ts';
import { couple } from '../../../src/engine/pruning/coupling/couple.ts';
import type { PlanOptions } from '../../../src/engine/pruning/planning/plan-types.ts';
import { compilePlanner } from '../../../src/engine/pruning/planning/planner.ts';
import { prune } from '../../../src/engine/pruning/rebuilding/apply-plan.ts';
import { scoreGroups } from '../../../src/engine/pruning/scoring/importance.ts';
import { fillWeights } from '../../support/detfill.ts';
import { imageOf, logitsOf, relativeDifference } from '../../support/logits.ts';
import { runPython } from '../../support/python.ts';

export const TOLERANCE = 1e-3;

export interface NetworkCase {
  /** A name of the zoo. */
  readonly model: string;
  readonly build?: BuildOptions;
  /** Prunes it at these ratios, by random scores. */
  readonly prune?: Partial<PlanOptions>;
}

export interface Network {
  readonly graph: Graph;
  readonly weights: Weights;
}

/** The case's network with deterministic weights. */
export async function makeNetwork({ model, build, prune: options }: NetworkCase): Promise<Network> {
  const graph = findVariant(model)?.build(build) ?? assert.fail(`no model ${model}`);
  const weights = fillWeights(graph);
  if (!options) return { graph, weights };
  const groups = couple(graph);
  const scores = await scoreGroups(groups, weights, { criterion: 'random', seed: 1 });
  const plan = compilePlanner(groups, scores).plan({ ratio: 0.5, roundTo: 2, ...options });
  return prune(graph, weights, plan, groups);
}

export interface ExportedNetwork extends Network {
  readonly id: string;
  readonly logits: Float32Array;
}

/** Saves a network, opens the file again with nothing else said, exports it as Python and ONNX into the folder. */
export async function exportNetwork(folder: string, id: string, network: Network): Promise<ExportedNetwork> {
  const saved = path.join(folder, `${id}.safetensors`);
  await saveModel(saved, network.graph, network.weights, EMPTY_RECORD);
  const model = await openModel({ model: saved });
  await exportModel(model, 'pytorch', path.join(folder, `${id}.py`));
  await exportModel(model, 'onnx', path.join(folder, `${id}.onnx`), {}, { verify: false });
  writeFileSync(path.join(folder, `${id}.input`), imageOf(network.graph));
  return { id, ...network, logits: await logitsOf(network.graph, network.weights) };
}

interface OnnxResult {
  readonly logits: readonly number[];
  /** The same image as the second of two. */
  readonly batched: readonly number[];
}

interface PyTorchResult extends OnnxResult {
  /** Shapes of what the model returns in training mode, for two images. */
  readonly training: readonly (readonly number[])[];
  readonly parameters: number;
  /** Shapes in the file, as torch.load(weights_only=True) reads it. */
  readonly state: Readonly<Record<string, readonly number[]>>;
  /** Whether the module's state dict has the file's names in the file's order. */
  readonly same_state: boolean;
}

const assertLogits = ({ logits, batched }: OnnxResult, expected: Float32Array, id: string): void => {
  for (const [what, found] of Object.entries({ logits, batched })) {
    assert.equal(found.length, expected.length, `${id}: number of ${what}`);
    const difference = relativeDifference(found, expected);
    assert.ok(difference <= TOLERANCE, `${id}: ${what} differ by ${difference.toExponential(1)}`);
  }
};

/** Asserts that PyTorch opens the exported module and its weights, and computes Espalier's logits. */
export function checkPyTorch(folder: string, networks: readonly ExportedNetwork[]): void {
  const ids = networks.map(({ id }) => id);
  const results = runPython<Record<string, PyTorchResult>>('engine/export/run_exports.py', 'pytorch', folder, ...ids);
  for (const { id, graph, logits } of networks) {
    const result = results[id];
    assertLogits(result, logits, id);
    assert.equal(result.parameters, graphCost(graph).params, `${id}: parameters`);
    assert.deepEqual(result.state, Object.fromEntries(graph.parameters.map(({ name, shape }) => [name, shape])), id);
    assert.ok(result.same_state, `${id}: order of the state dict`);
    const heads = graph.trainingOutputs.map(() => [2, graph.classes]);
    assert.deepEqual(result.training, heads, `${id}: outputs in training`);
  }
}

/** Asserts that ONNX Runtime computes Espalier's logits. */
export function checkOnnx(folder: string, networks: readonly ExportedNetwork[]): void {
  const ids = networks.map(({ id }) => id);
  const results = runPython<Record<string, OnnxResult>>('engine/export/run_exports.py', 'onnx', folder, ...ids);
  for (const { id, logits } of networks) assertLogits(results[id], logits, id);
}
