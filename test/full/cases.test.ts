/**
 * The reference's 14 cases as a person runs them: weights and gradients from files, the engine's own job, and logits before
 * and after through TensorFlow. test/pruning/reference.test.ts has groups, scores and plans in detail. Minutes.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { writeSafetensors } from '../../src/engine/checkpoint/safetensors/safetensors-write.ts';
import type { Graph } from '../../src/engine/graph/graph.ts';
import { float32Tensor, type Tensor, toFloat32 } from '../../src/engine/graph/tensor.ts';
import { openModel, saveModel } from '../../src/engine/jobs/opening/model.ts';
import { graphInfo } from '../../src/engine/jobs/opening/model-info.ts';
import { pruneModel } from '../../src/engine/jobs/prune.ts';
import type { PruneRequest } from '../../src/engine/jobs/prune-request.ts';
import { couple } from '../../src/engine/pruning/coupling/couple.ts';
import { findScopes } from '../../src/engine/pruning/planning/scopes.ts';
import { testFolder } from '../engine/checkpoint/files.ts';
import { caseGraph, type ReferenceCase, readCases } from '../engine/pruning/cases.ts';
import { digest, fillWeights, gradient } from '../support/detfill.ts';
import { logitsOf, noTensorFlow, relativeDifference } from '../support/logits.ts';

const LOGITS_TOLERANCE = 1e-3;
const DIGEST_TOLERANCE = 1e-6;
const SUFFIXES: Readonly<Record<string, readonly string[]>> = { taylor: [''], hessian: ['#0', '#1'] };
const folder = testFolder();

async function writeInputs(
  graph: Graph,
  { case: name, args }: ReferenceCase,
): Promise<{ ckpt: string; gradients: string[] }> {
  const ckpt = `${folder.path}/${name}.safetensors`;
  await writeSafetensors(ckpt, fillWeights(graph), {});
  const gradients: string[] = [];
  for (const suffix of SUFFIXES[args.pruning_type] ?? []) {
    const file = `${folder.path}/${name}.gradients${suffix}.safetensors`;
    const trainable = graph.parameters.filter((p) => p.trainable);
    const tensors = trainable.map(({ name, shape }): [string, Tensor] => [
      name,
      float32Tensor(shape, gradient(name + suffix, shape)),
    ]);
    await writeSafetensors(file, new Map(tensors), {});
    gradients.push(file);
  }
  return { ckpt, gradients };
}

/** The flags of the paper's script. */
const requestOf = ({ args }: ReferenceCase, gradientFiles: readonly string[]): PruneRequest => ({
  score: { criterion: args.pruning_type, ...(gradientFiles.length && { gradientFiles }) },
  options: {
    ratio: args.pruning_ratio,
    headRatio: args.head_pruning_ratio,
    ...(args.head_dim_pruning_ratio !== null && { headDimRatio: args.head_dim_pruning_ratio }),
    isomorphic: args.isomorphic,
    global: args.global_pruning,
    roundTo: args.round_to,
  },
  removeLayers: args.remove_layers,
});

function checkTensors(weights: ReadonlyMap<string, Tensor>, { tensors }: ReferenceCase): void {
  const close = (found: number, wanted: number, what: string): void =>
    assert.ok(
      Math.abs(found - wanted) <= DIGEST_TOLERANCE * Math.max(1, Math.abs(wanted)),
      `${what}: ${found}, not ${wanted}`,
    );
  for (const [name, wanted] of Object.entries(tensors)) {
    const tensor = weights.get(name) ?? assert.fail(`${name} is missing`);
    const found = digest(tensor.shape, toFloat32(tensor));
    assert.deepEqual(found.shape, wanted.shape, `shape of ${name}`);
    close(found.sum, wanted.sum, `sum of ${name}`);
    close(found.weighted, wanted.weighted, `weighted sum of ${name}`);
  }
}

async function checkLogits(
  model: { graph: Graph; weights: ReadonlyMap<string, Tensor> },
  expected: readonly number[],
  what: string,
) {
  const found = await logitsOf(model.graph, model.weights);
  const difference = relativeDifference(found.subarray(0, expected.length), expected);
  assert.ok(difference <= LOGITS_TOLERANCE, `${what} logits differ by ${difference.toExponential(1)}`);
}

for (const reference of readCases())
  test(`${reference.case}: the engine's result is the reference's`, async (t) => {
    const graph = caseGraph(reference);
    const { ckpt, gradients } = await writeInputs(graph, reference);
    const model = await openModel({ model: reference.model, ckpt });
    const report = await pruneModel(model, requestOf(reference, gradients), () => assert.fail('nothing is computed'));
    const cost = ({ macs, params }: typeof report.before) => ({ macs, params });
    assert.deepEqual(cost(report.before), reference.base);
    assert.deepEqual(cost(report.after), reference.pruned);
    assert.deepEqual(report.heads, reference.num_heads);
    assert.deepEqual(report.keptBlocks, reference.kept_blocks);
    const scopes = findScopes(couple(graph), { isomorphic: true, global: true, headDims: false });
    assert.equal(scopes.length, new Set(reference.groups.map(({ scope }) => scope)).size, 'number of scopes');
    const saved = `${folder.path}/pruned.pth`;
    await saveModel(saved, report.graph ?? assert.fail(), report.weights ?? assert.fail(), report.record);
    const pruned = await openModel({ model: saved });
    const weights = await pruned.weights();
    assert.deepEqual(cost(graphInfo(pruned.graph)), reference.pruned);
    checkTensors(weights, reference);
    await t.test('logits', { skip: noTensorFlow }, async () => {
      await checkLogits({ graph, weights: await model.weights() }, reference.base_logits, 'base');
      await checkLogits({ graph: pruned.graph, weights }, reference.pruned_logits, 'pruned');
    });
  });
