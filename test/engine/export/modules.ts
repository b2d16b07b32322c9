/** Round trips of whole modules: written here, opened by PyTorch with the library, opened here again. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Graph } from '../../../src/engine/graph/graph.ts';
import type { Weights } from '../../../src/engine/graph/tensor.ts';
import { exportModel } from '../../../src/engine/jobs/export.ts';
import { openModel, saveModel } from '../../../src/engine/jobs/opening/model.ts';
import { EMPTY_RECORD, keptOfPlan, withStep } from '../../../src/engine/jobs/record.ts';
import { couple } from '../../../src/engine/pruning/coupling/couple.ts';
import type { PlanOptions } from '../../../src/engine/pruning/planning/plan-types.ts';
import { compilePlanner } from '../../../src/engine/pruning/planning/planner.ts';
import { prune } from '../../../src/engine/pruning/rebuilding/apply-plan.ts';
import { scoreGroups } from '../../../src/engine/pruning/scoring/importance.ts';
import { imageOf, logitsOf, relativeDifference } from '../../support/logits.ts';
import { runPython } from '../../support/python.ts';
import { makeNetwork, type NetworkCase } from './exported.ts';

/** The issue's: logits equal to 1e-4 of the largest. */
const TOLERANCE = 1e-4;

interface Loaded {
  readonly logits: readonly number[];
  /** Parameters that no gradient reaches in training. */
  readonly idle: readonly string[];
  readonly state: readonly string[];
  readonly modules: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

export interface Written {
  readonly id: string;
  readonly file: string;
  readonly graph: Graph;
  readonly weights: Weights;
}

const written = async (folder: string, id: string, saved: string): Promise<Written> => {
  const model = await openModel({ model: saved });
  const file = path.join(folder, `${id}.pth`);
  await exportModel(model, 'module', file);
  writeFileSync(path.join(folder, `${id}.input`), imageOf(model.graph));
  return { id, file, graph: model.graph, weights: await model.weights() };
};

/** A network of the zoo, pruned, saved and written as the module of its name. */
export async function writeNamed(folder: string, id: string, network: NetworkCase): Promise<Written> {
  const { graph, weights } = await makeNetwork(network);
  const saved = path.join(folder, `${id}.safetensors`);
  await saveModel(saved, graph, weights, EMPTY_RECORD);
  return written(folder, id, saved);
}

/** A pickled module, pruned, saved and written as the classes that it came as. */
export async function writePickled(
  folder: string,
  id: string,
  source: string,
  {
    inputSize,
    removed = [],
    ...options
  }: Partial<PlanOptions> & { inputSize?: number; removed?: readonly string[] } = {},
): Promise<Written> {
  const model = await openModel({ model: source, ...(inputSize !== undefined && { inputSize }) });
  const groups = couple(model.graph);
  const weights = await model.weights();
  const scores = await scoreGroups(groups, weights, { criterion: 'random', seed: 1 });
  const planned = compilePlanner(groups, scores).plan({ ratio: 0.5, roundTo: 2, ...options });
  const plan = removed.length ? { ...planned, blocks: { stage: '', removed, kept: [], why: 'test' } } : planned;
  const pruned = prune(model.graph, weights, plan, groups);
  const saved = path.join(folder, `${id}.safetensors`);
  const base = { macs: 1, macsTrue: 1, params: 1 };
  const record = withStep(model.record, base, { step: 'pruned', summary: 'test', kept: keptOfPlan(plan) });
  await saveModel(saved, pruned.graph, pruned.weights, record);
  return written(folder, id, saved);
}

/** Asserts what PyTorch makes of the files, and what opens here of those and of what PyTorch saves again. */
export async function checkModules(folder: string, networks: readonly Written[]): Promise<Record<string, Loaded>> {
  const ids = networks.map(({ id }) => id);
  const loaded = runPython<Record<string, Loaded>>('engine/export/pickled_modules.py', 'load', folder, ...ids);
  for (const { id, file, graph, weights } of networks) {
    const expected = await logitsOf(graph, weights);
    const { logits, idle } = loaded[id];
    assert.equal(logits.length, expected.length, id);
    const difference = relativeDifference(logits, expected);
    assert.ok(difference <= TOLERANCE, `${id}: PyTorch's logits differ by ${difference.toExponential(1)}`);
    assert.deepEqual(idle, [], `${id}: parameters without a gradient`);
    for (const again of [file, path.join(folder, `${id}.again.pth`)]) {
      const model = await openModel({ model: again, inputSize: graph.input.height });
      assert.equal(model.graph.family, graph.family, again);
      const read = await model.weights();
      for (const [name, tensor] of weights) {
        assert.deepEqual(read.get(name)?.shape, tensor.shape, `${again}: ${name}`);
        assert.deepEqual(read.get(name)?.data, tensor.data, `${again}: ${name}`);
      }
      // The file holds its Graph; what PyTorch saves again is recognised by its classes and their attributes alone.
      if (again === file) continue;
      const reopened = relativeDifference(await logitsOf(model.graph, read), expected);
      assert.ok(reopened <= TOLERANCE, `${again}: logits differ by ${reopened.toExponential(1)}`);
    }
  }
  return loaded;
}
