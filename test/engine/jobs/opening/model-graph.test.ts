/** Saved networks opened for another image size or with other drop rates. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { buildModel } from '../../../../src/engine/architectures/registry.ts';
import { type Graph, nodesById } from '../../../../src/engine/graph/graph.ts';
import { type ModelRequest, openModel, saveModel } from '../../../../src/engine/jobs/opening/model.ts';
import { EMPTY_RECORD } from '../../../../src/engine/jobs/record.ts';
import { initialiseWeights } from '../../../../src/engine/training/initialise.ts';
import { workFolder } from '../../training/tiny.ts';

const work = workFolder();

async function saved(name: string, options: Parameters<typeof buildModel>[1]): Promise<string> {
  const graph = buildModel(name, options) as Graph;
  const file = path.join(work, `${name}.safetensors`);
  await saveModel(file, graph, initialiseWeights(graph, 0), EMPTY_RECORD);
  return file;
}

const rates = (graph: Graph, kind: 'dropPath' | 'dropout'): number[] =>
  graph.nodes.flatMap((node) => (node.kind === kind ? [(node.attributes as { probability: number }).probability] : []));

async function open(model: string, changes: Omit<ModelRequest, 'model'> = {}): Promise<Graph> {
  return (await openModel({ model, ...changes })).graph;
}

test('drop rates of a saved network can be set, and those not asked for stay', async () => {
  const file = await saved('convnext_tiny', { classes: 7, inputSize: 64, dropPath: 0.3, dropout: 0.2 });
  const original = await open(file);
  assert.ok(Math.abs(Math.max(...rates(original, 'dropPath')) - 0.3) < 1e-12);
  assert.deepEqual(rates(original, 'dropout'), [0.2]);

  const calmer = await open(file, { dropPath: 0.1 });
  assert.ok(Math.abs(Math.max(...rates(calmer, 'dropPath')) - 0.1) < 1e-12);
  assert.deepEqual(rates(calmer, 'dropout'), [0.2]);
  assert.deepEqual([calmer.input, calmer.classes], [original.input, 7]);

  const none = await open(file, { dropPath: 0, dropout: 0 });
  assert.deepEqual([rates(none, 'dropPath'), rates(none, 'dropout')], [[], []]);

  const larger = await open(file, { inputSize: 96 });
  assert.deepEqual(rates(larger, 'dropPath'), rates(original, 'dropPath'));
  assert.equal(larger.input.height, 96);
});

test('pruned widths stay when a network is built anew', async () => {
  const dense = buildModel('resnet20') as Graph;
  const shapes = new Map(dense.parameters.map(({ name, shape }) => [name, shape]));
  for (const [name, shape] of [
    ['layer1.0.conv1.weight', [9, 16, 3, 3]],
    ['layer1.0.bn1.weight', [9]],
    ['layer1.0.conv2.weight', [16, 9, 3, 3]],
  ] as const)
    shapes.set(name, shape);
  const file = await saved('resnet20', { shapes: (name) => shapes.get(name) });
  const again = await open(file, { inputSize: 48 });
  const widths = (graph: Graph): string => JSON.stringify(graph.parameters.map(({ shape }) => shape));
  assert.equal(widths(again), widths(await open(file)));
  assert.notEqual(widths(again), widths(dense));
  assert.equal(nodesById(again).get('layer1.0.conv1')?.kind, 'conv');
});

test('a network that its family does not build is refused with what was asked', async () => {
  const graph = { ...(buildModel('resnet20') as Graph), name: 'something-imported' };
  const file = path.join(work, 'imported.safetensors');
  await saveModel(file, graph, initialiseWeights(graph, 0), EMPTY_RECORD);
  assert.equal((await open(file)).name, 'something-imported');
  await assert.rejects(
    open(file, { inputSize: 64 }),
    /imported\.safetensors: something-imported cannot be built anew with inputSize 64/,
  );
});
